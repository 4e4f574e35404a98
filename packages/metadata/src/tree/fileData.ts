import { CHANGED_ATTRIBUTES, CHANGED_CHUNKS, CHANGED_LENGTH } from '../observer.ts';
import type { State } from '../state.ts';
import { CHUNK_BYTES, EATTR_SNAPSHOT, TYPE_DIRECTORY, TYPE_SUSTAINED, TYPE_TRASH } from '../tables/constants.ts';
import { accountedCopies } from './accounting.ts';
import { type Contribution, noContribution, slotSize } from './contribution.ts';
import { addForEachName } from './sums.ts';

/** Number of chunks that a length covers. */
export function chunksCovering(lengthBytes: number): number {
  return Math.ceil(lengthBytes / CHUNK_BYTES);
}

function acquire(state: State, chunkId: number, classId: number): void {
  const chunk = chunkId === 0 ? 0 : state.chunks.find(chunkId);
  if (chunk !== 0) {
    state.chunks.addReference(chunk, classId);
    state.observer.chunkReferencesChanged(chunk, chunkId);
  }
}

function release(state: State, chunkId: number, classId: number): void {
  const chunk = chunkId === 0 ? 0 : state.chunks.find(chunkId);
  if (chunk !== 0) {
    state.chunks.removeReference(chunk, classId);
    state.observer.chunkReferencesChanged(chunk, chunkId);
  }
}

/** Puts a chunk (0 = none) into an existing entry of a file's list: references and sums follow. */
export function replaceChunk(state: State, row: number, index: number, chunkId: number): void {
  const { nodes } = state;
  const before = nodes.chunkAt(row, index);
  if (before === chunkId) {
    return;
  }
  const classId = nodes.sclass.get(row);
  acquire(state, chunkId, classId);
  release(state, before, classId);
  nodes.setChunkAt(row, index, chunkId);
  if (before === 0 || chunkId === 0) {
    addSlots(state, row, 1, slotSize(index, nodes.length.get(row)), chunkId === 0 ? -1 : 1);
  }
  state.observer.nodeChanged(row, nodes.inode.get(row), CHANGED_CHUNKS);
}

function addSlots(state: State, row: number, chunks: number, size: number, sign: 1 | -1): void {
  const what = noContribution();
  what.chunks = chunks;
  what.size = size;
  what.realsize = size * accountedCopies(state, row);
  addForEachName(state, row, what, sign);
}

/** Makes the list of a file at least `slots` entries long. */
export function growSlots(state: State, row: number, slots: number): void {
  if (state.nodes.slots.get(row) < slots) {
    state.nodes.resizeSlots(row, slots);
  }
}

/** Releases and cuts off the entries of a file from index `slots` on. */
export function cutSlots(state: State, row: number, slots: number): void {
  const { nodes } = state;
  const before = nodes.slots.get(row);
  if (before <= slots) {
    return;
  }
  const classId = nodes.sclass.get(row);
  const length = nodes.length.get(row);
  let chunks = 0;
  let size = 0;
  for (let i = nodes.nextUsedSlot(row, slots); i < before; i = nodes.nextUsedSlot(row, i + 1)) {
    release(state, nodes.chunkAt(row, i), classId);
    chunks++;
    size += slotSize(i, length);
  }
  nodes.resizeSlots(row, slots);
  if (chunks > 0) {
    addSlots(state, row, chunks, size, -1);
    state.observer.nodeChanged(row, nodes.inode.get(row), CHANGED_CHUNKS);
  }
}

/** Sets the length of a file, without touching its chunk list: sums and totals of detached files follow. */
export function changeLength(state: State, row: number, length: number): void {
  const { nodes } = state;
  const before = nodes.length.get(row);
  if (before === length) {
    return;
  }
  const copies = accountedCopies(state, row);
  const first = lastIndexOf(Math.min(before, length));
  const last = lastIndexOf(Math.max(before, length));
  const sizeBefore = sizeOfSlots(state, row, first, last, before);
  const sizeAfter = sizeOfSlots(state, row, first, last, length);
  nodes.length.set(row, length);
  if (Math.max(before, length, sizeBefore * copies, sizeAfter * copies) <= Number.MAX_SAFE_INTEGER) {
    addForEachName(state, row, sizes(length - before, sizeAfter - sizeBefore, copies), 1);
  } else {
    // The difference of huge numbers would not be exact, as each of them is.
    addForEachName(state, row, sizes(before, sizeBefore, copies), -1);
    addForEachName(state, row, sizes(length, sizeAfter, copies), 1);
  }
  const type = nodes.type.get(row);
  if (type === TYPE_TRASH) {
    state.detached.trashBytes += length - before;
  } else if (type === TYPE_SUSTAINED) {
    state.detached.sustainedBytes += length - before;
  }
  state.observer.nodeChanged(row, nodes.inode.get(row), CHANGED_LENGTH);
}

function lastIndexOf(lengthBytes: number): number {
  return lengthBytes === 0 ? 0 : chunksCovering(lengthBytes) - 1;
}

function sizeOfSlots(state: State, row: number, first: number, last: number, lengthBytes: number): number {
  const { nodes } = state;
  const end = Math.min(last + 1, nodes.slots.get(row));
  let size = 0;
  for (let i = nodes.nextUsedSlot(row, first); i < end; i = nodes.nextUsedSlot(row, i + 1)) {
    size += slotSize(i, lengthBytes);
  }
  return size;
}

function sizes(length: number, size: number, copies: number): Contribution {
  const what = noContribution();
  what.length = length;
  what.size = size;
  what.realsize = size * copies;
  return what;
}

/** Gives a file or directory another storage class: use counters, chunk references and real sizes follow. */
export function changeClass(state: State, row: number, classId: number): void {
  const { nodes, storageClasses } = state;
  const before = nodes.sclass.get(row);
  if (before === classId) {
    return;
  }
  const isDirectory = nodes.type.get(row) === TYPE_DIRECTORY;
  const counters = isDirectory ? storageClasses.directories : storageClasses.files;
  counters[before]--;
  counters[classId]++;
  if (isDirectory) {
    nodes.sclass.set(row, classId);
    return;
  }
  const slots = nodes.slots.get(row);
  const copiesBefore = accountedCopies(state, row);
  let size = 0;
  for (let i = nodes.nextUsedSlot(row, 0); i < slots; i = nodes.nextUsedSlot(row, i + 1)) {
    const chunkId = nodes.chunkAt(row, i);
    acquire(state, chunkId, classId);
    release(state, chunkId, before);
    size += slotSize(i, nodes.length.get(row));
  }
  nodes.sclass.set(row, classId);
  const what = noContribution();
  what.realsize = size * (accountedCopies(state, row) - copiesBefore);
  addForEachName(state, row, what, 1);
}

/** Puts the chunks of one file into the empty list of another (snapshot): one more reference for each. */
export function copyChunkList(state: State, from: number, to: number): void {
  const { nodes } = state;
  const slots = nodes.slots.get(from);
  nodes.resizeSlots(to, slots);
  for (let i = nodes.nextUsedSlot(from, 0); i < slots; i = nodes.nextUsedSlot(from, i + 1)) {
    replaceChunk(state, to, i, nodes.chunkAt(from, i));
  }
}

/** What setting a length or writing does to the node itself besides data: the snapshot mark goes, times if asked for. */
export function touchData(state: State, row: number, now: number, changeTimes: boolean): void {
  const { nodes } = state;
  nodes.eattr.set(row, nodes.eattr.get(row) & ~EATTR_SNAPSHOT);
  if (changeTimes) {
    nodes.mtime.set(row, now);
    nodes.ctime.set(row, now);
  }
  state.observer.nodeChanged(row, nodes.inode.get(row), CHANGED_ATTRIBUTES);
}
