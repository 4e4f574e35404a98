/** Sessions, open files and locks into the tables (spec 50 §3.1, §3.9-3.11). */
import type { State } from '../../state.ts';
import type { LockRange, PosixOwner } from '../../tables/locks.ts';
import { newSession } from '../../tables/sessions.ts';
import type { FlockRecord, ImageSink, PosixLockRecord, SessionRecord } from '../records.ts';
import type { LoadHost } from './host.ts';

const LOCK_WRITE = 2;

type SessionSink = Pick<ImageSink, 'sessions' | 'session' | 'openFile' | 'flock' | 'posixLock'>;

function loadSession(state: State, record: SessionRecord, now: number): void {
  const session = newSession(record.sessionId, {
    exportscsum: record.exportsChecksum,
    rootinode: record.rootInode,
    sesflags: record.flags,
    umask: record.umask,
    rootuid: record.rootUid,
    rootgid: record.rootGid,
    mapalluid: record.mapAllUid,
    mapallgid: record.mapAllGid,
    mingoal: record.minGoal,
    maxgoal: record.maxGoal,
    mintrashtime: record.minTrashTime,
    maxtrashtime: record.maxTrashTime,
    disables: record.disables,
    peerip: record.peerIp,
    info: record.info,
  });
  session.disconnected = record.disconnected ?? now;
  session.currentStats.set(record.currentHour);
  session.lastHourStats.set(record.lastHour);
  state.sessions.set(record.sessionId, session);
}

function loadFlock(state: State, record: FlockRecord, host: LoadHost): void {
  const { inode, sessionId, owner } = record;
  const exclusive = record.type !== 0;
  const present = state.flocks.get(inode) ?? [];
  if (!state.openFiles.has(sessionId, inode)) {
    host.tolerate(`lock on closed file !!! (inode ${inode}, session ${sessionId})`);
  } else if (present.length > 0 && (exclusive || present.some((lock) => lock.exclusive))) {
    host.tolerate(`wrong lock: conflicting flock locks on inode ${inode}`);
  } else {
    state.flocks.set(inode, [...present, { session: sessionId, owner, exclusive }]);
  }
}

/** Why a range cannot follow the owner's present ones. */
function rangeProblem(record: PosixLockRecord, last: LockRange | undefined): string | undefined {
  if (record.start >= record.end) return 'empty range';
  if (last === undefined) return undefined;
  if (record.start < last.end) return 'ranges overlap or are out of order';
  const sameType = last.write === (record.type === LOCK_WRITE);
  return record.start === last.end && sameType ? 'touching ranges of one type' : undefined;
}

function loadPosixLock(state: State, record: PosixLockRecord, host: LoadHost): void {
  const { inode, sessionId, owner, pid, start, end } = record;
  if (!state.openFiles.has(sessionId, inode)) {
    host.tolerate(`lock on closed file !!! (inode ${inode}, session ${sessionId})`);
    return;
  }
  const owners = state.posixLocks.get(inode) ?? [];
  const known = owners.find((present) => present.session === sessionId && present.owner === owner);
  const problem = rangeProblem(record, known?.ranges.at(-1));
  if (problem !== undefined) {
    host.tolerate(`wrong lock: ${problem} (inode ${inode}, session ${sessionId})`);
    return;
  }
  const range = { start, end, write: record.type === LOCK_WRITE };
  if (known !== undefined) {
    known.ranges.push(range);
    return;
  }
  const added: PosixOwner = { session: sessionId, owner, pid, ranges: [range] };
  state.posixLocks.set(inode, [...owners, added]);
}

export function sessionSink(state: State, host: LoadHost): SessionSink {
  return {
    sessions(nextSessionId) {
      state.nextsessionid = nextSessionId;
    },
    session: (record) => loadSession(state, record, host.now),
    openFile(sessionId, inode) {
      if (!state.sessions.has(sessionId) || state.openFiles.has(sessionId, inode)) return;
      state.openFiles.add(sessionId, inode);
    },
    flock: (record) => loadFlock(state, record, host),
    posixLock: (record) => loadPosixLock(state, record, host),
  };
}
