import { Disable, Status } from '@alces/proto';
import { isCreatableType, isEmptyDirectory, isValidTarget } from '../apply/tree.ts';
import type { CreateOperation, LinkOperation, SymlinkOperation, UnlinkOperation } from '../operations.ts';
import type { State } from '../state.ts';
import {
  EATTR_APPENDONLY,
  EATTR_IMMUTABLE,
  EATTR_NOOWNER,
  EATTR_UNDELETABLE,
  isDetachedType,
  TYPE_BLOCKDEV,
  TYPE_CHARDEV,
  TYPE_DIRECTORY,
  TYPE_FIFO,
  TYPE_FILE,
  TYPE_SOCKET,
  TYPE_SYMLINK,
} from '../tables/constants.ts';
import { contributionOf } from '../tree/contribution.ts';
import { isValidName } from '../tree/names.ts';
import { ACCESS_EXECUTE, ACCESS_WRITE } from '../tree/permissions.ts';
import { checkSession, isPermitted, type Planned, type RequestContext, resolve } from './context.ts';
import { exceedsQuota, type Growth, NO_GROWTH } from './quota.ts';

const MODE_SETGID = 0o2000;
const MODE_STICKY = 0o1000;
const WRITE_AND_SEARCH = ACCESS_WRITE | ACCESS_EXECUTE;
export const EATTR_UNREMOVABLE = EATTR_UNDELETABLE | EATTR_APPENDONLY | EATTR_IMMUTABLE;
/** In a directory with one of these nothing may be removed. */
export const EATTR_KEEPS_NAMES = EATTR_APPENDONLY | EATTR_IMMUTABLE;

/** Type letters of old clients. */
const TYPE_OF_LETTER: Readonly<Record<string, number>> = {
  f: TYPE_FILE,
  d: TYPE_DIRECTORY,
  l: TYPE_SYMLINK,
  q: TYPE_FIFO,
  b: TYPE_BLOCKDEV,
  c: TYPE_CHARDEV,
  s: TYPE_SOCKET,
};

/** What MKNOD asks for (spec 10, section 3.9). */
export interface MknodRequest {
  parent: number;
  name: Buffer;
  type: number;
  mode: number;
  umask: number;
  rdev: number;
}

/** Checks a directory that is to lose or gain a name: ENOTDIR, EPERM for the eattr bits in `frozen`, EACCES. */
export function checkDirectory(state: State, context: RequestContext, row: number, frozen: number): number {
  const { nodes } = state;
  if (nodes.type.get(row) !== TYPE_DIRECTORY) {
    return Status.ENOTDIR;
  }
  if (nodes.eattr.get(row) & frozen) {
    return Status.EPERM;
  }
  return isPermitted(state, context, row, WRITE_AND_SEARCH) ? Status.OK : Status.EACCES;
}

/** Checks a new name in a directory (row, 0 = not found), including the quota for what it adds. */
function checkNewName(state: State, context: RequestContext, parent: number, name: Buffer, growth: Growth): number {
  if (parent === 0) {
    return Status.ENOENT;
  }
  const status = checkDirectory(state, context, parent, EATTR_IMMUTABLE);
  if (status !== Status.OK) {
    return status;
  }
  if (!isValidName(name)) {
    return Status.EINVAL;
  }
  if (state.edges.find(parent, name) !== 0) {
    return Status.EEXIST;
  }
  return exceedsQuota(state, parent, growth) ? Status.QUOTA : Status.OK;
}

/** Group of a node that the caller makes in a directory. */
function groupFor(state: State, context: RequestContext, parent: number): number {
  const { nodes } = state;
  return nodes.mode.get(parent) & MODE_SETGID ? nodes.gid.get(parent) : context.gids[0];
}

function disableBitOf(type: number): number {
  switch (type) {
    case TYPE_FILE:
      return Disable.CREATE;
    case TYPE_FIFO:
      return Disable.MKFIFO;
    case TYPE_BLOCKDEV:
    case TYPE_CHARDEV:
      return Disable.MKDEV;
    case TYPE_SOCKET:
      return Disable.MKSOCK;
    default:
      return 0;
  }
}

/** MKNOD, and CREATE with type 1 (spec 10, sections 3.9 and 4.2). */
export function planMknod(state: State, context: RequestContext, request: MknodRequest): Planned<CreateOperation> {
  const status = checkSession(context, disableBitOf(request.type));
  if (status !== Status.OK) {
    return status;
  }
  const type = request.type > 15 ? (TYPE_OF_LETTER[String.fromCharCode(request.type)] ?? 0) : request.type;
  return isCreatableType(type) ? planNode(state, context, { ...request, type, copysgid: 0 }) : Status.EINVAL;
}

/** MKDIR (spec 10, section 3.10). */
export function planMkdir(
  state: State,
  context: RequestContext,
  request: { parent: number; name: Buffer; mode: number; umask: number; copysgid: number },
): Planned<CreateOperation> {
  const status = checkSession(context, Disable.MKDIR);
  return status === Status.OK ? planNode(state, context, { ...request, type: TYPE_DIRECTORY, rdev: 0 }) : status;
}

function planNode(
  state: State,
  context: RequestContext,
  request: MknodRequest & { copysgid: number },
): Planned<CreateOperation> {
  const { nodes } = state;
  const parent = resolve(state, context, request.parent);
  const status = checkNewName(state, context, parent, request.name, { ...NO_GROWTH, inodes: 1 });
  if (status !== Status.OK) {
    return status;
  }
  let mode = request.mode & 0o7777;
  if (request.copysgid !== 0) {
    mode |= nodes.mode.get(parent) & MODE_SETGID;
  }
  return {
    op: 'CREATE',
    parent: nodes.inode.get(parent),
    name: request.name,
    type: request.type,
    mode,
    cumask: request.umask | context.session.umask,
    uid: context.uid,
    gid: groupFor(state, context, parent),
    rdev: request.rdev,
    inode: 0,
  };
}

/** SYMLINK (spec 10, section 3.8). */
export function planSymlink(
  state: State,
  context: RequestContext,
  request: { parent: number; name: Buffer; path: Buffer },
): Planned<SymlinkOperation> {
  const { nodes } = state;
  const path = withoutTrailingNuls(request.path);
  const status = checkSession(context, Disable.SYMLINK) || (isValidTarget(path) ? Status.OK : Status.EINVAL);
  if (status !== Status.OK) {
    return status;
  }
  const parent = resolve(state, context, request.parent);
  const growth = { ...NO_GROWTH, inodes: 1, length: path.length };
  const nameStatus = checkNewName(state, context, parent, request.name, growth);
  if (nameStatus !== Status.OK) {
    return nameStatus;
  }
  const gid = context.gids[0]; // as the stock master logs it: a set-gid parent shows only in what `apply` makes of it
  const parentInode = nodes.inode.get(parent);
  return { op: 'SYMLINK', parent: parentInode, name: request.name, path, uid: context.uid, gid, inode: 0 };
}

/** A path field without the NULs that clients put behind it. */
export function withoutTrailingNuls(path: Buffer): Buffer {
  let { length } = path;
  while (length > 0 && path[length - 1] === 0) {
    length--;
  }
  return path.subarray(0, length);
}

/** LINK (spec 10, section 3.12). */
export function planLink(
  state: State,
  context: RequestContext,
  request: { inode: number; dstParent: number; name: Buffer },
  maxLinks: number,
): Planned<LinkOperation> {
  const { nodes } = state;
  const sessionStatus = checkSession(context, Disable.LINK);
  if (sessionStatus !== Status.OK) {
    return sessionStatus;
  }
  const row = resolve(state, context, request.inode);
  const parent = resolve(state, context, request.dstParent);
  if (row === 0 || parent === 0) {
    return Status.ENOENT;
  }
  const status =
    checkLinkSource(state, row, maxLinks) ||
    checkNewName(state, context, parent, request.name, contributionOf(state, row));
  if (status !== Status.OK) {
    return status;
  }
  return { op: 'LINK', inode: nodes.inode.get(row), parent: nodes.inode.get(parent), name: request.name };
}

function checkLinkSource(state: State, row: number, maxLinks: number): number {
  const { nodes } = state;
  const type = nodes.type.get(row);
  if (nodes.eattr.get(row) & EATTR_IMMUTABLE) {
    return Status.EPERM;
  }
  if (isDetachedType(type)) {
    return Status.ENOENT;
  }
  if (type === TYPE_DIRECTORY) {
    return Status.EPERM;
  }
  return nodes.names.get(row) >= maxLinks ? Status.NOSPACE : Status.OK;
}

/** Whether the sticky bit of a directory forbids the caller to remove a node from it (spec 10, section 2.7). */
export function isStuck(state: State, context: RequestContext, directory: number, row: number): boolean {
  const { nodes } = state;
  if (context.uid === 0 || (nodes.mode.get(directory) & MODE_STICKY) === 0) {
    return false;
  }
  const owns = (at: number): boolean =>
    nodes.uid.get(at) === context.uid || (nodes.eattr.get(at) & EATTR_NOOWNER) !== 0;
  return !owns(directory) && !owns(row);
}

/** UNLINK and RMDIR (spec 10, section 3.11). */
export function planUnlink(
  state: State,
  context: RequestContext,
  request: { parent: number; name: Buffer },
  isRmdir: boolean,
): Planned<UnlinkOperation> {
  const { nodes, edges } = state;
  const sessionStatus = checkSession(context, isRmdir ? Disable.RMDIR : Disable.UNLINK);
  if (sessionStatus !== Status.OK) {
    return sessionStatus;
  }
  const parent = resolve(state, context, request.parent);
  const status = parent === 0 ? Status.ENOENT : checkDirectory(state, context, parent, EATTR_KEEPS_NAMES);
  if (status !== Status.OK) {
    return status;
  }
  if (!isValidName(request.name)) {
    return Status.EINVAL;
  }
  const edge = edges.find(parent, request.name);
  if (edge === 0) {
    return Status.ENOENT;
  }
  const removal = checkRemoval(state, context, parent, edges.child.get(edge), isRmdir);
  if (removal !== Status.OK) {
    return removal;
  }
  return { op: 'UNLINK', parent: nodes.inode.get(parent), name: request.name, inode: 0 };
}

function checkRemoval(state: State, context: RequestContext, parent: number, row: number, isRmdir: boolean): number {
  const { nodes } = state;
  if (isStuck(state, context, parent, row) || nodes.eattr.get(row) & EATTR_UNREMOVABLE) {
    return Status.EPERM;
  }
  const isDirectory = nodes.type.get(row) === TYPE_DIRECTORY;
  if (isDirectory !== isRmdir) {
    return isRmdir ? Status.ENOTDIR : Status.EPERM;
  }
  return isDirectory && !isEmptyDirectory(state, row) ? Status.ENOTEMPTY : Status.OK;
}
