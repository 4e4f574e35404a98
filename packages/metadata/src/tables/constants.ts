/** Node types (spec 00, section 2.2). */
export const TYPE_FILE = 1;
export const TYPE_DIRECTORY = 2;
export const TYPE_SYMLINK = 3;
export const TYPE_FIFO = 4;
export const TYPE_BLOCKDEV = 5;
export const TYPE_CHARDEV = 6;
export const TYPE_SOCKET = 7;
export const TYPE_TRASH = 8;
export const TYPE_SUSTAINED = 9;

export const ROOT_INODE = 1;

/** Extended attribute bits of a node (spec 10, section 2.5). */
export const EATTR_NOOWNER = 0x01;
export const EATTR_NOATTRCACHE = 0x02;
export const EATTR_NOENTRYCACHE = 0x04;
export const EATTR_NODATACACHE = 0x08;
export const EATTR_SNAPSHOT = 0x10;
export const EATTR_UNDELETABLE = 0x20;
export const EATTR_APPENDONLY = 0x40;
export const EATTR_IMMUTABLE = 0x80;

export const CHUNK_BYTES = 0x400_0000;
/** Greatest index of a chunk in a file. */
export const MAX_CHUNK_INDEX = 0x7fff_ffff;
export const BLOCK_BYTES = 0x1_0000;
/** Bytes of header that a chunk file has on a disk, counted in sizes (spec 10, section 2.12). */
export const CHUNK_HEADER_BYTES = 0x2000;

export const TRASH_BUCKETS = 4096;
export const SUSTAINED_BUCKETS = 256;

/** Buckets of detached names in one numbering: trash first, then sustained. */
export const DETACHED_BUCKETS = TRASH_BUCKETS + SUSTAINED_BUCKETS;

/** First edge id of a new file system; ids are given out downwards. */
export const FIRST_EDGE_ID = 0x7fff_ffff_ffff_fffen;
/** Value of the next edge id that means "unknown". */
export const UNKNOWN_EDGE_ID = 0x7fff_ffff_ffff_ffffn;

export const MAX_NAME_BYTES = 255;
export const MAX_DETACHED_PATH_BYTES = 1024;
export const MAX_SYMLINK_BYTES = 4096;
export const MAX_XATTR_VALUE_BYTES = 65536;
export const MAX_XATTR_LIST_BYTES = 65536;

/** A lock set by a write lasts this long. */
export const CHUNK_LOCK_SECONDS = 120;

/** Default trash time of new nodes that are neither file nor directory, hours. */
export const DEFAULT_TRASH_HOURS = 24;

export const ACL_ACCESS = 1;
export const ACL_DEFAULT = 2;
/** Permission value that means "entry not present". */
export const ACL_ABSENT = 0xffff;

/** Whether a node of this type holds file data. */
export function isFileType(type: number): boolean {
  return type === TYPE_FILE || type === TYPE_TRASH || type === TYPE_SUSTAINED;
}

/** Whether a node of this type has a detached name instead of names in directories. */
export function isDetachedType(type: number): boolean {
  return type === TYPE_TRASH || type === TYPE_SUSTAINED;
}
