import { Disable, Status } from '@alces/proto';
import { asksForRemoval, checkXattr, XATTR_CREATE, XATTR_REMOVE, XATTR_REPLACE } from '../apply/attributes.ts';
import { mayChange } from '../apply/recursive.ts';
import type { SetaclOperation, SetxattrOperation } from '../operations.ts';
import type { State } from '../state.ts';
import {
  ACL_ABSENT,
  ACL_ACCESS,
  ACL_DEFAULT,
  EATTR_IMMUTABLE,
  MAX_XATTR_LIST_BYTES,
  MAX_XATTR_VALUE_BYTES,
} from '../tables/constants.ts';
import { hasNul } from '../tree/names.ts';
import { ACCESS_WRITE } from '../tree/permissions.ts';
import { checkSession, isPermitted, type Planned, type RequestContext, resolve } from './context.ts';

/** What SETXATTR asks for (spec 10, section 6.2). */
export interface SetxattrRequest {
  inode: number;
  name: Buffer;
  value: Buffer;
  mode: number;
  opened: number;
}

const TRUSTED = Buffer.from('trusted.');
const SECURITY = Buffer.from('security.');
const SYSTEM = Buffer.from('system.');

function startsWith(name: Buffer, prefix: Buffer): boolean {
  return name.subarray(0, prefix.length).equals(prefix);
}

/** Whether only root may read an attribute. */
export function isTrustedXattr(name: Buffer): boolean {
  return startsWith(name, TRUSTED);
}

/** SETXATTR (spec 10, section 6.2). */
export function planSetxattr(
  state: State,
  context: RequestContext,
  request: SetxattrRequest,
): Planned<SetxattrOperation> {
  const sessionStatus = checkSession(context, Disable.SETXATTR);
  if (sessionStatus !== Status.OK) {
    return sessionStatus;
  }
  const row = resolve(state, context, request.inode, request.opened !== 0);
  if (row === 0) {
    return Status.ENOENT;
  }
  const status = checkXattrRights(state, context, row, request) || checkXattrContent(state, row, request);
  if (status !== Status.OK) {
    return status;
  }
  const value = request.value.length > MAX_XATTR_VALUE_BYTES ? Buffer.alloc(0) : request.value; // only a removal comes here
  return { op: 'SETXATTR', inode: state.nodes.inode.get(row), name: request.name, value, mode: request.mode };
}

function checkXattrRights(state: State, context: RequestContext, row: number, request: SetxattrRequest): number {
  const { name } = request;
  if (context.uid !== 0) {
    const needsRoot = isTrustedXattr(name) || startsWith(name, SECURITY);
    if (needsRoot || (startsWith(name, SYSTEM) && !mayChange(state, row, context.uid))) {
      return Status.EPERM;
    }
  }
  if (state.nodes.eattr.get(row) & EATTR_IMMUTABLE) {
    return Status.EPERM;
  }
  return request.opened === 0 && !isPermitted(state, context, row, ACCESS_WRITE) ? Status.EACCES : Status.OK;
}

function checkXattrContent(state: State, row: number, request: SetxattrRequest): number {
  const { name, value, mode } = request;
  if (hasNul(name) || mode > XATTR_REMOVE || name.length === 0) {
    return Status.EINVAL;
  }
  const exists = state.xattrs.find(row, name) !== 0;
  if (!exists && (mode === XATTR_REPLACE || mode === XATTR_REMOVE)) {
    return Status.ENOATTR;
  }
  if (exists && mode === XATTR_CREATE) {
    return Status.EEXIST;
  }
  if (mode === XATTR_REMOVE) {
    return Status.OK;
  }
  if (value.length > MAX_XATTR_VALUE_BYTES) {
    return Status.ERANGE;
  }
  if (!exists && xattrListLength(state, row) + name.length + 1 > MAX_XATTR_LIST_BYTES) {
    return Status.ERANGE;
  }
  return checkXattr(exists, name, value, mode);
}

/** Bytes of the list of attribute names of a node, each with a NUL. */
export function xattrListLength(state: State, row: number): number {
  const { xattrs } = state;
  let length = 0;
  for (let attribute = xattrs.first(row); attribute !== 0; attribute = xattrs.next.get(attribute)) {
    length += xattrs.name(attribute).length + 1;
  }
  return length;
}

/** What SETFACL asks for (spec 10, section 7.2); `entries` as in the table: users, then groups. */
export interface SetfaclRequest {
  inode: number;
  aclType: number;
  user: number;
  group: number;
  other: number;
  mask: number;
  nusers: number;
  ngroups: number;
  entries: Buffer;
}

/** SETFACL (spec 10, section 7.2). */
export function planSetfacl(state: State, context: RequestContext, request: SetfaclRequest): Planned<SetaclOperation> {
  const { nodes } = state;
  const sessionStatus = checkSession(context, Disable.SETFACL);
  if (sessionStatus !== Status.OK) {
    return sessionStatus;
  }
  const row = resolve(state, context, request.inode);
  if (row === 0) {
    return Status.ENOENT;
  }
  if (!mayChange(state, row, context.uid) || nodes.eattr.get(row) & EATTR_IMMUTABLE) {
    return Status.EPERM;
  }
  if (request.aclType !== ACL_ACCESS && request.aclType !== ACL_DEFAULT) {
    return Status.EINVAL;
  }
  return aclOperation(state, row, request, context.now);
}

function aclOperation(state: State, row: number, request: SetfaclRequest, now: number): SetaclOperation {
  const stored = state.nodes.mode.get(row);
  const isRemoval = asksForRemoval(request);
  const triple = (value: number, shift: number): number =>
    value === ACL_ABSENT && !isRemoval ? (stored >> shift) & 7 : value;
  const acl = {
    user: triple(request.user, 6),
    group: triple(request.group, 3),
    other: triple(request.other, 0),
    mask: request.mask,
    nusers: request.nusers,
    ngroups: request.ngroups,
  };
  const setsMode = !isRemoval && request.aclType === ACL_ACCESS;
  const mode = setsMode ? (stored & 0o7000) | ((acl.user & 7) << 6) | ((acl.group & 7) << 3) | (acl.other & 7) : stored;
  return {
    op: 'SETACL',
    inode: state.nodes.inode.get(row),
    mode,
    changectime: mode !== stored || state.nodes.ctime.get(row) === now ? 1 : 0, // as the stock master writes it
    acltype: request.aclType,
    ...acl,
    blob: request.entries,
  };
}
