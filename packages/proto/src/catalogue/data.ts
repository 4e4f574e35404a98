/** The chunkserver's data port (spec 20 §5). */
import { BLOCK_SIZE, BLOCKS_IN_CHUNK } from '../constants.ts';
import { message } from '../message.ts';
import {
  bytes,
  bytes8,
  bytesOf,
  count32,
  listRest,
  record,
  sized16,
  u8,
  u16,
  u32,
  u64,
  u64cap,
  whenLeft,
} from '../schema.ts';
import { diskStatistics } from './shared.ts';

/** With `protocolid` (1; mounts) the server may insert NOPs; without (replicating chunkservers) it does not. */
export const CLTOCS_READ = message({
  number: 200,
  name: 'CLTOCS_READ',
  link: 'DATA',
  direction: 'request',
  purpose: 'read bytes of a chunk; version 0 is any',
  fields: { protocolid: whenLeft([21], u8), chunkId: u64, version: u32, offset: u32, size: u32 },
});

export const CSTOCL_READ_STATUS = message({
  number: 201,
  name: 'CSTOCL_READ_STATUS',
  link: 'DATA',
  direction: 'reply',
  purpose: 'end of a read, or its error',
  fields: { chunkId: u64, status: u8 },
});

export const CSTOCL_READ_DATA = message({
  number: 202,
  name: 'CSTOCL_READ_DATA',
  link: 'DATA',
  direction: 'reply',
  purpose: 'bytes within one block, with the CRC of exactly these bytes',
  limit: 20 + BLOCK_SIZE,
  fields: { chunkId: u64, block: u16, offset: u16, size: count32('data'), crc: u32, data: bytesOf('size') },
});

export const CLTOCS_WRITE = message({
  number: 210,
  name: 'CLTOCS_WRITE',
  link: 'DATA',
  direction: 'request',
  purpose: 'start a write; chain: the servers after this one',
  layouts: {
    protocol1: {
      fields: { protocolid: u8, chunkId: u64, version: u32, chain: listRest(record({ ip: u32, port: u16 })) },
      match: ({ length }) => length % 2 === 1,
    },
    protocol0: {
      fields: { chunkId: u64, version: u32, chain: listRest(record({ ip: u32, port: u16 })) },
      note: 'chain members before 1.7.32',
    },
  },
});

export const CSTOCL_WRITE_STATUS = message({
  number: 211,
  name: 'CSTOCL_WRITE_STATUS',
  link: 'DATA',
  direction: 'reply',
  purpose: 'result of one WRITE_DATA; writeId 0: of opening the chain',
  fields: { chunkId: u64, writeId: u32, status: u8 },
});

export const CLTOCS_WRITE_DATA = message({
  number: 212,
  name: 'CLTOCS_WRITE_DATA',
  link: 'DATA',
  direction: 'request',
  purpose: 'bytes within one block, with the CRC of exactly these bytes',
  limit: 24 + BLOCK_SIZE,
  fields: {
    chunkId: u64,
    writeId: u32,
    block: u16,
    offset: u16,
    size: count32('data'),
    crc: u32,
    data: bytesOf('size'),
  },
});

export const CLTOCS_WRITE_FINISH = message({
  number: 213,
  name: 'CLTOCS_WRITE_FINISH',
  link: 'DATA',
  direction: 'request',
  purpose: 'end of a write; not answered',
  fields: { chunkId: u64, version: u32 },
});

const chunkVersion = { chunkId: u64, version: u32 };
const refused = { fields: { ...chunkVersion, status: u8 } };

export const ANTOCS_GET_CHUNK_BLOCKS = message({
  number: 250,
  name: 'ANTOCS_GET_CHUNK_BLOCKS',
  link: 'DATA',
  direction: 'request',
  also: [{ link: 'CS', direction: 'reply' }],
  purpose: 'ask for the number of blocks of a chunk',
  fields: chunkVersion,
});

export const CSTOAN_CHUNK_BLOCKS = message({
  number: 251,
  name: 'CSTOAN_CHUNK_BLOCKS',
  link: 'DATA',
  direction: 'reply',
  also: [{ link: 'CS', direction: 'request' }],
  purpose: 'number of blocks (0 on error)',
  fields: { ...chunkVersion, blocks: u16, status: u8 },
});

export const ANTOCS_GET_CHUNK_CHECKSUM = message({
  number: 300,
  name: 'ANTOCS_GET_CHUNK_CHECKSUM',
  link: 'DATA',
  direction: 'request',
  also: [{ link: 'CS', direction: 'reply' }],
  purpose: 'ask for the checksum of a whole chunk',
  fields: chunkVersion,
});

export const CSTOAN_CHUNK_CHECKSUM = message({
  number: 301,
  name: 'CSTOAN_CHUNK_CHECKSUM',
  link: 'DATA',
  direction: 'reply',
  also: [{ link: 'CS', direction: 'request' }],
  purpose: 'checksum made of the block CRCs',
  layouts: { status: refused, data: { fields: { ...chunkVersion, checksum: u32 } } },
});

export const ANTOCS_GET_CHUNK_CHECKSUM_TAB = message({
  number: 302,
  name: 'ANTOCS_GET_CHUNK_CHECKSUM_TAB',
  link: 'DATA',
  direction: 'request',
  also: [{ link: 'CS', direction: 'reply' }],
  purpose: 'ask for the CRCs of all blocks',
  fields: chunkVersion,
});

export const CSTOAN_CHUNK_CHECKSUM_TAB = message({
  number: 303,
  name: 'CSTOAN_CHUNK_CHECKSUM_TAB',
  link: 'DATA',
  direction: 'reply',
  also: [{ link: 'CS', direction: 'request' }],
  purpose: `${BLOCKS_IN_CHUNK} block CRCs, 4 bytes each`,
  layouts: { status: refused, data: { fields: { ...chunkVersion, crcs: bytes(4 * BLOCKS_IN_CHUNK) } } },
});

export const CLTOCS_HDD_LIST = message({
  number: 600,
  name: 'CLTOCS_HDD_LIST',
  link: 'DATA',
  direction: 'request',
  purpose: 'ask for the disks',
  fields: {},
});

/** While a disk is scanned `used` is the progress in percent and `total` 0. */
export const CSTOCL_HDD_LIST = message({
  number: 601,
  name: 'CSTOCL_HDD_LIST',
  link: 'DATA',
  direction: 'reply',
  purpose: 'disks with statistics',
  fields: {
    disks: listRest(
      sized16(
        record({
          path: bytes8,
          flags: u8,
          lastErrorChunkId: u64,
          lastErrorTime: u32,
          used: u64cap,
          total: u64cap,
          chunks: u32,
          lastMinute: diskStatistics,
          lastHour: diskStatistics,
          lastDay: diskStatistics,
        }),
      ),
    ),
  },
});
