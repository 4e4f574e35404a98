/** Chunks of files on CL, and what the master tells mounts unasked (spec 20 §3, spec 00 §6). */
import { message } from '../message.ts';
import { constant, listRest, optional, record, u8, u16, u32, u64, u64cap, whenLeft } from '../schema.ts';
import { chunkLocations, request, statusReply } from './shared.ts';

const chunkRequest = { msgid: u32, inode: u32, index: u32, flags: optional(u8) };

const locate = {
  status: { fields: { msgid: u32, status: u8 } },
  data: {
    fields: {
      msgid: u32,
      protocolid: constant(1, 2),
      length: u64cap,
      chunkId: u64,
      version: u32,
      servers: chunkLocations,
    },
    match: ({ length }: Buffer) => length % 2 === 1,
    note: 'clients >= 3.0.10; chunk 0 is a hole',
  },
  data1: {
    fields: {
      msgid: u32,
      protocolid: constant(1, 1),
      length: u64cap,
      chunkId: u64,
      version: u32,
      servers: listRest(record({ ip: u32, port: u16, csVersion: u32 })),
    },
    match: ({ length }: Buffer) => length % 2 === 1,
    note: 'clients 1.7.32 .. 3.0.9',
  },
  data0: {
    fields: {
      msgid: u32,
      length: u64cap,
      chunkId: u64,
      version: u32,
      servers: listRest(record({ ip: u32, port: u16 })),
    },
    note: 'clients before 1.7.32',
  },
} as const;

export const CLTOMA_FUSE_READ_CHUNK = request(
  432,
  'CLTOMA_FUSE_READ_CHUNK',
  'locate a chunk for reading; without flags CANMODTIME is meant',
  chunkRequest,
);
export const MATOCL_FUSE_READ_CHUNK = message({
  number: 433,
  name: 'MATOCL_FUSE_READ_CHUNK',
  link: 'CL',
  direction: 'reply',
  purpose: 'file length, chunk, version and servers',
  layouts: locate,
});

export const CLTOMA_FUSE_WRITE_CHUNK = request(
  434,
  'CLTOMA_FUSE_WRITE_CHUNK',
  'lock a chunk for writing; without flags CANMODTIME is meant',
  chunkRequest,
);
export const MATOCL_FUSE_WRITE_CHUNK = message({
  number: 435,
  name: 'MATOCL_FUSE_WRITE_CHUNK',
  link: 'CL',
  direction: 'reply',
  purpose: 'file length, chunk, version and servers',
  layouts: locate,
});

/** `index` is there in the 29-byte form (clients >= 3.0.74), `flags` in it and in the 25-byte form (>= 3.0.4). */
export const CLTOMA_FUSE_WRITE_CHUNK_END = request(
  436,
  'CLTOMA_FUSE_WRITE_CHUNK_END',
  'finish a write: set the length, unlock the chunk',
  { msgid: u32, chunkId: u64, inode: u32, index: whenLeft([13], u32), length: u64cap, flags: optional(u8) },
);
export const MATOCL_FUSE_WRITE_CHUNK_END = statusReply(437, 'MATOCL_FUSE_WRITE_CHUNK_END', 'result');

export const CLTOMA_FUSE_SUSTAINED_INODES = request(
  700,
  'CLTOMA_FUSE_SUSTAINED_INODES',
  'complete list of inodes the session uses; no answer',
  { inodes: listRest(u32) },
);

export const CLTOMA_FUSE_SUSTAINED_INODES_DEPRECATED = request(
  499,
  'CLTOMA_FUSE_SUSTAINED_INODES_DEPRECATED',
  'old number of message 700',
  { inodes: listRest(u32) },
);

export const CLTOMA_FUSE_AMTIME_INODES = request(
  701,
  'CLTOMA_FUSE_AMTIME_INODES',
  'times of reads and writes, 0 is none; no answer',
  { entries: listRest(record({ inode: u32, atime: u32, mtime: u32 })) },
);

export const MATOCL_FUSE_CHUNK_HAS_CHANGED = message({
  number: 702,
  name: 'MATOCL_FUSE_CHUNK_HAS_CHANGED',
  link: 'CL',
  direction: 'reply',
  purpose: 'somebody else changed a chunk',
  fields: {
    msgid: constant(4, 0),
    inode: u32,
    index: u32,
    chunkId: u64,
    version: u32,
    length: u64cap,
    truncateFlag: u8,
  },
});

export const MATOCL_FUSE_FLENG_HAS_CHANGED = message({
  number: 703,
  name: 'MATOCL_FUSE_FLENG_HAS_CHANGED',
  link: 'CL',
  direction: 'reply',
  purpose: 'somebody else changed the length of a file',
  fields: { msgid: constant(4, 0), inode: u32, length: u64cap },
});

export const CLTOMA_FUSE_TIME_SYNC = request(704, 'CLTOMA_FUSE_TIME_SYNC', "ask for the master's clock", {
  msgid: optional(u32),
});

/** `msgid` if the request had it. */
export const MATOCL_FUSE_TIME_SYNC = message({
  number: 705,
  name: 'MATOCL_FUSE_TIME_SYNC',
  link: 'CL',
  direction: 'reply',
  purpose: "the master's clock, microseconds since the epoch",
  fields: { msgid: whenLeft([12], u32), timeUs: u64 },
});

export const MATOCL_FUSE_INVALIDATE_CHUNK_CACHE = message({
  number: 706,
  name: 'MATOCL_FUSE_INVALIDATE_CHUNK_CACHE',
  link: 'CL',
  direction: 'reply',
  purpose: 'forget all chunk locations',
  fields: { msgid: constant(4, 0) },
});
