/** NODE, EDGE and FREE sections out of the tables (spec 50 §3.3-3.5). */
import type { State } from '../../state.ts';
import {
  isFileType,
  MAX_SYMLINK_BYTES,
  ROOT_INODE,
  SUSTAINED_BUCKETS,
  TRASH_BUCKETS,
  TYPE_BLOCKDEV,
  TYPE_CHARDEV,
  TYPE_DIRECTORY,
  TYPE_SYMLINK,
} from '../../tables/constants.ts';
import type { ImageOutput, ImageWriter } from './output.ts';

const NODE_HEAD_BYTES = 32;
const FILE_HEAD_BYTES = 44;
const EDGE_HEAD_BYTES = 18;
/** Chunk lists up to this are written together with the head. */
const SHORT_LIST = 256;
/** Room for any node without a longer list. */
const NODE_ROOM_BYTES = FILE_HEAD_BYTES + Math.max(SHORT_LIST * 8, MAX_SYMLINK_BYTES);
/** Chunk ids are written, and checksummed, in blocks of this many. */
const CHUNK_BLOCK = 65536;
/** Freed inodes likewise. */
const FREE_BLOCK = 1024;

function putNodeHead(out: ImageOutput, state: State, row: number, type: number): void {
  const { nodes } = state;
  const { view, length: at } = out;
  view.setUint8(at, type);
  view.setUint32(at + 1, nodes.inode.get(row));
  view.setUint8(at + 5, nodes.sclass.get(row));
  view.setUint8(at + 6, nodes.eattr.get(row));
  view.setUint8(at + 7, nodes.winattr.get(row));
  view.setUint16(at + 8, nodes.mode.get(row));
  view.setUint32(at + 10, nodes.uid.get(row));
  view.setUint32(at + 14, nodes.gid.get(row));
  view.setUint32(at + 18, nodes.atime.get(row));
  view.setUint32(at + 22, nodes.mtime.get(row));
  view.setUint32(at + 26, nodes.ctime.get(row));
  view.setUint16(at + 30, nodes.trashtime.get(row));
  out.length = at + NODE_HEAD_BYTES;
}

/** Entries of a chunk list without trailing holes. */
function usedSlots(state: State, row: number): number {
  const { nodes } = state;
  const slots = nodes.slots.get(row);
  if (slots > 0 && nodes.chunkAt(row, slots - 1) !== 0) return slots;
  let used = 0;
  for (let i = nodes.nextUsedSlot(row, 0); i < slots; i = nodes.nextUsedSlot(row, used)) used = i + 1;
  return used;
}

function putFileHead(out: ImageOutput, state: State, row: number, type: number, slots: number): void {
  const start = out.length;
  putNodeHead(out, state, row, type);
  out.u64(state.nodes.length.get(row));
  out.u32(slots);
  out.checksum(start);
}

/** Entries of a chunk list from `first` up to `last`. */
function putChunkIds(out: ImageOutput, { nodes }: State, row: number, first: number, last: number): void {
  if (first === last) return;
  const start = out.length;
  for (let i = first; i < last; i++) out.u64(nodes.chunkAt(row, i));
  out.checksum(start);
}

/** A file whose chunk list may fill several pieces. */
function* writeLongFile(out: ImageOutput, state: State, row: number): ImageWriter {
  const slots = usedSlots(state, row);
  putFileHead(out, state, row, state.nodes.type.get(row), slots);
  for (let first = 0; first < slots; first += CHUNK_BLOCK) {
    const last = Math.min(first + CHUNK_BLOCK, slots);
    yield* out.reserve((last - first) * 8);
    putChunkIds(out, state, row, first, last);
  }
}

export function* writeNodes(out: ImageOutput, state: State): ImageWriter {
  const { nodes } = state;
  yield* out.reserve(8);
  const start = out.length;
  out.u32(state.maxinode);
  out.u32(nodes.count);
  out.checksum(start);
  for (let row = putNodes(out, state, 1); row < nodes.rowLimit; row = putNodes(out, state, row)) {
    if (!out.fits(NODE_ROOM_BYTES)) yield* out.flush();
    else yield* writeLongFile(out, state, row++);
  }
  yield* out.terminator(1);
}

/**
 * Writes nodes from row `from` on while there is room; a function of its own because the engine makes faster code of one that is called
 * often than of a generator in which a loop runs on. Returns the row to go on with: there is no room for it, or it is a long file.
 */
function putNodes(out: ImageOutput, state: State, from: number): number {
  const { nodes } = state;
  const { rowLimit } = nodes;
  for (let row = from; row < rowLimit; row++) {
    const type = nodes.type.get(row);
    if (type === 0) continue;
    if (!out.fits(NODE_ROOM_BYTES)) return row;
    if (!isFileType(type)) {
      putOther(out, state, row, type);
      continue;
    }
    const slots = usedSlots(state, row);
    if (slots > SHORT_LIST) return row;
    putFileHead(out, state, row, type, slots);
    putChunkIds(out, state, row, 0, slots);
  }
  return rowLimit;
}

/** A node that is no file. */
function putOther(out: ImageOutput, state: State, row: number, type: number): void {
  const { nodes } = state;
  const start = out.length;
  putNodeHead(out, state, row, type);
  if (type === TYPE_BLOCKDEV || type === TYPE_CHARDEV) {
    out.u32(nodes.aux.get(row));
  } else if (type === TYPE_SYMLINK) {
    out.u32(nodes.length.get(row));
  }
  out.checksum(start);
  if (type !== TYPE_SYMLINK) return;
  const target = out.length;
  out.data(nodes.symlink(row));
  out.checksum(target);
}

function putEdge(out: ImageOutput, { nodes, edges }: State, edge: number, parentInode: number): void {
  const { view, length: start } = out;
  view.setUint32(start, parentInode);
  view.setUint32(start + 4, nodes.inode.get(edges.child.get(edge)));
  view.setUint32(start + 8, edges.idHigh.get(edge));
  view.setUint32(start + 12, edges.idLow.get(edge));
  view.setUint16(start + 16, edges.nameLength.get(edge));
  const end = start + EDGE_HEAD_BYTES;
  out.length = end + edges.copyName(edge, out.bytes, end);
  out.checksum(start);
}

/** Writes names of a list from `first` on while there is room; returns the one to go on with, 0: none. */
function putEdges(out: ImageOutput, state: State, first: number): number {
  const { nodes, edges } = state;
  const parent = edges.parent.get(first);
  const parentInode = parent === 0 ? 0 : nodes.inode.get(parent);
  let edge = first;
  while (edge !== 0 && out.fits(EDGE_HEAD_BYTES + edges.nameLength.get(edge))) {
    putEdge(out, state, edge, parentInode);
    edge = edges.nextSibling.get(edge);
  }
  return edge;
}

/** The names of a directory or of a bucket of detached ones. */
function* writeList(out: ImageOutput, state: State, first: number): ImageWriter {
  for (let edge = putEdges(out, state, first); edge !== 0; edge = putEdges(out, state, edge)) yield* out.flush();
}

/** The names of all directories: those of one directory together, then the same for each of its directories. */
function* writeTree(out: ImageOutput, state: State): ImageWriter {
  const { nodes, edges } = state;
  const root = nodes.find(ROOT_INODE);
  yield* writeList(out, state, edges.firstChild(root));
  const pending = [edges.firstChild(root)];
  while (pending.length > 0) {
    const edge = pending.pop()!;
    if (edge === 0) continue;
    pending.push(edges.nextSibling.get(edge));
    const child = edges.child.get(edge);
    if (nodes.type.get(child) !== TYPE_DIRECTORY) continue;
    const first = edges.firstChild(child);
    if (first === 0) continue;
    yield* writeList(out, state, first);
    pending.push(first);
  }
}

export function* writeEdges(out: ImageOutput, state: State): ImageWriter {
  const { edges } = state;
  yield* out.reserve(8);
  const start = out.length;
  out.big(state.nextedgeid);
  out.checksum(start);
  yield* writeTree(out, state);
  for (let bucket = 0; bucket < TRASH_BUCKETS; bucket++) yield* writeList(out, state, edges.firstTrash(bucket));
  for (let bucket = 0; bucket < SUSTAINED_BUCKETS; bucket++) yield* writeList(out, state, edges.firstSustained(bucket));
  yield* out.terminator(EDGE_HEAD_BYTES);
}

export function* writeFreed(out: ImageOutput, state: State): ImageWriter {
  const { freeInodes } = state;
  yield* out.reserve(4);
  let start = out.length;
  out.u32(freeInodes.count);
  out.checksum(start);
  for (let first = freeInodes.head; first < freeInodes.tail; first += FREE_BLOCK) {
    const last = Math.min(first + FREE_BLOCK, freeInodes.tail);
    if (!out.fits((last - first) * 8)) yield* out.flush();
    start = out.length;
    for (let at = first; at < last; at++) {
      out.u32(freeInodes.inodeAt(at));
      out.u32(freeInodes.timeAt(at));
    }
    out.checksum(start);
  }
}
