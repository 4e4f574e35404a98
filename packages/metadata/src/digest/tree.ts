import type { State } from '../state.ts';
import {
  isFileType,
  MAX_DETACHED_PATH_BYTES,
  ROOT_INODE,
  TYPE_BLOCKDEV,
  TYPE_CHARDEV,
  TYPE_SYMLINK,
} from '../tables/constants.ts';
import type { RecordHasher } from './hasher.ts';

/** Rows that are worked off before others get their turn. */
export const ROWS_PER_STEP = 4096;
/** A file of many chunks is as much work as so many rows. */
const SLOTS_PER_ROW = 8;

const scratch = new Uint8Array(MAX_DETACHED_PATH_BYTES);

function hashNode(state: State, hasher: RecordHasher, row: number): number {
  const { nodes } = state;
  const inode = nodes.inode.get(row);
  const type = nodes.type.get(row);
  hasher.begin();
  hasher.u32(inode);
  hasher.u32((type << 24) | (nodes.sclass.get(row) << 16) | (nodes.eattr.get(row) << 8) | nodes.winattr.get(row));
  hasher.u32((nodes.mode.get(row) << 16) | nodes.trashtime.get(row));
  hasher.u32(nodes.uid.get(row));
  hasher.u32(nodes.gid.get(row));
  if (inode !== ROOT_INODE) hashTimes(state, hasher, row);
  let work = 1;
  if (isFileType(type)) {
    hasher.integer(nodes.length.get(row));
    work += hashChunks(state, hasher, row) / SLOTS_PER_ROW;
  } else if (type === TYPE_SYMLINK) {
    hasher.bytes(nodes.symlink(row));
  } else if (type === TYPE_BLOCKDEV || type === TYPE_CHARDEV) {
    hasher.u32(nodes.aux.get(row));
  }
  hasher.end();
  return work;
}

/** Holes count for nothing: images do not store those at the end of a list. */
function hashChunks({ nodes }: State, hasher: RecordHasher, row: number): number {
  const slots = nodes.slots.get(row);
  let used = 0;
  for (let i = nodes.nextUsedSlot(row, 0); i < slots; i = nodes.nextUsedSlot(row, i + 1)) {
    hasher.u32(i);
    hasher.integer(nodes.chunkAt(row, i));
    used++;
  }
  return used;
}

function hashTimes({ nodes }: State, hasher: RecordHasher, row: number): void {
  hasher.u32(nodes.atime.get(row));
  hasher.u32(nodes.mtime.get(row));
  hasher.u32(nodes.ctime.get(row));
}

export function* hashNodes(state: State, hasher: RecordHasher): Generator<void, void, void> {
  const { nodes } = state;
  let work = 0;
  for (let row = 1; row < nodes.rowLimit; row++) {
    if (nodes.type.get(row) !== 0) work += hashNode(state, hasher, row);
    if (++work < ROWS_PER_STEP) continue;
    work = 0;
    yield;
  }
}

/** The times of the root: those of a new file system are in no change log. */
export function* hashRootTimes(state: State, hasher: RecordHasher): Generator<void, void, void> {
  hasher.begin();
  hashTimes(state, hasher, state.nodes.find(ROOT_INODE));
  hasher.end();
  yield;
}

export function* hashEdges({ edges, nodes }: State, hasher: RecordHasher): Generator<void, void, void> {
  for (let row = 1; row < edges.rowLimit; row++) {
    if (row % ROWS_PER_STEP === 0) yield;
    const child = edges.child.get(row);
    if (child === 0) continue;
    const parent = edges.parent.get(row);
    hasher.begin();
    hasher.u32(parent === 0 ? 0 : nodes.inode.get(parent));
    hasher.u32(nodes.inode.get(child));
    hasher.u32(edges.idHigh.get(row));
    hasher.u32(edges.idLow.get(row));
    hasher.bytes(scratch, edges.copyName(row, scratch, 0));
    hasher.end();
  }
}

/** The queue of freed inodes: those freed in the same second have no order (spec 51 §5). */
export function* hashFreed({ freeInodes }: State, hasher: RecordHasher): Generator<void, void, void> {
  for (let position = freeInodes.head; position < freeInodes.tail; position++) {
    if (position % ROWS_PER_STEP === 0) yield;
    hasher.begin();
    hasher.u32(freeInodes.inodeAt(position));
    hasher.u32(freeInodes.timeAt(position));
    hasher.end();
  }
}

export function* hashXattrs({ nodes, xattrs }: State, hasher: RecordHasher): Generator<void, void, void> {
  for (let node = 1; node < nodes.rowLimit; node++) {
    if (node % ROWS_PER_STEP === 0) yield;
    let position = 0;
    for (let row = xattrs.first(node); row !== 0; row = xattrs.next.get(row)) {
      hasher.begin();
      hasher.u32(nodes.inode.get(node));
      hasher.u32(position++);
      hasher.bytes(xattrs.name(row));
      hasher.bytes(xattrs.value(row));
      hasher.end();
    }
    if (position > 0) yield;
  }
}

export function* hashAcls(state: State, hasher: RecordHasher): Generator<void, void, void> {
  const { nodes } = state;
  for (let node = 1; node < nodes.rowLimit; node++) {
    if (node % ROWS_PER_STEP === 0) yield;
    hashAcl(state, hasher, node, 1, nodes.accessAcl.get(node));
    hashAcl(state, hasher, node, 2, nodes.defaultAcl.get(node));
  }
}

function hashAcl({ nodes, acls }: State, hasher: RecordHasher, node: number, type: number, row: number): void {
  if (row === 0) return;
  hasher.begin();
  hasher.u32(nodes.inode.get(node));
  hasher.u32(type);
  for (const column of [acls.user, acls.group, acls.other, acls.mask, acls.nusers, acls.ngroups]) {
    hasher.u32(column.get(row));
  }
  hasher.bytes(acls.entries(row));
  hasher.end();
}
