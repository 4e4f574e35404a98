/** Registration and reports of chunkservers (spec 30 §1.5 - §1.14). */
import { message } from '../message.ts';
import { bytes, constant, type FieldMap, listRest, optional, record, u8, u16, u32, u64cap, u64n } from '../schema.ts';

/** Bytes and chunks of folders in normal use, and (`td`) of those marked for removal. */
const space = {
  usedSpace: u64cap,
  totalSpace: u64cap,
  chunks: u32,
  tdUsedSpace: u64cap,
  tdTotalSpace: u64cap,
  tdChunks: u32,
};

/** Bit 31 of a reported version: the copy lies in a folder that is marked for removal. */
export const MARKED_FOR_REMOVAL = 0x8000_0000;

const reportedChunks = listRest(record({ chunkId: u64cap, version: u32 }));

const begin = { version: u32, ip: u32, port: u16, timeout: u16, csid: u16, ...space };

/** In `chunks` bit 31 of a version is MARKED_FOR_REMOVAL. The even-length form of the 1.x servers is not accepted. */
export const CSTOMA_REGISTER = message({
  number: 100,
  name: 'CSTOMA_REGISTER',
  link: 'CS',
  direction: 'request',
  purpose: 'register, in several stages',
  layouts: {
    chunks: { fields: { rver: constant(1, 61), chunks: reportedChunks }, note: 'a part of the chunk list' },
    end: { fields: { rver: constant(1, 62) }, note: 'end of the list' },
    begin: { fields: { rver: constant(1, 60), ...begin }, note: 'timeout 0: use that of the master; csid 0: none yet' },
    beginAuth: { fields: { rver: constant(1, 60), digest: bytes(16), ...begin }, note: 'after a challenge' },
    disconnect: { fields: { rver: constant(1, 63) }, note: 'clean stop' },
    begin50: {
      fields: { rver: constant(1, 50), version: u32, ip: u32, port: u16, timeout: u16 },
      note: 'fallback to generation 5',
    },
    chunks50: { fields: { rver: constant(1, 51), chunks: reportedChunks }, note: 'generation 5' },
    end50: { fields: { rver: constant(1, 52), ...space }, note: 'generation 5' },
  },
});

export const MATOCS_MASTER_ACK = message({
  number: 104,
  name: 'MATOCS_MASTER_ACK',
  link: 'CS',
  direction: 'reply',
  purpose: 'answer to a stage of the registration',
  layouts: {
    next: { fields: { atype: constant(1, 0) }, note: 'send the next part of the list' },
    accepted: {
      fields: { atype: constant(1, 0), version: u32, timeout: u16, csid: u16, metaId: u64n },
      note: 'chunkservers >= 2.0.33',
    },
    accepted9: { fields: { atype: constant(1, 0), version: u32, timeout: u16, csid: u16 }, note: 'older chunkservers' },
    accepted5: { fields: { atype: constant(1, 0), version: u32 }, note: 'generation 5' },
    challenge: { fields: { atype: constant(1, 3), challenge: bytes(32) }, note: 'authorization needed' },
    redirect: { fields: { atype: constant(1, 1), ip: u32 }, note: 'not sent by 3.0.117' },
    wait: {
      fields: { atype: constant(1, 2), version: u32, timeout: u16, metaId: u64n },
      note: 'not sent by 3.0.117',
    },
    wait7: { fields: { atype: constant(1, 2), version: u32, timeout: u16 }, note: 'not sent by 3.0.117' },
  },
});

function report<const F extends FieldMap>(number: number, name: string, purpose: string, fields: F) {
  return message({ number, name, link: 'CS', direction: 'request', purpose, fields });
}

export const CSTOMA_LABELS = report(109, 'CSTOMA_LABELS', "the server's labels; bit 0 is A", { labelMask: u32 });

export const CSTOMA_SPACE = message({
  number: 101,
  name: 'CSTOMA_SPACE',
  link: 'CS',
  direction: 'request',
  purpose: 'used and total bytes, number of chunks',
  fields: space,
  older: [
    {
      fields: { usedSpace: u64cap, totalSpace: u64cap, tdUsedSpace: u64cap, tdTotalSpace: u64cap },
      fill: { chunks: 0, tdChunks: 0 },
      note: 'without counts',
    },
    {
      fields: { usedSpace: u64cap, totalSpace: u64cap },
      fill: { chunks: 0, tdUsedSpace: 0, tdTotalSpace: 0, tdChunks: 0 },
      note: 'folders in normal use only',
    },
  ],
});

/** `status` (`LoadStatus`) comes from chunkservers >= 3.0.7. */
export const CSTOMA_CURRENT_LOAD = report(103, 'CSTOMA_CURRENT_LOAD', 'jobs running and queued; load status', {
  load: u32,
  status: optional(u8),
});

export const CSTOMA_CHUNK_DAMAGED = report(102, 'CSTOMA_CHUNK_DAMAGED', 'chunks with bad data', {
  chunkIds: listRest(u64cap),
});

export const CSTOMA_CHUNK_LOST = report(105, 'CSTOMA_CHUNK_LOST', 'chunks that are gone', {
  chunkIds: listRest(u64cap),
});

export const CSTOMA_ERROR_OCCURRED = report(106, 'CSTOMA_ERROR_OCCURRED', 'a disk error happened', {});

export const CSTOMA_CHUNK_NEW = report(107, 'CSTOMA_CHUNK_NEW', 'chunks found; bit 31 as in the register list', {
  chunks: reportedChunks,
});
