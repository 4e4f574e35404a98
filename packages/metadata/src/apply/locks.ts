import { Status } from '@alces/proto';
import type { FlockOperation, PosixlockOperation } from '../operations.ts';
import type { State } from '../state.ts';
import type { FlockLock, PosixOwner } from '../tables/locks.ts';
import { addRange, conflictingOwner, removeRange } from '../tree/lockRanges.ts';
import type { ApplyMode, Handlers } from './common.ts';

const READ_LETTERS = 'RrSs';
const WRITE_LETTERS = 'WwEe';
const UNLOCK_LETTERS = 'Uu';

/** What the letter of a lock entry means; undefined for an unknown letter. */
function decodeLetter(letter: string): 'read' | 'write' | 'unlock' | undefined {
  if (letter.length !== 1) {
    return undefined;
  }
  if (UNLOCK_LETTERS.includes(letter)) {
    return 'unlock';
  }
  if (READ_LETTERS.includes(letter)) {
    return 'read';
  }
  return WRITE_LETTERS.includes(letter) ? 'write' : undefined;
}

/**
 * Drops all locks of a session on an inode; returns how many flocks were among them.
 */
export function dropLocks(state: State, session: number, inode: number): number {
  const posix = state.posixLocks.get(inode);
  if (posix !== undefined) {
    store(
      state.posixLocks,
      inode,
      posix.filter((owner) => owner.session !== session),
    );
  }
  const flocks = state.flocks.get(inode);
  if (flocks === undefined) {
    return 0;
  }
  const kept = flocks.filter((lock) => lock.session !== session);
  store(state.flocks, inode, kept);
  return flocks.length - kept.length;
}

/** Drops the locks of a session on inodes that it does not even have open. */
export function dropAllLocks(state: State, session: number): void {
  for (const table of [state.posixLocks, state.flocks]) {
    for (const [inode, locks] of table) {
      if (locks.some((lock) => lock.session === session)) {
        dropLocks(state, session, inode);
      }
    }
  }
}

function store<T>(table: Map<number, T[]>, inode: number, list: T[]): void {
  if (list.length === 0) {
    table.delete(inode);
  } else {
    table.set(inode, list);
  }
}

function flock(state: State, _now: number, op: FlockOperation, mode: ApplyMode): number {
  const kind = decodeLetter(op.c);
  const locks = state.flocks.get(op.inode) ?? [];
  if (kind === undefined) {
    return Status.EINVAL;
  }
  if (kind === 'unlock') {
    return flockUnlock(state, op, locks, mode);
  }
  const exclusive = kind === 'write';
  const conflicts = locks.filter((lock) => exclusive || lock.exclusive);
  if (conflicts.length > 0 && !tolerateConversion(state, op, exclusive, conflicts, mode)) {
    return Status.MISMATCH;
  }
  const own = locks.find((lock) => isOwnedBy(lock, op));
  if (own === undefined) {
    state.flocks.set(op.inode, [...locks, { session: op.sessionid, owner: op.owner, exclusive }]);
  } else {
    own.exclusive = exclusive;
  }
  return Status.OK;
}

/** Stock masters do not log conversions in place (spec 51, section 7.3): take them as done. */
function tolerateConversion(
  state: State,
  op: FlockOperation,
  exclusive: boolean,
  conflicts: FlockLock[],
  mode: ApplyMode,
): boolean {
  const others = conflicts.filter((lock) => !isOwnedBy(lock, op));
  if (mode !== 'replay' || (exclusive && others.length > 0)) {
    return false;
  }
  for (const lock of others) {
    lock.exclusive = false;
  }
  state.observer.deviation('FLOCK', `inode ${op.inode}: a lock was converted without an entry`);
  return true;
}

function isOwnedBy(lock: { session: number; owner: bigint }, op: { sessionid: number; owner: bigint }): boolean {
  return lock.session === op.sessionid && lock.owner === op.owner;
}

function flockUnlock(state: State, op: FlockOperation, locks: FlockLock[], mode: ApplyMode): number {
  if (locks.length === 0) {
    return Status.MISMATCH;
  }
  const kept = locks.filter((lock) => !isOwnedBy(lock, op));
  store(state.flocks, op.inode, kept);
  // the stock replayer counts one version per lock removed
  state.metaversion += mode === 'strict' ? locks.length - kept.length - 1 : 0;
  return Status.OK;
}

function posixlock(state: State, _now: number, op: PosixlockOperation, mode: ApplyMode): number {
  const kind = decodeLetter(op.c);
  if (kind === undefined) {
    return Status.EINVAL;
  }
  const owners = state.posixLocks.get(op.inode) ?? [];
  if (kind === 'unlock') {
    return owners.length === 0 ? Status.MISMATCH : posixUnlock(state, op, owners);
  }
  const write = kind === 'write';
  if (conflictingOwner(owners, op.sessionid, op.owner, op.start, op.end, write) !== undefined) {
    if (mode !== 'replay') {
      return Status.MISMATCH;
    }
    state.observer.deviation('POSIXLOCK', `inode ${op.inode}: conflicts with a lock of a vanishing session`);
  }
  if (op.start >= op.end) {
    return Status.OK;
  }
  const range = { start: op.start, end: op.end, write };
  const own = owners.find((owner) => isOwnedBy(owner, op));
  if (own === undefined) {
    const owner = { session: op.sessionid, owner: op.owner, pid: op.pid, ranges: [range] };
    state.posixLocks.set(op.inode, [...owners, owner]);
  } else {
    own.ranges = addRange(own.ranges, range);
  }
  return Status.OK;
}

function posixUnlock(state: State, op: PosixlockOperation, owners: PosixOwner[]): number {
  const own = owners.find((owner) => isOwnedBy(owner, op));
  if (own !== undefined) {
    own.ranges = removeRange(own.ranges, op.start, op.end);
    store(
      state.posixLocks,
      op.inode,
      owners.filter((owner) => owner.ranges.length > 0),
    );
  }
  return Status.OK;
}

export const lockHandlers: Handlers<'FLOCK' | 'POSIXLOCK'> = {
  FLOCK: flock,
  POSIXLOCK: posixlock,
};
