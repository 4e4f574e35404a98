/** What mostly the command-line tools ask for on CL (spec 10 §5, §11). */
import { message } from '../message.ts';
import {
  array,
  bytes8,
  bytes32,
  constant,
  count8,
  count32,
  gids,
  listOf,
  listRest,
  oneGid,
  optional,
  record,
  u8,
  u16,
  u32,
  u64,
  u64cap,
  when,
} from '../schema.ts';
import { dataReply, request, statusReply } from './shared.ts';

const status = { fields: { msgid: u32, status: u8 } };
const changes = { changed: u32, notChanged: u32, notPermitted: u32 };
const modeRequest = { msgid: u32, inode: u32, gmode: u8 };

export const CLTOMA_FUSE_APPEND_SLICE = request(
  438,
  'CLTOMA_FUSE_APPEND_SLICE',
  'append chunks [from, to) of another file',
  { msgid: u32, flags: u8, dst: u32, src: u32, from: u32, to: u32, uid: u32, gids },
  [
    {
      fields: { msgid: u32, dst: u32, src: u32, uid: u32, gids },
      match: ({ length }) => length % 2 === 0,
      fill: { flags: 0, from: 0, to: 0 },
      note: 'without flags and slice',
    },
  ],
);
export const MATOCL_FUSE_APPEND_SLICE = statusReply(439, 'MATOCL_FUSE_APPEND_SLICE', 'result');

export const CLTOMA_FUSE_CHECK = request(440, 'CLTOMA_FUSE_CHECK', 'copies of all chunks, or of the one at index', {
  msgid: u32,
  inode: u32,
  index: optional(u32),
});

/** `counters[n]`: chunks with n valid copies, [10]: 10 or more; [11]: empty slots. */
export const MATOCL_FUSE_CHECK = message({
  number: 441,
  name: 'MATOCL_FUSE_CHECK',
  link: 'CL',
  direction: 'reply',
  purpose: 'numbers of chunks by copies, or the copies of one chunk',
  layouts: {
    status,
    counters: { fields: { msgid: u32, counters: array(12, u32) } },
    counters11: { fields: { msgid: u32, counters: array(11, u32) }, note: 'clients before 3.0.30' },
    copies: {
      fields: { msgid: u32, chunkId: u64, version: u32, copies: listRest(record({ ip: u32, port: u16, type: u8 })) },
      note: 'the request had an index',
    },
  },
});

const trashTimeEntry = record({ seconds: u32, count: u32 });

export const CLTOMA_FUSE_GETTRASHTIME = request(442, 'CLTOMA_FUSE_GETTRASHTIME', 'get trash times', modeRequest);
export const MATOCL_FUSE_GETTRASHTIME = dataReply(443, 'MATOCL_FUSE_GETTRASHTIME', 'nodes by trash time', {
  nfiles: count32('files'),
  ndirs: count32('dirs'),
  files: listOf('nfiles', trashTimeEntry),
  dirs: listOf('ndirs', trashTimeEntry),
});

export const CLTOMA_FUSE_SETTRASHTIME = request(444, 'CLTOMA_FUSE_SETTRASHTIME', 'set trash times', {
  msgid: u32,
  inode: u32,
  uid: u32,
  seconds: u32,
  smode: u8,
});
export const MATOCL_FUSE_SETTRASHTIME = dataReply(445, 'MATOCL_FUSE_SETTRASHTIME', 'nodes changed', changes);

/** `goal` 1..9, or 0xFF and a name. */
const classEntry = record({ goal: u8, name: when({ field: 'goal', equals: 0xff }, bytes8), count: u32 });

export const CLTOMA_FUSE_GETSCLASS = request(446, 'CLTOMA_FUSE_GETSCLASS', 'get storage classes', modeRequest);
export const MATOCL_FUSE_GETSCLASS = dataReply(447, 'MATOCL_FUSE_GETSCLASS', 'nodes by storage class', {
  nfiles: count8('files'),
  ndirs: count8('dirs'),
  files: listOf('nfiles', classEntry),
  dirs: listOf('ndirs', classEntry),
});

/** In `class`, `oldName` is there when the low bits of smode say EXCHANGE. */
export const CLTOMA_FUSE_SETSCLASS = message({
  number: 448,
  name: 'CLTOMA_FUSE_SETSCLASS',
  link: 'CL',
  direction: 'request',
  purpose: 'set storage classes',
  layouts: {
    goal: { fields: { msgid: u32, inode: u32, uid: u32, goal: u8, smode: u8 } },
    class: {
      fields: {
        msgid: u32,
        inode: u32,
        uid: u32,
        goal: constant(1, 0xff),
        smode: u8,
        oldName: when({ field: 'smode', hasBits: 3 }, bytes8),
        newName: bytes8,
      },
    },
  },
});
/** Other versions add a fourth counter. */
export const MATOCL_FUSE_SETSCLASS = dataReply(449, 'MATOCL_FUSE_SETSCLASS', 'nodes changed', {
  ...changes,
  quotaExceeded: optional(u32),
});

export const CLTOMA_FUSE_GETDIRSTATS = request(462, 'CLTOMA_FUSE_GETDIRSTATS', 'statistics of a subtree', {
  msgid: u32,
  inode: u32,
});

const zero = constant(4, 0);
const lengths = { length: u64cap, size: u64cap, realsize: u64cap };

export const MATOCL_FUSE_GETDIRSTATS = message({
  number: 463,
  name: 'MATOCL_FUSE_GETDIRSTATS',
  link: 'CL',
  direction: 'reply',
  purpose: 'nodes, chunks and bytes of a subtree',
  layouts: {
    status,
    data: {
      fields: {
        msgid: u32,
        inodes: u32,
        dirs: u32,
        files: u32,
        zero0: zero,
        zero1: zero,
        chunks: u32,
        zero2: zero,
        zero3: zero,
        ...lengths,
      },
      note: 'to mounts',
    },
    tools: { fields: { msgid: u32, inodes: u32, dirs: u32, files: u32, chunks: u32, ...lengths }, note: 'to tools' },
  },
});

export const CLTOMA_FUSE_REPAIR = request(466, 'CLTOMA_FUSE_REPAIR', 'repair a damaged file', {
  msgid: u32,
  inode: u32,
  uid: u32,
  gids,
});
export const MATOCL_FUSE_REPAIR = dataReply(467, 'MATOCL_FUSE_REPAIR', 'chunks', {
  notChanged: u32,
  erased: u32,
  repaired: u32,
});

/** Offset of the length byte of the name in SNAPSHOT. */
const SNAPSHOT_NAME_OFFSET = 12;

export const CLTOMA_FUSE_SNAPSHOT = request(
  468,
  'CLTOMA_FUSE_SNAPSHOT',
  'make or remove a snapshot',
  { msgid: u32, src: u32, dstParent: u32, dstName: bytes8, uid: u32, gids, smode: u8, umask: u16 },
  [
    {
      fields: { msgid: u32, src: u32, dstParent: u32, dstName: bytes8, uid: u32, gids: oneGid, smode: u8 },
      match: (payload) => payload.length === 22 + payload[SNAPSHOT_NAME_OFFSET],
      fill: { umask: 0 },
      note: 'without umask',
    },
  ],
);
export const MATOCL_FUSE_SNAPSHOT = statusReply(469, 'MATOCL_FUSE_SNAPSHOT', 'result');

const eattrEntry = record({ eattr: u8, count: u32 });

export const CLTOMA_FUSE_GETEATTR = request(472, 'CLTOMA_FUSE_GETEATTR', 'get extra attributes', modeRequest);
export const MATOCL_FUSE_GETEATTR = dataReply(473, 'MATOCL_FUSE_GETEATTR', 'nodes by extra attributes', {
  nfiles: count8('files'),
  ndirs: count8('dirs'),
  files: listOf('nfiles', eattrEntry),
  dirs: listOf('ndirs', eattrEntry),
});

export const CLTOMA_FUSE_SETEATTR = request(474, 'CLTOMA_FUSE_SETEATTR', 'change extra attributes', {
  msgid: u32,
  inode: u32,
  uid: u32,
  eattr: u8,
  smode: u8,
});
export const MATOCL_FUSE_SETEATTR = dataReply(475, 'MATOCL_FUSE_SETEATTR', 'nodes changed', changes);

const quotaLimits = {
  softInodes: u32,
  softLength: u64cap,
  softSize: u64cap,
  softRealsize: u64cap,
  hardInodes: u32,
  hardLength: u64cap,
  hardSize: u64cap,
  hardRealsize: u64cap,
};
const quotaUsage = { inodes: u32, length: u64cap, size: u64cap, realsize: u64cap };

export const CLTOMA_FUSE_QUOTACONTROL = message({
  number: 476,
  name: 'CLTOMA_FUSE_QUOTACONTROL',
  link: 'CL',
  direction: 'request',
  purpose: 'read, set or remove a quota',
  layouts: {
    remove: { fields: { msgid: u32, inode: u32, qflags: u8 }, note: 'qflags 0: just read' },
    set: { fields: { msgid: u32, inode: u32, qflags: u8, grace: u32, ...quotaLimits } },
  },
  older: [
    {
      fields: { msgid: u32, inode: u32, qflags: u8, ...quotaLimits },
      fill: { layout: 'set', grace: 0 },
      note: 'without grace period',
    },
  ],
});
export const MATOCL_FUSE_QUOTACONTROL = message({
  number: 477,
  name: 'MATOCL_FUSE_QUOTACONTROL',
  link: 'CL',
  direction: 'reply',
  purpose: 'limits and usage',
  layouts: {
    status,
    data: { fields: { msgid: u32, qflags: u8, grace: u32, ...quotaLimits, ...quotaUsage } },
    noGrace: { fields: { msgid: u32, qflags: u8, ...quotaLimits, ...quotaUsage }, note: 'clients before 3.0.9' },
  },
});

export const CLTOMA_FUSE_PARENTS = request(484, 'CLTOMA_FUSE_PARENTS', 'parents of an inode', {
  msgid: u32,
  inode: u32,
});
export const MATOCL_FUSE_PARENTS = dataReply(485, 'MATOCL_FUSE_PARENTS', 'one inode per link', {
  parents: listRest(u32),
});

export const CLTOMA_FUSE_PATHS = request(486, 'CLTOMA_FUSE_PATHS', 'paths of an inode', { msgid: u32, inode: u32 });
export const MATOCL_FUSE_PATHS = dataReply(487, 'MATOCL_FUSE_PATHS', 'one path per link', { paths: listRest(bytes32) });

/** `uid` is there unless `cmd` is GET. */
export const CLTOMA_FUSE_ARCHCTL = request(496, 'CLTOMA_FUSE_ARCHCTL', 'read, set or clear the archive flag', {
  msgid: u32,
  inode: u32,
  cmd: u8,
  uid: optional(u32),
});
export const MATOCL_FUSE_ARCHCTL = message({
  number: 497,
  name: 'MATOCL_FUSE_ARCHCTL',
  link: 'CL',
  direction: 'reply',
  purpose: 'chunks and files by archive state, or what was changed',
  layouts: {
    status,
    state: {
      fields: {
        msgid: u32,
        archChunks: u64,
        notArchChunks: u64,
        archInodes: u32,
        partInodes: u32,
        notArchInodes: u32,
      },
      note: 'to GET',
    },
    changes: {
      fields: { msgid: u32, changedChunks: u64, notChangedChunks: u64, notPermitted: u32 },
      note: 'to SET and CLEAR',
    },
  },
});
