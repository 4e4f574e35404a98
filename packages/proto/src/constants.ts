/** Sizes, limits and well-known numbers (spec 00 §2.1, §2.2, §1.1, §1.3). */

export const BLOCK_SIZE = 65_536;
export const BLOCKS_IN_CHUNK = 1024;
/** Bytes of file data in a chunk: 64 MiB. */
export const CHUNK_SIZE = BLOCK_SIZE * BLOCKS_IN_CHUNK;
/** Bytes counted per chunk beside its data in sizes and quotas. */
export const CHUNK_HEADER_SIZE = 0x2000;
export const MAX_CHUNK_INDEX = 0x7fff_ffff;
/** The protocol's 2^57; greater than a safe integer, hence a bigint. */
export const MAX_FILE_SIZE = 1n << 57n;
/**
 * Greatest file length in Alces: 2^53 - 2^26. A greater one (as which every length that is no safe integer decodes) must be
 * refused with INDEXTOOBIG.
 */
export const MAX_SAFE_FILE_SIZE = 2 ** 53 - CHUNK_SIZE;

export const ROOT_INODE = 1;
/** Inodes from here on are used inside mounts and never sent to the master. */
export const FIRST_SPECIAL_INODE = 0x7fff_fff0;
export const MASTERINFO_INODE = 0x7fff_ffff;

export const MAX_NAME_LENGTH = 255;
export const MAX_SYMLINK_LENGTH = 4096;
export const MAX_PATH_LENGTH = 1024;
export const MAX_XATTR_NAME_LENGTH = 255;
export const MAX_XATTR_VALUE_LENGTH = 65_536;
export const MAX_XATTR_LIST_LENGTH = 65_536;
export const MIN_GOAL = 1;
export const MAX_GOAL = 9;
export const MAX_STORAGE_CLASSES = 256;
export const DEFAULT_STORAGE_CLASS = 2;
/** Label sets of one list (create, keep, archive) of a storage class. */
export const MAX_LABEL_SETS = 9;
/** Label masks in one OR-group of a label expression. */
export const MASKS_IN_OR_GROUP = 4;
export const TRASH_BUCKETS = 4096;
export const SUSTAINED_BUCKETS = 256;
/** READDIR's "end of directory". */
export const MAX_EDGE_ID = 0x7fff_ffff_ffff_ffffn;

export const Port = { ML: 9419, CS: 9420, CL: 9421, DATA: 9422 } as const;
export const DEFAULT_MASTER_HOST = 'mfsmaster';

/** Greatest payload in bytes that a receiver accepts, by receiver and sender. */
export const Limit = {
  MASTER_FROM_CLIENT: 50_000_000,
  MASTER_FROM_CHUNKSERVER: 500_000_000,
  MASTER_FROM_METALOGGER: 1_500_000,
  CHUNKSERVER_FROM_MASTER: 10_000,
  CHUNKSERVER_FROM_CLIENT: 100_000,
  /** Anything but WRITE_DATA during a write that is forwarded. */
  CHUNKSERVER_FORWARDING: 12,
  /** A replicating chunkserver, from the source. */
  CHUNKSERVER_FROM_SOURCE: 20 + BLOCK_SIZE,
  METALOGGER_FROM_MASTER: 1_500_000,
  PROXY_FROM_TOOL: 50_000,
  /** After the msgid; the proxy closes the tool's connection beyond. */
  PROXY_ANSWER: 3_999_988,
} as const;

export const NodeType = {
  FILE: 1,
  DIRECTORY: 2,
  SYMLINK: 3,
  FIFO: 4,
  BLOCKDEV: 5,
  CHARDEV: 6,
  SOCKET: 7,
  TRASH: 8,
  SUSTAINED: 9,
} as const;
export type NodeType = (typeof NodeType)[keyof typeof NodeType];

/** The only registration blob that 3.0.117 understands (spec 00 §4.2). */
export const REGISTER_BLOB = Buffer.from('DjI1GAQDULI5d2YjA26ypc3ovkhjvhciTQVx3CS4nYgtBoUcsljiVpsErJENHaw0', 'latin1');

/** First byte after the blob of CLTOMA_FUSE_REGISTER. */
export const RegisterCode = {
  GETRANDOM: 1,
  NEWSESSION: 2,
  RECONNECT: 3,
  TOOLS: 4,
  NEWMETASESSION: 5,
  CLOSESESSION: 6,
} as const;
