/**
 * Every operation of the change log, as data (spec 51, section 3 and 8).
 *
 * Field names are those of the spec's notation. Names, paths, values and ACL blobs are raw bytes (unescaped). Fields after the
 * comment "results" stand behind the colon of a line: in live mode `apply` writes them, in replay mode it compares them.
 * Older spellings that mean the same are given in the modern form by the parser (e.g. `SETGOAL` -> `SETSCLASS`,
 * `EMPTYRESERVED()` -> `EMPTYSUSTAINED` with bucket `ALL_BUCKETS` and xor 0).
 */

/** Bucket number that stands for "all buckets" in EMPTYTRASH and EMPTYSUSTAINED without an argument. */
export const ALL_BUCKETS = 0xffffffff;

export interface CreateOperation {
  readonly op: 'CREATE';
  parent: number;
  name: Buffer;
  /** Node type 1, 2, 4, 5, 6, 7. */
  type: number;
  mode: number;
  cumask: number;
  uid: number;
  gid: number;
  rdev: number;
  /** Result. */
  inode: number;
}

export interface SymlinkOperation {
  readonly op: 'SYMLINK';
  parent: number;
  name: Buffer;
  path: Buffer;
  uid: number;
  gid: number;
  /** Result. */
  inode: number;
}

export interface LinkOperation {
  readonly op: 'LINK';
  inode: number;
  parent: number;
  name: Buffer;
}

export interface UnlinkOperation {
  readonly op: 'UNLINK';
  parent: number;
  name: Buffer;
  /** Result. */
  inode: number;
}

export interface MoveOperation {
  readonly op: 'MOVE';
  parentSrc: number;
  nameSrc: Buffer;
  parentDst: number;
  nameDst: Buffer;
  /** Result. */
  inode: number;
}

export interface SetpathOperation {
  readonly op: 'SETPATH';
  inode: number;
  path: Buffer;
}

export interface UndelOperation {
  readonly op: 'UNDEL';
  inode: number;
}

export interface PurgeOperation {
  readonly op: 'PURGE';
  inode: number;
}

export interface EmptytrashOperation {
  readonly op: 'EMPTYTRASH';
  bucket: number;
  /** Results. */
  removed: number;
  sustained: number;
  xor: number;
}

export interface EmptysustainedOperation {
  readonly op: 'EMPTYSUSTAINED';
  bucket: number;
  /** Results. */
  removed: number;
  xor: number;
}

export interface FreeinodesOperation {
  readonly op: 'FREEINODES';
  /** Seconds. */
  delay: number;
  /** Results. */
  freed: number;
  kept: number;
  xor: number;
}

export interface SnapshotOperation {
  readonly op: 'SNAPSHOT';
  src: number;
  parent: number;
  name: Buffer;
  smode: number;
  sesflags: number;
  uid: number;
  /** Never empty. */
  gids: readonly number[];
  cumask: number;
  /** Results; all zero (also when a line has none) = not compared. */
  xor: number;
  removed: number;
  same: number;
  existing: number;
  hardlinks: number;
  new: number;
}

export interface RenumerateedgesOperation {
  readonly op: 'RENUMERATEEDGES';
  /** Result. */
  nextedgeid: bigint;
}

export interface AttrOperation {
  readonly op: 'ATTR';
  inode: number;
  mode: number;
  uid: number;
  gid: number;
  atime: number;
  mtime: number;
  winattr: number;
  aclmode: number;
}

export interface AccessOperation {
  readonly op: 'ACCESS';
  inode: number;
}

export interface AmtimeOperation {
  readonly op: 'AMTIME';
  inode: number;
  atime: number;
  mtime: number;
  ctime: number;
}

export interface SeteattrOperation {
  readonly op: 'SETEATTR';
  inode: number;
  uid: number;
  eattr: number;
  smode: number;
  /** Results. */
  changed: number;
  unchanged: number;
  denied: number;
}

export interface SettrashtimeOperation {
  readonly op: 'SETTRASHTIME';
  inode: number;
  uid: number;
  seconds: number;
  smode: number;
  /** Results. */
  changed: number;
  unchanged: number;
  denied: number;
}

export interface SetsclassOperation {
  readonly op: 'SETSCLASS';
  inode: number;
  uid: number;
  srcClass: number;
  dstClass: number;
  smode: number;
  /** Results. */
  changed: number;
  unchanged: number;
  denied: number;
}

export interface ArchchgOperation {
  readonly op: 'ARCHCHG';
  inode: number;
  uid: number;
  cmd: number;
  /** Results. */
  changed: number;
  unchanged: number;
  denied: number;
}

export interface SetxattrOperation {
  readonly op: 'SETXATTR';
  inode: number;
  name: Buffer;
  value: Buffer;
  mode: number;
}

export interface SetaclOperation {
  readonly op: 'SETACL';
  inode: number;
  mode: number;
  changectime: number;
  acltype: number;
  user: number;
  group: number;
  other: number;
  mask: number;
  nusers: number;
  ngroups: number;
  /** (nusers + ngroups) x (id:u32, perm:u16), big-endian. */
  blob: Buffer;
}

export interface QuotaOperation {
  readonly op: 'QUOTA';
  inode: number;
  exceeded: number;
  flags: number;
  stimestamp: number;
  sinodes: number;
  hinodes: number;
  slength: bigint;
  hlength: bigint;
  ssize: bigint;
  hsize: bigint;
  srealsize: bigint;
  hrealsize: bigint;
  graceperiod: number;
}

export interface LengthOperation {
  readonly op: 'LENGTH';
  inode: number;
  /** Bytes. Values above 2^53 are rounded to the nearest representable number. */
  length: number;
  chtime: number;
}

export interface WriteOperation {
  readonly op: 'WRITE';
  inode: number;
  index: number;
  opflag: number;
  chtime: number;
  /** Result. */
  chunkid: number;
}

export interface TruncOperation {
  readonly op: 'TRUNC';
  inode: number;
  index: number;
  /** Result. */
  chunkid: number;
}

export interface UnlockOperation {
  readonly op: 'UNLOCK';
  chunkid: number;
}

export interface RollbackOperation {
  readonly op: 'ROLLBACK';
  inode: number;
  index: number;
  prevchunkid: number;
  chunkid: number;
}

export interface SetfilechunkOperation {
  readonly op: 'SETFILECHUNK';
  inode: number;
  index: number;
  chunkid: number;
}

export interface RepairOperation {
  readonly op: 'REPAIR';
  inode: number;
  index: number;
  /** Stands behind the colon, but is an input: 0 erases the entry. */
  version: number;
}

export interface AppendOperation {
  readonly op: 'APPEND';
  dst: number;
  src: number;
  from: number;
  to: number;
}

export interface ChunkaddOperation {
  readonly op: 'CHUNKADD';
  chunkid: number;
  version: number;
  lockedto: number;
}

export interface ChunkdelOperation {
  readonly op: 'CHUNKDEL';
  chunkid: number;
  version: number;
}

export interface SetversionOperation {
  readonly op: 'SETVERSION';
  chunkid: number;
  version: number;
}

/** Old: version + 1. */
export interface IncversionOperation {
  readonly op: 'INCVERSION';
  chunkid: number;
}

/** Old: raises the next chunk id. */
export interface NextchunkidOperation {
  readonly op: 'NEXTCHUNKID';
  chunkid: number;
}

/** What SESADD and SESCHANGED say about a session. */
export interface SessionParameters {
  exportscsum: bigint;
  /** 0 = meta (trash) session. */
  rootinode: number;
  sesflags: number;
  umask: number;
  rootuid: number;
  rootgid: number;
  mapalluid: number;
  mapallgid: number;
  mingoal: number;
  maxgoal: number;
  /** Seconds. */
  mintrashtime: number;
  maxtrashtime: number;
  disables: number;
  /** IPv4 as a number. */
  peerip: number;
  info: Buffer;
}

export interface SesaddOperation extends SessionParameters {
  readonly op: 'SESADD';
  /** Result. */
  sessionid: number;
}

export interface SeschangedOperation extends SessionParameters {
  readonly op: 'SESCHANGED';
  sessionid: number;
}

export interface SesdisconnectedOperation {
  readonly op: 'SESDISCONNECTED';
  sessionid: number;
}

export interface SesdelOperation {
  readonly op: 'SESDEL';
  sessionid: number;
}

/** Old `SESSION():id` and `CUSTOMER():id`: only takes a session id. */
export interface SessionOperation {
  readonly op: 'SESSION';
  /** Result. */
  sessionid: number;
}

export interface AcquireOperation {
  readonly op: 'ACQUIRE';
  sessionid: number;
  inode: number;
}

export interface ReleaseOperation {
  readonly op: 'RELEASE';
  sessionid: number;
  inode: number;
}

export interface FlockOperation {
  readonly op: 'FLOCK';
  inode: number;
  sessionid: number;
  owner: bigint;
  /** One letter as in the line: R, W, U and the old spellings S s r E e w u. */
  c: string;
}

export interface PosixlockOperation {
  readonly op: 'POSIXLOCK';
  inode: number;
  sessionid: number;
  owner: bigint;
  /** One letter as in the line, see FLOCK. */
  c: string;
  start: bigint;
  /** Exclusive; 2^64-1 = to the end. */
  end: bigint;
  pid: number;
}

export interface ScsetOperation {
  readonly op: 'SCSET';
  name: Buffer;
  /** 1 = create. */
  new: number;
  createcnt: number;
  keepcnt: number;
  archcnt: number;
  mode: number;
  /** Days. */
  archdelay: number;
  adminonly: number;
  /** (createcnt + keepcnt + archcnt) x 4 label masks: create, keep, archive. Empty when the line has `-`. */
  masks: readonly number[];
  /** Result. */
  id: number;
}

export interface ScdupOperation {
  readonly op: 'SCDUP';
  src: Buffer;
  dst: Buffer;
  /** Results. */
  srcid: number;
  dstid: number;
}

export interface ScrenOperation {
  readonly op: 'SCREN';
  old: Buffer;
  new: Buffer;
  /** Result. */
  id: number;
}

export interface ScdelOperation {
  readonly op: 'SCDEL';
  name: Buffer;
  /** Result. */
  id: number;
}

export interface CsdbopOperation {
  readonly op: 'CSDBOP';
  /** The first argument of the line: 0 add, 1 delete, 2 new address, 3 new id, 4 maintenance on, 5 off, 6 temporary. */
  csop: number;
  ip: number;
  port: number;
  arg: number;
}

export interface SetmetaidOperation {
  readonly op: 'SETMETAID';
  id: bigint;
}

export interface IdleOperation {
  readonly op: 'IDLE';
}

export type Operation =
  | CreateOperation
  | SymlinkOperation
  | LinkOperation
  | UnlinkOperation
  | MoveOperation
  | SetpathOperation
  | UndelOperation
  | PurgeOperation
  | EmptytrashOperation
  | EmptysustainedOperation
  | FreeinodesOperation
  | SnapshotOperation
  | RenumerateedgesOperation
  | AttrOperation
  | AccessOperation
  | AmtimeOperation
  | SeteattrOperation
  | SettrashtimeOperation
  | SetsclassOperation
  | ArchchgOperation
  | SetxattrOperation
  | SetaclOperation
  | QuotaOperation
  | LengthOperation
  | WriteOperation
  | TruncOperation
  | UnlockOperation
  | RollbackOperation
  | SetfilechunkOperation
  | RepairOperation
  | AppendOperation
  | ChunkaddOperation
  | ChunkdelOperation
  | SetversionOperation
  | IncversionOperation
  | NextchunkidOperation
  | SesaddOperation
  | SeschangedOperation
  | SesdisconnectedOperation
  | SesdelOperation
  | SessionOperation
  | AcquireOperation
  | ReleaseOperation
  | FlockOperation
  | PosixlockOperation
  | ScsetOperation
  | ScdupOperation
  | ScrenOperation
  | ScdelOperation
  | CsdbopOperation
  | SetmetaidOperation
  | IdleOperation;

/** The name of an operation in the change log. */
export type OperationName = Operation['op'];

/** The operation record of a given name. */
export type OperationOf<N extends OperationName> = Extract<Operation, { op: N }>;
