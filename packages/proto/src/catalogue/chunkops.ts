/** Orders to chunkservers and their answers (spec 30 §1.15, §1.16). */
import { message } from '../message.ts';
import { type FieldMap, listRest, record, u8, u16, u32, u64 } from '../schema.ts';

function order<const F extends FieldMap>(number: number, name: string, purpose: string, fields: F) {
  return message({ number, name, link: 'CS', direction: 'reply', purpose, fields });
}

function answer<const F extends FieldMap>(number: number, name: string, fields: F) {
  return message({ number, name, link: 'CS', direction: 'request', purpose: 'result', fields });
}

const result = { chunkId: u64, status: u8 };

export const MATOCS_CREATE = order(110, 'MATOCS_CREATE', 'create an empty chunk', { chunkId: u64, version: u32 });
export const CSTOMA_CREATE = answer(111, 'CSTOMA_CREATE', result);

export const MATOCS_DELETE = order(120, 'MATOCS_DELETE', 'delete a chunk; version 0 is any', {
  chunkId: u64,
  version: u32,
});
export const CSTOMA_DELETE = answer(121, 'CSTOMA_DELETE', result);

export const MATOCS_DUPLICATE = order(130, 'MATOCS_DUPLICATE', 'copy a chunk on the same server', {
  newChunkId: u64,
  newVersion: u32,
  chunkId: u64,
  version: u32,
});
/** `chunkId` is the new one. */
export const CSTOMA_DUPLICATE = answer(131, 'CSTOMA_DUPLICATE', result);

export const MATOCS_SET_VERSION = order(140, 'MATOCS_SET_VERSION', 'change the version; old version 0 is any', {
  chunkId: u64,
  newVersion: u32,
  version: u32,
});
export const CSTOMA_SET_VERSION = answer(141, 'CSTOMA_SET_VERSION', result);

/** `several` has 1 to 8 sources; the receiver checks that. */
export const MATOCS_REPLICATE = message({
  number: 150,
  name: 'MATOCS_REPLICATE',
  link: 'CS',
  direction: 'reply',
  purpose: 'fetch a chunk from another server',
  layouts: {
    single: { fields: { chunkId: u64, version: u32, ip: u32, port: u16 } },
    several: {
      fields: {
        chunkId: u64,
        version: u32,
        mask0: u32,
        mask1: u32,
        mask2: u32,
        mask3: u32,
        sources: listRest(record({ chunkId: u64, version: u32, ip: u32, port: u16 })),
      },
      note: 'combine sources; not sent by 3.0.117',
    },
  },
});
export const CSTOMA_REPLICATE = answer(151, 'CSTOMA_REPLICATE', { chunkId: u64, version: u32, status: u8 });

const chunkOp = { chunkId: u64, version: u32, newVersion: u32, copyChunkId: u64, copyVersion: u32, length: u32 };

export const MATOCS_CHUNKOP = order(152, 'MATOCS_CHUNKOP', 'generic operation; not sent by 3.0.117', chunkOp);
export const CSTOMA_CHUNKOP = answer(153, 'CSTOMA_CHUNKOP', { ...chunkOp, status: u8 });

export const MATOCS_TRUNCATE = order(160, 'MATOCS_TRUNCATE', 'set the length and a new version', {
  chunkId: u64,
  length: u32,
  newVersion: u32,
  version: u32,
});
export const CSTOMA_TRUNCATE = answer(161, 'CSTOMA_TRUNCATE', result);

export const MATOCS_DUPTRUNC = order(170, 'MATOCS_DUPTRUNC', 'copy a chunk and set the length of the copy', {
  newChunkId: u64,
  newVersion: u32,
  chunkId: u64,
  version: u32,
  length: u32,
});
/** `chunkId` is the new one. */
export const CSTOMA_DUPTRUNC = answer(171, 'CSTOMA_DUPTRUNC', result);
