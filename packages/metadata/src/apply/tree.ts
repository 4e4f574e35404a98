import { Status } from '@alces/proto';
import type {
  CreateOperation,
  LinkOperation,
  MoveOperation,
  RenumerateedgesOperation,
  SymlinkOperation,
  UnlinkOperation,
} from '../operations.ts';
import type { State } from '../state.ts';
import {
  FIRST_EDGE_ID,
  isDetachedType,
  MAX_SYMLINK_BYTES,
  ROOT_INODE,
  TYPE_BLOCKDEV,
  TYPE_CHARDEV,
  TYPE_DIRECTORY,
  TYPE_FILE,
  TYPE_SOCKET,
  TYPE_SYMLINK,
} from '../tables/constants.ts';
import { contributionOf } from '../tree/contribution.ts';
import { hasNul, isSameOrBelow } from '../tree/names.ts';
import { addName, createNode, removeName, unlinkName } from '../tree/nodes.ts';
import { addForEachName } from '../tree/sums.ts';
import { type ApplyMode, checkParent, type Handlers, settle } from './common.ts';

/** Types that CREATE can make. */
export function isCreatableType(type: number): boolean {
  return type >= TYPE_FILE && type <= TYPE_SOCKET && type !== TYPE_SYMLINK;
}

/** Whether bytes may be the target of a symlink. */
export function isValidTarget(path: Uint8Array): boolean {
  return path.length > 0 && path.length <= MAX_SYMLINK_BYTES && !hasNul(path);
}

/** Whether a directory (node row) has no names in it. */
export function isEmptyDirectory(state: State, row: number): boolean {
  return state.edges.firstChild(row) === 0;
}

function create(state: State, now: number, op: CreateOperation, mode: ApplyMode): number {
  const { nodes, edges } = state;
  const parent = nodes.find(op.parent);
  const status = isCreatableType(op.type) ? checkParent(state, parent, op.name) : Status.EINVAL;
  if (status !== Status.OK) {
    return status;
  }
  if (edges.find(parent, op.name) !== 0) {
    return Status.EEXIST;
  }
  if (!settle(mode, op, 'inode', state.inodeNumbers.lowestFree())) {
    return Status.MISMATCH;
  }
  const row = createNode(state, now, parent, op.name, op);
  if (op.type === TYPE_BLOCKDEV || op.type === TYPE_CHARDEV) {
    nodes.aux.set(row, op.rdev);
  }
  return Status.OK;
}

function symlink(state: State, now: number, op: SymlinkOperation, mode: ApplyMode): number {
  const { nodes, edges } = state;
  const parent = nodes.find(op.parent);
  const status = isValidTarget(op.path) ? checkParent(state, parent, op.name) : Status.EINVAL;
  if (status !== Status.OK) {
    return status;
  }
  if (edges.find(parent, op.name) !== 0) {
    return Status.EEXIST;
  }
  if (!settle(mode, op, 'inode', state.inodeNumbers.lowestFree())) {
    return Status.MISMATCH;
  }
  const wanted = { type: TYPE_SYMLINK, mode: 0o777, cumask: 0, uid: op.uid, gid: op.gid };
  const row = createNode(state, now, parent, op.name, wanted);
  replaceTarget(state, row, op.path);
  return Status.OK;
}

/** Gives a symlink another target; sums follow. */
export function replaceTarget(state: State, row: number, path: Uint8Array): void {
  addForEachName(state, row, contributionOf(state, row), -1);
  state.nodes.setSymlink(row, path);
  addForEachName(state, row, contributionOf(state, row), 1);
}

function link(state: State, now: number, op: LinkOperation): number {
  const { nodes, edges } = state;
  const row = nodes.find(op.inode);
  if (row === 0 || isDetachedType(nodes.type.get(row))) {
    return Status.ENOENT;
  }
  if (nodes.type.get(row) === TYPE_DIRECTORY) {
    return Status.EPERM;
  }
  const parent = nodes.find(op.parent);
  const status = checkParent(state, parent, op.name);
  if (status !== Status.OK) {
    return status;
  }
  if (edges.find(parent, op.name) !== 0) {
    return Status.EEXIST;
  }
  addName(state, now, parent, row, op.name);
  return Status.OK;
}

function unlink(state: State, now: number, op: UnlinkOperation, mode: ApplyMode): number {
  const { nodes, edges } = state;
  const parent = nodes.find(op.parent);
  const status = checkParent(state, parent, op.name);
  if (status !== Status.OK) {
    return status;
  }
  const edge = edges.find(parent, op.name);
  if (edge === 0) {
    return Status.ENOENT;
  }
  const child = edges.child.get(edge);
  if (nodes.type.get(child) === TYPE_DIRECTORY && !isEmptyDirectory(state, child)) {
    return Status.ENOTEMPTY;
  }
  if (!settle(mode, op, 'inode', nodes.inode.get(child))) {
    return Status.MISMATCH;
  }
  unlinkName(state, now, edge);
  return Status.OK;
}

function move(state: State, now: number, op: MoveOperation, mode: ApplyMode): number {
  const { nodes, edges } = state;
  const from = nodes.find(op.parentSrc);
  const to = nodes.find(op.parentDst);
  const status = checkParent(state, from, op.nameSrc) || checkParent(state, to, op.nameDst);
  if (status !== Status.OK) {
    return status;
  }
  const edge = edges.find(from, op.nameSrc);
  if (edge === 0) {
    return Status.ENOENT;
  }
  const row = edges.child.get(edge);
  if (nodes.type.get(row) === TYPE_DIRECTORY && isSameOrBelow(state, to, row)) {
    return Status.EINVAL;
  }
  const target = edges.find(to, op.nameDst);
  if (target !== 0 && target !== edge && isFilledDirectory(state, edges.child.get(target))) {
    return Status.ENOTEMPTY;
  }
  if (!settle(mode, op, 'inode', nodes.inode.get(row))) {
    return Status.MISMATCH;
  }
  if (target === edge) {
    return Status.OK; // onto itself: the stock program would destroy the node (spec 51, section 7.8)
  }
  if (target !== 0) {
    unlinkName(state, now, target);
  }
  removeName(state, now, edge);
  addName(state, now, to, row, op.nameDst);
  return Status.OK;
}

function isFilledDirectory(state: State, row: number): boolean {
  return state.nodes.type.get(row) === TYPE_DIRECTORY && !isEmptyDirectory(state, row);
}

/** Gives all edges of the tree new ids (spec 50, section 7.3). */
function renumerateEdges(state: State, _now: number, op: RenumerateedgesOperation, mode: ApplyMode): number {
  const { nodes, edges } = state;
  const before = state.nextedgeid;
  const pending = [nodes.find(ROOT_INODE)];
  let counter = FIRST_EDGE_ID;
  for (let directory = pending.pop(); directory !== undefined; directory = pending.pop()) {
    counter -= BigInt(state.directories.children.get(nodes.aux.get(directory)));
    let id = counter;
    const subdirectories: number[] = [];
    for (let edge = edges.firstChild(directory); edge !== 0; edge = edges.nextSibling.get(edge)) {
      edges.setId(edge, id++);
      if (nodes.type.get(edges.child.get(edge)) === TYPE_DIRECTORY) {
        subdirectories.push(edges.child.get(edge));
      }
    }
    for (let i = subdirectories.length - 1; i >= 0; i--) {
      pending.push(subdirectories[i]);
    }
  }
  state.nextedgeid = counter;
  if (!settle(mode, op, 'nextedgeid', counter)) {
    state.nextedgeid = before;
    return Status.MISMATCH;
  }
  return Status.OK;
}

export const treeHandlers: Handlers<'CREATE' | 'SYMLINK' | 'LINK' | 'UNLINK' | 'MOVE' | 'RENUMERATEEDGES'> = {
  CREATE: create,
  SYMLINK: symlink,
  LINK: link,
  UNLINK: unlink,
  MOVE: move,
  RENUMERATEEDGES: renumerateEdges,
};
