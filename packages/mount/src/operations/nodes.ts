import { ops } from '@alces/client';
import {
  type Answer,
  type AttrReply,
  type Entry,
  type Status as FuseStatus,
  type Operations,
  type Request,
  SetattrFlag,
  type SetattrRequest,
  type StatfsReply,
} from '@alces/fuse';
import { AccessMode, type Attr, AttrFlag, LookupFlag, MAX_NAME_LENGTH, ROOT_INODE, Status } from '@alces/proto';
import { attrReply, entryReply, staleAttrReply } from '../attributes.ts';
import { type MountContext, nodeChanged } from '../context.ts';
import { Errno, errnoOf, isStatus } from '../errors.ts';

const BLOCK_SIZE_BYTES = 65_536;
/** What the stock mount adds to the numbers of inodes: a billion and its package version (spec 60 §5.6). */
const INODE_BASE = 1_000_000_000 + 3_011_701;
/** 2^57: where chunk numbers end. */
const SIZE_LIMIT = 2 ** 57;
const DOT = Buffer.from('.');
const DOT_DOT = Buffer.from('..');

/** Decides on access from what LOOKUP told, as the master would (spec 10 §12.5). Returns 0 or an errno. */
export function accessByLookup(lookupFlags: number, mask: number): number {
  const writes = (mask & AccessMode.W) !== 0;
  if (writes && lookupFlags & LookupFlag.RO_FILESYSTEM) return Errno.EROFS;
  if (writes && lookupFlags & LookupFlag.IMMUTABLE) return Errno.EPERM;
  return lookupFlags & (1 << (mask & 7)) ? 0 : Errno.EACCES;
}

async function lookup(context: MountContext, request: Request, name: Buffer): Promise<Entry | number> {
  const { statistics, listings, negatives } = context;
  const parent = request.node;
  if (name.length > MAX_NAME_LENGTH) return Errno.ENAMETOOLONG;
  const listed = listings.find(request, parent, name);
  if (listed !== undefined) {
    statistics.count('lookup.cached');
    statistics.count('lookup.cached.readdir');
    request.remark = ' (using open dir cache)';
    return entryReply(context, listed.inode, listed.attr, false);
  }
  if (negatives.has(parent, name)) {
    statistics.count('lookup.cached');
    statistics.count('lookup.cached.negative');
    request.remark = ' (using negative entry cache)';
    return Errno.ENOENT;
  }
  return lookupAtMaster(context, request, name);
}

async function lookupAtMaster(context: MountContext, request: Request, name: Buffer): Promise<Entry | number> {
  const { session, statistics, callers, lookups, negatives } = context;
  const parent = request.node;
  const asked = parent === ROOT_INODE && name.equals(DOT_DOT) ? DOT : name;
  statistics.count('lookup.master');
  try {
    const { inode, attr, flags, chunkZero } = await ops.lookup(session, parent, asked, callers.of(request));
    statistics.count('lookup.master.positive');
    lookups.put(request, { inode, attr, flags, chunkZero });
    return entryReply(context, inode, attr);
  } catch (error) {
    const errno = errnoOf(error);
    statistics.count(errno === Errno.ENOENT ? 'lookup.master.negative' : 'lookup.master.error');
    if (isStatus(error, Status.ENOENT)) negatives.add(parent, name);
    return errno;
  }
}

async function getattr(context: MountContext, request: Request): Promise<AttrReply | number> {
  const { session, callers, lookups, listings, files, vanishing, statistics } = context;
  const inode = request.node;
  const known = lookups.find(request, inode)?.attr ?? listings.attrOf(request, inode);
  if (known !== undefined) {
    statistics.count('getattr-cached');
    return attrReply(context, inode, known, false);
  }
  try {
    return attrReply(context, inode, await ops.getattr(session, inode, callers.of(request), files.isOpen(inode)));
  } catch (error) {
    const vanished = isStatus(error, Status.ENOENT) ? vanishing.get(inode) : undefined;
    if (vanished === undefined) return errnoOf(error);
    request.remark = ' (sustained nodes)';
    return staleAttrReply(context, inode, vanished);
  }
}

/** Negative times can't be stored; the stock mount takes them for "now". */
function timeOf(given: boolean, isNow: boolean, seconds: number): number | 'now' | undefined {
  if (!given) return undefined;
  return isNow || seconds < 0 ? 'now' : seconds >>> 0;
}

function changesOf(change: SetattrRequest) {
  const { valid } = change;
  const atime = timeOf((valid & SetattrFlag.ATIME) !== 0, (valid & SetattrFlag.ATIME_NOW) !== 0, change.atime);
  const mtime = timeOf((valid & SetattrFlag.MTIME) !== 0, (valid & SetattrFlag.MTIME_NOW) !== 0, change.mtime);
  return {
    ...(valid & SetattrFlag.MODE && { mode: change.mode & 0o7777 }),
    ...(valid & SetattrFlag.UID && { uid: change.uid }),
    ...(valid & SetattrFlag.GID && { gid: change.gid }),
    ...(atime !== undefined && { atime }),
    ...(mtime !== undefined && { mtime }),
  };
}

async function resize(context: MountContext, request: Request, change: SetattrRequest): Promise<Attr | number> {
  const { engine, callers, files } = context;
  if (change.sizeBytes >= SIZE_LIMIT) return Errno.EFBIG;
  let opened = false;
  if (change.valid & SetattrFlag.FH) {
    const file = files.get(change.handle);
    if (!file?.writable) return Errno.EACCES;
    await file.ready;
    if (file.error !== 0) return file.error;
    opened = true;
  }
  const { attr } = await engine.truncate(request.node, change.sizeBytes, callers.of(request), opened);
  return attr;
}

async function setattr(context: MountContext, request: Request, change: SetattrRequest): Promise<AttrReply | number> {
  const { session, settings, callers, files, xattrs } = context;
  const inode = request.node;
  const resizes = (change.valid & SetattrFlag.SIZE) !== 0;
  let attr: Attr | number | undefined = resizes ? await resize(context, request, change) : undefined;
  if (typeof attr === 'number') return attr;
  const changes = changesOf(change);
  if (attr === undefined || Object.keys(changes).length > 0) {
    const opened = (change.valid & SetattrFlag.FH) !== 0 || files.isOpen(inode);
    const options = { opened, sugidClear: settings.sugidClearMode };
    // Before the request leaves: a report of older times that went out behind it would undo what it sets.
    session.forgetTimes(inode, changes.atime !== undefined, changes.mtime !== undefined);
    attr = await ops.setattr(session, inode, changes, callers.of(request), options);
  }
  nodeChanged(context, inode);
  if (change.valid & (SetattrFlag.MODE | SetattrFlag.UID | SetattrFlag.GID)) xattrs.drop(inode);
  return attrReply(context, inode, attr);
}

async function access(context: MountContext, request: Request, mask: number): Promise<number> {
  const { session, callers, lookups, vanishing } = context;
  const record = lookups.find(request, request.node);
  if (record !== undefined) return accessByLookup(record.flags, mask);
  try {
    await ops.access(session, request.node, mask & 7, callers.of(request));
    return 0;
  } catch (error) {
    if (isStatus(error, Status.ENOENT) && vanishing.get(request.node) !== undefined) return 0;
    return errnoOf(error);
  }
}

async function statfs({ session }: MountContext): Promise<StatfsReply> {
  const space = await ops.statfs(session);
  const blocks = (bytes: number): number => Math.floor(bytes / BLOCK_SIZE_BYTES);
  return {
    blocks: blocks(space.totalBytes),
    blocksFree: blocks(space.freeBytes),
    blocksAvailable: blocks(space.availableBytes),
    files: INODE_BASE + space.inodes,
    filesFree: INODE_BASE,
    blockSizeBytes: BLOCK_SIZE_BYTES,
    nameMaxBytes: MAX_NAME_LENGTH,
    fragmentSizeBytes: BLOCK_SIZE_BYTES,
  };
}

async function readlink(context: MountContext, request: Request): Promise<Buffer> {
  const { session, statistics, symlinks } = context;
  const known = symlinks.get(request.node);
  if (known !== undefined) {
    statistics.count('readlink.cached');
    statistics.countSymlink('hits');
    request.remark = ' (using cache)';
    return known;
  }
  statistics.count('readlink.master');
  statistics.countSymlink('misses');
  const target = Buffer.from(await ops.readlink(session, request.node));
  symlinks.set(request.node, target);
  statistics.countSymlink('inserts');
  return target;
}

/** Whether it is known, from an answer at most a second old or the listing in use, that the node has no extended attributes. */
export function knownWithoutXattrs(context: MountContext, request: Request): boolean {
  const { node } = request;
  const attr = context.listings.attrOf(request, node) ?? context.lookups.ofInode(node)?.attr;
  return attr !== undefined && (attr.flags & AttrFlag.NOXATTR) !== 0;
}

/** Operations on a node as such. */
export function nodeOperations(context: MountContext): Operations {
  return {
    lookup: (request: Request, name: Buffer): Answer<Entry> => lookup(context, request, name),
    getattr: (request: Request): Answer<AttrReply> => getattr(context, request),
    setattr: (request, change): Answer<AttrReply> => setattr(context, request, change),
    readlink: (request): Answer<Buffer> => readlink(context, request),
    access: (request, mask): FuseStatus => access(context, request, mask),
    statfs: (): Answer<StatfsReply> => statfs(context),
  };
}
