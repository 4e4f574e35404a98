import type { Attr } from '@alces/proto';

/** Who asks. `gids[0]` is the primary group; at least one gid must be given (spec 10 §2.1). */
export interface Caller {
  readonly uid: number;
  readonly gids: readonly number[];
}

/** A chunkserver as the master names it in chunk locations. */
export interface ChunkServer {
  /** IPv4 address as a number, 10.98.0.1 = 0x0A620001. */
  readonly ip: number;
  readonly port: number;
  readonly version: number;
  /** Bit i set: the server has label 'A'+i. */
  readonly labelMask: number;
}

/** Where a chunk is. `chunkId` 0 and `version` 0: a hole that reads as zeros (spec 20 §3.1). */
export interface ChunkLocation {
  readonly chunkId: number;
  readonly version: number;
  readonly servers: readonly ChunkServer[];
}

/** A chunk location as READ_CHUNK and WRITE_CHUNK answer it, with the file's length at that moment. */
export interface LocatedChunk extends ChunkLocation {
  readonly fileLength: number;
}

/** An inode with its attributes. */
export interface Entry {
  readonly inode: number;
  readonly attr: Attr;
}

export interface LookupEntry extends Entry {
  /** LOOKUP_* bits (spec 00 §2.4). */
  readonly flags: number;
  /** Location of chunk 0 of a file with exactly one chunk slot; good for about a second (spec 20 §3.8). */
  readonly chunkZero?: ChunkLocation;
}

export interface DirectoryEntry extends Entry {
  /** A view of the received listing. */
  readonly name: Buffer;
}

/** An entry of a listing without attributes. `type` is 1..7 (spec 00 §2.2). */
export interface PlainDirectoryEntry {
  readonly name: Buffer;
  readonly inode: number;
  readonly type: number;
}

export interface OpenedFile {
  /** OPEN_KEEPCACHE, OPEN_DIRECTMODE, OPEN_APPENDONLY. */
  readonly flags: number;
  readonly attr: Attr;
}

export interface CreatedFile extends OpenedFile {
  readonly inode: number;
}

export interface FileSystemSpace {
  readonly totalBytes: number;
  readonly availableBytes: number;
  readonly freeBytes: number;
  readonly trashBytes: number;
  readonly sustainedBytes: number;
  readonly inodes: number;
}

/** What SETATTR may change; absent members stay. Times are unix seconds, 'now' is the master's clock. */
export interface AttrChanges {
  mode?: number;
  uid?: number;
  gid?: number;
  atime?: number | 'now';
  mtime?: number | 'now';
  winattr?: number;
}

/** A POSIX ACL; 0xFFFF in a triple or the mask means "absent" (spec 10 §7). */
export interface Acl {
  readonly user: number;
  readonly group: number;
  readonly other: number;
  readonly mask: number;
  readonly namedUsers: readonly AclEntry[];
  readonly namedGroups: readonly AclEntry[];
}

export interface AclEntry {
  readonly id: number;
  readonly perm: number;
}

/** A POSIX lock range, half open [start, end); end 2^64-1 is "to end of file". */
export interface LockRange {
  readonly pid: number;
  /** 0 unlocked, 1 read, 2 write. */
  readonly type: number;
  readonly start: bigint;
  readonly end: bigint;
}

/** Result of the recursive "set" operations (spec 10 §11.1). */
export interface ChangeCounts {
  readonly changed: number;
  readonly notChanged: number;
  readonly notPermitted: number;
}

/** Parameters that the exports give a session (spec 00 §4.4, §4.9). */
export interface SessionParameters {
  readonly sessionId: number;
  /** Random identity of the file system instance; 0n unknown. */
  readonly metaId: bigint;
  readonly masterVersion: number;
  /** SESFLAG_* bits. */
  readonly flags: number;
  readonly umask: number;
  readonly rootUid: number;
  readonly rootGid: number;
  readonly mapAllUid: number;
  readonly mapAllGid: number;
  readonly minGoal: number;
  readonly maxGoal: number;
  readonly minTrashSeconds: number;
  readonly maxTrashSeconds: number;
  /** Disabled operations (spec 00 §2.7). */
  readonly disables: number;
}

/** normal: registered or reconnecting; lost: the master forgot the session, a new one is being made (spec 00 §6.4). */
export type SessionState = 'normal' | 'lost' | 'closed';

export interface MasterAddress {
  readonly host: string;
  readonly port: number;
}

export interface SessionOptions {
  /** Alternatives, tried in turn. Default port of each: 9421. */
  readonly masters: readonly (string | MasterAddress)[];
  /** Information text shown in session lists; a mount gives its mount point. */
  readonly info: string;
  /** Directory to mount, default `/`. Ignored for a meta session. */
  readonly subfolder?: string;
  /** The password in clear, or its MD5 digest (16 bytes). */
  readonly password?: string | Buffer;
  readonly passwordMd5?: Buffer;
  /** Forget the password after the first registration (`mfsdonotrememberpassword`). */
  readonly forgetPassword?: boolean;
  /** Meta session: trash and sustained files (spec 00 §4.5). */
  readonly meta?: boolean;
  /** Register in the background; until then operations fail with EIO and there are no `parameters` (`mfsdelayedinit`). */
  readonly delayedInit?: boolean;
  /** Local address (`mfsbind`). */
  readonly bindHost?: string;
  /** Tries of an operation before EIO (`mfsioretries`, default 30). */
  readonly ioRetries?: number;
  /** Total time limit of an operation before EIO, 0 none (`mfstimeout`). */
  readonly timeoutMs?: number;
  /** A connection on which nothing arrives for so long is dead (default 10 000). */
  readonly silenceMs?: number;
}

/** What a session tells its user without being asked. All members are called synchronously and must not throw. */
export interface SessionListener {
  /** 702: a chunk of an open inode was written or (truncated) cut by another client. */
  chunkChanged?(change: ChunkChange): void;
  /** 703: another client changed the length of an open inode. */
  lengthChanged?(inode: number, length: number): void;
  /** 706, or the connection was lost: forget all chunk locations. */
  locationsInvalid?(): void;
  /** The inode left the list of open inodes for good: the master sends no more notifications for it. */
  inodeForgotten?(inode: number): void;
  connected?(parameters: SessionParameters): void;
  disconnected?(reason: Error): void;
  /** The master did not know the session any more; a new one (other id) has begun: locks are gone, open files are announced again. */
  sessionReplaced?(parameters: SessionParameters): void;
}

export interface ChunkChange {
  readonly inode: number;
  readonly index: number;
  readonly chunkId: number;
  readonly version: number;
  readonly fileLength: number;
  readonly truncated: boolean;
}

export interface DataOptions {
  /** Bound of written and not yet acknowledged bytes over all files (`mfswritecachesize`, default 256 MiB). */
  readonly writeCacheBytes?: number;
  /** Bound of buffered read bytes over all files (`mfsreadaheadsize`, default 256 MiB). */
  readonly readCacheBytes?: number;
  /** First read-ahead step (`mfsreadaheadleng`, default 1 MiB). */
  readonly readAheadBytes?: number;
  /** Tries before an error (`mfsioretries`, default 30). */
  readonly ioRetries?: number;
  /** A read that waits longer fails with EIO, 0 none (`mfstimeout`). */
  readonly timeoutMs?: number;
  readonly errorOnLostChunk?: boolean;
  readonly errorOnNoSpace?: boolean;
  /** Alternatives of preferred labels, best first: each a label mask that a server must have all of (`mfspreflabels`). */
  readonly preferredLabels?: readonly number[];
  /** Local address for connections to chunkservers (`mfsbind`). */
  readonly bindHost?: string;
}

/** What opening a file tells the data engine. */
export interface OpenFileInfo {
  readonly inode: number;
  /** Length from the OPEN, CREATE or LOOKUP answer. */
  readonly length: number;
  /**
   * Chunk 0 from a LOOKUP answer at most a second old, after which the attributes have not changed; or the answer to a READ_CHUNK sent
   * right behind the OPEN, which is never too old and costs no round trip of its own.
   */
  readonly chunkZero?: ChunkLocation | Promise<LocatedChunk>;
  /** The file was truncated by this OPEN (flush it before): drop what is known of its chunks. */
  readonly truncated?: boolean;
}
