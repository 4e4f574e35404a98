import type { State } from '../state.ts';
import type { RecordHasher } from './hasher.ts';
import { ROWS_PER_STEP } from './tree.ts';

/** What stands in no table: the identity and the next numbers. */
export function* hashCounters(state: State, hasher: RecordHasher): Generator<void, void, void> {
  hasher.begin();
  hasher.big(state.metaid);
  hasher.u32(state.maxinode);
  hasher.big(state.nextedgeid);
  hasher.integer(state.nextchunkid);
  hasher.u32(state.nextsessionid);
  hasher.end();
  yield;
}

/** `now`: locks of chunks that ended before count as none, for images do not store them. */
export function* hashChunkTable({ chunks }: State, hasher: RecordHasher, now: number): Generator<void, void, void> {
  for (let row = 1; row < chunks.rowLimit; row++) {
    if (row % ROWS_PER_STEP === 0) yield;
    const id = chunks.id.get(row);
    if (id === 0) continue;
    const lockedTo = chunks.lockedTo.get(row);
    hasher.begin();
    hasher.integer(id);
    hasher.u32(chunks.version.get(row));
    hasher.u32(lockedTo < now ? 0 : lockedTo);
    hasher.u32(chunks.archive.get(row));
    hasher.end();
  }
}

export function* hashQuotas({ quotas }: State, hasher: RecordHasher): Generator<void, void, void> {
  for (const [inode, quota] of quotas) {
    hasher.begin();
    for (const value of [inode, quota.graceperiod, quota.exceeded, quota.flags, quota.stimestamp]) hasher.u32(value);
    hasher.u32(quota.sinodes);
    hasher.u32(quota.hinodes);
    const { slength, hlength, ssize, hsize, srealsize, hrealsize } = quota;
    for (const limit of [slength, hlength, ssize, hsize, srealsize, hrealsize]) hasher.big(limit);
    hasher.end();
    yield;
  }
}

export function* hashOpenFiles({ openFiles }: State, hasher: RecordHasher): Generator<void, void, void> {
  let work = 0;
  for (const { session, inode } of openFiles.pairs()) {
    hasher.begin();
    hasher.u32(session);
    hasher.u32(inode);
    hasher.end();
    if (++work % ROWS_PER_STEP === 0) yield;
  }
}

export function* hashFlocks({ flocks }: State, hasher: RecordHasher): Generator<void, void, void> {
  for (const [inode, locks] of flocks) {
    for (const { session, owner, exclusive } of locks) {
      hasher.begin();
      hasher.u32(inode);
      hasher.u32(session);
      hasher.big(owner);
      hasher.u32(exclusive ? 1 : 0);
      hasher.end();
    }
    yield;
  }
}

export function* hashPosixLocks({ posixLocks }: State, hasher: RecordHasher): Generator<void, void, void> {
  for (const [inode, owners] of posixLocks) {
    for (const { session, owner, pid, ranges } of owners) {
      hasher.begin();
      hasher.u32(inode);
      hasher.u32(session);
      hasher.big(owner);
      hasher.u32(pid);
      for (const { start, end, write } of ranges) {
        hasher.big(start);
        hasher.big(end);
        hasher.u32(write ? 1 : 0);
      }
      hasher.end();
    }
    yield;
  }
}

/** Without operation counters and the time of disconnection, which a master changes without a line (spec 51 §5). */
export function* hashSessions({ sessions }: State, hasher: RecordHasher): Generator<void, void, void> {
  for (const session of sessions.values()) {
    const { rootuid, rootgid, mapalluid, mapallgid, mingoal, maxgoal, mintrashtime, maxtrashtime } = session;
    hasher.begin();
    hasher.u32(session.sessionid);
    hasher.big(session.exportscsum);
    for (const value of [session.rootinode, session.sesflags, session.umask, session.disables, session.peerip]) {
      hasher.u32(value);
    }
    for (const value of [rootuid, rootgid, mapalluid, mapallgid]) hasher.u32(value);
    for (const value of [mingoal, maxgoal, mintrashtime, maxtrashtime]) hasher.u32(value);
    hasher.bytes(session.info);
    hasher.end();
    yield;
  }
}

export function* hashStorageClasses({ storageClasses }: State, hasher: RecordHasher): Generator<void, void, void> {
  for (const [id, definition] of storageClasses.entries()) {
    hasher.begin();
    hasher.u32(id);
    hasher.bytes(definition.name);
    for (const value of [definition.adminonly, definition.mode, definition.archdelay]) hasher.u32(value);
    for (const masks of [definition.createMasks, definition.keepMasks, definition.archMasks]) {
      hasher.u32(masks.length);
      for (const mask of masks) hasher.u32(mask);
    }
    hasher.end();
    yield;
  }
}

export function* hashChunkservers({ chunkservers }: State, hasher: RecordHasher): Generator<void, void, void> {
  for (const { ip, port, csid, maintenance, maintenanceTimeout } of chunkservers.records) {
    hasher.begin();
    for (const value of [ip, port, csid, maintenance, maintenanceTimeout]) hasher.u32(value);
    hasher.end();
  }
  yield;
}
