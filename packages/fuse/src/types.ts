/** Attributes of a node. Times are whole seconds plus nanoseconds; `rdev` is the kernel's 32-bit device number. */
export interface Attr {
  inode: number;
  sizeBytes: number;
  /** In units of 512 bytes. */
  blocks: number;
  atime: number;
  mtime: number;
  ctime: number;
  atimeNs: number;
  mtimeNs: number;
  ctimeNs: number;
  /** File type and permission bits as in stat(2). */
  mode: number;
  nlink: number;
  uid: number;
  gid: number;
  rdev: number;
  blockSizeBytes: number;
}

/**
 * Reply to whatever yields a name (LOOKUP, CREATE, MKDIR, ...). Each delivered entry with a node other than 0 counts as one
 * lookup of that node until FORGET takes it back. Node 0: the name does not exist, remembered for `entryTimeoutSeconds`.
 */
export interface Entry {
  node: number;
  generation: number;
  entryTimeoutSeconds: number;
  attrTimeoutSeconds: number;
  attr: Attr;
}

export interface AttrReply {
  attrTimeoutSeconds: number;
  attr: Attr;
}

export interface OpenReply {
  /** File handle of the server's choice; comes back in every request on this open file. */
  handle: number;
  /** `OpenFlag` bits. */
  flags: number;
}

export interface CreateReply {
  entry: Entry;
  open: OpenReply;
}

export interface StatfsReply {
  blocks: number;
  blocksFree: number;
  blocksAvailable: number;
  files: number;
  filesFree: number;
  blockSizeBytes: number;
  nameMaxBytes: number;
  fragmentSizeBytes: number;
}

/** Answers a getxattr or listxattr that only asked for the size. */
export interface XattrSize {
  bytes: number;
}

/** A byte range lock; `end` is inclusive, 2^63-1 means to the end of the file. */
export interface FileLock {
  start: bigint;
  end: bigint;
  /** `LockType`. */
  type: number;
  pid: number;
}

export interface LockRequest {
  handle: number;
  owner: bigint;
  lock: FileLock;
  /** flock(2) rather than fcntl(2). */
  flock: boolean;
  /** The caller waits until it gets the lock (SETLKW). */
  wait: boolean;
}

export interface SetattrRequest {
  /** `SetattrFlag` bits: which of the fields count. */
  valid: number;
  handle: number;
  sizeBytes: number;
  atime: number;
  mtime: number;
  ctime: number;
  atimeNs: number;
  mtimeNs: number;
  ctimeNs: number;
  mode: number;
  uid: number;
  gid: number;
}

export interface RenameRequest {
  parent: number;
  name: Buffer;
  newParent: number;
  newName: Buffer;
  /** renameat2(2) flags. */
  flags: number;
}

export interface MakeRequest {
  name: Buffer;
  /** Requested mode, not yet masked when DONT_MASK was negotiated. */
  mode: number;
  umask: number;
}

export interface ReadRequest {
  handle: number;
  offset: number;
  sizeBytes: number;
  /** open(2) flags of the file description. */
  openFlags: number;
}

export interface WriteRequest {
  handle: number;
  offset: number;
  /**
   * A view of the buffer into which the kernel put the request: valid until the request is answered. A server that needs the
   * bytes longer either copies them or calls `keepData`.
   */
  data: Buffer;
  /** `WriteFlag` bits. */
  writeFlags: number;
  openFlags: number;
  /** Takes `data` over: its memory is never used for another request. */
  keepData(): void;
}

export interface IoctlRequest {
  handle: number;
  flags: number;
  command: number;
  argument: bigint;
  input: Buffer;
  outputLimitBytes: number;
}

export interface IoctlReply {
  result: number;
  output: Buffer;
}

export interface CopyRangeRequest {
  handle: number;
  offset: number;
  targetNode: number;
  targetHandle: number;
  targetOffset: number;
  lengthBytes: number;
  flags: number;
}

/** What the kernel offered and what was agreed on in INIT. */
export interface Negotiated {
  minor: number;
  /** Everything the kernel offers, bits 0..31 as an unsigned number. */
  kernelFlags: number;
  kernelFlags2: number;
  flags: number;
  flags2: number;
  maxWriteBytes: number;
  maxReadaheadBytes: number;
  maxPages: number;
}
