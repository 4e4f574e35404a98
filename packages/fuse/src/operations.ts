import type { DirectoryList } from './directory.ts';
import type { Request } from './request.ts';
import type {
  AttrReply,
  CopyRangeRequest,
  CreateReply,
  Entry,
  FileLock,
  IoctlReply,
  IoctlRequest,
  LockRequest,
  MakeRequest,
  OpenReply,
  ReadRequest,
  RenameRequest,
  SetattrRequest,
  StatfsReply,
  WriteRequest,
  XattrSize,
} from './types.ts';

/**
 * What an operation answers: its value or an errno (a positive number; 0 is success for operations without a value), now or
 * later. A rejected promise or an exception is logged and answered with EIO.
 */
export type Answer<T> = T | number | Promise<T | number>;
export type Status = number | Promise<number>;

/**
 * The table of operations. The node is `request.node` (for operations on names: the parent directory). An operation left out
 * is answered with ENOSYS, which for several of them makes the kernel stop asking and do something sensible itself
 * (access: allow; flush, fsync, opendir: succeed; xattr, locks: local or unsupported).
 * Names are without the terminating zero and are copies that may be kept.
 */
export interface Operations {
  lookup?(request: Request, name: Buffer): Answer<Entry>;
  /** Takes back `lookups` lookups of a node; no answer. Called for FORGET, for each node of BATCH_FORGET, and for entries that could not be delivered. */
  forget?(node: number, lookups: number): void;
  getattr?(request: Request, handle: number | undefined): Answer<AttrReply>;
  setattr?(request: Request, change: SetattrRequest): Answer<AttrReply>;
  readlink?(request: Request): Answer<Buffer>;
  symlink?(request: Request, name: Buffer, target: Buffer): Answer<Entry>;
  mknod?(request: Request, make: MakeRequest, rdev: number): Answer<Entry>;
  mkdir?(request: Request, make: MakeRequest): Answer<Entry>;
  unlink?(request: Request, name: Buffer): Status;
  rmdir?(request: Request, name: Buffer): Status;
  rename?(request: Request, rename: RenameRequest): Status;
  /** `request.node` is the new parent. */
  link?(request: Request, node: number, name: Buffer): Answer<Entry>;
  open?(request: Request, openFlags: number): Answer<OpenReply>;
  create?(request: Request, make: MakeRequest, openFlags: number): Answer<CreateReply>;
  /** At most `sizeBytes`; fewer only at the end of the file (or with direct I/O). Several buffers are sent without being joined. */
  read?(request: Request, read: ReadRequest): Answer<Buffer | readonly Buffer[]>;
  /** 0: all bytes were taken. */
  write?(request: Request, write: WriteRequest): Status;
  /** On each close(2) of a descriptor; its error is what close returns. */
  flush?(request: Request, handle: number, lockOwner: bigint): Status;
  /** The last reference to the open file is gone. `lockOwner` counts only if `flockUnlock`. */
  release?(request: Request, handle: number, openFlags: number, lockOwner: bigint, flockUnlock: boolean): Status;
  fsync?(request: Request, handle: number, dataOnly: boolean): Status;
  opendir?(request: Request, openFlags: number): Answer<OpenReply>;
  /** Fills `list` with entries after position `offset` (0, or the `nextOffset` of an earlier entry) while they fit. */
  readdir?(request: Request, handle: number, offset: number, list: DirectoryList): Status;
  /** As `readdir`, with `addPlus`: each entry but `.` and `..` counts as a lookup. */
  readdirplus?(request: Request, handle: number, offset: number, list: DirectoryList): Status;
  releasedir?(request: Request, handle: number, openFlags: number): Status;
  fsyncdir?(request: Request, handle: number, dataOnly: boolean): Status;
  statfs?(request: Request): Answer<StatfsReply>;
  access?(request: Request, mask: number): Status;
  setxattr?(request: Request, name: Buffer, value: Buffer, flags: number): Status;
  /** The value, or its size if `sizeBytes` is 0. A value longer than `sizeBytes` is answered with ERANGE by the loop. */
  getxattr?(request: Request, name: Buffer, sizeBytes: number): Answer<Buffer | XattrSize>;
  /** Names, each followed by a zero byte; sizes as in `getxattr`. */
  listxattr?(request: Request, sizeBytes: number): Answer<Buffer | XattrSize>;
  removexattr?(request: Request, name: Buffer): Status;
  getlk?(request: Request, lock: LockRequest): Answer<FileLock>;
  setlk?(request: Request, lock: LockRequest): Status;
  fallocate?(request: Request, handle: number, mode: number, offset: number, lengthBytes: number): Status;
  /** The new position. Only SEEK_DATA and SEEK_HOLE come here. */
  lseek?(request: Request, handle: number, offset: number, whence: number): Answer<{ offset: number }>;
  copyFileRange?(request: Request, copy: CopyRangeRequest): Answer<{ bytes: number }>;
  ioctl?(request: Request, ioctl: IoctlRequest): Answer<IoctlReply>;
  bmap?(request: Request, block: bigint, blockSizeBytes: number): Answer<{ block: bigint }>;
  poll?(request: Request, handle: number, events: number): Answer<{ events: number }>;
  syncfs?(request: Request): Status;
  tmpfile?(request: Request, mode: number, umask: number, openFlags: number): Answer<CreateReply>;
  /** The kernel says goodbye (not sent for every kind of unmount; the channel's end is what to rely on). */
  destroy?(): void;
}
