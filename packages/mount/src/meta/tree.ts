import type { Attr as KernelAttr } from '@alces/fuse';
import { FIRST_SPECIAL_INODE, MASTERINFO_INODE, ROOT_INODE, TRASH_BUCKETS } from '@alces/proto';

/** The fixed folders of a meta mount (spec 10 §13). */
export const TRASH_INODE = FIRST_SPECIAL_INODE + 8;
export const UNDEL_INODE = FIRST_SPECIAL_INODE + 9;
export const SUSTAINED_INODE = FIRST_SPECIAL_INODE + 10;
const FIRST_BUCKET_INODE = 0x7fff_0000;

const S_IFDIR = 0o040000;
const BLOCK_SIZE_BYTES = 65_536;
const MAX_NAME_BYTES = 255;

export type MetaNode =
  | { kind: 'root' | 'trash' | 'undel' | 'sustained' | 'masterinfo' }
  | { kind: 'bucket'; bucket: number }
  | { kind: 'file' };

export function nodeOf(inode: number): MetaNode {
  switch (inode) {
    case ROOT_INODE:
      return { kind: 'root' };
    case TRASH_INODE:
      return { kind: 'trash' };
    case UNDEL_INODE:
      return { kind: 'undel' };
    case SUSTAINED_INODE:
      return { kind: 'sustained' };
    case MASTERINFO_INODE:
      return { kind: 'masterinfo' };
  }
  const bucket = inode - FIRST_BUCKET_INODE;
  return bucket >= 0 && bucket < TRASH_BUCKETS ? { kind: 'bucket', bucket } : { kind: 'file' };
}

export function bucketInode(bucket: number): number {
  return FIRST_BUCKET_INODE + bucket;
}

export function bucketName(bucket: number): Buffer {
  return Buffer.from(bucket.toString(16).toUpperCase().padStart(3, '0'));
}

/** In the trash any name is read as a hexadecimal number, its leading part; no digits are 0. Undefined: no such bucket. */
export function bucketOfName(name: Buffer): number | undefined {
  const digits = /^[0-9a-fA-F]*/.exec(name.toString('latin1'))?.[0] ?? '';
  const bucket = digits === '' ? 0 : Number.parseInt(digits, 16);
  return bucket < TRASH_BUCKETS ? bucket : undefined;
}

const FOLDERS = {
  root: { mode: 0o555, nlink: 4 },
  trash: { mode: 0o700, nlink: 3 + TRASH_BUCKETS },
  undel: { mode: 0o200, nlink: 2 + TRASH_BUCKETS },
  bucket: { mode: 0o700, nlink: 3 },
  sustained: { mode: 0o500, nlink: 2 },
} as const;

/** Attributes of a fixed folder. */
export function folderAttr(inode: number, kind: keyof typeof FOLDERS, nowSeconds: number): KernelAttr {
  const { mode, nlink } = FOLDERS[kind];
  return {
    inode,
    sizeBytes: 0,
    blocks: 0,
    atime: nowSeconds,
    mtime: nowSeconds,
    ctime: nowSeconds,
    atimeNs: 0,
    mtimeNs: 0,
    ctimeNs: 0,
    mode: S_IFDIR | mode,
    nlink,
    uid: 0,
    gid: 0,
    rdev: 0,
    blockSizeBytes: BLOCK_SIZE_BYTES,
  };
}

/** Name of a deleted file: its inode as 8 hex digits, a bar, and the path it had (with bars for slashes). */
export function detachedName(inode: number, path: Buffer): Buffer {
  const number = Buffer.from(`${inode.toString(16).toUpperCase().padStart(8, '0')}|`);
  return Buffer.concat([number, path]).subarray(0, MAX_NAME_BYTES);
}

/** The inode in a deleted file's name; undefined: not such a name. */
export function detachedInode(name: Buffer): number | undefined {
  const match = /^([0-9a-fA-F]{1,8})\|/.exec(name.toString('latin1'));
  return match ? Number.parseInt(match[1], 16) : undefined;
}
