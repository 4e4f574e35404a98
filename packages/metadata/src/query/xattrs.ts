import { Status, XattrGetMode } from '@alces/proto';
import { isPermitted, type Planned, type RequestContext, resolve } from '../plan/context.ts';
import { isTrustedXattr, xattrListLength } from '../plan/xattrs.ts';
import type { State } from '../state.ts';
import type { Acl } from '../tables/acls.ts';
import { ACL_ACCESS, ACL_DEFAULT, MAX_XATTR_LIST_BYTES } from '../tables/constants.ts';
import { hasNul } from '../tree/names.ts';
import { ACCESS_READ } from '../tree/permissions.ts';

/** GETXATTR: a value (a view, valid until the next change), or for an empty name the list of names (spec 10, section 6.1). */
export function getXattr(
  state: State,
  context: RequestContext,
  request: { inode: number; name: Buffer; mode: number; opened: number },
): Planned<Buffer> {
  const { name } = request;
  if (request.mode > XattrGetMode.LENGTH_ONLY) {
    return Status.EINVAL;
  }
  const row = resolve(state, context, request.inode, request.opened !== 0);
  if (row === 0) {
    return Status.ENOENT;
  }
  if (context.uid !== 0 && isTrustedXattr(name)) {
    return Status.EPERM;
  }
  if (request.opened === 0 && !isPermitted(state, context, row, ACCESS_READ)) {
    return Status.EACCES;
  }
  if (hasNul(name)) {
    return Status.EINVAL;
  }
  if (name.length === 0) {
    return listXattrs(state, row);
  }
  const attribute = state.xattrs.find(row, name);
  return attribute === 0 ? Status.ENOATTR : state.xattrs.value(attribute);
}

function listXattrs(state: State, row: number): Planned<Buffer> {
  const { xattrs } = state;
  const length = xattrListLength(state, row);
  if (length > MAX_XATTR_LIST_BYTES) {
    return Status.ERANGE;
  }
  const list = Buffer.alloc(length);
  let at = 0;
  for (let attribute = xattrs.first(row); attribute !== 0; attribute = xattrs.next.get(attribute)) {
    at += xattrs.name(attribute).copy(list, at) + 1;
  }
  return list;
}

/** GETFACL (spec 10, section 7.1). */
export function getAcl(
  state: State,
  context: RequestContext,
  request: { inode: number; aclType: number },
): Planned<Acl> {
  const row = resolve(state, context, request.inode);
  if (row === 0) {
    return Status.ENOENT;
  }
  if (request.aclType !== ACL_ACCESS && request.aclType !== ACL_DEFAULT) {
    return Status.ENOATTR;
  }
  const acl = state.acls.find(row, request.aclType);
  return acl === 0 ? Status.ENOATTR : state.acls.read(acl);
}
