import { Status } from '@alces/proto';
import { CHANGED_ACL, CHANGED_ATTRIBUTES, CHANGED_QUOTA, CHANGED_XATTR } from '../observer.ts';
import type {
  AccessOperation,
  AmtimeOperation,
  AttrOperation,
  QuotaOperation,
  SetaclOperation,
  SetxattrOperation,
} from '../operations.ts';
import type { State } from '../state.ts';
import { ACL_ENTRY_BYTES, type Acl, isMinimalAcl } from '../tables/acls.ts';
import {
  ACL_ABSENT,
  ACL_ACCESS,
  ACL_DEFAULT,
  MAX_NAME_BYTES,
  MAX_XATTR_VALUE_BYTES,
  TYPE_DIRECTORY,
} from '../tables/constants.ts';
import { QUOTA_HARD_SHIFT, QUOTA_INODES, QUOTA_LENGTH, QUOTA_REALSIZE, QUOTA_SIZE } from '../tables/quotas.ts';
import type { Handlers } from './common.ts';

/** Bit of ATTR's aclmode that says "the node had an access ACL". */
const ACLMODE_PRESENT = 0o10000;

/** Modes of SETXATTR. */
export const XATTR_SET = 0;
export const XATTR_CREATE = 1;
export const XATTR_REPLACE = 2;
export const XATTR_REMOVE = 3;

function attr(state: State, now: number, op: AttrOperation): number {
  const { nodes, acls } = state;
  if (op.mode > 0o7777) {
    return Status.EINVAL;
  }
  const row = nodes.find(op.inode);
  if (row === 0) {
    return Status.ENOENT;
  }
  nodes.mode.set(row, op.mode);
  nodes.uid.set(row, op.uid);
  nodes.gid.set(row, op.gid);
  nodes.atime.set(row, op.atime);
  nodes.mtime.set(row, op.mtime);
  nodes.ctime.set(row, now);
  nodes.winattr.set(row, op.winattr);
  const acl = acls.find(row, ACL_ACCESS);
  if (acl !== 0) {
    const aclmode = op.aclmode & ACLMODE_PRESENT ? op.aclmode : (op.mode & 0o707) | 0o70;
    acls.user.set(acl, (aclmode >> 6) & 7);
    acls.mask.set(acl, (aclmode >> 3) & 7);
    acls.other.set(acl, aclmode & 7);
  }
  state.observer.nodeChanged(row, op.inode, CHANGED_ATTRIBUTES);
  return Status.OK;
}

/** The `aclmode` of an ATTR operation for a node as it is. */
export function aclModeOf(state: State, row: number): number {
  const { acls } = state;
  const acl = acls.find(row, ACL_ACCESS);
  if (acl === 0) {
    return 0;
  }
  return (
    ACLMODE_PRESENT | ((acls.user.get(acl) & 7) << 6) | ((acls.mask.get(acl) & 7) << 3) | (acls.other.get(acl) & 7)
  );
}

function access(state: State, now: number, op: AccessOperation): number {
  const row = state.nodes.find(op.inode);
  if (row === 0) {
    return Status.ENOENT;
  }
  state.nodes.atime.set(row, now);
  state.observer.nodeChanged(row, op.inode, CHANGED_ATTRIBUTES);
  return Status.OK;
}

function amtime(state: State, _now: number, op: AmtimeOperation): number {
  const { nodes } = state;
  const row = nodes.find(op.inode);
  if (row === 0) {
    return Status.ENOENT;
  }
  nodes.atime.set(row, op.atime);
  nodes.mtime.set(row, op.mtime);
  nodes.ctime.set(row, op.ctime);
  state.observer.nodeChanged(row, op.inode, CHANGED_ATTRIBUTES);
  return Status.OK;
}

/** Status of a SETXATTR that depends only on its arguments and on whether the attribute exists. */
export function checkXattr(exists: boolean, name: Uint8Array, value: Uint8Array, mode: number): number {
  const nameIsBad = name.length === 0 || name.length > MAX_NAME_BYTES;
  if (nameIsBad || value.length > MAX_XATTR_VALUE_BYTES || mode > XATTR_REMOVE) {
    return Status.EINVAL;
  }
  if (exists && mode === XATTR_CREATE) {
    return Status.EEXIST;
  }
  return !exists && mode >= XATTR_REPLACE ? Status.ENOATTR : Status.OK;
}

function setxattr(state: State, now: number, op: SetxattrOperation): number {
  const { nodes, xattrs } = state;
  const row = nodes.find(op.inode);
  if (row === 0) {
    return Status.ENOENT;
  }
  const attribute = xattrs.find(row, op.name);
  const status = checkXattr(attribute !== 0, op.name, op.value, op.mode);
  if (status !== Status.OK) {
    return status;
  }
  if (op.mode === XATTR_REMOVE) {
    xattrs.remove(attribute);
  } else if (attribute !== 0) {
    xattrs.replaceValue(attribute, op.value);
  } else {
    xattrs.insertFirst(row, op.name, op.value);
  }
  nodes.ctime.set(row, now);
  state.observer.nodeChanged(row, op.inode, CHANGED_XATTR | CHANGED_ATTRIBUTES);
  return Status.OK;
}

/** Whether an ACL's fields ask for its removal: nothing in it is present. */
export function asksForRemoval(acl: Omit<Acl, 'entries'>): boolean {
  const fields = [acl.user, acl.group, acl.other, acl.mask];
  return fields.every((field) => field === ACL_ABSENT) && acl.nusers === 0 && acl.ngroups === 0;
}

function setacl(state: State, now: number, op: SetaclOperation): number {
  const { nodes, acls } = state;
  if (op.acltype !== ACL_ACCESS && op.acltype !== ACL_DEFAULT) {
    return Status.EINVAL;
  }
  if (op.blob.length !== (op.nusers + op.ngroups) * ACL_ENTRY_BYTES) {
    return Status.MISMATCH;
  }
  const row = nodes.find(op.inode);
  if (row === 0) {
    return Status.ENOENT;
  }
  if (asksForRemoval(op)) {
    acls.remove(row, op.acltype);
    state.observer.nodeChanged(row, op.inode, CHANGED_ACL);
    return Status.OK;
  }
  if (op.acltype === ACL_ACCESS && isMinimalAcl(op)) {
    acls.remove(row, ACL_ACCESS);
  } else {
    acls.set(row, op.acltype, { ...op, entries: op.blob });
  }
  nodes.mode.set(row, op.mode & 0o7777);
  if (op.changectime === 1) {
    nodes.ctime.set(row, now);
  }
  state.observer.nodeChanged(row, op.inode, CHANGED_ACL | CHANGED_ATTRIBUTES);
  return Status.OK;
}

function quota(state: State, _now: number, op: QuotaOperation): number {
  const row = state.nodes.find(op.inode);
  if (row === 0) {
    return Status.ENOENT;
  }
  if (state.nodes.type.get(row) !== TYPE_DIRECTORY) {
    return Status.EPERM;
  }
  if (op.flags === 0) {
    state.quotas.delete(op.inode);
  } else {
    const old = state.quotas.get(op.inode);
    const has = (flag: number): boolean => (op.flags & flag) !== 0;
    state.quotas.set(op.inode, {
      graceperiod: op.graceperiod || (old?.graceperiod ?? 0),
      exceeded: op.exceeded,
      flags: op.flags,
      stimestamp: op.stimestamp,
      sinodes: has(QUOTA_INODES) ? op.sinodes : 0,
      hinodes: has(QUOTA_INODES << QUOTA_HARD_SHIFT) ? op.hinodes : 0,
      slength: has(QUOTA_LENGTH) ? op.slength : 0n,
      hlength: has(QUOTA_LENGTH << QUOTA_HARD_SHIFT) ? op.hlength : 0n,
      ssize: has(QUOTA_SIZE) ? op.ssize : 0n,
      hsize: has(QUOTA_SIZE << QUOTA_HARD_SHIFT) ? op.hsize : 0n,
      srealsize: has(QUOTA_REALSIZE) ? op.srealsize : 0n,
      hrealsize: has(QUOTA_REALSIZE << QUOTA_HARD_SHIFT) ? op.hrealsize : 0n,
    });
  }
  state.observer.nodeChanged(row, op.inode, CHANGED_QUOTA);
  return Status.OK;
}

export const attributeHandlers: Handlers<'ATTR' | 'ACCESS' | 'AMTIME' | 'SETXATTR' | 'SETACL' | 'QUOTA'> = {
  ATTR: attr,
  ACCESS: access,
  AMTIME: amtime,
  SETXATTR: setxattr,
  SETACL: setacl,
  QUOTA: quota,
};
