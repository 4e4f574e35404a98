/** Requests with an optional msgid: open files, locks, nodes, modules; and the charts (spec 70 §3.13 - §5). */
import { type Link, message } from '../message.ts';
import {
  bytes8,
  constant,
  list16,
  list32,
  listRest,
  optional,
  record,
  rest,
  sized16,
  u8,
  u16,
  u32,
  u64,
  u64cap,
  u64n,
  whenLeft,
} from '../schema.ts';
import { diskStatistics, request } from './shared.ts';

const BOTH: readonly Link[] = ['CL', 'DATA'];

export const CLTOMA_LIST_OPEN_FILES = request(532, 'CLTOMA_LIST_OPEN_FILES', 'list open files; session 0 is all', {
  msgid: whenLeft([8], u32),
  sessionId: u32,
});

const openFile = record({ sessionId: u32, inode: u32 });

/** The layout follows from the request only; pass it in the context. */
export const MATOCL_LIST_OPEN_FILES = message({
  number: 533,
  name: 'MATOCL_LIST_OPEN_FILES',
  link: 'CL',
  direction: 'reply',
  purpose: 'inodes of the session, or (session, inode) of all',
  ambiguous: true,
  layouts: {
    session: { fields: { inodes: listRest(u32) } },
    all: { fields: { files: listRest(openFile) } },
    sessionMsgid: { fields: { msgid: u32, inodes: listRest(u32) } },
    allMsgid: { fields: { msgid: u32, files: listRest(openFile) } },
  },
});

export const CLTOMA_LIST_ACQUIRED_LOCKS = request(
  534,
  'CLTOMA_LIST_ACQUIRED_LOCKS',
  'list locks of an inode; 0 is all',
  { msgid: whenLeft([8], u32), inode: u32 },
);

const lock = { sessionId: u32, owner: u64n, pid: u32, start: u64n, end: u64n, type: u8 };

/** Flocks have pid, start and end 0. The layout follows from the request; pass it in the context where it is known. */
export const MATOCL_LIST_ACQUIRED_LOCKS = message({
  number: 535,
  name: 'MATOCL_LIST_ACQUIRED_LOCKS',
  link: 'CL',
  direction: 'reply',
  purpose: 'locks held; type 1 read or shared, 2 write or exclusive',
  ambiguous: true,
  layouts: {
    all: { fields: { locks: listRest(record({ inode: u32, ...lock })) } },
    inode: { fields: { locks: listRest(record(lock)) } },
    allMsgid: { fields: { msgid: u32, locks: listRest(record({ inode: u32, ...lock })) } },
    inodeMsgid: { fields: { msgid: u32, locks: listRest(record(lock)) } },
  },
});

/** Only on registered connections: a stock master dies of it on others. */
export const CLTOMA_NODE_INFO = request(546, 'CLTOMA_NODE_INFO', 'ask for children or chunks of a node', {
  msgid: whenLeft([20], u32),
  inode: u32,
  maxEntries: u32,
  continueId: u64n,
});

const directory = { type: constant(2, 1), continueId: u64n, inodes: listRest(u32) };
const file = {
  type: constant(2, 2),
  continueId: u64n,
  length: u64cap,
  chunks: listRest(record({ chunkId: u64, size: u32, copies: u8 })),
};
const other = { type: constant(2, 0) };

/** Link ids and chunk indexes never have 0001 or 0002 where the type stands behind a msgid, so that is looked at first. */
export const MATOCL_NODE_INFO = message({
  number: 547,
  name: 'MATOCL_NODE_INFO',
  link: 'CL',
  direction: 'reply',
  purpose: 'children of a directory or chunks of a file; continueId 0: complete',
  layouts: {
    statusMsgid: { fields: { msgid: u32, status: u8 } },
    otherMsgid: { fields: { msgid: u32, ...other } },
    directoryMsgid: { fields: { msgid: u32, ...directory } },
    fileMsgid: { fields: { msgid: u32, ...file } },
    status: { fields: { status: u8 } },
    other: { fields: other },
    directory: { fields: directory },
    file: { fields: file },
  },
});

export const CLTOAN_MODULE_INFO = message({
  number: 530,
  name: 'CLTOAN_MODULE_INFO',
  link: BOTH,
  direction: 'request',
  purpose: "ask for the module's identity; on DATA without msgid",
  fields: { msgid: optional(u32) },
});

export const ANTOCL_MODULE_INFO = message({
  number: 531,
  name: 'ANTOCL_MODULE_INFO',
  link: BOTH,
  direction: 'reply',
  purpose: 'type (`ModuleType`), version, id; the master that a chunkserver belongs to',
  fields: {
    msgid: whenLeft([25], u32),
    type: u8,
    version: u32,
    id: u16,
    metaId: u64n,
    leaderIp: u32,
    leaderPort: u16,
  },
});

export const CLTOAN_MONOTONIC_DATA = message({
  number: 502,
  name: 'CLTOAN_MONOTONIC_DATA',
  link: BOTH,
  direction: 'request',
  purpose: 'ask for running totals of the charts',
  fields: {},
});

/** `disks` from chunkservers only. */
export const ANTOCL_MONOTONIC_DATA = message({
  number: 503,
  name: 'ANTOCL_MONOTONIC_DATA',
  link: BOTH,
  direction: 'reply',
  purpose: 'running totals of the charts, and of the disks',
  fields: {
    values: list16(u64n),
    disks: optional(
      list16(
        sized16(
          record({
            path: bytes8,
            flags: u8,
            lastErrorChunkId: u64,
            lastErrorTime: u32,
            used: u64cap,
            total: u64cap,
            chunks: u32,
            sinceStart: diskStatistics,
          }),
        ),
      ),
    ),
  },
});

export const CLTOAN_CHART = message({
  number: 504,
  name: 'CLTOAN_CHART',
  link: BOTH,
  direction: 'request',
  purpose: 'ask for a chart as a picture',
  fields: { chartId: u32, size: optional(record({ width: u16, height: u16 })) },
});

export const ANTOCL_CHART = message({
  number: 505,
  name: 'ANTOCL_CHART',
  link: BOTH,
  direction: 'reply',
  purpose: 'PNG file',
  fields: { image: rest },
});

export const CLTOAN_CHART_DATA = message({
  number: 506,
  name: 'CLTOAN_CHART_DATA',
  link: BOTH,
  direction: 'request',
  purpose: 'ask for values of a chart',
  fields: { chartId: u32, maxEntries: optional(u32) },
});

/** All ones: no data. */
export const ANTOCL_CHART_DATA = message({
  number: 507,
  name: 'ANTOCL_CHART_DATA',
  link: BOTH,
  direction: 'reply',
  purpose: 'start of the newest point (local seconds) and values, newest first',
  layouts: {
    unknown: { fields: {}, note: 'no such chart' },
    data: { fields: { time: u32, values: list32(u64n) } },
  },
});
