/** A granted flock (spec 50, section 3.10). */
export interface FlockLock {
  readonly session: number;
  readonly owner: bigint;
  exclusive: boolean;
}

/** A locked byte range of one owner. */
export interface LockRange {
  readonly start: bigint;
  /** Exclusive; 2^64-1 = to the end. */
  readonly end: bigint;
  readonly write: boolean;
}

/** The POSIX locks of one owner on one inode. */
export interface PosixOwner {
  readonly session: number;
  readonly owner: bigint;
  /** Process id of the owner's first lock. */
  readonly pid: number;
  /** Ascending, not overlapping, touching ranges of one type merged. Never empty. */
  ranges: LockRange[];
}

/** Granted flock locks by inode; an inode without locks has no entry. */
export class FlockTable extends Map<number, FlockLock[]> {}

/** Granted POSIX locks by inode; owners in the order in which they got their first lock. */
export class PosixLockTable extends Map<number, PosixOwner[]> {}
