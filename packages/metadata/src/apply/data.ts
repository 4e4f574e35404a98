import { Status } from '@alces/proto';
import { CHANGED_ATTRIBUTES } from '../observer.ts';
import type {
  AppendOperation,
  LengthOperation,
  RepairOperation,
  RollbackOperation,
  SetfilechunkOperation,
  TruncOperation,
  WriteOperation,
} from '../operations.ts';
import type { State } from '../state.ts';
import { CHUNK_BYTES, CHUNK_LOCK_SECONDS, isFileType, MAX_CHUNK_INDEX } from '../tables/constants.ts';
import { changeLength, chunksCovering, cutSlots, growSlots, replaceChunk, touchData } from '../tree/fileData.ts';
import { lockChunk, setChunkVersion } from './chunks.ts';
import { type ApplyMode, type Handlers, settle } from './common.ts';

/** APPEND of old masters without a range: the whole source. */
const APPEND_ALL_FROM = 0xffffffff;

/** Row of a file (trash and sustained included); `wrongType` is the status for other nodes. */
function findFile(state: State, inode: number, wrongType: number): { row: number; status: number } {
  const row = state.nodes.find(inode);
  if (row === 0) {
    return { row, status: Status.ENOENT };
  }
  return { row, status: isFileType(state.nodes.type.get(row)) ? Status.OK : wrongType };
}

function length(state: State, now: number, op: LengthOperation): number {
  const { row, status } = findFile(state, op.inode, Status.EINVAL);
  if (status !== Status.OK) {
    return status;
  }
  cutSlots(state, row, chunksCovering(op.length));
  changeLength(state, row, op.length);
  touchData(state, row, now, op.chtime === 1);
  return Status.OK;
}

/** How a chunk that is about to be changed will be stored: in place, or as a new chunk with the next id. */
interface ChunkChange {
  status: number;
  /** Row of the present chunk, 0 = none. */
  oldRow: number;
  isNew: boolean;
}

function planChange(state: State, chunkId: number): ChunkChange {
  if (chunkId === 0) {
    return { status: Status.OK, oldRow: 0, isNew: true };
  }
  const oldRow = state.chunks.find(chunkId);
  if (oldRow === 0) {
    return { status: Status.NOCHUNK, oldRow, isNew: false };
  }
  const refs = state.chunks.refs.get(oldRow);
  return { status: refs === 0 ? Status.CHUNKLOST : Status.OK, oldRow, isNew: refs > 1 };
}

/** Puts a new or the present chunk into an existing entry, with a new version, and locks it. */
function changeChunk(
  state: State,
  now: number,
  row: number,
  op: { index: number; chunkid: number },
  change: ChunkChange,
  raiseVersion: boolean,
): void {
  const { chunks } = state;
  let chunk = change.oldRow;
  if (change.isNew) {
    chunk = chunks.insert(op.chunkid, 1, 0, 0);
    state.nextchunkid = op.chunkid + 1;
    state.observer.chunkCreated(chunk, op.chunkid, change.oldRow);
    replaceChunk(state, row, op.index, op.chunkid);
  } else if (raiseVersion) {
    setChunkVersion(state, chunk, chunks.version.get(chunk) + 1);
  }
  lockChunk(state, chunk, now + CHUNK_LOCK_SECONDS);
}

/** More changes than can be under way at a time; the oldest are forgotten, many together (looking for the first of a Map is slow). */
const MAX_BEGUN = 100_000;
const FORGOTTEN_AT_ONCE = 10_000;

function noteBegun(
  state: State,
  op: { inode: number; index: number; chunkid: number },
  previousChunkId: number,
  truncates: boolean,
): void {
  const { begunChanges } = state;
  begunChanges.delete(op.chunkid);
  begunChanges.set(op.chunkid, { inode: op.inode, index: op.index, previousChunkId, truncates });
  if (begunChanges.size <= MAX_BEGUN) {
    return;
  }
  let left = FORGOTTEN_AT_ONCE;
  for (const oldest of begunChanges.keys()) {
    begunChanges.delete(oldest);
    if (--left === 0) {
      return;
    }
  }
}

function write(state: State, now: number, op: WriteOperation, mode: ApplyMode): number {
  const { nodes } = state;
  const { row, status } = findFile(state, op.inode, Status.EPERM);
  if (status !== Status.OK) {
    return status;
  }
  if (op.index > MAX_CHUNK_INDEX) {
    return Status.INDEXTOOBIG;
  }
  const present = op.index < nodes.slots.get(row) ? nodes.chunkAt(row, op.index) : 0;
  const change = planChange(state, present);
  if (change.status !== Status.OK) {
    return change.status;
  }
  if (!settle(mode, op, 'chunkid', change.isNew ? state.nextchunkid : present)) {
    return Status.MISMATCH;
  }
  growSlots(state, row, op.index + 1);
  changeChunk(state, now, row, op, change, op.opflag !== 0);
  if (op.opflag !== 0) {
    noteBegun(state, op, present, false);
  }
  if (nodes.length.get(row) < op.index * CHUNK_BYTES) {
    changeLength(state, row, op.index * CHUNK_BYTES);
  }
  touchData(state, row, now, op.chtime === 1);
  return Status.OK;
}

function trunc(state: State, now: number, op: TruncOperation, mode: ApplyMode): number {
  const { nodes } = state;
  const { row, status } = findFile(state, op.inode, Status.EINVAL);
  if (status !== Status.OK) {
    return status;
  }
  if (op.index >= nodes.slots.get(row)) {
    return Status.EINVAL;
  }
  const present = nodes.chunkAt(row, op.index);
  if (present === 0) {
    return Status.NOCHUNK;
  }
  const change = planChange(state, present);
  if (change.status !== Status.OK) {
    return change.status;
  }
  if (!settle(mode, op, 'chunkid', change.isNew ? state.nextchunkid : present)) {
    return Status.MISMATCH;
  }
  changeChunk(state, now, row, op, change, true);
  noteBegun(state, op, present, true);
  return Status.OK;
}

function rollback(state: State, _now: number, op: RollbackOperation): number {
  const { nodes, chunks } = state;
  const { row, status } = findFile(state, op.inode, Status.EPERM);
  if (status !== Status.OK) {
    return status;
  }
  if (op.index >= nodes.slots.get(row)) {
    return Status.EINVAL;
  }
  if (op.prevchunkid !== op.chunkid) {
    replaceChunk(state, row, op.index, op.prevchunkid);
  }
  const chunk = chunks.find(op.chunkid);
  if (chunk !== 0) {
    lockChunk(state, chunk, 0);
  }
  return Status.OK;
}

function setfilechunk(state: State, _now: number, op: SetfilechunkOperation): number {
  const { row, status } = findFile(state, op.inode, Status.MISMATCH);
  if (status !== Status.OK) {
    return status;
  }
  if (op.index >= state.nodes.slots.get(row)) {
    return Status.MISMATCH;
  }
  replaceChunk(state, row, op.index, op.chunkid);
  return Status.OK;
}

function repair(state: State, now: number, op: RepairOperation, mode: ApplyMode): number {
  const { nodes, chunks } = state;
  const { row, status } = findFile(state, op.inode, Status.EPERM);
  if (status !== Status.OK) {
    return status;
  }
  if (op.index >= nodes.slots.get(row)) {
    return Status.EINVAL;
  }
  const chunk = chunks.find(nodes.chunkAt(row, op.index));
  if (chunk === 0 && (op.version !== 0 || mode === 'strict')) {
    return Status.NOCHUNK;
  }
  if (op.version === 0) {
    replaceChunk(state, row, op.index, 0);
  } else {
    setChunkVersion(state, chunk, op.version);
    state.metaversion += mode === 'strict' ? 1 : 0; // the stock replayer counts such a line twice (spec 51, section 7.2)
  }
  nodes.mtime.set(row, now);
  nodes.ctime.set(row, now);
  state.observer.nodeChanged(row, op.inode, CHANGED_ATTRIBUTES);
  return Status.OK;
}

function append(state: State, now: number, op: AppendOperation): number {
  const { nodes } = state;
  const dst = findFile(state, op.dst, Status.EPERM);
  const src = findFile(state, op.src, Status.EPERM);
  const status = op.dst === op.src ? Status.EINVAL : dst.status || src.status;
  if (status !== Status.OK) {
    return status;
  }
  const srcLength = nodes.length.get(src.row);
  if (srcLength === 0) {
    return Status.OK;
  }
  const last = chunksCovering(srcLength) - 1;
  const whole = op.from === APPEND_ALL_FROM && op.to === 0;
  const from = whole ? 0 : op.from;
  const to = whole ? last : op.to;
  if (from > to || to > last) {
    return Status.EINVAL;
  }
  const start = chunksCovering(nodes.length.get(dst.row));
  const end = start + to - from + 1;
  if (end > MAX_CHUNK_INDEX + 1) {
    return Status.EINVAL;
  }
  appendChunks(state, src.row, dst.row, from, start, end);
  const newLength = to === last ? start * CHUNK_BYTES + srcLength - from * CHUNK_BYTES : end * CHUNK_BYTES;
  changeLength(state, dst.row, newLength);
  nodes.mtime.set(dst.row, now);
  nodes.atime.set(dst.row, now);
  nodes.atime.set(src.row, now);
  state.observer.nodeChanged(dst.row, op.dst, CHANGED_ATTRIBUTES);
  state.observer.nodeChanged(src.row, op.src, CHANGED_ATTRIBUTES);
  return Status.OK;
}

/** Entries start..end-1 of `dst` become those of `src` from `from` on; the list of `dst` ends there. */
function appendChunks(state: State, src: number, dst: number, from: number, start: number, end: number): void {
  const { nodes } = state;
  cutSlots(state, dst, start);
  nodes.resizeSlots(dst, end);
  const srcEnd = Math.min(nodes.slots.get(src), from + end - start);
  for (let i = nodes.nextUsedSlot(src, from); i < srcEnd; i = nodes.nextUsedSlot(src, i + 1)) {
    replaceChunk(state, dst, start + i - from, nodes.chunkAt(src, i));
  }
}

export const dataHandlers: Handlers<'LENGTH' | 'WRITE' | 'TRUNC' | 'ROLLBACK' | 'SETFILECHUNK' | 'REPAIR' | 'APPEND'> =
  {
    LENGTH: length,
    WRITE: write,
    TRUNC: trunc,
    ROLLBACK: rollback,
    SETFILECHUNK: setfilechunk,
    REPAIR: repair,
    APPEND: append,
  };
