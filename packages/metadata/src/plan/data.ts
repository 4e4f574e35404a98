import { Disable, OpenFlag, packVersion, Status, TruncateFlag } from '@alces/proto';
import type { AcquireOperation, LengthOperation, UnlockOperation } from '../operations.ts';
import type { State } from '../state.ts';
import { CHUNK_BYTES, EATTR_APPENDONLY, EATTR_IMMUTABLE, isFileType, MAX_CHUNK_INDEX } from '../tables/constants.ts';
import { chunksCovering } from '../tree/fileData.ts';
import { ACCESS_READ, ACCESS_WRITE } from '../tree/permissions.ts';
import {
  checkSession,
  isDisabled,
  isPermitted,
  isReadOnly,
  type Planned,
  type RequestContext,
  resolve,
} from './context.ts';
import { fileExceedsQuota, growthByLength, growthByWrite, NO_GROWTH } from './quota.ts';

/** Clients from here on know the append-only flag of OPEN. */
const APPENDONLY_VERSION = packVersion(3, 0, 113);

/** ACQUIRE if the session does not have the inode open yet, else nothing. */
export function planAcquire(state: State, sessionId: number, inode: number): AcquireOperation | undefined {
  return state.openFiles.has(sessionId, inode) ? undefined : { op: 'ACQUIRE', sessionid: sessionId, inode };
}

/** Checks of OPEN that concern the node (spec 10, section 4.1 steps 4-8). */
function checkOpen(state: State, context: RequestContext, row: number, flags: number): number {
  const { nodes } = state;
  const eattr = nodes.eattr.get(row);
  const truncates = (flags & OpenFlag.TRUNCATE) !== 0;
  const writes = (flags & OpenFlag.WRITE) !== 0;
  if (!isFileType(nodes.type.get(row))) {
    return Status.EPERM;
  }
  if ((eattr & EATTR_IMMUTABLE && (writes || truncates)) || (eattr & EATTR_APPENDONLY && truncates)) {
    return Status.EPERM;
  }
  if ((flags & OpenFlag.AFTER_CREATE) === 0) {
    const wanted = (flags & OpenFlag.READ ? ACCESS_READ : 0) | (writes ? ACCESS_WRITE : 0);
    if (!isPermitted(state, context, row, wanted)) {
      return Status.EACCES;
    }
    if (truncates && !isPermitted(state, context, row, ACCESS_WRITE)) {
      return Status.EACCES;
    }
  }
  const refusesOldClient = context.clientVersion < APPENDONLY_VERSION && writes;
  return refusesOldClient && eattr & EATTR_APPENDONLY ? Status.EACCES : Status.OK;
}

/** OPEN (spec 10, section 4.1): LENGTH if the file is truncated, ACQUIRE if it is newly open; the list may be empty. */
export function planOpen(
  state: State,
  context: RequestContext,
  request: { inode: number; flags: number },
): Planned<(LengthOperation | AcquireOperation)[]> {
  const { flags } = request;
  if (flags & OpenFlag.TRUNCATE && isDisabled(context, Disable.TRUNCATE)) {
    return Status.EPERM;
  }
  if (flags & OpenFlag.WRITE && isReadOnly(context)) {
    return Status.EROFS;
  }
  const row = resolve(state, context, request.inode);
  const status = row === 0 ? Status.ENOENT : checkOpen(state, context, row, flags);
  if (status !== Status.OK) {
    return status;
  }
  const inode = state.nodes.inode.get(row);
  const operations: (LengthOperation | AcquireOperation)[] = [];
  if (flags & OpenFlag.TRUNCATE && (flags & OpenFlag.AFTER_CREATE) === 0) {
    operations.push({ op: 'LENGTH', inode, length: 0, chtime: 1 });
  }
  const acquire = planAcquire(state, context.session.sessionid, inode);
  if (acquire !== undefined) {
    operations.push(acquire);
  }
  return operations;
}

/** What TRUNCATE asks for (spec 10, section 3.6; spec 20, section 3.4). */
export interface TruncateRequest {
  inode: number;
  flags: number;
  length: number;
}

/** What is to be done for a TRUNCATE. */
export type TruncatePlan =
  /** Cut inside a chunk: chunkservers have to work first (TRUNC), then finishTruncate. */
  | { kind: 'chunk'; row: number; inode: number; index: number; chunkId: number; chunkLength: number }
  /** Only the length changes: finishTruncate at once. */
  | { kind: 'length'; row: number; inode: number }
  /** Room for an append is reserved (in the master's memory only); answered with `base` as previous length. */
  | { kind: 'reserve'; row: number; inode: number; base: number; reservedLength: number };

/**
 * TRUNCATE: all checks, in the order of spec 10, section 3.6.
 *
 * @param reservedLength gives the append reservation of an inode, 0 = none.
 */
export function planTruncate(
  state: State,
  context: RequestContext,
  request: TruncateRequest,
  reservedLength: (inode: number) => number,
): Planned<TruncatePlan> {
  const { nodes } = state;
  const { flags } = request;
  const reserves = (flags & TruncateFlag.RESERVE) !== 0;
  const updates = (flags & TruncateFlag.UPDATE) !== 0;
  const sessionStatus = checkTruncateSession(context, reserves || updates);
  if (sessionStatus !== Status.OK) {
    return sessionStatus;
  }
  const row = resolve(state, context, request.inode, (flags & TruncateFlag.OPENED) !== 0);
  const status = row === 0 ? Status.ENOENT : checkTruncate(state, context, row, flags);
  if (status !== Status.OK) {
    return status;
  }
  const inode = nodes.inode.get(row);
  const base = reserves ? Math.max(nodes.length.get(row), reservedLength(inode)) : 0;
  const target = base + request.length;
  if (target >= 2 ** 64) {
    return Status.INDEXTOOBIG;
  }
  const growthStatus = updates ? Status.OK : checkNewLength(state, context, row, target, reserves);
  if (growthStatus !== Status.OK) {
    return growthStatus;
  }
  if (reserves) {
    return { kind: 'reserve', row, inode, base, reservedLength: target };
  }
  return updates ? { kind: 'length', row, inode } : planCut(state, row, inode, target);
}

function checkTruncateSession(context: RequestContext, isPartOfWrite: boolean): number {
  const isDenied = isPartOfWrite
    ? isDisabled(context, Disable.WRITE)
    : isDisabled(context, Disable.TRUNCATE) && isDisabled(context, Disable.SETLENGTH);
  if (isDenied) {
    return Status.EPERM;
  }
  return isReadOnly(context) ? Status.EROFS : Status.OK;
}

function checkTruncate(state: State, context: RequestContext, row: number, flags: number): number {
  const { nodes } = state;
  const eattr = nodes.eattr.get(row);
  const isPartOfWrite = (flags & (TruncateFlag.RESERVE | TruncateFlag.UPDATE)) !== 0;
  if (eattr & EATTR_IMMUTABLE || (eattr & EATTR_APPENDONLY && !isPartOfWrite)) {
    return Status.EPERM;
  }
  if ((flags & TruncateFlag.OPENED) === 0 && !isPermitted(state, context, row, ACCESS_WRITE)) {
    return Status.EACCES;
  }
  return isFileType(nodes.type.get(row)) ? Status.OK : Status.EPERM;
}

function checkNewLength(state: State, context: RequestContext, row: number, length: number, reserves: boolean): number {
  const before = state.nodes.length.get(row);
  if (!reserves) {
    const isShorter = length < before && isDisabled(context, Disable.TRUNCATE);
    const isLonger = length > before && isDisabled(context, Disable.SETLENGTH);
    if (isShorter || isLonger) {
      return Status.EPERM;
    }
  }
  if (length <= before) {
    return Status.OK;
  }
  if (chunksCovering(length) - 1 > MAX_CHUNK_INDEX) {
    return Status.INDEXTOOBIG;
  }
  return fileExceedsQuota(state, row, growthByLength(state, row, length)) ? Status.QUOTA : Status.OK;
}

function planCut(state: State, row: number, inode: number, length: number): TruncatePlan {
  const { nodes } = state;
  const index = Math.floor(length / CHUNK_BYTES);
  const chunkLength = length - index * CHUNK_BYTES;
  if (length !== nodes.length.get(row) && chunkLength !== 0 && index < nodes.slots.get(row)) {
    const chunkId = nodes.chunkAt(row, index);
    if (chunkId !== 0) {
      return { kind: 'chunk', row, inode, index, chunkId, chunkLength };
    }
  }
  return { kind: 'length', row, inode };
}

/**
 * The LENGTH entry that ends a TRUNCATE without RESERVE; undefined when an UPDATE does not raise the length, or the file is gone
 * meanwhile. Answer with the length before as previous length.
 */
export function finishTruncate(state: State, inode: number, request: TruncateRequest): LengthOperation | undefined {
  const { nodes } = state;
  const row = nodes.find(inode);
  if (row === 0 || !isFileType(nodes.type.get(row))) {
    return undefined;
  }
  const before = nodes.length.get(row);
  const { length, flags } = request;
  if (flags & TruncateFlag.UPDATE) {
    return length > before ? { op: 'LENGTH', inode, length, chtime: 0 } : undefined;
  }
  const keepsTimes = (flags & TruncateFlag.TIMEFIX) !== 0 && length === before;
  return { op: 'LENGTH', inode, length, chtime: keepsTimes ? 0 : 1 };
}

/** The file and present chunk that a chunk request is about. */
export interface ChunkTarget {
  row: number;
  inode: number;
  /** 0 = hole, or an index behind the table. */
  chunkId: number;
  lengthBytes: number;
}

function findChunkTarget(state: State, inode: number, index: number, writes: boolean): Planned<ChunkTarget> {
  const { nodes } = state;
  const row = nodes.find(inode);
  if (row === 0) {
    return Status.ENOENT;
  }
  const isFrozen = writes && (nodes.eattr.get(row) & EATTR_IMMUTABLE) !== 0;
  if (!isFileType(nodes.type.get(row)) || isFrozen) {
    return Status.EPERM;
  }
  if (index > MAX_CHUNK_INDEX) {
    return Status.INDEXTOOBIG;
  }
  const chunkId = index < nodes.slots.get(row) ? nodes.chunkAt(row, index) : 0;
  return { row, inode, chunkId, lengthBytes: nodes.length.get(row) };
}

/** READ_CHUNK up to the point where the copies of the chunk matter (spec 20, section 3.1 steps 1-4). */
export function planReadChunk(
  state: State,
  context: RequestContext,
  request: { inode: number; index: number },
): Planned<ChunkTarget> {
  return isDisabled(context, Disable.READ) ? Status.EPERM : findChunkTarget(state, request.inode, request.index, false);
}

/**
 * WRITE_CHUNK up to the chunk action (spec 20, section 3.2.2). The caller then chooses servers, and applies
 * `{op: 'WRITE', inode, index, opflag, chtime, chunkid: 0}`.
 *
 * @param hasSpace whether chunkservers have room for data of this client.
 */
export function planWriteChunk(
  state: State,
  context: RequestContext,
  request: { inode: number; index: number },
  hasSpace: boolean,
): Planned<ChunkTarget> {
  const status = checkSession(context, Disable.WRITE);
  if (status !== Status.OK) {
    return status;
  }
  if (!hasSpace) {
    return Status.NOSPACE;
  }
  const target = findChunkTarget(state, request.inode, request.index, true);
  if (typeof target === 'number') {
    return target;
  }
  return fileExceedsQuota(state, target.row, growthByWrite(state, target.row, request.index)) ? Status.QUOTA : target;
}

/** What ends a write: the status of the answer, and the entries that are to be made whatever the status. */
export interface WriteEndPlan {
  status: number;
  operations: (LengthOperation | UnlockOperation)[];
}

/**
 * WRITE_CHUNK_END (spec 20, section 3.3): LENGTH if the file grew, and UNLOCK unless the length could not be set.
 *
 * @param chtime 1 for clients that do not report file times themselves (before 3.0.74).
 */
export function planWriteEnd(
  state: State,
  context: RequestContext,
  request: { chunkId: number; inode: number; length: number },
  chtime: number,
): WriteEndPlan {
  const { nodes } = state;
  const operations: (LengthOperation | UnlockOperation)[] = [];
  const status = checkSession(context, Disable.WRITE);
  if (status !== Status.OK) {
    return { status, operations };
  }
  if (request.length > 0) {
    const row = nodes.find(request.inode);
    const lengthStatus = row === 0 ? Status.ENOENT : checkWrittenLength(state, row, request.length);
    if (lengthStatus !== Status.OK) {
      return { status: lengthStatus, operations };
    }
    if (request.length > nodes.length.get(row)) {
      operations.push({ op: 'LENGTH', inode: request.inode, length: request.length, chtime });
    }
  }
  if (request.chunkId === 0 || state.chunks.find(request.chunkId) === 0) {
    return { status: Status.NOCHUNK, operations };
  }
  operations.push({ op: 'UNLOCK', chunkid: request.chunkId });
  return { status: Status.OK, operations };
}

function checkWrittenLength(state: State, row: number, length: number): number {
  const { nodes } = state;
  if (!isFileType(nodes.type.get(row))) {
    return Status.EPERM;
  }
  if (length <= nodes.length.get(row)) {
    return Status.OK;
  }
  if (chunksCovering(length) - 1 > MAX_CHUNK_INDEX) {
    return Status.INDEXTOOBIG;
  }
  // The size was tested when the chunk was given out for writing.
  const growth = { ...NO_GROWTH, length: length - nodes.length.get(row) };
  return fileExceedsQuota(state, row, growth) ? Status.QUOTA : Status.OK;
}

/** Difference between what a session reports as open and what is recorded (spec 10, section 10.2). */
export interface OpenFileChanges {
  /** No longer open: locks are to be released (logged), then RELEASE. */
  closed: number[];
  /** Newly open: ACQUIRE. */
  opened: number[];
}

/**
 * Compares the complete list of inodes that a session has open with the table; newly opened ones ascending. Zeros and repetitions are
 * ignored.
 */
export function compareOpenFiles(state: State, sessionId: number, inodes: Iterable<number>): OpenFileChanges {
  const reported = new Set(inodes);
  reported.delete(0);
  return {
    closed: state.openFiles.inodesOf(sessionId).filter((inode) => !reported.has(inode)),
    opened: [...reported].filter((inode) => !state.openFiles.has(sessionId, inode)).sort((a, b) => a - b),
  };
}
