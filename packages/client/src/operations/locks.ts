/** BSD and POSIX locks (spec 10 §8). Requests that have to wait are answered when they are granted, however long it takes. */
import {
  CLTOMA_FUSE_FLOCK,
  CLTOMA_FUSE_POSIX_LOCK,
  MATOCL_FUSE_FLOCK,
  MATOCL_FUSE_POSIX_LOCK,
  PosixLockCommand,
} from '@alces/proto';
import type { MasterLink } from '../contracts.ts';
import type { LockRange } from '../types.ts';

export interface FlockRequest {
  readonly inode: number;
  /** Unique per waiting call; INTERRUPT names the call to end with it. */
  readonly requestId: number;
  /** The kernel's 64-bit lock owner. */
  readonly owner: bigint;
  /** `FlockCommand`. */
  readonly command: number;
}

export async function flock(link: MasterLink, { inode, requestId, owner, command }: FlockRequest): Promise<void> {
  await link.request(CLTOMA_FUSE_FLOCK, MATOCL_FUSE_FLOCK, { inode, reqid: requestId, owner, cmd: command });
}

export interface PosixLockRequest extends FlockRequest {
  readonly pid: number;
  /** `PosixLockType`. */
  readonly type: number;
  /** Half open [start, end). */
  readonly start: bigint;
  readonly end: bigint;
}

/** `command`: `PosixLockCommand`. GET resolves with the lock in the way, or undefined. */
export async function posixLock(link: MasterLink, request: PosixLockRequest): Promise<LockRange | undefined> {
  const { inode, requestId, owner, command, pid, type, start, end } = request;
  const fields = { inode, reqid: requestId, owner, pid, cmd: command, type, start, end };
  if (command !== PosixLockCommand.GET) {
    await link.request(CLTOMA_FUSE_POSIX_LOCK, MATOCL_FUSE_POSIX_LOCK, fields, 'status');
    return undefined;
  }
  const found = await link.request(CLTOMA_FUSE_POSIX_LOCK, MATOCL_FUSE_POSIX_LOCK, fields);
  if (found.type === 0) return undefined;
  return { pid: found.pid, type: found.type, start: found.start, end: found.end };
}
