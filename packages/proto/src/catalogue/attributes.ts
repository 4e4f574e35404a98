/** Extended attributes, ACLs and locks on CL (spec 10 §6 - §8). */
import { message } from '../message.ts';
import { bytes8, bytes32, count16, gids, listOf, record, u8, u16, u32, u64n } from '../schema.ts';
import { dataReply, request, statusReply } from './shared.ts';

const status = { fields: { msgid: u32, status: u8 } };

export const CLTOMA_FUSE_GETXATTR = request(478, 'CLTOMA_FUSE_GETXATTR', 'get a value, or (empty name) the names', {
  msgid: u32,
  inode: u32,
  name: bytes8,
  mode: u8,
  opened: u8,
  uid: u32,
  gids,
});

/** The layout follows from the request's mode; an answer `length` 0 looks like an empty `value`. */
export const MATOCL_FUSE_GETXATTR = message({
  number: 479,
  name: 'MATOCL_FUSE_GETXATTR',
  link: 'CL',
  direction: 'reply',
  purpose: 'value, zero-terminated names, or length',
  layouts: {
    status,
    value: {
      fields: { msgid: u32, value: bytes32 },
      match: (payload) => payload.length === 8 + payload.readUInt32BE(4),
    },
    length: { fields: { msgid: u32, length: u32 }, note: 'mode LENGTH_ONLY' },
  },
});

export const CLTOMA_FUSE_SETXATTR = request(480, 'CLTOMA_FUSE_SETXATTR', 'set or remove an attribute', {
  msgid: u32,
  inode: u32,
  name: bytes8,
  value: bytes32,
  mode: u8,
  opened: u8,
  uid: u32,
  gids,
});
export const MATOCL_FUSE_SETXATTR = statusReply(481, 'MATOCL_FUSE_SETXATTR', 'result');

/** The named entries of an ACL; `user`, `group`, `other`, `mask` 0xFFFF: absent. */
const aclEntry = record({ id: u32, perm: u16 });
const acl = {
  user: u16,
  group: u16,
  other: u16,
  mask: u16,
  nusers: count16('users'),
  ngroups: count16('groups'),
  users: listOf('nusers', aclEntry),
  groups: listOf('ngroups', aclEntry),
};

export const CLTOMA_FUSE_GETFACL = request(
  488,
  'CLTOMA_FUSE_GETFACL',
  'get an ACL',
  { msgid: u32, inode: u32, aclType: u8 },
  [
    {
      fields: { msgid: u32, inode: u32, aclType: u8, opened: u8, uid: u32, gids },
      fill: {},
      note: 'the further fields are ignored',
    },
  ],
);
export const MATOCL_FUSE_GETFACL = dataReply(489, 'MATOCL_FUSE_GETFACL', 'the ACL', acl);

export const CLTOMA_FUSE_SETFACL = request(490, 'CLTOMA_FUSE_SETFACL', 'set or (all absent) remove an ACL', {
  msgid: u32,
  inode: u32,
  uid: u32,
  aclType: u8,
  ...acl,
});
export const MATOCL_FUSE_SETFACL = statusReply(491, 'MATOCL_FUSE_SETFACL', 'result');

export const CLTOMA_FUSE_FLOCK = request(492, 'CLTOMA_FUSE_FLOCK', 'BSD lock operation', {
  msgid: u32,
  inode: u32,
  reqid: u32,
  owner: u64n,
  cmd: u8,
});
export const MATOCL_FUSE_FLOCK = statusReply(493, 'MATOCL_FUSE_FLOCK', 'result, possibly much later');

const lockRange = { pid: u32, type: u8, start: u64n, end: u64n };

export const CLTOMA_FUSE_POSIX_LOCK = request(494, 'CLTOMA_FUSE_POSIX_LOCK', 'POSIX lock operation on [start, end)', {
  msgid: u32,
  inode: u32,
  reqid: u32,
  owner: u64n,
  pid: u32,
  cmd: u8,
  type: u8,
  start: u64n,
  end: u64n,
});
export const MATOCL_FUSE_POSIX_LOCK = dataReply(
  495,
  'MATOCL_FUSE_POSIX_LOCK',
  'result, possibly much later; data: the lock in the way (answer to GET)',
  lockRange,
);
