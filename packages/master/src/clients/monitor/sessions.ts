import { SESSION_COUNTERS, type State } from '@alces/metadata';
import {
  CLTOMA_EXPORTS_INFO,
  CLTOMA_LIST_ACQUIRED_LOCKS,
  CLTOMA_LIST_OPEN_FILES,
  CLTOMA_SESSION_COMMAND,
  CLTOMA_SESSION_LIST,
  type FieldsOf,
  MATOCL_EXPORTS_INFO,
  MATOCL_LIST_ACQUIRED_LOCKS,
  MATOCL_LIST_OPEN_FILES,
  MATOCL_SESSION_COMMAND,
  MATOCL_SESSION_LIST,
  Status,
} from '@alces/proto';
import type { Core } from '../../core.ts';
import type { ExportRecord } from '../../exports/record.ts';
import { disconnectedSince } from '../../sessions/openFiles.ts';
import type { LiveSession } from '../../sessions/registry.ts';
import type { DispatchTable } from '../dispatch.ts';
import { sessionRootPath } from '../paths.ts';
import { MONITORS } from './sources.ts';

type SessionRecord = Extract<FieldsOf<typeof MATOCL_SESSION_LIST>, { layout: 'vmode4' }>['sessions'][number];
type LockRecord = Extract<FieldsOf<typeof MATOCL_LIST_ACQUIRED_LOCKS>, { layout: 'all' }>['locks'][number];

const NEVER_EXPIRES = 0xffffffff;
const COMMAND_REMOVE = 0;
const VERSION_WITH_EVERYTHING = 4;

/** Registers the messages about sessions, exports, open files and locks (spec 70 §3.3, 3.8, 3.11, 3.13, 3.14). */
export function addSessionMessages(
  table: DispatchTable,
  core: Core,
  removeSession: (session: LiveSession) => void,
): void {
  table.on(CLTOMA_SESSION_LIST, MONITORS, (client, { vmode = 0 }) => {
    const mode = Math.min(vmode, VERSION_WITH_EVERYTHING);
    const listed = [...core.sessions.all()].filter((session) => mode >= 2 || session.connections.size > 0);
    const sessions = listed.map((session) => sessionRecord(core, session, mode));
    client.send(MATOCL_SESSION_LIST, {
      layout: `vmode${mode as 0 | 1 | 2 | 3 | 4}`,
      stats: SESSION_COUNTERS,
      sessions,
    });
  });
  table.on(CLTOMA_EXPORTS_INFO, MONITORS, (client, { vmode = 0 }) => {
    const mode = Math.min(vmode, 3) as 0 | 1 | 2 | 3;
    client.send(MATOCL_EXPORTS_INFO, { layout: `vmode${mode}`, exports: core.exports.records.map(exportRecord) });
  });
  table.on(CLTOMA_SESSION_COMMAND, MONITORS, (client, { cmd, sessionId }) => {
    const session = core.sessions.find(sessionId);
    const status = commandStatus(cmd, session);
    if (status === Status.OK) removeSession(session!);
    client.send(MATOCL_SESSION_COMMAND, { status });
  });
  table.on(CLTOMA_LIST_OPEN_FILES, MONITORS, (client, { msgid, sessionId }) => {
    if (sessionId !== 0) {
      const inodes = core.state.openFiles.inodesOf(sessionId);
      client.send(
        MATOCL_LIST_OPEN_FILES,
        msgid === undefined ? { layout: 'session', inodes } : { layout: 'sessionMsgid', msgid, inodes },
      );
      return;
    }
    const files = [...core.state.openFiles.pairs()].map(({ session, inode }) => ({ sessionId: session, inode }));
    client.send(
      MATOCL_LIST_OPEN_FILES,
      msgid === undefined ? { layout: 'all', files } : { layout: 'allMsgid', msgid, files },
    );
  });
  table.on(CLTOMA_LIST_ACQUIRED_LOCKS, MONITORS, (client, { msgid, inode }) => {
    const locks = acquiredLocks(core.state, inode);
    if (inode === 0)
      client.send(
        MATOCL_LIST_ACQUIRED_LOCKS,
        msgid === undefined ? { layout: 'all', locks } : { layout: 'allMsgid', msgid, locks },
      );
    else
      client.send(
        MATOCL_LIST_ACQUIRED_LOCKS,
        msgid === undefined ? { layout: 'inode', locks } : { layout: 'inodeMsgid', msgid, locks },
      );
  });
}

function commandStatus(cmd: number, session: LiveSession | undefined): number {
  if (cmd !== COMMAND_REMOVE) return Status.EINVAL;
  if (!session) return Status.NOTFOUND;
  return session.connections.size > 0 ? Status.ACTIVE : Status.OK;
}

/** Seconds until the session is removed for want of a connection. */
function expiry(core: Core, session: LiveSession): number {
  if (session.connections.size > 0) return NEVER_EXPIRES;
  if (session.closed) return 0;
  return Math.max(0, disconnectedSince(core, session) + core.config.sessionSustainSeconds - core.clock.unixSeconds());
}

function sessionRecord(core: Core, session: LiveSession, mode: number): SessionRecord {
  const stored = core.sessions.stored(session.id);
  return {
    sessionId: session.id,
    ip: session.lastIp === 0 && mode >= 2 ? stored.peerip : session.lastIp,
    version: session.lastVersion,
    openFiles: core.state.openFiles.sessionCount(session.id),
    nsocks: Math.min(session.connections.size, 255),
    expire: expiry(core, session),
    info: stored.info,
    path: sessionRootPath(core.state, stored.rootinode),
    sesflags: stored.sesflags,
    umask: stored.umask,
    rootUid: stored.rootuid,
    rootGid: stored.rootgid,
    mapallUid: stored.mapalluid,
    mapallGid: stored.mapallgid,
    minGoal: stored.mingoal,
    maxGoal: stored.maxgoal,
    minTrashTime: stored.mintrashtime,
    maxTrashTime: stored.maxtrashtime,
    disables: stored.disables,
    current: [...stored.currentStats],
    last: [...stored.lastHourStats],
  };
}

const EXTRA_ALLDIRS = 1;
const EXTRA_PASSWORD = 2;

function exportRecord(record: ExportRecord) {
  return {
    fromIp: record.fromIp,
    toIp: record.toIp,
    path: record.meta ? Buffer.from('.') : Buffer.concat([Buffer.from('/'), record.path]),
    minVersion: record.minVersion,
    extraFlags: (record.alldirs ? EXTRA_ALLDIRS : 0) | (record.passwordMd5 ? EXTRA_PASSWORD : 0),
    sesflags: record.sesflags,
    umask: record.umask,
    rootUid: record.rootUid,
    rootGid: record.rootGid,
    mapallUid: record.mapallUid,
    mapallGid: record.mapallGid,
    minGoal: record.minGoal,
    maxGoal: record.maxGoal,
    minTrashTime: record.minTrashSeconds,
    maxTrashTime: record.maxTrashSeconds,
    disables: record.disables,
  };
}

const READ_LOCK = 1;
const WRITE_LOCK = 2;

/** All POSIX locks, then all flocks, of one inode or (0) of all. */
function acquiredLocks(state: State, wanted: number): LockRecord[] {
  const locks: LockRecord[] = [];
  for (const [inode, owners] of state.posixLocks) {
    if (wanted !== 0 && inode !== wanted) continue;
    for (const { session, owner, pid, ranges } of owners)
      for (const { start, end, write } of ranges)
        locks.push({ inode, sessionId: session, owner, pid, start, end, type: write ? WRITE_LOCK : READ_LOCK });
  }
  for (const [inode, holders] of state.flocks) {
    if (wanted !== 0 && inode !== wanted) continue;
    for (const { session, owner, exclusive } of holders)
      locks.push({
        inode,
        sessionId: session,
        owner,
        pid: 0,
        start: 0n,
        end: 0n,
        type: exclusive ? WRITE_LOCK : READ_LOCK,
      });
  }
  return locks;
}
