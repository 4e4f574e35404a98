/** Names, attributes and directories on CL (spec 10 §3, §4). */
import { message } from '../message.ts';
import {
  attr,
  attr35,
  bytes8,
  bytes32,
  constant,
  gids,
  gidsOnly,
  listRest,
  oneGid,
  optional,
  record,
  u8,
  u16,
  u32,
  u64,
  u64cap,
  u64n,
} from '../schema.ts';
import { packVersion, VERSION } from '../version.ts';
import { attrReply, chunkLocations, dataReply, request, statusReply } from './shared.ts';

const status = { fields: { msgid: u32, status: u8 } };

export const CLTOMA_FUSE_STATFS = request(402, 'CLTOMA_FUSE_STATFS', 'space of the file system', { msgid: u32 });

const space = { trash: u64cap, sustained: u64cap, inodes: u32 };

export const MATOCL_FUSE_STATFS = message({
  number: 403,
  name: 'MATOCL_FUSE_STATFS',
  link: 'CL',
  direction: 'reply',
  purpose: 'bytes and inodes',
  layouts: {
    data: {
      fields: { msgid: u32, total: u64cap, avail: u64cap, free: u64cap, ...space },
      note: 'clients 3.0.102 .. 3.x',
    },
    noFree: { fields: { msgid: u32, total: u64cap, avail: u64cap, ...space }, note: 'clients before 3.0.102' },
  },
});

export const CLTOMA_FUSE_ACCESS = request(
  404,
  'CLTOMA_FUSE_ACCESS',
  'test access rights',
  { msgid: u32, inode: u32, uid: u32, gids: gidsOnly, modemask: u16 },
  [
    {
      fields: { msgid: u32, inode: u32, uid: u32, gids: oneGid, modemask: u8 },
      fill: {},
      note: 'clients before 2.0; a mount without groups',
    },
  ],
);
export const MATOCL_FUSE_ACCESS = statusReply(405, 'MATOCL_FUSE_ACCESS', 'whether access is granted');

const entryRequest = { msgid: u32, parent: u32, name: bytes8, uid: u32, gids };

export const CLTOMA_FUSE_LOOKUP = request(406, 'CLTOMA_FUSE_LOOKUP', 'find a name in a directory', entryRequest);

const chunkZero = optional(record({ protocolid: constant(1, 2), chunkId: u64, version: u32, servers: chunkLocations }));

export const MATOCL_FUSE_LOOKUP = message({
  number: 407,
  name: 'MATOCL_FUSE_LOOKUP',
  link: 'CL',
  direction: 'reply',
  purpose: 'inode, attributes, access, and the only chunk of a small file (if lflags has CHUNK_ZERO_DATA)',
  layouts: {
    status,
    data: {
      fields: { msgid: u32, inode: u32, attr, lflags: u16, chunk: chunkZero },
      match: ({ length }) => length === 46 || (length >= 59 && (length - 59) % 14 === 0),
    },
    data35: {
      fields: { msgid: u32, inode: u32, attr: attr35, lflags: u16, chunk: chunkZero },
      match: ({ length }) => length === 45 || (length >= 58 && (length - 58) % 14 === 0),
      note: 'clients 3.0.40 .. 3.0.92',
    },
    noFlags: { fields: { msgid: u32, inode: u32, attr: attr35 }, note: 'clients before 3.0.40' },
  },
});

export const CLTOMA_FUSE_GETATTR = request(
  408,
  'CLTOMA_FUSE_GETATTR',
  'get attributes',
  { msgid: u32, inode: u32, opened: u8, uid: u32, gid: u32 },
  [
    { fields: { msgid: u32, inode: u32, uid: u32, gid: u32 }, fill: { opened: 0 }, note: 'without opened' },
    { fields: { msgid: u32, inode: u32 }, fill: { opened: 0, uid: 12345, gid: 12345 }, note: 'inode only' },
  ],
);
export const MATOCL_FUSE_GETATTR = attrReply(409, 'MATOCL_FUSE_GETATTR', 'attributes', {});

const setattr = {
  msgid: u32,
  inode: u32,
  opened: u8,
  uid: u32,
  gids: gidsOnly,
  setmask: u8,
  mode: u16,
  attruid: u32,
  attrgid: u32,
  atime: u32,
  mtime: u32,
};

export const CLTOMA_FUSE_SETATTR = request(
  410,
  'CLTOMA_FUSE_SETATTR',
  'change attributes',
  { ...setattr, winattr: u8, sugidclearmode: u8 },
  [
    {
      fields: { ...setattr, gids, sugidclearmode: u8 },
      match: ({ length }) => length % 4 === 1,
      fill: { winattr: 0 },
      note: 'clients before 3.0.93',
    },
  ],
);
export const MATOCL_FUSE_SETATTR = attrReply(411, 'MATOCL_FUSE_SETATTR', 'new attributes', {});

export const CLTOMA_FUSE_READLINK = request(412, 'CLTOMA_FUSE_READLINK', 'read a symbolic link', {
  msgid: u32,
  inode: u32,
});
export const MATOCL_FUSE_READLINK = dataReply(413, 'MATOCL_FUSE_READLINK', 'target, with a trailing zero byte', {
  path: bytes32,
});

export const CLTOMA_FUSE_SYMLINK = request(
  414,
  'CLTOMA_FUSE_SYMLINK',
  'create a symbolic link; path with a trailing zero byte',
  { msgid: u32, parent: u32, name: bytes8, path: bytes32, uid: u32, gids },
);
export const MATOCL_FUSE_SYMLINK = attrReply(415, 'MATOCL_FUSE_SYMLINK', 'the new node', { inode: u32 });

/** Offset of the length byte of a name that follows msgid and parent. */
const NAME_OFFSET = 8;

export const CLTOMA_FUSE_MKNOD = request(
  416,
  'CLTOMA_FUSE_MKNOD',
  'create a node',
  { msgid: u32, parent: u32, name: bytes8, type: u8, mode: u16, umask: u16, uid: u32, gids, rdev: u32 },
  [
    {
      fields: { msgid: u32, parent: u32, name: bytes8, type: u8, mode: u16, uid: u32, gids: oneGid, rdev: u32 },
      match: (payload) => payload.length === 24 + payload[NAME_OFFSET],
      fill: { umask: 0 },
      note: 'without umask',
    },
  ],
);
export const MATOCL_FUSE_MKNOD = attrReply(417, 'MATOCL_FUSE_MKNOD', 'the new node', { inode: u32 });

export const CLTOMA_FUSE_MKDIR = request(
  418,
  'CLTOMA_FUSE_MKDIR',
  'create a directory',
  { msgid: u32, parent: u32, name: bytes8, mode: u16, umask: u16, uid: u32, gids, copysgid: u8 },
  [
    {
      fields: { msgid: u32, parent: u32, name: bytes8, mode: u16, uid: u32, gids: oneGid, copysgid: u8 },
      match: (payload) => payload.length === 20 + payload[NAME_OFFSET],
      fill: { umask: 0 },
      note: 'without umask',
    },
    {
      fields: { msgid: u32, parent: u32, name: bytes8, mode: u16, uid: u32, gids: oneGid },
      match: (payload) => payload.length === 19 + payload[NAME_OFFSET],
      fill: { umask: 0, copysgid: 0 },
      note: 'without umask and copysgid',
    },
  ],
);
export const MATOCL_FUSE_MKDIR = attrReply(419, 'MATOCL_FUSE_MKDIR', 'the new directory', { inode: u32 });

export const CLTOMA_FUSE_UNLINK = request(420, 'CLTOMA_FUSE_UNLINK', 'remove a non-directory', entryRequest);
/** `data` to clients 3.0.107 .. 3.x, `status` 0 to others. */
export const MATOCL_FUSE_UNLINK = dataReply(421, 'MATOCL_FUSE_UNLINK', 'the removed inode', { inode: u32 });

export const CLTOMA_FUSE_RMDIR = request(422, 'CLTOMA_FUSE_RMDIR', 'remove a directory', entryRequest);
/** `data` to clients 3.0.107 .. 3.x, `status` 0 to others. */
export const MATOCL_FUSE_RMDIR = dataReply(423, 'MATOCL_FUSE_RMDIR', 'the removed inode', { inode: u32 });

export const CLTOMA_FUSE_RENAME = request(424, 'CLTOMA_FUSE_RENAME', 'rename or move', {
  msgid: u32,
  srcParent: u32,
  srcName: bytes8,
  dstParent: u32,
  dstName: bytes8,
  uid: u32,
  gids,
});
export const MATOCL_FUSE_RENAME = attrReply(425, 'MATOCL_FUSE_RENAME', 'the moved node', { inode: u32 });

export const CLTOMA_FUSE_LINK = request(426, 'CLTOMA_FUSE_LINK', 'create a hard link', {
  msgid: u32,
  inode: u32,
  dstParent: u32,
  name: bytes8,
  uid: u32,
  gids,
});
export const MATOCL_FUSE_LINK = attrReply(427, 'MATOCL_FUSE_LINK', 'the linked node', { inode: u32 });

export const CLTOMA_FUSE_READDIR = request(428, 'CLTOMA_FUSE_READDIR', 'list a directory', {
  msgid: u32,
  inode: u32,
  uid: u32,
  gids,
  flags: u8,
  maxEntries: u32,
  nedgeid: u64n,
});

/** Whether entries `name:u8+bytes tail` from `offset` on fill the payload exactly. */
function entriesFit(payload: Buffer, offset: number, tailBytes: number): boolean {
  let p = offset;
  while (p < payload.length) p += 1 + payload[p] + tailBytes;
  return p === payload.length;
}

const LISTING_OFFSET = 12;

/** Clients from here on get 36-byte attributes. */
const FULL_ATTR_VERSION = packVersion(3, 0, 93);

/** The layout follows from the request's WITHATTR flag and the client's version; pass it in the context where it is known. */
export const MATOCL_FUSE_READDIR = message({
  number: 429,
  name: 'MATOCL_FUSE_READDIR',
  link: 'CL',
  direction: 'reply',
  purpose: 'entries of a directory; nedgeid as in the request',
  layouts: {
    status,
    attr: {
      fields: { msgid: u32, nedgeid: u64n, entries: listRest(record({ name: bytes8, inode: u32, attr })) },
      match: (payload, { peerVersion = VERSION }) =>
        peerVersion >= FULL_ATTR_VERSION && entriesFit(payload, LISTING_OFFSET, 4 + 36),
      note: 'WITHATTR',
    },
    plain: {
      fields: { msgid: u32, nedgeid: u64n, entries: listRest(record({ name: bytes8, inode: u32, type: u8 })) },
      match: (payload) => entriesFit(payload, LISTING_OFFSET, 4 + 1),
    },
    attr35: {
      fields: { msgid: u32, nedgeid: u64n, entries: listRest(record({ name: bytes8, inode: u32, attr: attr35 })) },
      match: (payload) => entriesFit(payload, LISTING_OFFSET, 4 + 35),
      note: 'WITHATTR, clients before 3.0.93',
    },
  },
});

export const CLTOMA_FUSE_OPEN = request(430, 'CLTOMA_FUSE_OPEN', 'open a file', {
  msgid: u32,
  inode: u32,
  uid: u32,
  gids,
  flags: u8,
});
export const MATOCL_FUSE_OPEN = message({
  number: 431,
  name: 'MATOCL_FUSE_OPEN',
  link: 'CL',
  direction: 'reply',
  purpose: 'cache flags and attributes',
  layouts: {
    status,
    data: { fields: { msgid: u32, oflags: u8, attr }, note: 'clients >= 3.0.113' },
    noFlags: { fields: { msgid: u32, attr }, note: 'clients 3.0.93 .. 3.0.112' },
    noFlags35: { fields: { msgid: u32, attr: attr35 }, note: 'clients before 3.0.93' },
  },
});

export const CLTOMA_FUSE_CREATE = request(
  482,
  'CLTOMA_FUSE_CREATE',
  'create and open a file',
  { msgid: u32, parent: u32, name: bytes8, mode: u16, umask: u16, uid: u32, gids },
  [
    {
      fields: { msgid: u32, parent: u32, name: bytes8, mode: u16, uid: u32, gids: oneGid },
      match: (payload) => payload.length === 19 + payload[NAME_OFFSET],
      fill: { umask: 0 },
      note: 'without umask',
    },
  ],
);
export const MATOCL_FUSE_CREATE = message({
  number: 483,
  name: 'MATOCL_FUSE_CREATE',
  link: 'CL',
  direction: 'reply',
  purpose: 'the new file; oflags come before the inode',
  layouts: {
    status,
    data: { fields: { msgid: u32, oflags: u8, inode: u32, attr }, note: 'clients >= 3.0.113' },
    noFlags: { fields: { msgid: u32, inode: u32, attr }, note: 'clients 3.0.93 .. 3.0.112' },
    noFlags35: { fields: { msgid: u32, inode: u32, attr: attr35 }, note: 'clients before 3.0.93' },
  },
});

export const CLTOMA_FUSE_TRUNCATE = request(464, 'CLTOMA_FUSE_TRUNCATE', 'set the length of a file', {
  msgid: u32,
  inode: u32,
  flags: u8,
  uid: u32,
  gids,
  length: u64cap,
});
export const MATOCL_FUSE_TRUNCATE = message({
  number: 465,
  name: 'MATOCL_FUSE_TRUNCATE',
  link: 'CL',
  direction: 'reply',
  purpose: 'previous length (position of an append) and attributes',
  layouts: {
    status,
    data: { fields: { msgid: u32, prevLength: u64cap, attr }, note: 'clients >= 3.0.113' },
    noLength: { fields: { msgid: u32, attr }, note: 'clients 3.0.93 .. 3.0.112' },
    noLength35: { fields: { msgid: u32, attr: attr35 }, note: 'clients before 3.0.93' },
  },
});
