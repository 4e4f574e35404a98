/** Sums over sub-trees of a metadata image (spec 50 §9.2). */
import {
  BLOCK_BYTES,
  CHUNK_BYTES,
  CHUNK_HEADER_BYTES,
  isFileType,
  MASKS_PER_COPY,
  ROOT_INODE,
  type State,
  TYPE_DIRECTORY,
} from '@alces/metadata';

export interface SubtreeSums {
  inodes: number;
  files: number;
  directories: number;
  chunks: number;
  keepChunks: number;
  archiveChunks: number;
  length: number;
  size: number;
  realSize: number;
  keepSize: number;
  archiveSize: number;
}

/** Node row of a path from the root, 0 if there is none. Empty components are left out. */
export function findPath(state: State, path: string): number {
  const { nodes, edges } = state;
  let row = nodes.find(ROOT_INODE);
  for (const name of path.split('/').filter((component) => component !== '')) {
    if (nodes.type.get(row) !== TYPE_DIRECTORY) return 0;
    const edge = edges.find(row, Buffer.from(name));
    if (edge === 0) return 0;
    row = edges.child.get(edge);
  }
  return row;
}

/** Marks a node and everything below it; `marks` is indexed by node row. */
export function markSubtree(state: State, start: number, marks: Uint8Array): void {
  const { nodes, edges } = state;
  const pending = [start];
  for (let row = pending.pop(); row !== undefined; row = pending.pop()) {
    if (marks[row] !== 0) continue;
    marks[row] = 1;
    if (nodes.type.get(row) !== TYPE_DIRECTORY) continue;
    for (let edge = edges.firstChild(row); edge !== 0; edge = edges.nextSibling.get(edge)) {
      pending.push(edges.child.get(edge));
    }
  }
}

function chunkSize(length: number, index: number): number {
  const data = Math.min(CHUNK_BYTES, Math.max(0, length - index * CHUNK_BYTES));
  return CHUNK_HEADER_BYTES + Math.ceil(data / BLOCK_BYTES) * BLOCK_BYTES;
}

/** Adds the chunks of a file that no file before it had. */
function addChunks(state: State, row: number, seen: Uint8Array, sums: SubtreeSums): void {
  const { nodes, chunks, storageClasses } = state;
  const definition = storageClasses.get(nodes.sclass.get(row));
  const keepCopies = (definition?.keepMasks.length ?? 0) / MASKS_PER_COPY;
  const archiveCopies = (definition?.archMasks.length ?? 0) / MASKS_PER_COPY;
  const slots = nodes.slots.get(row);
  for (let index = nodes.nextUsedSlot(row, 0); index < slots; index = nodes.nextUsedSlot(row, index + 1)) {
    const chunk = chunks.find(nodes.chunkAt(row, index));
    if (chunk === 0 || seen[chunk] !== 0) continue;
    seen[chunk] = 1;
    const archived = chunks.archive.get(chunk) !== 0;
    const size = chunkSize(nodes.length.get(row), index);
    sums.chunks++;
    sums.keepChunks += archived ? 0 : 1;
    sums.archiveChunks += archived ? 1 : 0;
    sums.size += size;
    sums.keepSize += size * keepCopies;
    sums.archiveSize += size * archiveCopies;
    sums.realSize += size * (archived ? archiveCopies : keepCopies);
  }
}

/** Sums over the marked nodes: each node, and each chunk, counts once. */
export function sumMarked(state: State, marks: Uint8Array): SubtreeSums {
  const { nodes, chunks } = state;
  const sums: SubtreeSums = {
    inodes: 0,
    files: 0,
    directories: 0,
    chunks: 0,
    keepChunks: 0,
    archiveChunks: 0,
    length: 0,
    size: 0,
    realSize: 0,
    keepSize: 0,
    archiveSize: 0,
  };
  const seen = new Uint8Array(chunks.rowLimit);
  for (let row = 1; row < nodes.rowLimit; row++) {
    if (marks[row] === 0) continue;
    const type = nodes.type.get(row);
    sums.inodes++;
    if (type === TYPE_DIRECTORY) sums.directories++;
    if (!isFileType(type)) continue;
    sums.files++;
    sums.length += nodes.length.get(row);
    addChunks(state, row, seen, sums);
  }
  return sums;
}
