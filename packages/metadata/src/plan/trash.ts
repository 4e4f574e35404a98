import { Status } from '@alces/proto';
import { checkUndel, findTrashFile, isValidTrashPath } from '../apply/trash.ts';
import type { PurgeOperation, SetpathOperation, UndelOperation } from '../operations.ts';
import type { State } from '../state.ts';
import { isReadOnly, type Planned, type RequestContext } from './context.ts';
import { withoutTrailingNuls } from './names.ts';

/** EPERM outside a meta session, EROFS in a read-only one (spec 10, section 9). */
function checkMetaSession(context: RequestContext): number {
  if (context.session.rootinode !== 0) {
    return Status.EPERM;
  }
  return isReadOnly(context) ? Status.EROFS : Status.OK;
}

/** SETTRASHPATH (spec 10, section 9.3). */
export function planSettrashpath(
  state: State,
  context: RequestContext,
  request: { inode: number; path: Buffer },
): Planned<SetpathOperation> {
  const status = checkMetaSession(context);
  if (status !== Status.OK) {
    return status;
  }
  const path = withoutTrailingNuls(request.path);
  if (!isValidTrashPath(path)) {
    return Status.EINVAL;
  }
  return findTrashFile(state, request.inode) === 0 ? Status.ENOENT : { op: 'SETPATH', inode: request.inode, path };
}

/** UNDEL (spec 10, section 9.3). */
export function planUndel(state: State, context: RequestContext, inode: number): Planned<UndelOperation> {
  const row = findTrashFile(state, inode);
  const status = checkMetaSession(context) || (row === 0 ? Status.ENOENT : checkUndel(state, row));
  return status === Status.OK ? { op: 'UNDEL', inode } : status;
}

/** PURGE (spec 10, section 9.3). */
export function planPurge(state: State, context: RequestContext, inode: number): Planned<PurgeOperation> {
  const status = checkMetaSession(context) || (findTrashFile(state, inode) === 0 ? Status.ENOENT : Status.OK);
  return status === Status.OK ? { op: 'PURGE', inode } : status;
}
