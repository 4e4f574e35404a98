import { BLOCK_SIZE, BLOCKS_IN_CHUNK, CRC_ZERO_BLOCK, crc32, Status } from '@alces/proto';
import { countBlocks, ensureOpen, headerBytesOf, tableOf, withChunk, writeTable } from './access.ts';
import type { ActiveChunk } from './activeChunks.ts';
import { UNKNOWN_BLOCKS } from './chunkTable.ts';
import { folderOf, noteBlocks, type Store } from './context.ts';
import { ChunkFailure, ContentError, chunkFailed, folderFailed, isOutOfSpace, statusOf } from './failures.ts';
import { blockPosition, isZero } from './format.ts';
import { fileGrewOrShrank } from './membership.ts';
import { type BlocksDone, crcOf } from './readBlocks.ts';

/** Data for one block or a part of it. The data must not change until the write is done. */
export interface BlockWrite {
  block: number;
  /** Within the block. */
  offset: number;
  data: Buffer;
  /** CRC of `data` as the sender computed it. */
  crc: number;
}

/** Zeros at the ends of a new block are left out in units of this size. */
const SPARSE_UNIT = 512;

function checkWrite(write: BlockWrite): void {
  if (write.block >= BLOCKS_IN_CHUNK) throw new ChunkFailure(Status.BNUMTOOBIG, `block ${write.block}`);
  if (write.data.length > BLOCK_SIZE) throw new ChunkFailure(Status.WRONGSIZE, `${write.data.length} bytes`);
  if (write.offset >= BLOCK_SIZE || write.offset + write.data.length > BLOCK_SIZE)
    throw new ChunkFailure(Status.WRONGOFFSET, `offset ${write.offset}`);
  if (crc32(write.data) !== write.crc)
    throw new ChunkFailure(Status.CRC, 'the data do not have the CRC sent with them');
}

/** The part of a new block's data that must be written: without the zeros at both ends. Undefined: nothing but zeros. */
export function withoutZeroEnds(data: Buffer): { skip: number; piece: Buffer } | undefined {
  let start = 0;
  while (start < data.length && isZero(data.subarray(start, Math.min(start + SPARSE_UNIT, data.length))))
    start += SPARSE_UNIT;
  if (start >= data.length) return undefined;
  let end = data.length;
  for (;;) {
    const unitStart = Math.floor((end - 1) / SPARSE_UNIT) * SPARSE_UNIT;
    if (!isZero(data.subarray(unitStart, end))) break;
    end = unitStart;
  }
  return { skip: start, piece: start === 0 && end === data.length ? data : data.subarray(start, end) };
}

/** Collects the writes of one call, so that neighbouring blocks go to the file together. */
class WriteBatch {
  readonly #store: Store;
  readonly #chunk: ActiveChunk;
  readonly #headerBytes: number;
  /** Table as it will be; becomes the chunk's when everything is on its way to the disk. */
  readonly #table: Buffer;
  readonly #blocksBefore: number;
  #blocks: number;
  /** Where the file ends. */
  #fileEnd: number;
  #runPosition = 0;
  #runEnd = -1;
  #run: Buffer[] = [];
  /** Blocks written since the last flush. */
  #pending = 0;
  #dirty = false;
  #touchedExisting = false;

  constructor(store: Store, chunk: ActiveChunk) {
    this.#store = store;
    this.#chunk = chunk;
    this.#headerBytes = headerBytesOf(store, chunk.slot);
    this.#table = Buffer.from(tableOf(chunk));
    this.#blocksBefore = store.table.blocks(chunk.slot);
    this.#blocks = this.#blocksBefore;
    this.#fileEnd = blockPosition(this.#headerBytes, this.#blocks);
  }

  async add(write: BlockWrite): Promise<void> {
    checkWrite(write);
    this.#dirty = true;
    const isNew = write.block >= this.#blocks;
    if (isNew) this.#extendTo(write.block);
    else if (write.block < this.#blocksBefore) this.#touchedExisting = true;
    if (write.data.length === BLOCK_SIZE) {
      if (this.#chunk.cachedBlock === write.block) this.#store.active.dropImage(this.#chunk);
      this.#table.writeUInt32BE(write.crc, write.block * 4);
    } else if (write.data.length > 0) {
      await this.#patchImage(write, isNew);
    }
    await this.#put(blockPosition(this.#headerBytes, write.block) + write.offset, write.data, isNew);
    this.#pending++;
  }

  /** Writes everything and then the table. */
  async finish(): Promise<void> {
    await this.#flush();
    const needed = blockPosition(this.#headerBytes, this.#blocks);
    const { files } = this.#store;
    const folder = folderOf(this.#store, this.#chunk.slot);
    if (this.#fileEnd < needed) await folder.gate.run(() => files.truncate(this.#chunk.fd, needed));
    if (!this.#dirty) return;
    await folder.gate.run(() => writeTable(this.#store, this.#chunk, this.#table));
    this.#chunk.crcTable = this.#table;
    if (this.#blocks === this.#blocksBefore) return;
    noteBlocks(this.#store, this.#chunk.slot, this.#blocks, UNKNOWN_BLOCKS);
    fileGrewOrShrank(this.#store, this.#chunk.slot);
  }

  /**
   * After a failed write: the file gets its old length again, so that it stays a chunk file. When the disk was full and only
   * new blocks were being written, that restores the chunk as it was; otherwise it is damaged.
   */
  async giveUp(error: unknown): Promise<void> {
    const { files, active } = this.#store;
    const folder = folderOf(this.#store, this.#chunk.slot);
    active.dropImage(this.#chunk);
    if (isOutOfSpace(error) && !this.#touchedExisting) folderFailed(this.#store, folder, this.#chunk.id, error);
    else chunkFailed(this.#store, this.#chunk.slot, error);
    if (folder.readOnly) return;
    const end = blockPosition(this.#headerBytes, this.#blocksBefore);
    try {
      await folder.gate.run(() => files.truncate(this.#chunk.fd, end));
      await folder.gate.run(() => writeTable(this.#store, this.#chunk, tableOf(this.#chunk)));
    } catch (problem) {
      chunkFailed(this.#store, this.#chunk.slot, problem);
    }
  }

  #extendTo(block: number): void {
    for (let skipped = this.#blocks; skipped <= block; skipped++)
      this.#table.writeUInt32BE(CRC_ZERO_BLOCK, skipped * 4);
    this.#blocks = block + 1;
  }

  /** Brings the block's image up to date and takes the new CRC of the whole block from it. */
  async #patchImage(write: BlockWrite, isNew: boolean): Promise<void> {
    const chunk = this.#chunk;
    if (chunk.cachedBlock !== write.block) await this.#loadImage(write.block, isNew);
    const image = chunk.cachedImage;
    if (!image) throw new Error('no block image');
    write.data.copy(image, write.offset);
    this.#table.writeUInt32BE(crc32(image), write.block * 4);
  }

  async #loadImage(block: number, isNew: boolean): Promise<void> {
    const { active, blockBuffers } = this.#store;
    active.dropImage(this.#chunk);
    const image = blockBuffers.take();
    if (isNew) image.fill(0);
    else await this.#readImage(block, image);
    this.#chunk.cachedImage = image;
    this.#chunk.cachedBlock = block;
  }

  async #readImage(block: number, image: Buffer): Promise<void> {
    await this.#flush();
    const { files, clock } = this.#store;
    const folder = folderOf(this.#store, this.#chunk.slot);
    const startMs = clock.monotonicMs();
    const position = blockPosition(this.#headerBytes, block);
    // A block that is new in this batch may be written in part, or not at all when it is zero.
    image.fill(0);
    const bytes = await folder.gate.run(() => files.read(this.#chunk.fd, [image], position));
    countBlocks(this.#store, folder, 'read', 1, startMs);
    if (bytes < BLOCK_SIZE && block < this.#blocksBefore)
      throw new ContentError(`block ${block} is missing in the file`);
    if (crc32(image) === crcOf(this.#table, block)) return;
    chunkFailed(this.#store, this.#chunk.slot, new ContentError(`block ${block}: wrong CRC`));
    throw new ChunkFailure(Status.CRC, `block ${block} is damaged`);
  }

  async #put(position: number, data: Buffer, isNew: boolean): Promise<void> {
    const rest = isNew && this.#store.settings.sparsify ? withoutZeroEnds(data) : { skip: 0, piece: data };
    if (rest === undefined || rest.piece.length === 0) return;
    const start = position + rest.skip;
    if (start !== this.#runEnd) {
      await this.#flush();
      this.#runPosition = start;
    }
    this.#run.push(rest.piece);
    this.#runEnd = start + rest.piece.length;
  }

  async #flush(): Promise<void> {
    if (this.#run.length === 0) return;
    const { files, clock } = this.#store;
    const folder = folderOf(this.#store, this.#chunk.slot);
    const startMs = clock.monotonicMs();
    const run = this.#run;
    this.#run = [];
    this.#fileEnd = Math.max(this.#fileEnd, this.#runEnd);
    this.#runEnd = -1;
    await folder.gate.run(() => files.write(this.#chunk.fd, run, this.#runPosition));
    this.#chunk.needsSync = true;
    countBlocks(this.#store, folder, 'write', this.#pending, startMs);
    this.#pending = 0;
  }
}

/** Adds writes until one is refused; answers how many were taken and why the next one was not. */
async function collect(batch: WriteBatch, writes: readonly BlockWrite[]): Promise<BlocksDone> {
  for (const [index, write] of writes.entries()) {
    try {
      await batch.add(write);
    } catch (error) {
      if (error instanceof ChunkFailure) return { done: index, status: error.status };
      throw error;
    }
  }
  return { done: writes.length, status: Status.OK };
}

async function writeLocked(store: Store, chunk: ActiveChunk, writes: readonly BlockWrite[]): Promise<BlocksDone> {
  await ensureOpen(store, chunk);
  const batch = new WriteBatch(store, chunk);
  try {
    const collected = await collect(batch, writes);
    await batch.finish();
    return collected;
  } catch (error) {
    await batch.giveUp(error);
    return { done: 0, status: Status.IO };
  }
}

/**
 * Writes to blocks of a chunk, in order, until one fails. Neighbouring blocks become one write call. When this answers, data
 * and CRC table have been passed to the operating system (spec 20 §5.5). A refused write (CRC, WRONGSIZE, ...) does not
 * undo the ones before it; after a disk error none of them counts as done.
 */
export async function writeBlocks(
  store: Store,
  chunkId: number,
  version: number,
  writes: readonly BlockWrite[],
): Promise<BlocksDone> {
  try {
    return await withChunk(store, chunkId, version, 'exclusive', (chunk) => writeLocked(store, chunk, writes));
  } catch (error) {
    return { done: 0, status: statusOf(error) };
  }
}

/** Opens a chunk for a client that is going to write to it. Answers a status. */
export async function openForWriting(store: Store, chunkId: number, version: number): Promise<number> {
  try {
    await withChunk(store, chunkId, version, 'shared', (chunk) => ensureOpen(store, chunk));
    return Status.OK;
  } catch (error) {
    return statusOf(error);
  }
}
