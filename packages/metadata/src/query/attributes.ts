import { type Attr, AttrFlag, SessionFlag, Status } from '@alces/proto';
import { type Planned, type RequestContext, resolve } from '../plan/context.ts';
import type { State } from '../state.ts';
import {
  ACL_ACCESS,
  EATTR_APPENDONLY,
  EATTR_IMMUTABLE,
  EATTR_NOATTRCACHE,
  EATTR_NODATACACHE,
  EATTR_NOENTRYCACHE,
  EATTR_NOOWNER,
  EATTR_UNDELETABLE,
  isDetachedType,
  TYPE_BLOCKDEV,
  TYPE_CHARDEV,
  TYPE_DIRECTORY,
  TYPE_FIFO,
  TYPE_FILE,
  TYPE_SOCKET,
} from '../tables/constants.ts';
import { accessByte } from '../tree/permissions.ts';

/** How owners are presented: the credentials of a request, after and before the session's mapping. */
export type Presentation = Pick<RequestContext, 'uid' | 'gids' | 'originalUid' | 'originalGid'> & {
  /** Session flag MAPALL. */
  mapAll: boolean;
};

/** Presentation for a request. */
export function presentationFor(context: RequestContext): Presentation {
  const { uid, gids, originalUid, originalGid, session } = context;
  return { uid, gids, originalUid, originalGid, mapAll: (session.sesflags & SessionFlag.MAPALL) !== 0 };
}

/** An attribute record to be filled. */
export function emptyAttr(): Attr {
  return {
    flags: 0,
    type: 0,
    mode: 0,
    uid: 0,
    gid: 0,
    atime: 0,
    mtime: 0,
    ctime: 0,
    nlink: 0,
    length: 0,
    rdev: 0,
    winattr: 0,
  };
}

/**
 * Attributes of a node (row) as a request sees them (spec 00, section 2.3; spec 10, section 2.4).
 *
 * @param parent row of the directory used in the request, 0 = none is known.
 * @param target record to fill (for listings).
 */
export function attributesOf(
  state: State,
  row: number,
  viewer: Presentation,
  parent = 0,
  target: Attr = emptyAttr(),
): Attr {
  const { nodes } = state;
  const type = nodes.type.get(row);
  target.flags = attributeFlags(state, row, viewer, parent);
  target.type = isDetachedType(type) ? TYPE_FILE : type;
  target.mode = shownMode(state, row);
  target.atime = nodes.atime.get(row);
  target.mtime = nodes.mtime.get(row);
  target.ctime = nodes.ctime.get(row);
  target.nlink = linkCount(state, row);
  target.length = shownLength(state, row);
  target.rdev = type === TYPE_BLOCKDEV || type === TYPE_CHARDEV ? nodes.aux.get(row) : 0;
  target.winattr = nodes.winattr.get(row);
  presentOwner(state, row, viewer, target);
  return target;
}

function attributeFlags(state: State, row: number, viewer: Presentation, parent: number): number {
  const { nodes } = state;
  const eattr = nodes.eattr.get(row);
  const hasXattr = nodes.xattrs.get(row) !== 0 || nodes.accessAcl.get(row) !== 0 || nodes.defaultAcl.get(row) !== 0;
  let flags = eattr & EATTR_NODATACACHE ? AttrFlag.DIRECTMODE : AttrFlag.ALLOWDATACACHE;
  if (eattr & (EATTR_NOOWNER | EATTR_NOATTRCACHE) || viewer.mapAll) {
    flags |= AttrFlag.NOACACHE;
  }
  if (parent !== 0 && nodes.eattr.get(parent) & EATTR_NOENTRYCACHE) {
    flags |= AttrFlag.NOECACHE;
  }
  if (!hasXattr) {
    flags |= AttrFlag.NOXATTR;
  }
  if (eattr & (EATTR_UNDELETABLE | EATTR_IMMUTABLE | EATTR_APPENDONLY)) {
    flags |= AttrFlag.UNDELETABLE;
  }
  return flags;
}

/** Mode bits with an access ACL taken into account: the group triple is its mask. */
export function shownMode(state: State, row: number): number {
  const { acls } = state;
  const mode = state.nodes.mode.get(row);
  const acl = acls.find(row, ACL_ACCESS);
  if (acl === 0) {
    return mode;
  }
  return (
    (mode & 0o7000) | ((acls.user.get(acl) & 7) << 6) | ((acls.mask.get(acl) & 7) << 3) | (acls.other.get(acl) & 7)
  );
}

function presentOwner(state: State, row: number, viewer: Presentation, target: Attr): void {
  const { nodes } = state;
  const uid = nodes.uid.get(row);
  const gid = nodes.gid.get(row);
  if (nodes.eattr.get(row) & EATTR_NOOWNER && viewer.uid !== 0) {
    const owner = (target.mode >> 6) & 7;
    target.mode = (target.mode & 0o7700) | (owner << 3) | owner;
    target.uid = viewer.mapAll ? viewer.originalUid : viewer.uid;
    target.gid = viewer.mapAll ? viewer.originalGid : viewer.gids[0];
  } else if (viewer.mapAll && viewer.originalUid !== 0) {
    target.uid = uid === viewer.uid ? viewer.originalUid : 0;
    target.gid = gid === viewer.gids[0] ? viewer.originalGid : 0;
  } else {
    target.uid = uid;
    target.gid = gid;
  }
}

/** Link count: directories 2 + subdirectories, trash and sustained files 0, others the number of names. */
export function linkCount(state: State, row: number): number {
  const { nodes } = state;
  const type = nodes.type.get(row);
  if (type === TYPE_DIRECTORY) {
    return 2 + state.directories.subdirs.get(nodes.aux.get(row));
  }
  return isDetachedType(type) ? 0 : nodes.names.get(row);
}

function shownLength(state: State, row: number): number {
  const { nodes } = state;
  switch (nodes.type.get(row)) {
    case TYPE_DIRECTORY:
      return directorySize(state.directories.length.get(nodes.aux.get(row)));
    case TYPE_FIFO:
    case TYPE_SOCKET:
    case TYPE_BLOCKDEV:
    case TYPE_CHARDEV:
      return 0;
    default:
      return nodes.length.get(row);
  }
}

/** The size shown for a directory: a decimal pseudo-float of the bytes below it (spec 00, section 2.3). */
export function directorySize(bytes: number): number {
  if (bytes === 0) {
    return 1;
  }
  if (bytes < 2 ** 10) {
    return bytes * 100;
  }
  let exponent = 1;
  while (exponent < 6 && bytes >= 2 ** (10 * (exponent + 1))) {
    exponent++;
  }
  const mantissa =
    exponent < 5
      ? Math.floor((bytes * 100) / 2 ** (10 * exponent))
      : Math.floor((Math.floor(bytes / 1024) * 100) / 2 ** (10 * (exponent - 1)));
  return exponent * 1_000_000 + mantissa;
}

/** GETATTR (spec 10, section 3.4). */
export function getAttributes(
  state: State,
  context: RequestContext,
  request: { inode: number; opened: number },
): Planned<Attr> {
  const row = resolve(state, context, request.inode, request.opened !== 0);
  return row === 0 ? Status.ENOENT : attributesOf(state, row, presentationFor(context));
}

/** ACCESS: a status (spec 10, section 3.2). */
export function checkAccess(
  state: State,
  context: RequestContext,
  request: { inode: number; modemask: number },
): number {
  const wanted = request.modemask & 7;
  const writes = (wanted & 2) !== 0;
  if (writes && context.session.sesflags & SessionFlag.READONLY) {
    return Status.EROFS;
  }
  const row = resolve(state, context, request.inode, true);
  if (row === 0) {
    return Status.ENOENT;
  }
  if (writes && state.nodes.eattr.get(row) & EATTR_IMMUTABLE) {
    return Status.EPERM;
  }
  return accessByte(state, row, context) & (1 << wanted) ? Status.OK : Status.EACCES;
}
