import type { State } from '../state.ts';
import {
  BLOCK_BYTES,
  CHUNK_BYTES,
  CHUNK_HEADER_BYTES,
  isFileType,
  TYPE_DIRECTORY,
  TYPE_SYMLINK,
} from '../tables/constants.ts';
import { accountedCopies } from './accounting.ts';

/** What a node, or everything below a directory, adds to the sums of the directories above it (spec 10, section 2.12). */
export interface Contribution {
  inodes: number;
  dirs: number;
  files: number;
  chunks: number;
  length: number;
  size: number;
  realsize: number;
}

/** A contribution of nothing. */
export function noContribution(): Contribution {
  return { inodes: 0, dirs: 0, files: 0, chunks: 0, length: 0, size: 0, realsize: 0 };
}

/** Bytes that the non-empty chunk entry `index` counts in the size of a file of this length. */
export function slotSize(index: number, lengthBytes: number): number {
  const lastIndex = lengthBytes === 0 ? 0 : Math.floor((lengthBytes - 1) / CHUNK_BYTES);
  if (index < lastIndex) {
    return CHUNK_BYTES + CHUNK_HEADER_BYTES;
  }
  if (index > lastIndex) {
    return 0;
  }
  return usedBytes(lengthBytes - lastIndex * CHUNK_BYTES) + CHUNK_HEADER_BYTES;
}

function usedBytes(bytes: number): number {
  return Math.ceil(bytes / BLOCK_BYTES) * BLOCK_BYTES;
}

/** Contribution of a node itself; of a directory together with everything below it. */
export function contributionOf(state: State, row: number): Contribution {
  const { nodes } = state;
  const type = nodes.type.get(row);
  const result = noContribution();
  result.inodes = 1;
  if (type === TYPE_DIRECTORY) {
    addSubtree(state, row, result);
  } else if (isFileType(type)) {
    addFile(state, row, result);
  } else if (type === TYPE_SYMLINK) {
    result.length = nodes.length.get(row);
  }
  return result;
}

function addSubtree(state: State, row: number, result: Contribution): void {
  const { directories } = state;
  const list = state.nodes.aux.get(row);
  result.inodes += directories.inodes.get(list);
  result.dirs = 1 + directories.dirs.get(list);
  result.files = directories.files.get(list);
  result.chunks = directories.chunks.get(list);
  result.length = directories.length.get(list);
  result.size = directories.size.get(list);
  result.realsize = directories.realsize.get(list);
}

function addFile(state: State, row: number, result: Contribution): void {
  const { nodes } = state;
  const length = nodes.length.get(row);
  const slots = nodes.slots.get(row);
  result.files = 1;
  result.length = length;
  for (let i = nodes.nextUsedSlot(row, 0); i < slots; i = nodes.nextUsedSlot(row, i + 1)) {
    result.chunks++;
    result.size += slotSize(i, length);
  }
  result.realsize = result.size * accountedCopies(state, row);
}
