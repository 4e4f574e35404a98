import type { AttrReply, Entry, Attr as KernelAttr } from '@alces/fuse';
import { type Attr, AttrFlag, NodeType } from '@alces/proto';
import type { MountContext } from './context.ts';

const BLOCK_SIZE_BYTES = 65_536;
const STAT_BLOCK_BYTES = 512;
/** The same inode number is not used again for a day, so all entries share a generation (spec 10 §12.1). */
const GENERATION = 1;

const S_IFREG = 0o100000;
/** File type bits of st_mode by node type. */
const FORMATS = [0, S_IFREG, 0o040000, 0o120000, 0o010000, 0o060000, 0o020000, 0o140000, S_IFREG, S_IFREG];
const TYPES = new Map<number, number>([
  [S_IFREG, NodeType.FILE],
  [0o040000, NodeType.DIRECTORY],
  [0o120000, NodeType.SYMLINK],
  [0o010000, NodeType.FIFO],
  [0o060000, NodeType.BLOCKDEV],
  [0o020000, NodeType.CHARDEV],
  [0o140000, NodeType.SOCKET],
]);

/** S_IFMT bits of a node type. */
export function formatOf(type: number): number {
  return FORMATS[type] ?? 0;
}

/** Node type of the S_IFMT bits of a mode; none mean a regular file. */
export function typeOf(mode: number): number | undefined {
  return TYPES.get(mode & 0o170000 || S_IFREG);
}

/**
 * Attributes as the kernel wants them. `fresh`: the master just sent them, so that open handles learn the length; older ones (from a
 * listing, a lookup record) must not undo what handles know.
 */
function kernelAttr(context: MountContext, inode: number, attr: Attr, fresh: boolean): KernelAttr {
  const { session, engine, files } = context;
  let sizeBytes = attr.length;
  if (attr.type === NodeType.FILE) {
    sizeBytes = fresh ? engine.noteLength(inode, attr.length) : (files.lengthOf(inode) ?? attr.length);
  } else if (fresh && attr.type === NodeType.DIRECTORY) context.vanishing.set(inode, attr);
  const pending = session.pendingTimes(inode);
  const mtime = Math.max(attr.mtime, pending.mtime);
  return {
    inode,
    sizeBytes,
    blocks: Math.ceil(sizeBytes / STAT_BLOCK_BYTES),
    atime: Math.max(attr.atime, pending.atime),
    mtime,
    ctime: Math.max(attr.ctime, pending.mtime),
    atimeNs: 0,
    mtimeNs: 0,
    ctimeNs: 0,
    mode: formatOf(attr.type) | attr.mode,
    nlink: attr.nlink,
    uid: attr.uid,
    gid: attr.gid,
    rdev: attr.rdev,
    blockSizeBytes: BLOCK_SIZE_BYTES,
  };
}

function attrTimeout(context: MountContext, attr: Attr): number {
  return attr.flags & AttrFlag.NOACACHE ? 0 : context.settings.timeouts.attr;
}

export function attrReply(context: MountContext, inode: number, attr: Attr, fresh = true): AttrReply {
  return { attrTimeoutSeconds: attrTimeout(context, attr), attr: kernelAttr(context, inode, attr, fresh) };
}

/** Attributes that say what was known last and must be asked for again next time. */
export function staleAttrReply(context: MountContext, inode: number, attr: Attr): AttrReply {
  return { attrTimeoutSeconds: 0, attr: kernelAttr(context, inode, attr, false) };
}

export function entryReply(context: MountContext, inode: number, attr: Attr, fresh = true): Entry {
  const { entry, directoryEntry } = context.settings.timeouts;
  const timeout = attr.type === NodeType.DIRECTORY ? directoryEntry : entry;
  return {
    node: inode,
    generation: GENERATION,
    entryTimeoutSeconds: attr.flags & AttrFlag.NOECACHE ? 0 : timeout,
    attrTimeoutSeconds: attrTimeout(context, attr),
    attr: kernelAttr(context, inode, attr, fresh),
  };
}
