import { Disable, SessionFlag, SnapshotMode, Status } from '@alces/proto';
import { checkCounterparts } from '../apply/snapshot.ts';
import type { SnapshotOperation } from '../operations.ts';
import type { State } from '../state.ts';
import { EATTR_APPENDONLY, EATTR_IMMUTABLE, EATTR_SNAPSHOT, TYPE_DIRECTORY } from '../tables/constants.ts';
import { isSameOrBelow, isValidName } from '../tree/names.ts';
import { ACCESS_EXECUTE, ACCESS_READ, ACCESS_WRITE } from '../tree/permissions.ts';
import { isDisabled, isPermitted, isReadOnly, type Planned, type RequestContext, resolve } from './context.ts';
import { EATTR_UNREMOVABLE, isStuck } from './names.ts';
import { snapshotExceedsQuota } from './snapshotQuota.ts';

const WRITE_AND_SEARCH = ACCESS_WRITE | ACCESS_EXECUTE;

/** What SNAPSHOT asks for (spec 10, section 5.2). */
export interface SnapshotRequest {
  src: number;
  dstParent: number;
  dstName: Buffer;
  smode: number;
  umask: number;
}

/** SNAPSHOT, both directions (spec 10, section 5.2). */
export function planSnapshot(
  state: State,
  context: RequestContext,
  request: SnapshotRequest,
): Planned<SnapshotOperation> {
  const deletes = (request.smode & SnapshotMode.DELETE) !== 0;
  const isForbidden = deletes
    ? isDisabled(context, Disable.UNLINK) || isDisabled(context, Disable.RMDIR)
    : isDisabled(context, Disable.SNAPSHOT);
  if (isForbidden) {
    return Status.EPERM;
  }
  if (isReadOnly(context)) {
    return Status.EROFS;
  }
  if (deletes !== (request.src === 0)) {
    return Status.EINVAL;
  }
  const src = deletes ? 0 : resolve(state, context, request.src);
  const parent = resolve(state, context, request.dstParent);
  if ((!deletes && src === 0) || parent === 0) {
    return Status.ENOENT;
  }
  const status = deletes
    ? checkDelete(state, context, parent, request)
    : checkCopy(state, context, src, parent, request);
  return status === Status.OK ? operationFor(state, context, src, parent, request) : status;
}

function operationFor(
  state: State,
  context: RequestContext,
  src: number,
  parent: number,
  request: SnapshotRequest,
): SnapshotOperation {
  const { nodes } = state;
  return {
    op: 'SNAPSHOT',
    src: src === 0 ? 0 : nodes.inode.get(src),
    parent: nodes.inode.get(parent),
    name: request.dstName,
    smode: request.smode,
    sesflags: context.session.sesflags | SessionFlag.ATTRBIT, // as the stock master of any current client logs it
    uid: context.uid,
    gids: context.gids,
    cumask: request.umask | context.session.umask,
    xor: 0,
    removed: 0,
    same: 0,
    existing: 0,
    hardlinks: 0,
    new: 0,
  };
}

function checkCopy(
  state: State,
  context: RequestContext,
  src: number,
  parent: number,
  request: SnapshotRequest,
): number {
  const { nodes } = state;
  if (nodes.eattr.get(parent) & EATTR_IMMUTABLE) {
    return Status.EPERM;
  }
  if (!isPermitted(state, context, src, ACCESS_READ)) {
    return Status.EACCES;
  }
  if (nodes.type.get(parent) !== TYPE_DIRECTORY) {
    return Status.EPERM;
  }
  if (nodes.type.get(src) === TYPE_DIRECTORY && isSameOrBelow(state, parent, src)) {
    return Status.EINVAL;
  }
  if (!isPermitted(state, context, parent, WRITE_AND_SEARCH)) {
    return Status.EACCES;
  }
  if (!isValidName(request.dstName)) {
    return Status.EINVAL;
  }
  const status = checkCounterparts(state, src, parent, request.dstName, request.smode);
  if (status !== Status.OK) {
    return status;
  }
  return snapshotExceedsQuota(state, src, parent, request.dstName) ? Status.QUOTA : Status.OK;
}

function checkDelete(state: State, context: RequestContext, parent: number, request: SnapshotRequest): number {
  const { nodes, edges } = state;
  if (nodes.type.get(parent) !== TYPE_DIRECTORY) {
    return Status.EPERM;
  }
  if (!isPermitted(state, context, parent, WRITE_AND_SEARCH)) {
    return Status.EACCES;
  }
  if (!isValidName(request.dstName)) {
    return Status.EINVAL;
  }
  const edge = edges.find(parent, request.dstName);
  if (edge === 0) {
    return Status.ENOENT;
  }
  if (isStuck(state, context, parent, edges.child.get(edge))) {
    return Status.EPERM;
  }
  if (request.smode & SnapshotMode.FORCE_REMOVAL) {
    return Status.OK;
  }
  const isFrozen = (nodes.eattr.get(parent) & (EATTR_APPENDONLY | EATTR_IMMUTABLE)) !== 0;
  return isFrozen ? Status.EPERM : checkRemovalBelow(state, context, edges.child.get(edge));
}

/**
 * Whether all of a tree may be removed without force: status of the first obstacle. A directory is entered before it is judged
 * itself, children in list order.
 */
function checkRemovalBelow(state: State, context: RequestContext, top: number): number {
  const { nodes, edges } = state;
  const frames: { row: number; next: number }[] = [];
  let row = top;
  for (;;) {
    if (nodes.type.get(row) === TYPE_DIRECTORY) {
      const status = checkEntering(state, context, row);
      if (status !== Status.OK) {
        return status;
      }
      frames.push({ row, next: edges.firstChild(row) });
    } else if (!isSnapshotNode(state, row)) {
      return Status.EPERM;
    }
    for (let frame = frames.at(-1); frame?.next === 0; frame = frames.at(-1)) {
      if (!isSnapshotNode(state, frame.row)) {
        return Status.EPERM;
      }
      frames.pop();
    }
    const frame = frames.at(-1);
    if (frame === undefined) {
      return Status.OK;
    }
    row = edges.child.get(frame.next);
    frame.next = edges.nextSibling.get(frame.next);
  }
}

function checkEntering(state: State, context: RequestContext, directory: number): number {
  if (state.nodes.eattr.get(directory) & EATTR_APPENDONLY) {
    return Status.EPERM;
  }
  return isPermitted(state, context, directory, WRITE_AND_SEARCH) ? Status.OK : Status.EACCES;
}

/** Whether a node belongs to a snapshot and is not protected. */
function isSnapshotNode(state: State, row: number): boolean {
  const eattr = state.nodes.eattr.get(row);
  return (eattr & EATTR_SNAPSHOT) !== 0 && (eattr & EATTR_UNREMOVABLE) === 0;
}
