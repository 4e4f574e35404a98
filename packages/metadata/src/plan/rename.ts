import { Disable, Status } from '@alces/proto';
import { isEmptyDirectory } from '../apply/tree.ts';
import type { MoveOperation } from '../operations.ts';
import type { State } from '../state.ts';
import { EATTR_IMMUTABLE, TYPE_DIRECTORY } from '../tables/constants.ts';
import { isSameOrBelow, isValidName } from '../tree/names.ts';
import { ACCESS_WRITE } from '../tree/permissions.ts';
import { isDisabled, isPermitted, isReadOnly, type Planned, type RequestContext, resolve } from './context.ts';
import { planMoveQuota } from './moveQuota.ts';
import { checkDirectory, EATTR_KEEPS_NAMES, EATTR_UNREMOVABLE, isStuck } from './names.ts';

/** What RENAME asks for (spec 10, section 3.13). */
export interface RenameRequest {
  srcParent: number;
  srcName: Buffer;
  dstParent: number;
  dstName: Buffer;
}

/** RENAME (spec 10, section 3.13). Status.OK: source and destination are the same name, nothing is to be done. */
export function planRename(state: State, context: RequestContext, request: RenameRequest): Planned<MoveOperation> {
  const { nodes, edges } = state;
  const sessionStatus = checkRenameSession(context, request);
  if (sessionStatus !== Status.OK) {
    return sessionStatus;
  }
  const from = resolve(state, context, request.srcParent);
  const to = resolve(state, context, request.dstParent);
  const status = from === 0 || to === 0 ? Status.ENOENT : checkDirectory(state, context, from, EATTR_KEEPS_NAMES);
  if (status !== Status.OK) {
    return status;
  }
  if (!isValidName(request.srcName)) {
    return Status.EINVAL;
  }
  const edge = edges.find(from, request.srcName);
  if (edge === 0) {
    return Status.ENOENT;
  }
  const row = edges.child.get(edge);
  const moveStatus = checkMove(state, context, { from, to, row });
  if (moveStatus !== Status.OK) {
    return moveStatus;
  }
  if (!isValidName(request.dstName)) {
    return Status.EINVAL;
  }
  const target = edges.find(to, request.dstName);
  if (target === edge) {
    return Status.OK;
  }
  const targetStatus = checkMoveTarget(state, context, { from, to, row }, target === 0 ? 0 : edges.child.get(target));
  if (targetStatus !== Status.OK) {
    return targetStatus;
  }
  return {
    op: 'MOVE',
    parentSrc: nodes.inode.get(from),
    nameSrc: request.srcName,
    parentDst: nodes.inode.get(to),
    nameDst: request.dstName,
    inode: 0,
  };
}

function checkRenameSession(context: RequestContext, request: RenameRequest): number {
  const noRename = isDisabled(context, Disable.RENAME);
  const noMove = isDisabled(context, Disable.MOVE);
  const isOtherName = !request.srcName.equals(request.dstName);
  const isOtherParent = request.srcParent !== request.dstParent;
  if ((noRename && noMove) || (noRename && isOtherName) || (noMove && isOtherParent)) {
    return Status.EPERM;
  }
  return isReadOnly(context) ? Status.EROFS : Status.OK;
}

/** Rows of a rename. */
interface Move {
  from: number;
  to: number;
  row: number;
}

function checkMove(state: State, context: RequestContext, { from, to, row }: Move): number {
  const { nodes } = state;
  if (isStuck(state, context, from, row)) {
    return Status.EPERM;
  }
  const status = checkDirectory(state, context, to, EATTR_IMMUTABLE);
  if (status !== Status.OK) {
    return status;
  }
  if (nodes.eattr.get(row) & EATTR_IMMUTABLE) {
    return Status.EPERM;
  }
  if (nodes.type.get(row) !== TYPE_DIRECTORY) {
    return Status.OK;
  }
  if (isSameOrBelow(state, to, row)) {
    return Status.EINVAL;
  }
  return from !== to && !isPermitted(state, context, row, ACCESS_WRITE) ? Status.EACCES : Status.OK;
}

function checkMoveTarget(state: State, context: RequestContext, move: Move, target: number): number {
  const { nodes } = state;
  const isDirectory = target !== 0 && nodes.type.get(target) === TYPE_DIRECTORY;
  if (target !== 0 && isDisabled(context, isDirectory ? Disable.RMDIR : Disable.UNLINK)) {
    return Status.EPERM;
  }
  if (planMoveQuota(state, move.from, move.to, move.row, target)) {
    return Status.QUOTA;
  }
  if (target === 0) {
    return Status.OK;
  }
  if (isDirectory && !isEmptyDirectory(state, target)) {
    return Status.ENOTEMPTY;
  }
  const isProtected = (nodes.eattr.get(target) & EATTR_UNREMOVABLE) !== 0;
  return isStuck(state, context, move.to, target) || isProtected ? Status.EPERM : Status.OK;
}
