import { compareOpenFiles } from '@alces/metadata';
import type { Core } from '../core.ts';
import { type Locks, lockedInodes, releaseLocks } from '../locks/locks.ts';
import type { LiveSession } from './registry.ts';

/** The session has the inode open from now on. */
export function acquire(core: Core, sessionid: number, inode: number, now: number): void {
  if (!core.state.openFiles.has(sessionid, inode)) core.commit({ op: 'ACQUIRE', sessionid, inode }, now);
}

/**
 * The session tells all inodes that it uses (spec 00 §6.8): those not in the list are released, with their locks, then new ones are
 * acquired, whether they exist or not.
 */
export function setOpenInodes(
  core: Core,
  locks: Locks,
  sessionid: number,
  inodes: readonly number[],
  now: number,
): void {
  const { closed, opened } = compareOpenFiles(core.state, sessionid, inodes);
  for (const inode of closed) {
    releaseLocks(locks, sessionid, inode, now);
    core.commit({ op: 'RELEASE', sessionid, inode }, now);
  }
  for (const inode of opened) core.commit({ op: 'ACQUIRE', sessionid, inode }, now);
}

/** Removes a session without connections: its locks and open files go with it (spec 00 §4.10). */
export function removeSession(core: Core, locks: Locks, session: LiveSession, now: number): void {
  for (const inode of lockedInodes(locks, core, session.id)) releaseLocks(locks, session.id, inode, now);
  core.commit({ op: 'SESDEL', sessionid: session.id }, now);
  core.sessions.forget(session.id);
  core.log.info(`remove session: ${session.id}`);
}

/**
 * When the session lost its last connection. One that was connected when the master stopped counts from the start: unlike in the
 * stock master, it has its whole sustain time to come back (decision 0070).
 */
export function disconnectedSince(core: Core, session: LiveSession): number {
  return core.sessions.stored(session.id).disconnected || core.startedAt;
}

/** Sessions are not removed for so long after the start: their clients may not have found the way back yet. */
const GRACE_SECONDS = 120;

/** Removes closed sessions and those that have been without a connection for too long. */
export function removeExpiredSessions(core: Core, locks: Locks, now: number): void {
  if (now < core.startedAt + GRACE_SECONDS) return;
  for (const session of [...core.sessions.all()]) {
    if (session.connections.size > 0) continue;
    if (session.closed || disconnectedSince(core, session) + core.config.sessionSustainSeconds < now)
      removeSession(core, locks, session, now);
  }
}
