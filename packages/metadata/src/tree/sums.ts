import type { State } from '../state.ts';
import { isFileType, ROOT_INODE, TYPE_DIRECTORY, TYPE_SUSTAINED, TYPE_TRASH } from '../tables/constants.ts';
import { type Contribution, contributionOf, noContribution } from './contribution.ts';

/** Twice this is an exact double. */
const MOST_COLLECTED_BYTES = 2 ** 52;

/** Adds (sign 1) or subtracts (sign -1) a contribution to the sums of a directory (node row) and of all directories above it. */
export function addUpwards(state: State, directory: number, what: Contribution, sign: 1 | -1): void {
  const { nodes, edges } = state;
  let row = directory;
  while (row !== 0) {
    addToList(state, nodes.aux.get(row), what, sign);
    const edge = nodes.firstEdge.get(row);
    row = edge === 0 ? 0 : edges.parent.get(edge);
  }
}

/** Adds a contribution at every name of a node (a file counts once per name). */
export function addForEachName(state: State, row: number, what: Contribution, sign: 1 | -1): void {
  const { nodes, edges } = state;
  for (let edge = nodes.firstEdge.get(row); edge !== 0; edge = edges.nextOfChild.get(edge)) {
    if (edges.parent.get(edge) !== 0) {
      addUpwards(state, edges.parent.get(edge), what, sign);
    }
  }
}

function addToList(state: State, list: number, what: Contribution, sign: 1 | -1): void {
  const { directories } = state;
  if (what.inodes !== 0) {
    directories.inodes.set(list, directories.inodes.get(list) + sign * what.inodes);
    directories.dirs.set(list, directories.dirs.get(list) + sign * what.dirs);
    directories.files.set(list, directories.files.get(list) + sign * what.files);
  }
  if (what.chunks !== 0) {
    directories.chunks.set(list, directories.chunks.get(list) + sign * what.chunks);
  }
  if (what.length !== 0) {
    directories.length.add(list, sign * what.length);
  }
  if (what.size !== 0) {
    directories.size.add(list, sign * what.size);
  }
  if (what.realsize !== 0) {
    directories.realsize.add(list, sign * what.realsize);
  }
}

/**
 * Computes everything the image does not store: chunk references, use of storage classes, totals of detached files, children
 * and sums of directories. There must be no loops of directories.
 */
export function recomputeSums(state: State): void {
  const { nodes } = state;
  for (let row = 1; row < nodes.rowLimit; row++) {
    const type = nodes.type.get(row);
    if (isFileType(type)) {
      countFile(state, row, type);
    } else if (type === TYPE_DIRECTORY) {
      state.directories.clearSums(nodes.aux.get(row));
      state.storageClasses.directories[nodes.sclass.get(row)]++;
    }
  }
  countNames(state);
  const order = directoriesTopDown(state);
  for (let i = order.length - 1; i > 0; i--) {
    const parent = state.edges.parent.get(nodes.firstEdge.get(order[i]));
    addToList(state, nodes.aux.get(parent), contributionOf(state, order[i]), 1);
  }
}

function countFile(state: State, row: number, type: number): void {
  const { nodes, chunks, detached } = state;
  const classId = nodes.sclass.get(row);
  const slots = nodes.slots.get(row);
  state.storageClasses.files[classId]++;
  for (let i = nodes.nextUsedSlot(row, 0); i < slots; i = nodes.nextUsedSlot(row, i + 1)) {
    const chunk = chunks.find(nodes.chunkAt(row, i));
    if (chunk !== 0) {
      chunks.addReference(chunk, classId);
    }
  }
  if (type === TYPE_TRASH) {
    detached.trashCount++;
    detached.trashBytes += nodes.length.get(row);
  } else if (type === TYPE_SUSTAINED) {
    detached.sustainedCount++;
    detached.sustainedBytes += nodes.length.get(row);
  }
}

/** Children and subdirectories of each directory, and the sums of what is directly in it and is no directory. */
function countNames(state: State): void {
  const { nodes, edges, directories } = state;
  // Names of a directory stand together in an image: what they add is added once for many.
  let total = noContribution();
  let list = 0;
  let present = 0;
  for (let edge = 1; edge < edges.rowLimit; edge++) {
    const parent = edges.parent.get(edge);
    const child = edges.child.get(edge);
    if (child === 0 || parent === 0) {
      continue;
    }
    if (parent !== present || Math.max(total.length, total.size, total.realsize) > MOST_COLLECTED_BYTES) {
      addToList(state, list, total, 1);
      total = noContribution();
      present = parent;
      list = nodes.aux.get(parent);
    }
    directories.children.set(list, directories.children.get(list) + 1);
    if (nodes.type.get(child) === TYPE_DIRECTORY) {
      directories.subdirs.set(list, directories.subdirs.get(list) + 1);
    } else {
      collect(state, list, contributionOf(state, child), total);
    }
  }
  addToList(state, list, total, 1);
}

/** Adds a contribution to what is collected for a list, or, where a sum would not be exact, to the list itself. */
function collect(state: State, list: number, what: Contribution, total: Contribution): void {
  if (Math.max(what.length, what.size, what.realsize) > MOST_COLLECTED_BYTES) {
    addToList(state, list, what, 1);
    return;
  }
  total.inodes += what.inodes;
  total.dirs += what.dirs;
  total.files += what.files;
  total.chunks += what.chunks;
  total.length += what.length;
  total.size += what.size;
  total.realsize += what.realsize;
}

/** All directories that can be reached from the root, each after its parent. */
function directoriesTopDown(state: State): number[] {
  const { nodes, edges } = state;
  const root = nodes.find(ROOT_INODE);
  const order = root === 0 ? [] : [root];
  for (let i = 0; i < order.length; i++) {
    for (let edge = edges.firstChild(order[i]); edge !== 0; edge = edges.nextSibling.get(edge)) {
      const child = edges.child.get(edge);
      if (nodes.type.get(child) === TYPE_DIRECTORY && nodes.firstEdge.get(child) === edge) {
        order.push(child);
      }
    }
  }
  return order;
}
