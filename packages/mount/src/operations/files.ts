import { type CreatedFile, type OpenedFile, ops } from '@alces/client';
import {
  OpenFlag as KernelOpenFlag,
  type OpenReply,
  type Operations,
  type ReadRequest,
  type Request,
  type WriteRequest,
} from '@alces/fuse';
import { AccessMode, Disable, LookupFlag, OpenedFlag, OpenFlag, TruncateFlag } from '@alces/proto';
import type { LookupRecord } from '../caches/lookupRecords.ts';
import { type MountContext, nodeChanged } from '../context.ts';
import { Errno, errnoOf } from '../errors.ts';
import type { OpenFile } from '../openFiles.ts';
import { releaseFileLocks, unlockOnClose } from './locks.ts';
import { accessByLookup } from './nodes.ts';

const O_ACCMODE = 0o3;
const O_WRONLY = 0o1;
const O_TRUNC = 0o1000;
const O_APPEND = 0o2000;
const SIZE_LIMIT = 2 ** 57;
/** Tells the master the length of a file whose data is still on its way. */
const LENGTH_ONLY = TruncateFlag.OPENED | TruncateFlag.UPDATE;

function wantedAccess(openFlags: number): number {
  const mode = openFlags & O_ACCMODE;
  return (mode === O_WRONLY ? 0 : AccessMode.R) | (mode === 0 ? 0 : AccessMode.W);
}

function openFlagsOf(access: number): number {
  return (access & AccessMode.R ? OpenFlag.READ : 0) | (access & AccessMode.W ? OpenFlag.WRITE : 0);
}

/** What the master says about caching a file's data; `OpenedFlag` and `LookupFlag` bits in one form. */
interface CacheAdvice {
  keepCache: boolean;
  direct: boolean;
  appendOnly: boolean;
}

function adviceOfOpen({ flags }: OpenedFile): CacheAdvice {
  return {
    keepCache: (flags & OpenedFlag.KEEPCACHE) !== 0,
    direct: (flags & OpenedFlag.DIRECTMODE) !== 0,
    appendOnly: (flags & OpenedFlag.APPENDONLY) !== 0,
  };
}

function adviceOfLookup(flags: number): CacheAdvice {
  return {
    keepCache: (flags & LookupFlag.KEEPCACHE) !== 0,
    direct: (flags & LookupFlag.DIRECTMODE) !== 0,
    appendOnly: (flags & LookupFlag.APPENDONLY) !== 0,
  };
}

/** Flags for the kernel (spec 10 §12.6). */
function kernelFlags({ settings, session }: MountContext, advice: CacheAdvice, openFlags: number): number {
  const refused = session.parameters.disables & (Disable.READ | Disable.WRITE);
  if (advice.direct || advice.appendOnly || openFlags & O_APPEND || refused) return KernelOpenFlag.DIRECT_IO;
  switch (settings.cacheMode) {
    case 'DIRECT':
      return KernelOpenFlag.DIRECT_IO;
    case 'YES':
      return KernelOpenFlag.KEEP_CACHE;
    case 'NO':
      return 0;
    case 'AUTO':
      return advice.keepCache ? KernelOpenFlag.KEEP_CACHE : 0;
  }
}

interface Opened {
  inode: number;
  length: number;
  chunkZero?: LookupRecord['chunkZero'];
  truncated?: boolean;
  openFlags: number;
  advice: CacheAdvice;
}

function addFile(context: MountContext, opened: Opened): OpenFile {
  const { engine, files, clock } = context;
  const { inode, length, chunkZero, truncated = false, openFlags, advice } = opened;
  const io = engine.open({ inode, length, truncated, ...(chunkZero && { chunkZero }) });
  return files.add({
    handle: files.nextHandle(),
    inode,
    io,
    writable: (openFlags & O_ACCMODE) !== 0,
    append: advice.appendOnly || (openFlags & O_APPEND) !== 0,
    openedAtMs: clock.monotonicMs(),
    ready: undefined,
    error: 0,
    posixOwners: new Set(),
    flockOwners: new Set(),
  });
}

function describeOpen(request: Request, file: OpenFile, flags: number): void {
  const bit = (set: number): number => (flags & set ? 1 : 0);
  const handle = file.handle.toString(16).toUpperCase().padStart(8, '0');
  request.outcome =
    ` (direct_io:${bit(KernelOpenFlag.DIRECT_IO)},keep_cache:${bit(KernelOpenFlag.KEEP_CACHE)},` +
    `append_mode:${file.append ? 1 : 0}) [handle:${handle}]`;
}

/** Opens a file that CREATE just made; its inode is acquired already. */
export function openCreated(context: MountContext, request: Request, made: CreatedFile, openFlags: number): OpenReply {
  const advice = { ...adviceOfOpen(made), keepCache: false };
  const flags = kernelFlags(context, advice, openFlags) & ~KernelOpenFlag.KEEP_CACHE;
  const file = addFile(context, { inode: made.inode, length: made.attr.length, openFlags, advice });
  describeOpen(request, file, flags);
  return { handle: file.handle, flags };
}

/** OPEN that the caller waits for. */
async function openAtMaster(context: MountContext, request: Request, openFlags: number): Promise<OpenReply> {
  const { session, engine, callers } = context;
  const inode = request.node;
  const truncates = (openFlags & O_TRUNC) !== 0;
  // So that the master's length is right, and nothing written before the truncation arrives behind it.
  await engine.flushInode(inode);
  session.acquireInode(inode);
  try {
    const flags = openFlagsOf(wantedAccess(openFlags)) | (truncates ? OpenFlag.TRUNCATE : 0);
    const opened = await ops.open(session, inode, flags, callers.of(request));
    nodeChanged(context, inode);
    const advice = adviceOfOpen(opened);
    const forKernel = kernelFlags(context, advice, openFlags);
    const length = opened.attr.length;
    const file = addFile(context, { inode, length, truncated: truncates, openFlags, advice });
    describeOpen(request, file, forKernel);
    return { handle: file.handle, flags: forKernel };
  } catch (error) {
    session.releaseInode(inode);
    throw error;
  }
}

/** Answers from a lookup record at once; OPEN follows in the background, and the first use of the file waits for it. */
function openByLookup(context: MountContext, request: Request, record: LookupRecord, openFlags: number) {
  const { session } = context;
  const access = wantedAccess(openFlags);
  const refusal = accessByLookup(record.flags, access);
  request.remark = ' (using cached data from lookup)';
  if (refusal !== 0) return refusal;
  const { inode, attr, chunkZero } = record;
  const advice = adviceOfLookup(record.flags);
  const flags = kernelFlags(context, advice, openFlags);
  session.acquireInode(inode);
  const file = addFile(context, { inode, length: attr.length, chunkZero, openFlags, advice });
  const keeps = (flags & KernelOpenFlag.KEEP_CACHE) !== 0;
  const openFlagsForMaster = openFlagsOf(access) | OpenFlag.AFTER_CREATE | (keeps ? 0 : OpenFlag.CACHE_CLEARED);
  file.ready = ops.open(session, inode, openFlagsForMaster, { uid: request.uid, gids: [request.gid] }).then(
    (opened) => {
      file.ready = undefined;
      const outdated = keeps && context.settings.cacheMode === 'AUTO' && !adviceOfOpen(opened).keepCache;
      context.engine.noteLength(inode, opened.attr.length);
      // Somebody wrote between our LOOKUP and OPEN: what the kernel was told to keep is old.
      if (outdated) void context.kernel.notifier?.invalidateInode(inode, 0, 0);
    },
    (error) => {
      file.ready = undefined;
      file.error = errnoOf(error);
    },
  );
  describeOpen(request, file, flags);
  return { handle: file.handle, flags };
}

function open(
  context: MountContext,
  request: Request,
  openFlags: number,
): Promise<OpenReply | number> | OpenReply | number {
  const record = openFlags & O_TRUNC ? undefined : context.lookups.take(request, request.node);
  if (record === undefined) return openAtMaster(context, request, openFlags);
  return openByLookup(context, request, record, openFlags);
}

async function usable(context: MountContext, handle: number): Promise<OpenFile | number> {
  const file = context.files.get(handle);
  if (file === undefined) return Errno.EBADF;
  if (file.ready !== undefined) await file.ready;
  return file.error !== 0 ? file.error : file;
}

async function read(context: MountContext, _request: Request, ask: ReadRequest): Promise<Buffer[] | number> {
  const file = await usable(context, ask.handle);
  if (typeof file === 'number') return file;
  return file.io.read(ask.offset, ask.sizeBytes);
}

async function write(context: MountContext, request: Request, ask: WriteRequest): Promise<number> {
  const file = await usable(context, ask.handle);
  if (typeof file === 'number') return file;
  if (!file.writable) return Errno.EACCES;
  if (ask.offset + ask.data.length > SIZE_LIMIT) return Errno.EFBIG;
  nodeChanged(context, file.inode);
  // The engine refers to the kernel's buffer instead of copying, unless a little data would hold on to a large buffer.
  const transfer = ask.data.buffer.byteLength <= 2 * ask.data.length;
  if (transfer) ask.keepData();
  const options = { asRoot: request.uid === 0, transfer };
  if (file.append) await file.io.append([ask.data], options);
  else await file.io.write(ask.offset, [ask.data], options);
  return 0;
}

/** Whether close(2) may leave the data to the background (`mfsfsyncmintime`, spec 20 §6.7). */
function closesFast({ settings, clock }: MountContext, file: OpenFile): boolean {
  if (settings.fsyncMinSeconds === 0 || file.posixOwners.size > 0) return false;
  return clock.monotonicMs() - file.openedAtMs < settings.fsyncMinSeconds * 1000;
}

async function flush(context: MountContext, request: Request, handle: number, owner: bigint): Promise<number> {
  const file = context.files.get(handle);
  if (file === undefined) return Errno.EBADF;
  if (file.error !== 0) return file.error;
  if (file.writable && closesFast(context, file)) {
    await ops.truncate(context.session, file.inode, file.io.length, LENGTH_ONLY, context.callers.of(request));
  } else if (file.writable) await file.io.flush();
  await unlockOnClose(context, file, owner);
  return 0;
}

async function fsync(context: MountContext, handle: number): Promise<number> {
  const file = await usable(context, handle);
  if (typeof file === 'number') return file;
  await file.io.flush();
  return 0;
}

async function release(context: MountContext, handle: number, owner: bigint, flockUnlock: boolean): Promise<number> {
  const { files, session } = context;
  const file = files.get(handle);
  if (file === undefined) return Errno.EBADF;
  await file.ready;
  try {
    await file.io.close();
  } finally {
    files.remove(handle);
    await releaseFileLocks(context, file, flockUnlock ? owner : undefined);
    session.releaseInode(file.inode);
  }
  return 0;
}

/** Operations on open files. */
export function fileOperations(context: MountContext): Operations {
  return {
    open: (request, openFlags) => open(context, request, openFlags),
    read: (request, ask) => read(context, request, ask),
    write: (request, ask) => write(context, request, ask),
    flush: (request, handle, owner) => flush(context, request, handle, owner),
    fsync: (_request, handle) => fsync(context, handle),
    release: (_request, handle, _flags, owner, flockUnlock) => release(context, handle, owner, flockUnlock),
  };
}
