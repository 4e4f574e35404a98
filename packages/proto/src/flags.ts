/** Bit masks and small enumerations of requests and answers (spec 00 §2.3 - §2.8). */

export const AttrFlag = {
  NOACACHE: 0x01,
  NOECACHE: 0x02,
  ALLOWDATACACHE: 0x04,
  NOXATTR: 0x08,
  DIRECTMODE: 0x10,
  UNDELETABLE: 0x20,
} as const;

/** Access mask of ACCESS, and of permission bits in general. */
export const AccessMode = { X: 1, W: 2, R: 4 } as const;

/** Bit `1 << mask` of the low byte grants access with that mask. */
export const LookupFlag = {
  ACCESS_MODE_0: 0x0001,
  ACCESS_MODE_X: 0x0002,
  ACCESS_MODE_W: 0x0004,
  ACCESS_MODE_WX: 0x0008,
  ACCESS_MODE_R: 0x0010,
  ACCESS_MODE_RX: 0x0020,
  ACCESS_MODE_RW: 0x0040,
  ACCESS_MODE_RWX: 0x0080,
  CHUNK_ZERO_DATA: 0x0100,
  RO_FILESYSTEM: 0x0200,
  KEEPCACHE: 0x0400,
  IMMUTABLE: 0x0800,
  DIRECTMODE: 0x1000,
  APPENDONLY: 0x2000,
} as const;

/** Access bits of LOOKUP (low byte) for a plain rwx value 0..7. */
export const ACCESS_BYTE_OF_RWX: readonly number[] = [0x01, 0x03, 0x05, 0x0f, 0x11, 0x33, 0x55, 0xff];

export const SetAttrMask = {
  WINATTR: 0x01,
  MODE: 0x02,
  UID: 0x04,
  GID: 0x08,
  MTIME_NOW: 0x10,
  MTIME: 0x20,
  ATIME: 0x40,
  ATIME_NOW: 0x80,
} as const;

export const SugidClearMode = { NEVER: 0, ALWAYS: 1, OSX: 2, BSD: 3, EXT: 4, XFS: 5 } as const;

export const OpenFlag = { READ: 0x01, WRITE: 0x02, AFTER_CREATE: 0x04, TRUNCATE: 0x08, CACHE_CLEARED: 0x10 } as const;

/** `oflags` of OPEN and CREATE answers. */
export const OpenedFlag = { KEEPCACHE: 0x01, DIRECTMODE: 0x02, APPENDONLY: 0x04 } as const;

export const TruncateFlag = { OPENED: 0x01, UPDATE: 0x02, TIMEFIX: 0x04, RESERVE: 0x08 } as const;

export const ReaddirFlag = { WITHATTR: 0x01, ADDTOCACHE: 0x02 } as const;

export const ChunkOpFlag = { CANMODTIME: 1, CONTINUEOP: 2, CANUSERESERVESPACE: 4 } as const;

/** smode of goal, trash time and eattr changes. */
export const SetMode = { SET: 0, INCREASE: 1, DECREASE: 2, EXCHANGE: 3, TYPE_MASK: 3, RECURSIVE: 4 } as const;

export const GetMode = { NORMAL: 0, RECURSIVE: 1 } as const;

export const SnapshotMode = {
  CAN_OVERWRITE: 0x01,
  CPLIKE_ATTR: 0x02,
  FORCE_REMOVAL: 0x04,
  PRESERVE_HARDLINKS: 0x08,
  DELETE: 0x80,
} as const;

export const AppendSliceFlag = { FROM_NEG: 0x01, TO_NEG: 0x02 } as const;

export const AclType = { NONE: 0, ACCESS: 1, DEFAULT: 2 } as const;

export const ArchiveCommand = { CLEAR: 0, SET: 1, GET: 2 } as const;

export const XattrSetMode = { CREATE_OR_REPLACE: 0, CREATE_ONLY: 1, REPLACE_ONLY: 2, REMOVE: 3 } as const;

export const XattrGetMode = { DATA: 0, LENGTH_ONLY: 1 } as const;

export const FlockCommand = {
  UNLOCK: 0,
  TRY_SHARED: 1,
  LOCK_SHARED: 2,
  TRY_EXCLUSIVE: 3,
  LOCK_EXCLUSIVE: 4,
  INTERRUPT: 5,
  RELEASE: 6,
} as const;

export const PosixLockCommand = { GET: 0, SET: 1, TRY: 2, INT: 3 } as const;

export const PosixLockType = { UNLCK: 0, RDLCK: 1, WRLCK: 2 } as const;

export const DetachedType = { UNKNOWN: 0, TRASH: 1, SUSTAINED: 2 } as const;

/** Copy type in CHECK answers. */
export const CopyType = { VALID: 0, MARKED_FOR_REMOVAL: 1, WRONG_VERSION: 2, WV_AND_MFR: 3, INVALID: 4 } as const;

export const StorageClassMode = { LOOSE: 0, STD: 1, STRICT: 2 } as const;

export const StorageClassChange = {
  ADMIN_ONLY: 0x0001,
  MODE: 0x0002,
  CREATE_MASKS: 0x0004,
  KEEP_MASKS: 0x0008,
  ARCH_MASKS: 0x0010,
  ARCH_DELAY: 0x0020,
  FORCE: 0x8000,
} as const;

/** Extra attributes of a node. */
export const Eattr = {
  NOOWNER: 0x01,
  NOATTRCACHE: 0x02,
  NOENTRYCACHE: 0x04,
  NODATACACHE: 0x08,
  SNAPSHOT: 0x10,
  UNDELETABLE: 0x20,
  APPENDONLY: 0x40,
  IMMUTABLE: 0x80,
} as const;

export const QuotaFlag = {
  SOFT_INODES: 0x01,
  SOFT_LENGTH: 0x02,
  SOFT_SIZE: 0x04,
  SOFT_REALSIZE: 0x08,
  SOFT_ALL: 0x0f,
  HARD_INODES: 0x10,
  HARD_LENGTH: 0x20,
  HARD_SIZE: 0x40,
  HARD_REALSIZE: 0x80,
  HARD_ALL: 0xf0,
} as const;

/** Chunkserver load; only OK, OVERLOADED and REBALANCE travel. */
export const LoadStatus = { DEFAULT: 0, OK: 1, OVERLOADED: 2, REBALANCE: 3, GRACEFUL: 4 } as const;

export const CsservCommand = {
  REMOVE: 0,
  BACK_TO_WORK: 1,
  MAINTENANCE_ON: 2,
  MAINTENANCE_OFF: 3,
  TEMPORARY_REMOVE: 4,
} as const;

export const SessionCommand = { REMOVE: 0 } as const;

export const ModuleType = { UNKNOWN: 0, MASTER: 1, CHUNKSERVER: 2 } as const;

export const AtimeMode = {
  ALWAYS: 0,
  FILES_ONLY: 1,
  RELATIVE_ONLY: 2,
  FILES_AND_RELATIVE_ONLY: 3,
  NEVER: 4,
} as const;

export const SessionFlag = {
  READONLY: 0x01,
  DYNAMICIP: 0x02,
  IGNOREGID: 0x04,
  ADMIN: 0x08,
  MAPALL: 0x10,
  /** Internal to the master, never sent or stored. */
  ATTRBIT: 0x40,
  /** Internal to changelog replay, never sent or stored. */
  METARESTORE: 0x80,
} as const;

/** Bits of the export option `disable=`; the words are the keys in lower case. */
export const Disable = {
  CHOWN: 1 << 0,
  CHMOD: 1 << 1,
  SYMLINK: 1 << 2,
  MKFIFO: 1 << 3,
  MKDEV: 1 << 4,
  MKSOCK: 1 << 5,
  MKDIR: 1 << 6,
  UNLINK: 1 << 7,
  RMDIR: 1 << 8,
  RENAME: 1 << 9,
  MOVE: 1 << 10,
  LINK: 1 << 11,
  CREATE: 1 << 12,
  READDIR: 1 << 13,
  READ: 1 << 14,
  WRITE: 1 << 15,
  TRUNCATE: 1 << 16,
  SETLENGTH: 1 << 17,
  APPENDCHUNKS: 1 << 18,
  SNAPSHOT: 1 << 19,
  SETTRASH: 1 << 20,
  SETSCLASS: 1 << 21,
  SETEATTR: 1 << 22,
  SETXATTR: 1 << 23,
  SETFACL: 1 << 24,
} as const;

/** `extraflags` of EXPORTS_INFO answers. */
export const ExportFlag = { ALLDIRS: 0x01, PASSWORD: 0x02 } as const;
