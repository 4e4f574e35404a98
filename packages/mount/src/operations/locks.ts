import { MfsError, ops } from '@alces/client';
import { type FileLock, type LockRequest, LockType, type Operations, type Request } from '@alces/fuse';
import { FlockCommand, PosixLockCommand, PosixLockType } from '@alces/proto';
import type { MountContext } from '../context.ts';
import { Errno } from '../errors.ts';
import type { OpenFile } from '../openFiles.ts';

/** The kernel's "to the end of the file" (inclusive), and the master's (exclusive). */
const KERNEL_END = 0x7fff_ffff_ffff_ffffn;
const MASTER_END = 0xffff_ffff_ffff_ffffn;
/** A signal is passed on so often until the waiting request is answered: the master may not have queued it yet. */
const INTERRUPT_EVERY_MS = 100;

const POSIX_TYPES: Record<number, number> = {
  [LockType.READ]: PosixLockType.RDLCK,
  [LockType.WRITE]: PosixLockType.WRLCK,
  [LockType.UNLOCK]: PosixLockType.UNLCK,
};
const KERNEL_TYPES = [LockType.UNLOCK, LockType.READ, LockType.WRITE];

/** Identifies waiting lock calls to the master; one counter for both kinds. */
let lastRequestId = 0;

function nextRequestId(): number {
  lastRequestId = (lastRequestId + 1) >>> 0 || 1;
  return lastRequestId;
}

async function lockable({ files }: MountContext, handle: number): Promise<OpenFile | number> {
  const file = files.get(handle);
  if (file === undefined) return Errno.EBADF;
  await file.ready;
  return file.error !== 0 ? file.error : file;
}

/** Runs a request that may wait for long, and tells the master when a signal ends the wait. */
async function interruptible(
  context: MountContext,
  request: Request,
  run: () => Promise<unknown>,
  interrupt: () => Promise<unknown>,
): Promise<number> {
  let stop = (): void => {};
  const tell = (): void => {
    // A failed INTERRUPT is repeated anyway.
    interrupt().catch(() => {});
  };
  request.onInterrupt(() => {
    stop = context.clock.interval(INTERRUPT_EVERY_MS, tell);
    tell();
  });
  try {
    await run();
    return 0;
  } finally {
    stop();
    request.onInterrupt(() => {});
  }
}

function flockCommand(type: number, wait: boolean): number {
  if (type === LockType.UNLOCK) return FlockCommand.UNLOCK;
  if (type === LockType.READ) return wait ? FlockCommand.LOCK_SHARED : FlockCommand.TRY_SHARED;
  return wait ? FlockCommand.LOCK_EXCLUSIVE : FlockCommand.TRY_EXCLUSIVE;
}

async function flock(context: MountContext, request: Request, { handle, owner, lock, wait }: LockRequest) {
  const { session } = context;
  const file = await lockable(context, handle);
  if (typeof file === 'number') return file;
  const { inode } = file;
  if (lock.type === LockType.UNLOCK) await file.io.flush();
  else file.flockOwners.add(owner);
  const requestId = nextRequestId();
  const command = flockCommand(lock.type, wait);
  return interruptible(
    context,
    request,
    () => ops.flock(session, { inode, requestId, owner, command }),
    () => ops.flock(session, { inode, requestId, owner, command: FlockCommand.INTERRUPT }),
  );
}

function masterEnd(end: bigint): bigint {
  return end >= KERNEL_END ? MASTER_END : end + 1n;
}

async function posixLock(context: MountContext, request: Request, { handle, owner, lock, wait }: LockRequest) {
  const { session } = context;
  const file = await lockable(context, handle);
  if (typeof file === 'number') return file;
  const unlocks = lock.type === LockType.UNLOCK;
  if (unlocks) await file.io.flush();
  else file.posixOwners.add(owner);
  const range = { start: lock.start, end: masterEnd(lock.end) };
  const requestId = nextRequestId();
  const common = { inode: file.inode, requestId, owner, pid: lock.pid, type: POSIX_TYPES[lock.type], ...range };
  const command = wait || unlocks ? PosixLockCommand.SET : PosixLockCommand.TRY;
  return interruptible(
    context,
    request,
    () => ops.posixLock(session, { ...common, command }),
    () => ops.posixLock(session, { ...common, command: PosixLockCommand.INT }),
  );
}

async function getlk(context: MountContext, { handle, owner, lock }: LockRequest): Promise<FileLock | number> {
  const file = await lockable(context, handle);
  if (typeof file === 'number') return file;
  const found = await ops.posixLock(context.session, {
    inode: file.inode,
    requestId: 0,
    owner,
    command: PosixLockCommand.GET,
    pid: lock.pid,
    type: POSIX_TYPES[lock.type],
    start: lock.start,
    end: masterEnd(lock.end),
  });
  if (found === undefined) return { start: 0n, end: 0n, type: LockType.UNLOCK, pid: 0 };
  const end = found.end > KERNEL_END ? KERNEL_END : found.end - 1n;
  return { start: found.start, end, type: KERNEL_TYPES[found.type] ?? LockType.WRITE, pid: found.pid };
}

async function unlockAll({ session }: MountContext, inode: number, owner: bigint): Promise<void> {
  const command = PosixLockCommand.SET;
  const range = { type: PosixLockType.UNLCK, start: 0n, end: MASTER_END };
  await ops.posixLock(session, { inode, requestId: 0, owner, command, pid: 0, ...range });
}

/** close(2) of any descriptor drops the closing process's POSIX locks on the file. */
export async function unlockOnClose(context: MountContext, file: OpenFile, owner: bigint): Promise<void> {
  let used = false;
  for (const other of context.files.ofInode(file.inode)) used = other.posixOwners.delete(owner) || used;
  if (used) await unlockAll(context, file.inode, owner);
}

/** Drops what locks are left when an open file ends: those of `flockOwner`, and of owners that the kernel forgot. */
export async function releaseFileLocks(context: MountContext, file: OpenFile, flockOwner?: bigint): Promise<void> {
  const { session } = context;
  const { inode } = file;
  const owners = new Set(file.flockOwners);
  if (flockOwner !== undefined) owners.add(flockOwner);
  try {
    for (const owner of owners) {
      await ops.flock(session, { inode, requestId: 0, owner, command: FlockCommand.RELEASE });
    }
    for (const owner of file.posixOwners) await unlockAll(context, inode, owner);
  } catch (error) {
    // The file ends whatever the master says; locks go with the session at the latest.
    if (!(error instanceof MfsError)) throw error;
  }
}

/** flock(2) and fcntl(2) locks, shared by all mounts (spec 10 §8.4). */
export function lockOperations(context: MountContext): Operations {
  const { mfsnobsdlocks, mfsnoposixlocks } = context.settings.options;
  return {
    getlk: (_request, lock) => (mfsnoposixlocks ? Errno.ENOSYS : getlk(context, lock)),
    setlk: (request, lock) => {
      if (lock.flock) return mfsnobsdlocks ? Errno.ENOSYS : flock(context, request, lock);
      return mfsnoposixlocks ? Errno.ENOSYS : posixLock(context, request, lock);
    },
  };
}
