/**
 * The chunk side of the master as the rest of the master sees it: chunkservers (port 9420), chunk copies, operations on
 * chunks, locks and waiting requests, maintenance, and the figures that monitors ask for. Spec 40, 20 §2-3, 30 part 1.
 *
 * All calls are synchronous and run to completion; nothing here awaits. Chunk ids are numbers, IPv4 addresses are u32,
 * times are whole unix seconds of `Clock`, statuses are the numbers of `Status` in `@alces/proto`.
 */

import type { OperationOf } from '@alces/metadata';

/** One copy as it is told to clients (spec 40 §6.1). */
export interface ChunkLocation {
  readonly ip: number;
  readonly port: number;
  /** Version word of the chunkserver. */
  readonly version: number;
  readonly labelMask: number;
}

/** `status` other than OK: LOCKED (11) or CHUNKBUSY (14): park the request; NOCHUNK (13), CHUNKLOST (8): answer it. */
export interface LocateResult {
  readonly status: number;
  readonly chunkId: number;
  readonly version: number;
  /** At most 100, nearest to the client first; may be empty with status OK (the client asks again). */
  readonly servers: readonly ChunkLocation[];
}

/** What a write grant or a truncate came to at once. */
export type StartResult =
  /** Answer with this status; nothing was changed. */
  | { readonly kind: 'refused'; readonly status: number }
  /** Park the request (`ChunkService.park`) with this status (LOCKED or CHUNKBUSY); nothing was changed. */
  | { readonly kind: 'wait'; readonly status: number }
  /** `commit` has been called; answer now, with `ChunkService.locations(chunkId, client)`. */
  | { readonly kind: 'ready'; readonly chunkId: number }
  /** `commit` has been called; chunkservers are working, `done` will be called once (never from inside the call). */
  | { readonly kind: 'pending'; readonly chunkId: number };

/** A write grant (spec 40 §3.1), after the checks of session, space, inode and quota. */
export interface WriteStart {
  /** Present content of the file's slot, 0 = empty. */
  readonly chunkId: number;
  /** Storage class of the file; used when a chunk is created. */
  readonly storageClass: number;
  /** Address of the client's TCP connection. */
  readonly clientAddress: number;
  /** CHUNKOPFLAG_CONTINUEOP: pass through the lock. */
  readonly continueOperation: boolean;
  /**
   * Applies `WRITE(inode,index,opflag,chtime):chunkId` to metadata and journal. Called at most once, from inside
   * `startWrite`, after every check; when it returns the metadata must show the chunk with its new version and lock.
   */
  commit(opflag: 0 | 1, chunkId: number): void;
  /** End of the operation for a `pending` result: OK, NOTDONE or NOSPACE. Not called after `abandon`. */
  done(status: number): void;
}

/** A truncate that cuts into an existing chunk (spec 40 §3.2). */
export interface TruncateStart {
  /** Present content of the slot, not 0. */
  readonly chunkId: number;
  /** New length inside the chunk, 1 .. 64 MiB - 1. */
  readonly chunkLengthBytes: number;
  /** Applies `TRUNC(inode,index):chunkId`; rules as in {@link WriteStart.commit}. */
  commit(chunkId: number): void;
  /** As in {@link WriteStart.done}. On OK call `unlock(chunkId)`, then apply LENGTH; otherwise `rollBack`. */
  done(status: number): void;
}

/** A parked request (spec 20 §2.3). */
export interface Waiter {
  /** Whose request it is; `dropWaiters(owner)` forgets it when the connection closes. */
  readonly owner: object;
  /** Executes the request again from the beginning. Returns 0 when it was answered or started, else the status it waits with. */
  run(): number;
  /** Waited for 30 s: answer with `status` (LOCKED or CHUNKBUSY). */
  expire(status: number): void;
}

/** Kind of a copy in CHECK (440): 0 valid, 1 marked for removal, 2 wrong version, 3 both, 4 invalid. */
export interface CopyState {
  readonly ip: number;
  readonly port: number;
  readonly type: number;
}

/** One row of CSERV_LIST (spec 70 §3.2), in the order of its fields. */
export interface ServerRow {
  readonly flags: number;
  /** Version word; 0 when disconnected. */
  readonly version: number;
  readonly ip: number;
  readonly port: number;
  readonly csid: number;
  readonly usedBytes: number;
  readonly totalBytes: number;
  readonly chunks: number;
  readonly markedUsedBytes: number;
  readonly markedTotalBytes: number;
  readonly markedChunks: number;
  readonly errors: number;
  readonly load: number;
  readonly graceTime: number;
  readonly labelMask: number;
  readonly removalStatus: number;
}

/** Space of the connected chunkservers; recomputed once a second (spec 40 §7.5). */
export interface SpaceInfo {
  readonly totalBytes: number;
  readonly usedBytes: number;
  readonly freeBytes: number;
  /** Free minus RESERVE_SPACE, at least 0. */
  readonly availableBytes: number;
}

/** CHUNKSTEST_INFO (spec 40 §12.2): the 18 numbers in wire order. */
export type ChunkTestInfo = readonly number[];

/** FSTEST_INFO (spec 70 §3.5). */
export interface FileTestInfo {
  readonly loopStart: number;
  readonly loopEnd: number;
  readonly files: number;
  readonly underGoalFiles: number;
  readonly missingFiles: number;
  readonly missingTrashFiles: number;
  readonly missingSustainedFiles: number;
  readonly chunks: number;
  readonly underGoalChunks: number;
  readonly missingChunks: number;
  /** Text lines, at most 1 000 000 bytes. */
  readonly messages: string;
}

/** MISSING_CHUNKS (spec 70 §3.21); `type` 0 no copy, 1 only bad copies, 2 some copy with a wrong version. */
export interface MissingChunk {
  readonly chunkId: number;
  readonly inode: number;
  readonly index: number;
  readonly type: number;
}

/** Chunk part of one class in SCLASS_INFO (spec 40 §12.5). `servers`: usable servers per label expression. */
export interface ClassInfo {
  readonly under: number;
  readonly archiveUnder: number;
  readonly exact: number;
  readonly archiveExact: number;
  readonly over: number;
  readonly archiveOver: number;
  readonly create: LabelFulfilment;
  readonly keep: LabelFulfilment;
  readonly archive: LabelFulfilment;
}

export interface LabelFulfilment {
  /** 3 yes, 2 only with overloaded servers, 1 only with full ones, 0 no. */
  readonly fulfilled: number;
  /** Usable servers that satisfy each expression, in the order of the class definition. */
  readonly servers: readonly number[];
}

/** Sums since the start, for charts (spec 70 §5.3). */
export interface ChunkCounters {
  deletesSent: number;
  replicationsSent: number;
  createsSent: number;
  changesSent: number;
  deletesOk: number;
  deletesFailed: number;
  replicationsOk: number;
  replicationsFailed: number;
  createsOk: number;
  createsFailed: number;
  changesOk: number;
  changesFailed: number;
}

/** Totals for INFO (510). */
export interface ChunkTotals {
  readonly chunks: number;
  /** Sum over chunks of min(live copies, 10). */
  readonly copies: number;
  /** The same with regular copies (not on disks marked for removal). */
  readonly regularCopies: number;
}

/** How busy the chunk side is, for the metrics. */
export interface ChunkFigures {
  /** Chunks in each priority queue (spec 40 §11.4). */
  readonly queued: readonly number[];
  readonly waitingRequests: number;
  /** Chunks with an operation in progress. */
  readonly operations: number;
  readonly copies: number;
  /** Memory outside the JavaScript heap. */
  readonly memoryBytes: number;
  /** Present limit of deletions without an answer, per server. */
  readonly deleteLimit: number;
}

/** Commands of CSSERV_COMMAND (524). */
export const ServerCommand = { remove: 0, backToWork: 1, maintenanceOn: 2, maintenanceOff: 3 } as const;

/** What the rest of the master calls. */
export interface ChunkService {
  // --- reading -------------------------------------------------------------------------------------------------
  /** READ_CHUNK, and LOOKUP with chunk data: looks at the lock and at a running operation first (spec 40 §5.2, §6.1). */
  locate(chunkId: number, clientAddress: number): LocateResult;
  /** The list for the answer to a granted write: no look at lock or operation. Status OK or CHUNKLOST. */
  locations(chunkId: number, clientAddress: number): LocateResult;

  // --- changing ------------------------------------------------------------------------------------------------
  /** Write grant. */
  startWrite(request: WriteStart): StartResult;
  /** Truncate inside a chunk. */
  startTruncate(request: TruncateStart): StartResult;
  /**
   * The client of a pending operation has gone: `done` will not be called. Call `rollBack` afterwards. The operation on the
   * chunkservers goes on by itself.
   */
  abandon(chunkId: number): void;
  /**
   * End of a write or truncate: commits UNLOCK, calls `committed`, and wakes waiting requests. NOCHUNK (nothing logged) for an unknown
   * chunk.
   */
  unlock(chunkId: number, committed?: () => void): number;
  /**
   * Commits `ROLLBACK(inode,index,previousChunkId,chunkId)` and wakes waiting requests. If the slot does not hold the chunk any
   * more (the file was cut or removed meanwhile) it only unlocks.
   */
  rollBack(inode: number, index: number, previousChunkId: number, chunkId: number): void;
  /**
   * REPAIR of one slot (spec 40 §14.5): -1 not changed; 0 erase the slot; else the version to take. Changes nothing: the caller
   * applies `REPAIR(inode,index):version` and then calls `repaired`.
   */
  repairVersion(chunkId: number): number;
  /** After REPAIR with a version above 0 was applied: copies of that version become valid. */
  repaired(chunkId: number): void;

  // --- waiting -------------------------------------------------------------------------------------------------
  /** Parks a request that met LOCKED or CHUNKBUSY on `chunkId` (the id that was in the slot). */
  park(chunkId: number, status: number, waiter: Waiter): void;
  /** The connection has gone. */
  dropWaiters(owner: object): void;

  // --- looking -------------------------------------------------------------------------------------------------
  /** Live copies of a chunk, 0 for an unknown one. */
  liveCopies(chunkId: number): number;
  /** All copies but those being deleted (NODE_INFO). */
  copyCount(chunkId: number): number;
  /** CHECK with an index (spec 40 §6.2), at most 100. */
  copies(chunkId: number): readonly CopyState[];
  space(): SpaceInfo;
  /** The master has just begun, and known chunkservers are not there yet: that there is no space now means nothing. */
  serversMayReturn(): boolean;
  totals(): ChunkTotals;
  figures(): ChunkFigures;
  /** CHUNKS_MATRIX: 121 numbers (goal 0..10 x copies 0..10); 0 all copies, 1 regular copies. */
  matrix(which: 0 | 1): Uint32Array;
  /** The progress byte of CHUNKS_MATRIX: bit 0 disconnections, bit 1 connections being processed. */
  countersInProgress(): number;
  serverList(): readonly ServerRow[];
  /** CSSERV_COMMAND; returns the status. */
  serverCommand(command: number, ip: number, port: number): number;
  /** Number of usable servers (SCLASS_INFO). */
  usableServers(): number;
  classInfo(classId: number): ClassInfo;
  chunkTest(): ChunkTestInfo;
  fileTest(): FileTestInfo;
  missingChunks(): readonly MissingChunk[];
  readonly counters: Readonly<ChunkCounters>;
}

/** The changelog operations that arise here. */
export type ChunkEntry = OperationOf<
  'CHUNKADD' | 'CHUNKDEL' | 'SETVERSION' | 'UNLOCK' | 'ROLLBACK' | 'SETFILECHUNK' | 'ARCHCHG' | 'CSDBOP'
>;

/** What the chunk side asks of the rest of the master. */
export interface ChunkServiceHost {
  /** Applies a changelog entry that arose here to metadata and journal, with the present time; must succeed. */
  commit(entry: ChunkEntry): void;
  /**
   * Runs `run` when every entry appended so far is as safe as the journal's protocol demands (at once if it is already). Calls
   * keep their order. Commands to chunkservers go out only then: a DELETE must never outlive the entry that allowed it.
   */
  afterCommit(run: () => void): void;
  /** Chunkservers' messages or a tick were worked off: answers that `done`, `run` and `expire` made may leave now. */
  flush(): void;
  /** Sends INVALIDATE_CHUNK_CACHE (706) to the mounts: a server went away or all registrations ended. */
  chunkLocationsChanged(): void;
  /** The id of this file system, for MATOCS_MASTER_ACK. */
  metaId(): bigint;
  /** For GET_CONFIG on port 9420: the text of an option in the configuration file, '' when absent or secret. */
  configText(name: string): string;
}
