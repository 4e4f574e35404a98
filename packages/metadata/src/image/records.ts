/**
 * The records of an image as the parser hands them out, independent of the section version they were read from.
 * One object of each kind is reused for all records: a sink copies what it keeps. Byte ranges point into `bytes`, which is
 * only valid during the call.
 */

import type { NodeHead } from '../load.ts';

/** Operation counters of a session: statfs, getattr, ..., write (spec 50 §3.1). */
export const SESSION_COUNTERS = 16;
/** Label masks ("or groups") per copy. */
export const MASKS_PER_COPY = 4;
export const MAX_COPIES = 9;

export interface SessionRecord {
  sessionId: number;
  exportsChecksum: bigint;
  peerIp: number;
  rootInode: number;
  flags: number;
  umask: number;
  minGoal: number;
  maxGoal: number;
  minTrashTime: number;
  maxTrashTime: number;
  rootUid: number;
  rootGid: number;
  mapAllUid: number;
  mapAllGid: number;
  disables: number;
  /** Unix time of the disconnection; 0: connected when saved; undefined: not stored in this version, the time of loading. */
  disconnected: number | undefined;
  currentHour: Uint32Array;
  lastHour: Uint32Array;
  info: Buffer;
}

export interface StorageClassRecord {
  classId: number;
  /** Empty in old versions. */
  name: Buffer;
  adminOnly: number;
  mode: number;
  archiveDelayDays: number;
  createCount: number;
  keepCount: number;
  archiveCount: number;
  /** `MASKS_PER_COPY` masks for each copy, unused ones 0; only the first `count` copies count. */
  createMasks: Uint32Array;
  keepMasks: Uint32Array;
  archiveMasks: Uint32Array;
}

export interface NodeRecord extends NodeHead {
  /** The same as stored: seconds in versions up to 0x13, later hours. */
  trashTimeStored: number;
  /** Types 5 and 6. */
  rdev: number;
  bytes: Buffer;
  view: DataView;
  /** Type 3: the target. */
  pathStart: number;
  pathEnd: number;
  /** Types 1, 8, 9. */
  lengthBytes: number;
  /** Types 1, 8, 9: `chunkCount` big-endian u64 from `chunksStart`. */
  chunksStart: number;
  chunkCount: number;
  /** Types 1, 8, 9 in versions up to 0x13: `sessionCount` u32 of sessions that have the file open. */
  sessionsStart: number;
  sessionCount: number;
}

export interface EdgeRecord {
  /** 0: detached name of a trash or sustained file. */
  parent: number;
  child: number;
  /** The halves of the edge id; 0 in versions without ids. */
  idHigh: number;
  idLow: number;
  bytes: Buffer;
  nameStart: number;
  nameEnd: number;
}

export interface QuotaRecord {
  inode: number;
  /** Undefined: not stored in this version, the configured default. */
  gracePeriod: number | undefined;
  exceeded: number;
  flags: number;
  softSince: number;
  softInodes: number;
  hardInodes: number;
  softLength: bigint;
  hardLength: bigint;
  softSize: bigint;
  hardSize: bigint;
  softRealSize: bigint;
  hardRealSize: bigint;
}

export interface XattrRecord {
  inode: number;
  bytes: Buffer;
  nameStart: number;
  nameEnd: number;
  valueStart: number;
  valueEnd: number;
}

export interface AclRecord {
  inode: number;
  /** 1 access, 2 default. */
  type: number;
  user: number;
  group: number;
  other: number;
  mask: number;
  namedUsers: number;
  namedGroups: number;
  bytes: Buffer;
  view: DataView;
  /** First the users, then the groups: id u32, permissions u16. */
  namedStart: number;
}

export interface FlockRecord {
  inode: number;
  owner: bigint;
  sessionId: number;
  /** 0 shared, 1 exclusive. */
  type: number;
}

export interface PosixLockRecord {
  inode: number;
  owner: bigint;
  sessionId: number;
  pid: number;
  start: bigint;
  end: bigint;
  /** 1 read, 2 write. */
  type: number;
}

export interface ChunkserverRecord {
  ip: number;
  port: number;
  /** 0: none assigned. */
  csid: number;
  /** 0 off, 1 on, 2 temporary. */
  maintenance: number;
  maintenanceTimeout: number;
}

export interface ChunkRecord {
  chunkId: number;
  version: number;
  lockedTo: number;
  archived: number;
}

/** Receives what an image holds, in file order. */
export interface ImageSink {
  sessions(nextSessionId: number, countersStored: number): void;
  session(record: SessionRecord): void;
  /** Versions of SCLA and LABS below 0x16: a text for each of the 26 labels. */
  labelDescription?(label: number, text: Buffer): void;
  storageClass(record: StorageClassRecord): void;
  nodes(maxInode: number, nodeCount: number): void;
  node(record: NodeRecord): void;
  edges(nextEdgeId: bigint): void;
  edge(record: EdgeRecord): void;
  freedInodes(count: number): void;
  freedInode(inode: number, freedAt: number): void;
  quotas(count: number): void;
  quota(record: QuotaRecord): void;
  xattr(record: XattrRecord): void;
  acl(record: AclRecord): void;
  openFile(sessionId: number, inode: number): void;
  flock(record: FlockRecord): void;
  posixLock(record: PosixLockRecord): void;
  chunkservers(count: number): void;
  chunkserver(record: ChunkserverRecord): void;
  chunks(nextChunkId: number): void;
  chunk(record: ChunkRecord): void;
}

/** What the parsers of sections work with. */
export interface SectionContext {
  /** Version of the section being read. */
  version: number;
  sink: ImageSink;
  /**
   * Reports a damaged record: throws, unless damage is to be ignored (`-i`); then the caller leaves the record out.
   * `offset`: where the record begins.
   */
  tolerate(reason: string, offset: number): void;
}
