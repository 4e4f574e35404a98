import { MATOCL_FUSE_FLOCK, MATOCL_FUSE_POSIX_LOCK } from '@alces/proto';
import { ClientKind } from '../clients/client.ts';
import type { Core } from '../core.ts';
import { Flocks } from './flock.ts';
import type { LockHost } from './lockHost.ts';
import { PosixLocks } from './posixLocks.ts';

/** Both kinds of locks. */
export interface Locks {
  readonly flocks: Flocks;
  readonly posix: PosixLocks;
}

/** The lock queues of a master. Late answers go to any mount connection of the waiting session. */
export function createLocks(core: Core): Locks {
  const host = (type: number): LockHost => ({
    state: core.state,
    commit: (operation, now) => core.commit(operation, now),
    answer(sessionId, msgid, status) {
      const connections = [...(core.sessions.find(sessionId)?.connections ?? [])];
      connections.find((client) => client.kind === ClientKind.mount)?.sendStatus(type, msgid, status);
    },
  });
  return {
    flocks: new Flocks(host(MATOCL_FUSE_FLOCK.number)),
    posix: new PosixLocks(host(MATOCL_FUSE_POSIX_LOCK.number)),
  };
}

/** The session does not have the inode open any more: waiting requests and locks go (spec 10 §8.3). */
export function releaseLocks({ flocks, posix }: Locks, sessionId: number, inode: number, now: number): void {
  flocks.release(sessionId, inode, now);
  posix.release(sessionId, inode, now);
}

/** All inodes on which the session holds a lock or waits for one. */
export function lockedInodes({ flocks, posix }: Locks, core: Core, sessionId: number): Set<number> {
  const inodes = new Set([...flocks.waitingInodes(sessionId), ...posix.waitingInodes(sessionId)]);
  const { flocks: heldFlocks, posixLocks } = core.state;
  for (const [inode, holders] of heldFlocks)
    if (holders.some(({ session }) => session === sessionId)) inodes.add(inode);
  for (const [inode, holders] of posixLocks)
    if (holders.some(({ session }) => session === sessionId)) inodes.add(inode);
  return inodes;
}
