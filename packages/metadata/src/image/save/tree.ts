/** NODE, EDGE and FREE sections out of the tables (spec 50 §3.3-3.5). */
import type { State } from '../../state.ts';
import {
  isFileType,
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
/** Chunk ids are written, and checksummed, in blocks of this many. */
const CHUNK_BLOCK = 65536;
/** Freed inodes likewise. */
const FREE_BLOCK = 1024;

function putNodeHead(out: ImageOutput, state: State, row: number, type: number): void {
  const { nodes } = state;
  out.u8(type);
  out.u32(nodes.inode.get(row));
  out.u8(nodes.sclass.get(row));
  out.u8(nodes.eattr.get(row));
  out.u8(nodes.winattr.get(row));
  out.u16(nodes.mode.get(row));
  out.u32(nodes.uid.get(row));
  out.u32(nodes.gid.get(row));
  out.u32(nodes.atime.get(row));
  out.u32(nodes.mtime.get(row));
  out.u32(nodes.ctime.get(row));
  out.u16(nodes.trashtime.get(row));
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

function* writeFile(out: ImageOutput, state: State, row: number, type: number): ImageWriter {
  const { nodes } = state;
  const slots = usedSlots(state, row);
  if (!out.fits(FILE_HEAD_BYTES)) yield* out.flush();
  let start = out.length;
  putNodeHead(out, state, row, type);
  out.u64(nodes.length.get(row));
  out.u32(slots);
  out.checksum(start);
  for (let first = 0; first < slots; first += CHUNK_BLOCK) {
    const last = Math.min(first + CHUNK_BLOCK, slots);
    if (!out.fits((last - first) * 8)) yield* out.flush((last - first) * 8);
    start = out.length;
    for (let i = first; i < last; i++) out.u64(nodes.chunkAt(row, i));
    out.checksum(start);
  }
}

export function* writeNodes(out: ImageOutput, state: State): ImageWriter {
  const { nodes } = state;
  yield* out.reserve(8);
  let start = out.length;
  out.u32(state.maxinode);
  out.u32(nodes.count);
  out.checksum(start);
  for (let row = 1; row < nodes.rowLimit; row++) {
    const type = nodes.type.get(row);
    if (type === 0) continue;
    if (isFileType(type)) {
      yield* writeFile(out, state, row, type);
      continue;
    }
    if (!out.fits(NODE_HEAD_BYTES + 4)) yield* out.flush();
    start = out.length;
    putNodeHead(out, state, row, type);
    if (type === TYPE_BLOCKDEV || type === TYPE_CHARDEV) {
      out.u32(nodes.aux.get(row));
    } else if (type === TYPE_SYMLINK) {
      out.u32(nodes.length.get(row));
    }
    out.checksum(start);
    if (type === TYPE_SYMLINK) yield* out.record(nodes.symlink(row));
  }
  yield* out.terminator(1);
}

function* writeEdge(out: ImageOutput, state: State, edge: number): ImageWriter {
  const { nodes, edges } = state;
  const nameBytes = edges.nameLength.get(edge);
  if (!out.fits(EDGE_HEAD_BYTES + nameBytes)) yield* out.flush();
  const start = out.length;
  const parent = edges.parent.get(edge);
  out.u32(parent === 0 ? 0 : nodes.inode.get(parent));
  out.u32(nodes.inode.get(edges.child.get(edge)));
  out.u32(edges.idHigh.get(edge));
  out.u32(edges.idLow.get(edge));
  out.u16(nameBytes);
  out.length += edges.copyName(edge, out.bytes, out.length);
  out.checksum(start);
}

function* writeList(out: ImageOutput, state: State, first: number): ImageWriter {
  const { edges } = state;
  for (let edge = first; edge !== 0; edge = edges.nextSibling.get(edge)) yield* writeEdge(out, state, edge);
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
