import { Disable, Eattr, SetMode, Status } from '@alces/proto';
import {
  type Counters,
  countVerdicts,
  isArchiveDenied,
  isPlainDenial,
  judgeEattr,
  judgeSclass,
  judgeTrashtime,
  SMODE_MAX,
} from '../apply/recursive.ts';
import type { ArchchgOperation, SeteattrOperation, SetsclassOperation, SettrashtimeOperation } from '../operations.ts';
import type { State } from '../state.ts';
import { isFileType, TYPE_DIRECTORY } from '../tables/constants.ts';
import {
  checkSession,
  isAdmin,
  isDisabled,
  isReadOnly,
  type Planned,
  type RequestContext,
  resolve,
} from './context.ts';
import { sclassExceedsQuota } from './sclassQuota.ts';

const ADMIN_EATTR = Eattr.UNDELETABLE | Eattr.APPENDONLY | Eattr.IMMUTABLE;
const PREDEFINED_CLASSES = 9;

function typeOf(smode: number): number {
  return smode & SetMode.TYPE_MASK;
}

/** Limits that the exports set for goals and trash times (spec 00, section 4.9). */
function isOutsideLimits(smode: number, value: number, min: number, max: number): boolean {
  const checksMin = typeOf(smode) !== SetMode.INCREASE;
  const checksMax = typeOf(smode) !== SetMode.DECREASE;
  return (checksMin && value < min) || (checksMax && value > max);
}

/** A file or directory, for setters that know nothing else. */
function resolveFileOrDirectory(state: State, context: RequestContext, inode: number): { row: number; status: number } {
  const row = resolve(state, context, inode);
  if (row === 0) {
    return { row, status: Status.ENOENT };
  }
  const type = state.nodes.type.get(row);
  return { row, status: type === TYPE_DIRECTORY || isFileType(type) ? Status.OK : Status.EPERM };
}

const NO_COUNTERS: Counters = { changed: 0, unchanged: 0, denied: 0 };

/** SETTRASHTIME (spec 10, section 11.2). The operation holds the counters after it was applied. */
export function planSettrashtime(
  state: State,
  context: RequestContext,
  request: { inode: number; seconds: number; smode: number },
): Planned<SettrashtimeOperation> {
  const { seconds, smode } = request;
  const { mintrashtime, maxtrashtime } = context.session;
  if (isDisabled(context, Disable.SETTRASH) || isOutsideLimits(smode, seconds, mintrashtime, maxtrashtime)) {
    return Status.EPERM;
  }
  if (smode > SMODE_MAX) {
    return Status.EINVAL;
  }
  if (isReadOnly(context)) {
    return Status.EROFS;
  }
  const { row, status } = resolveFileOrDirectory(state, context, request.inode);
  if (status !== Status.OK) {
    return status;
  }
  const inode = state.nodes.inode.get(row);
  const op: SettrashtimeOperation = { op: 'SETTRASHTIME', inode, uid: context.uid, seconds, smode, ...NO_COUNTERS };
  const isDenied = (smode & SetMode.RECURSIVE) === 0 && judgeTrashtime(state, row, op) === 'denied';
  return isDenied ? Status.EPERM : op;
}

/** What SETSCLASS asks for: class ids (spec 10, section 11.3). For the plain form both are the goal. */
export interface SetsclassRequest {
  inode: number;
  srcClass: number;
  dstClass: number;
  smode: number;
}

/** Entries of a SETSCLASS, and the counters to answer if the entries do not have them after they were applied. */
export interface SetsclassPlan {
  operations: SetsclassOperation[];
  counters: Counters | undefined;
}

/** SETSCLASS (spec 10, section 11.3) after the names of the classes were looked up. */
export function planSetsclass(
  state: State,
  context: RequestContext,
  request: SetsclassRequest,
): Planned<SetsclassPlan> {
  const { srcClass, dstClass, smode } = request;
  const { mingoal, maxgoal } = context.session;
  const isGoal = dstClass <= PREDEFINED_CLASSES;
  if (isDisabled(context, Disable.SETSCLASS) || (isGoal && isOutsideLimits(smode, dstClass, mingoal, maxgoal))) {
    return Status.EPERM;
  }
  const isRelative = typeOf(smode) === SetMode.INCREASE || typeOf(smode) === SetMode.DECREASE;
  if (smode > SMODE_MAX || dstClass === 0 || (isRelative && !isGoal)) {
    return Status.EINVAL;
  }
  if (isReadOnly(context)) {
    return Status.EROFS;
  }
  const { row, status } = resolveFileOrDirectory(state, context, request.inode);
  if (status !== Status.OK) {
    return status;
  }
  const inode = state.nodes.inode.get(row);
  const op: SetsclassOperation = {
    op: 'SETSCLASS',
    inode,
    uid: context.uid,
    srcClass,
    dstClass,
    smode,
    ...NO_COUNTERS,
  };
  const mayRaiseCopies = typeOf(smode) === SetMode.SET || typeOf(smode) === SetMode.INCREASE;
  if (mayRaiseCopies && sclassExceedsQuota(state, row, op, !isAdmin(context))) {
    return Status.QUOTA;
  }
  const hasAdminClasses = [...state.storageClasses.entries()].some(([, definition]) => definition.adminonly);
  return !isAdmin(context) && hasAdminClasses ? planByNode(state, row, op) : planWhole(state, row, op);
}

function planWhole(state: State, row: number, op: SetsclassOperation): Planned<SetsclassPlan> {
  const isDenied = (op.smode & SetMode.RECURSIVE) === 0 && judgeSclass(state, row, op, false) === 'denied';
  return isDenied ? Status.EPERM : { operations: [op], counters: undefined };
}

/**
 * One entry per changed node: replay does not know that the session may not touch admin-only classes (spec 51, section 7.7).
 */
function planByNode(state: State, row: number, op: SetsclassOperation): Planned<SetsclassPlan> {
  const operations: SetsclassOperation[] = [];
  const done = new Set<number>();
  const keepsClass = op.srcClass === op.dstClass && typeOf(op.smode) === SetMode.EXCHANGE;
  const counters = countVerdicts(state, row, op.smode, (at) => {
    const verdict = judgeSclass(state, at, op, true);
    if (verdict !== 'changed' || (done.has(at) && !keepsClass)) {
      return verdict === 'changed' ? 'unchanged' : verdict;
    }
    done.add(at);
    const inode = state.nodes.inode.get(at);
    operations.push({ ...op, inode, uid: 0, smode: typeOf(op.smode) });
    return verdict;
  });
  return isPlainDenial(op.smode, counters) ? Status.EPERM : { operations, counters };
}

/** SETEATTR (spec 10, section 11.5). The operation holds the counters after it was applied. */
export function planSeteattr(
  state: State,
  context: RequestContext,
  request: { inode: number; eattr: number; smode: number },
): Planned<SeteattrOperation> {
  const { eattr, smode } = request;
  if (isDisabled(context, Disable.SETEATTR)) {
    return Status.EPERM;
  }
  if (smode > SMODE_MAX) {
    return Status.EINVAL;
  }
  if (isReadOnly(context)) {
    return Status.EROFS;
  }
  if (eattr & ADMIN_EATTR && !isAdmin(context)) {
    return Status.EPERM;
  }
  const row = resolve(state, context, request.inode);
  if (row === 0) {
    return Status.ENOENT;
  }
  const inode = state.nodes.inode.get(row);
  const op: SeteattrOperation = { op: 'SETEATTR', inode, uid: context.uid, eattr, smode, ...NO_COUNTERS };
  const isDenied = (smode & SetMode.RECURSIVE) === 0 && judgeEattr(state, row, op) === 'denied';
  return isDenied ? Status.EPERM : op;
}

/** ARCHCTL set and clear (spec 10, section 11.6). The operation holds the counters after it was applied. */
export function planArchctl(
  state: State,
  context: RequestContext,
  request: { inode: number; cmd: number },
): Planned<ArchchgOperation> {
  const sessionStatus = checkSession(context, Disable.SETEATTR);
  if (sessionStatus !== Status.OK) {
    return sessionStatus;
  }
  const { row, status } = resolveFileOrDirectory(state, context, request.inode);
  if (status !== Status.OK) {
    return status;
  }
  const isFile = state.nodes.type.get(row) !== TYPE_DIRECTORY;
  if (isFile && isArchiveDenied(state, row, context.uid)) {
    return Status.EPERM;
  }
  const inode = state.nodes.inode.get(row);
  return { op: 'ARCHCHG', inode, uid: context.uid, cmd: request.cmd, ...NO_COUNTERS };
}
