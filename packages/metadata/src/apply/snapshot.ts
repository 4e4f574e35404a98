import { Status } from '@alces/proto';
import type { SnapshotOperation } from '../operations.ts';
import type { State } from '../state.ts';
import { EATTR_APPENDONLY, EATTR_IMMUTABLE, EATTR_UNDELETABLE, TYPE_DIRECTORY } from '../tables/constants.ts';
import { isSameOrBelow, isValidName } from '../tree/names.ts';
import type { ApplyMode, Handlers } from './common.ts';
import { copyTree } from './snapshotCopy.ts';
import { deleteTree } from './snapshotDelete.ts';

export const SNAPSHOT_CAN_OVERWRITE = 0x01;
export const SNAPSHOT_CPLIKE_ATTR = 0x02;
export const SNAPSHOT_FORCE_REMOVAL = 0x04;
export const SNAPSHOT_PRESERVE_HARDLINKS = 0x08;
export const SNAPSHOT_DELETE = 0x80;

/** The six results of a SNAPSHOT. */
export interface SnapshotResults {
  xor: number;
  removed: number;
  same: number;
  existing: number;
  hardlinks: number;
  new: number;
}

const RESULT_FIELDS = ['xor', 'removed', 'same', 'existing', 'hardlinks', 'new'] as const;

/**
 * Looks for a node of the target that forbids the copy: walks the source tree as far as counterparts exist. Status of the first
 * one found (spec 51, section 4.6).
 */
export function checkCounterparts(
  state: State,
  source: number,
  parent: number,
  name: Uint8Array,
  smode: number,
  extraCheck: (source: number, counterpart: number, directory: number) => number = () => Status.OK,
): number {
  const { nodes, edges } = state;
  const pending: { row: number; directory: number; name: Uint8Array }[] = [{ row: source, directory: parent, name }];
  for (let item = pending.pop(); item !== undefined; item = pending.pop()) {
    const edge = edges.find(item.directory, item.name);
    const counterpart = edge === 0 ? 0 : edges.child.get(edge);
    const status =
      (counterpart === 0 ? Status.OK : checkCounterpart(state, source, item.row, counterpart, smode)) ||
      extraCheck(item.row, counterpart, item.directory);
    if (status !== Status.OK) {
      return status;
    }
    if (counterpart === 0 || nodes.type.get(counterpart) !== TYPE_DIRECTORY) {
      continue;
    }
    const children: typeof pending = [];
    for (let child = edges.firstChild(item.row); child !== 0; child = edges.nextSibling.get(child)) {
      children.push({ row: edges.child.get(child), directory: counterpart, name: Buffer.from(edges.name(child)) });
    }
    pending.push(...children.reverse());
  }
  return Status.OK;
}

function checkCounterpart(state: State, top: number, source: number, counterpart: number, smode: number): number {
  const { nodes } = state;
  if (counterpart === top) {
    return Status.EINVAL;
  }
  if (nodes.eattr.get(counterpart) & (EATTR_UNDELETABLE | EATTR_APPENDONLY | EATTR_IMMUTABLE)) {
    return Status.EPERM;
  }
  const type = nodes.type.get(counterpart);
  if (type !== nodes.type.get(source)) {
    return Status.EPERM;
  }
  return type !== TYPE_DIRECTORY && (smode & SNAPSHOT_CAN_OVERWRITE) === 0 ? Status.EEXIST : Status.OK;
}

function snapshot(state: State, now: number, op: SnapshotOperation, mode: ApplyMode): number {
  const { nodes, edges } = state;
  const deleting = (op.smode & SNAPSHOT_DELETE) !== 0;
  if (deleting !== (op.src === 0) || op.gids.length === 0) {
    return Status.EINVAL;
  }
  const source = deleting ? 0 : nodes.find(op.src);
  const parent = nodes.find(op.parent);
  if ((!deleting && source === 0) || parent === 0) {
    return Status.ENOENT;
  }
  if (nodes.type.get(parent) !== TYPE_DIRECTORY) {
    return Status.EPERM;
  }
  if (!isValidName(op.name)) {
    return Status.EINVAL;
  }
  const results: SnapshotResults = { xor: 0, removed: 0, same: 0, existing: 0, hardlinks: 0, new: 0 };
  if (deleting) {
    const edge = edges.find(parent, op.name);
    if (edge === 0) {
      return Status.ENOENT;
    }
    deleteTree(state, now, edge, op, results);
  } else {
    const isInside = nodes.type.get(source) === TYPE_DIRECTORY && isSameOrBelow(state, parent, source);
    const status = isInside ? Status.EINVAL : checkCounterparts(state, source, parent, op.name, op.smode);
    if (status !== Status.OK) {
      return status;
    }
    copyTree(state, now, source, parent, op, results, mode === 'replay' && hasResults(op));
  }
  return settleResults(state, op, results, mode);
}

function settleResults(state: State, op: SnapshotOperation, results: SnapshotResults, mode: ApplyMode): number {
  results.xor >>>= 0;
  if (mode === 'live') {
    Object.assign(op, results);
    return Status.OK;
  }
  if (!hasResults(op) || RESULT_FIELDS.every((field) => op[field] === results[field])) {
    return Status.OK;
  }
  if (mode === 'strict') {
    return Status.MISMATCH;
  }
  state.observer.deviation('SNAPSHOT', `inode ${op.src}: other results, the own ones are kept`);
  return Status.OK;
}

/** Whether an entry has results to be compared: old ones have none, and six zeros count as none. */
function hasResults(op: SnapshotOperation): boolean {
  return RESULT_FIELDS.some((field) => op[field] !== 0);
}

export const snapshotHandlers: Handlers<'SNAPSHOT'> = { SNAPSHOT: snapshot };
