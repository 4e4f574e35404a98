/** Storage classes on CL (spec 10 §11.4, spec 40 §9.2). */
import { MASKS_IN_OR_GROUP } from '../constants.ts';
import { message } from '../message.ts';
import { array, bytes8, count8, listOf, listRest, record, u8, u16, u32, u64 } from '../schema.ts';
import { dataReply, request, statusReply } from './shared.ts';

/** A label expression: the server must have all labels of one of the masks; a first mask 0 is any server. */
const labelSet = array(MASKS_IN_OR_GROUP, u32);

/** The three counts stand together, then the three lists. A list may have at most `MAX_LABEL_SETS` entries. */
const definition = {
  adminOnly: u8,
  mode: u8,
  archDelay: u16,
  ncreate: count8('create'),
  nkeep: count8('keep'),
  narch: count8('arch'),
  create: listOf('ncreate', labelSet),
  keep: listOf('nkeep', labelSet),
  arch: listOf('narch', labelSet),
};

const twoNames = { msgid: u32, oldName: bytes8, newName: bytes8 };

export const CLTOMA_SCLASS_CREATE = request(350, 'CLTOMA_SCLASS_CREATE', 'create a storage class', {
  msgid: u32,
  name: bytes8,
  fver: u8,
  ...definition,
});
export const MATOCL_SCLASS_CREATE = statusReply(351, 'MATOCL_SCLASS_CREATE', 'result');

export const CLTOMA_SCLASS_CHANGE = request(352, 'CLTOMA_SCLASS_CHANGE', 'change or (chgmask 0) show a class', {
  msgid: u32,
  name: bytes8,
  fver: u8,
  chgmask: u16,
  ...definition,
});
export const MATOCL_SCLASS_CHANGE = dataReply(353, 'MATOCL_SCLASS_CHANGE', 'the resulting definition', {
  fver: u8,
  ...definition,
});

export const CLTOMA_SCLASS_DELETE = request(354, 'CLTOMA_SCLASS_DELETE', 'delete a class', {
  msgid: u32,
  name: bytes8,
});
export const MATOCL_SCLASS_DELETE = statusReply(355, 'MATOCL_SCLASS_DELETE', 'result');

export const CLTOMA_SCLASS_DUPLICATE = request(356, 'CLTOMA_SCLASS_DUPLICATE', 'copy a class', twoNames);
export const MATOCL_SCLASS_DUPLICATE = statusReply(357, 'MATOCL_SCLASS_DUPLICATE', 'result');

export const CLTOMA_SCLASS_RENAME = request(358, 'CLTOMA_SCLASS_RENAME', 'rename a class', twoNames);
export const MATOCL_SCLASS_RENAME = statusReply(359, 'MATOCL_SCLASS_RENAME', 'result');

export const CLTOMA_SCLASS_LIST = request(360, 'CLTOMA_SCLASS_LIST', 'list the classes; bit 0: with definitions', {
  msgid: u32,
  longmode: u8,
});

/** The layout follows from the request's longmode; pass it in the context where it is known. */
export const MATOCL_SCLASS_LIST = message({
  number: 361,
  name: 'MATOCL_SCLASS_LIST',
  link: 'CL',
  direction: 'reply',
  purpose: 'the classes, by id',
  ambiguous: true,
  layouts: {
    definitions: { fields: { msgid: u32, classes: listRest(record({ name: bytes8, ...definition })) } },
    names: { fields: { msgid: u32, names: listRest(bytes8) } },
  },
});

export const CLTOMA_SCLASS_INFO = request(542, 'CLTOMA_SCLASS_INFO', 'ask for statistics of the classes', {});

const labelSetInfo = record({ masks: labelSet, servers: u16 });

/** `...Fulfilled`: 3 yes, 2 with overloaded servers only, 1 with servers without space only, 0 no. */
export const MATOCL_SCLASS_INFO = message({
  number: 543,
  name: 'MATOCL_SCLASS_INFO',
  link: 'CL',
  direction: 'reply',
  purpose: 'usable servers; nodes and chunks by class',
  fields: {
    servers: u16,
    classes: listRest(
      record({
        id: u8,
        name: bytes8,
        files: u32,
        dirs: u32,
        under: u64,
        archUnder: u64,
        exact: u64,
        archExact: u64,
        over: u64,
        archOver: u64,
        adminOnly: u8,
        mode: u8,
        archDelay: u16,
        createFulfilled: u8,
        ncreate: count8('create'),
        keepFulfilled: u8,
        nkeep: count8('keep'),
        archFulfilled: u8,
        narch: count8('arch'),
        create: listOf('ncreate', labelSetInfo),
        keep: listOf('nkeep', labelSetInfo),
        arch: listOf('narch', labelSetInfo),
      }),
    ),
  },
});
