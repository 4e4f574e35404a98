import * as proto from '@alces/proto';

const { Eattr, NodeType } = proto;

/** Node types (spec 00, section 2.2). */
export const TYPE_FILE = NodeType.FILE;
export const TYPE_DIRECTORY = NodeType.DIRECTORY;
export const TYPE_SYMLINK = NodeType.SYMLINK;
export const TYPE_FIFO = NodeType.FIFO;
export const TYPE_BLOCKDEV = NodeType.BLOCKDEV;
export const TYPE_CHARDEV = NodeType.CHARDEV;
export const TYPE_SOCKET = NodeType.SOCKET;
export const TYPE_TRASH = NodeType.TRASH;
export const TYPE_SUSTAINED = NodeType.SUSTAINED;

/** Extended attribute bits of a node (spec 10, section 2.5). */
export const EATTR_NOOWNER = Eattr.NOOWNER;
export const EATTR_NOATTRCACHE = Eattr.NOATTRCACHE;
export const EATTR_NOENTRYCACHE = Eattr.NOENTRYCACHE;
export const EATTR_NODATACACHE = Eattr.NODATACACHE;
export const EATTR_SNAPSHOT = Eattr.SNAPSHOT;
export const EATTR_UNDELETABLE = Eattr.UNDELETABLE;
export const EATTR_APPENDONLY = Eattr.APPENDONLY;
export const EATTR_IMMUTABLE = Eattr.IMMUTABLE;

export const CHUNK_BYTES = proto.CHUNK_SIZE;
export const { MAX_CHUNK_INDEX, ROOT_INODE, SUSTAINED_BUCKETS, TRASH_BUCKETS } = proto;
export const BLOCK_BYTES = proto.BLOCK_SIZE;
/** Bytes of header that a chunk file has on a disk, counted in sizes (spec 10, section 2.12). */
export const CHUNK_HEADER_BYTES = proto.CHUNK_HEADER_SIZE;

/** Buckets of detached names in one numbering: trash first, then sustained. */
export const DETACHED_BUCKETS = TRASH_BUCKETS + SUSTAINED_BUCKETS;

/** First edge id of a new file system; ids are given out downwards. */
export const FIRST_EDGE_ID = 0x7fff_ffff_ffff_fffen;
/** Value of the next edge id that means "unknown". */
export const UNKNOWN_EDGE_ID = proto.MAX_EDGE_ID;

export const MAX_NAME_BYTES = proto.MAX_NAME_LENGTH;
export const MAX_DETACHED_PATH_BYTES = proto.MAX_PATH_LENGTH;
export const MAX_SYMLINK_BYTES = proto.MAX_SYMLINK_LENGTH;
export const MAX_XATTR_VALUE_BYTES = proto.MAX_XATTR_VALUE_LENGTH;
export const MAX_XATTR_LIST_BYTES = proto.MAX_XATTR_LIST_LENGTH;

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
