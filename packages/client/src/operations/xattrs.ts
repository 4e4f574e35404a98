/** Extended attributes and ACLs (spec 10 §6, §7). */
import {
  CLTOMA_FUSE_GETFACL,
  CLTOMA_FUSE_GETXATTR,
  CLTOMA_FUSE_SETFACL,
  CLTOMA_FUSE_SETXATTR,
  MATOCL_FUSE_GETFACL,
  MATOCL_FUSE_GETXATTR,
  MATOCL_FUSE_SETFACL,
  MATOCL_FUSE_SETXATTR,
  XattrGetMode,
  XattrSetMode,
} from '@alces/proto';
import type { MasterLink } from '../contracts.ts';
import type { Acl, Caller } from '../types.ts';

const EMPTY = Buffer.alloc(0);

function question(inode: number, name: Buffer, mode: number, { uid, gids }: Caller, opened: boolean) {
  return { inode, name, mode, opened: opened ? 1 : 0, uid, gids: gids as number[] };
}

/** Value of an attribute. Throws ENODATA if there is none. */
export async function getxattr(
  link: MasterLink,
  inode: number,
  name: Buffer,
  caller: Caller,
  opened = false,
): Promise<Buffer> {
  const fields = question(inode, name, XattrGetMode.DATA, caller, opened);
  return (await link.request(CLTOMA_FUSE_GETXATTR, MATOCL_FUSE_GETXATTR, fields, 'value')).value;
}

/** Length in bytes of an attribute's value; with an empty name of the list of names. */
export async function getxattrLength(
  link: MasterLink,
  inode: number,
  name: Buffer,
  caller: Caller,
  opened = false,
): Promise<number> {
  const fields = question(inode, name, XattrGetMode.LENGTH_ONLY, caller, opened);
  return (await link.request(CLTOMA_FUSE_GETXATTR, MATOCL_FUSE_GETXATTR, fields, 'length')).length;
}

/** All names, each followed by a zero byte, as listxattr(2) has them. ACLs are not among them. */
export function listxattr(link: MasterLink, inode: number, caller: Caller, opened = false): Promise<Buffer> {
  return getxattr(link, inode, EMPTY, caller, opened);
}

/** `mode`: `XattrSetMode`. Names of 1..255 bytes, values of at most 64 KiB: a stock master takes others and then cannot store them. */
export async function setxattr(
  link: MasterLink,
  inode: number,
  name: Buffer,
  value: Buffer,
  mode: number,
  { uid, gids }: Caller,
  opened = false,
): Promise<void> {
  const fields = { inode, name, value, mode, opened: opened ? 1 : 0, uid, gids: gids as number[] };
  await link.request(CLTOMA_FUSE_SETXATTR, MATOCL_FUSE_SETXATTR, fields);
}

/** Throws ENODATA if there is no such attribute. */
export function removexattr(
  link: MasterLink,
  inode: number,
  name: Buffer,
  caller: Caller,
  opened = false,
): Promise<void> {
  return setxattr(link, inode, name, EMPTY, XattrSetMode.REMOVE, caller, opened);
}

/** `type`: `AclType`. Throws ENODATA if the node has no such ACL. */
export async function getfacl(link: MasterLink, inode: number, type: number): Promise<Acl> {
  const answer = await link.request(CLTOMA_FUSE_GETFACL, MATOCL_FUSE_GETFACL, { inode, aclType: type });
  const { user, group, other, mask, users, groups } = answer;
  return { user, group, other, mask, namedUsers: users, namedGroups: groups };
}

/** All four values 0xFFFF and no named entries: removes the ACL. */
export async function setfacl(link: MasterLink, inode: number, type: number, acl: Acl, uid: number): Promise<void> {
  const { user, group, other, mask } = acl;
  const named = { users: [...acl.namedUsers], groups: [...acl.namedGroups] };
  const fields = { inode, uid, aclType: type, user, group, other, mask, ...named };
  await link.request(CLTOMA_FUSE_SETFACL, MATOCL_FUSE_SETFACL, fields);
}
