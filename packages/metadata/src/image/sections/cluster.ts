/** SCLA (LABS), CSDB and CHNK sections (spec 50 §3.2, §3.12, §3.13, older versions §4). */
import type { ImageInput, Resumable } from '../input.ts';
import {
  type ChunkRecord,
  type ChunkserverRecord,
  type ImageSink,
  MASKS_PER_COPY,
  MAX_COPIES,
  type SectionContext,
  type StorageClassRecord,
} from '../records.ts';

const LABEL_DESCRIPTIONS = 26;
const LONGEST_LABEL_DESCRIPTION = 128;
const FIRST_OWN_CLASS = 10;
const CLASS_LIMIT = 256;
const MODE_STD = 1;

function classHeadBytes(version: number): number {
  if (version >= 0x16) return 10;
  if (version === 0x15) return 8;
  if (version === 0x14) return 5;
  return version === 0x12 ? 11 : 3;
}

interface ClassHead {
  nameBytes: number;
  /** Bytes of a list of chunk ids behind the masks, in version 0x12. */
  surplusBytes: number;
  /** How many of the three lists of masks follow. */
  lists: number;
}

/** Reads the fixed part of a class at `at`. Lists that are not stored take their counts from the one before. */
function readClassHead(record: StorageClassRecord, view: DataView, at: number, version: number): ClassHead {
  record.classId = view.getUint16(at);
  record.adminOnly = 0;
  record.mode = MODE_STD;
  record.archiveDelayDays = 0;
  if (version <= 0x13) {
    record.createCount = record.keepCount = record.archiveCount = view.getUint8(at + 2);
    return { nameBytes: 0, surplusBytes: version === 0x12 ? view.getUint32(at + 3) * 8 : 0, lists: 1 };
  }
  if (version === 0x14) {
    record.mode = view.getUint8(at + 2);
    record.createCount = view.getUint8(at + 3);
    record.keepCount = record.archiveCount = view.getUint8(at + 4);
    return { nameBytes: 0, surplusBytes: 0, lists: 2 };
  }
  const named = version >= 0x16;
  const rest = at + (named ? 4 : 2);
  if (named) record.adminOnly = view.getUint8(at + 3);
  record.mode = view.getUint8(rest);
  record.archiveDelayDays = view.getUint16(rest + 1);
  record.createCount = view.getUint8(rest + 3);
  record.keepCount = view.getUint8(rest + 4);
  record.archiveCount = view.getUint8(rest + 5);
  return { nameBytes: named ? view.getUint8(at + 2) : 0, surplusBytes: 0, lists: 3 };
}

function readMasks(into: Uint32Array, view: DataView, start: number, copies: number, masksPerCopy: number): number {
  into.fill(0);
  let at = start;
  for (let copy = 0; copy < copies; copy++) {
    for (let i = 0; i < masksPerCopy; i++, at += 4) into[copy * MASKS_PER_COPY + i] = view.getUint32(at);
  }
  return at;
}

function readClassBody(
  record: StorageClassRecord,
  input: ImageInput,
  start: number,
  head: ClassHead,
  masks: number,
): void {
  record.name = input.bytes.subarray(start, start + head.nameBytes);
  let at = readMasks(record.createMasks, input.view, start + head.nameBytes, record.createCount, masks);
  if (head.lists > 1) at = readMasks(record.keepMasks, input.view, at, record.keepCount, masks);
  else record.keepMasks.set(record.createMasks);
  if (head.lists > 2) readMasks(record.archiveMasks, input.view, at, record.archiveCount, masks);
  else record.archiveMasks.set(record.keepMasks);
}

function* parseLabelDescriptions(input: ImageInput, sink: ImageSink): Resumable<void> {
  for (let label = 0; label < LABEL_DESCRIPTIONS; label++) {
    yield* input.demand(1);
    const lengthBytes = input.view.getUint8(input.position);
    if (lengthBytes > LONGEST_LABEL_DESCRIPTION) input.fail(`a label description of ${lengthBytes} bytes`);
    yield* input.demand(1 + lengthBytes);
    sink.labelDescription?.(label, input.bytes.subarray(input.position + 1, input.position + 1 + lengthBytes));
    input.position += 1 + lengthBytes;
  }
}

function* parseMasksPerCopy(input: ImageInput, version: number): Resumable<number> {
  if (version === 0x10) return 1;
  yield* input.demand(1);
  const masks = input.view.getUint8(input.position);
  if (masks === 0 || masks > MASKS_PER_COPY) input.fail(`unsupported number of label masks: ${masks}`);
  input.position += 1;
  return masks;
}

function isCopyCount(count: number): boolean {
  return count >= 1 && count <= MAX_COPIES;
}

export function* parseStorageClasses(input: ImageInput, context: SectionContext): Resumable<void> {
  const { version, sink } = context;
  if (version < 0x16) yield* parseLabelDescriptions(input, sink);
  const masks = yield* parseMasksPerCopy(input, version);
  const headBytes = classHeadBytes(version);
  const lowestId = version < 0x16 ? FIRST_OWN_CLASS : 1;
  const record = {
    createMasks: new Uint32Array(MAX_COPIES * MASKS_PER_COPY),
    keepMasks: new Uint32Array(MAX_COPIES * MASKS_PER_COPY),
    archiveMasks: new Uint32Array(MAX_COPIES * MASKS_PER_COPY),
  } as StorageClassRecord;
  for (;;) {
    yield* input.demand(headBytes);
    const head = readClassHead(record, input.view, input.position, version);
    const { createCount, keepCount, archiveCount } = record;
    const noCounts = createCount === 0 && keepCount === 0 && archiveCount === 0;
    if (record.classId === 0 && noCounts && record.archiveDelayDays === 0) break;
    if (!isCopyCount(createCount) || !isCopyCount(keepCount) || !isCopyCount(archiveCount)) {
      input.fail(
        `storage class ${record.classId} with a wrong number of copies (${createCount}/${keepCount}/${archiveCount})`,
      );
    }
    const copies = createCount + (head.lists > 1 ? keepCount : 0) + (head.lists > 2 ? archiveCount : 0);
    const total = headBytes + head.nameBytes + copies * masks * 4;
    yield* input.demand(total);
    if (record.classId < lowestId || record.classId >= CLASS_LIMIT) {
      context.tolerate(`bad sclassid: ${record.classId}`, input.offset);
    } else {
      readClassBody(record, input, input.position + headBytes, head, masks);
      sink.storageClass(record);
    }
    input.position += total;
    if (head.surplusBytes > 0) yield* input.skip(head.surplusBytes);
  }
  input.position += headBytes;
}

function chunkserverBytes(version: number): number {
  if (version >= 0x13) return 13;
  if (version === 0x12) return 9;
  return version === 0x11 ? 8 : 6;
}

export function* parseChunkservers(input: ImageInput, context: SectionContext): Resumable<void> {
  const { version, sink } = context;
  const recordBytes = chunkserverBytes(version);
  yield* input.demand(4);
  const count = input.view.getUint32(input.position);
  input.position += 4;
  sink.chunkservers(count);
  const server: ChunkserverRecord = { ip: 0, port: 0, csid: 0, maintenance: 0, maintenanceTimeout: 0 };
  for (let i = 0; i < count; i++) {
    if (input.available < recordBytes) yield* input.demand(recordBytes);
    const { view, position } = input;
    server.ip = view.getUint32(position);
    server.port = view.getUint16(position + 4);
    if (version >= 0x11) server.csid = view.getUint16(position + 6);
    if (version >= 0x12) server.maintenance = view.getUint8(position + 8);
    if (version >= 0x13) server.maintenanceTimeout = view.getUint32(position + 9);
    sink.chunkserver(server);
    input.position += recordBytes;
  }
}

/** Reads a u64 that must be a safe integer. */
function readId(input: ImageInput, at: number, what: string): number {
  const value = input.view.getUint32(at) * 0x1_0000_0000 + input.view.getUint32(at + 4);
  if (value > Number.MAX_SAFE_INTEGER) input.fail(`${what} beyond 2^53`);
  return value;
}

export function* parseChunks(input: ImageInput, context: SectionContext): Resumable<void> {
  const { version, sink } = context;
  const recordBytes = version >= 0x11 ? 17 : 16;
  yield* input.demand(8);
  sink.chunks(readId(input, input.position, 'next chunk id'));
  input.position += 8;
  const chunk: ChunkRecord = { chunkId: 0, version: 0, lockedTo: 0, archived: 0 };
  do {
    yield* input.demand(recordBytes);
  } while (!parseChunksInMemory(input, chunk, recordBytes, context));
  input.position += recordBytes;
}

/** Parses the records that are wholly in memory (see parseNodesInMemory); whether the end is there. */
function parseChunksInMemory(
  input: ImageInput,
  chunk: ChunkRecord,
  recordBytes: number,
  { sink, version }: SectionContext,
): boolean {
  while (input.available >= recordBytes) {
    const { view, position } = input;
    chunk.chunkId = readId(input, position, 'chunk id');
    chunk.version = view.getUint32(position + 8);
    chunk.lockedTo = view.getUint32(position + 12);
    if (version >= 0x11) chunk.archived = view.getUint8(position + 16);
    if (chunk.chunkId === 0) {
      if (chunk.version !== 0 || chunk.lockedTo !== 0 || chunk.archived !== 0) input.fail('a chunk with id 0');
      return true;
    }
    sink.chunk(chunk);
    input.position += recordBytes;
  }
  return false;
}
