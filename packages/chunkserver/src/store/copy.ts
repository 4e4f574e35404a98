import { BLOCK_SIZE, CRC_ZERO_BLOCK, crc32 } from '@alces/proto';
import { ensureOpen, headerBytesOf, tableOf, withChunk, writeTable } from './access.ts';
import type { ActiveChunk } from './activeChunks.ts';
import { UNKNOWN_BLOCKS } from './chunkTable.ts';
import { COPY_BLOCKS, folderOf, noteBlocks, type Store } from './context.ts';
import { ChunkFailure, ContentError, chunkFailed, statusOf } from './failures.ts';
import { blockPosition, HEADER_BYTES, isZero } from './format.ts';
import { fileGrewOrShrank } from './membership.ts';
import { withNewChunk } from './newChunk.ts';
import { crcOf } from './readBlocks.ts';
import { changeVersion } from './resize.ts';

/** Reads up to COPY_BLOCKS blocks; an error is the source's. */
export async function readForCopy(store: Store, source: ActiveChunk, first: number, buffer: Buffer): Promise<void> {
  const folder = folderOf(store, source.slot);
  const position = blockPosition(headerBytesOf(store, source.slot), first);
  try {
    const bytes = await folder.gate.run(() => store.files.read(source.fd, [buffer], position));
    store.counters.otherReads++;
    store.counters.otherBytesRead += bytes;
    if (bytes < buffer.length) throw new ContentError(`block ${first} is missing in the file`);
  } catch (error) {
    chunkFailed(store, source.slot, error);
    throw new ChunkFailure(statusOf(error), String(error));
  }
}

/**
 * Writes copied blocks. With sparse writing whole blocks of zeros become holes; the CRC tells quickly which ones are worth
 * looking at.
 */
export async function writeSparsely(
  store: Store,
  fd: number,
  table: Buffer,
  first: number,
  buffer: Buffer,
): Promise<void> {
  const isHole = (block: number, data: Buffer) =>
    store.settings.sparsify && crcOf(table, block) === CRC_ZERO_BLOCK && isZero(data);
  const count = buffer.length / BLOCK_SIZE;
  let start = 0;
  for (let index = 0; index <= count; index++) {
    const data = buffer.subarray(index * BLOCK_SIZE, (index + 1) * BLOCK_SIZE);
    if (index < count && !isHole(first + index, data)) continue;
    if (index > start) {
      const run = buffer.subarray(start * BLOCK_SIZE, index * BLOCK_SIZE);
      await store.files.write(fd, [run], blockPosition(HEADER_BYTES, first + start));
      store.counters.otherWrites++;
      store.counters.otherBytesWritten += run.length;
    }
    start = index + 1;
  }
}

/** Copies the first `blocks` blocks of an open chunk to another file, which has the new header size. */
async function copyBlocks(store: Store, source: ActiveChunk, target: ActiveChunk, blocks: number): Promise<void> {
  const buffer = store.copyBuffers.take();
  const folder = folderOf(store, target.slot);
  try {
    for (let first = 0; first < blocks; first += COPY_BLOCKS) {
      const part = buffer.subarray(0, Math.min(COPY_BLOCKS, blocks - first) * BLOCK_SIZE);
      await readForCopy(store, source, first, part);
      await folder.gate.run(() => writeSparsely(store, target.fd, tableOf(target), first, part));
    }
  } finally {
    store.copyBuffers.give(buffer);
  }
}

function tableOfCopy(source: Buffer, blocks: number): Buffer {
  const table = Buffer.from(source);
  for (let at = blocks * 4; at < table.length; at += 4) table.writeUInt32BE(CRC_ZERO_BLOCK, at);
  return table;
}

/** Zeros the copy's last block from the new end on and corrects its CRC. */
async function cutLastBlock(store: Store, target: ActiveChunk, lengthBytes: number): Promise<void> {
  const block = Math.floor(lengthBytes / BLOCK_SIZE);
  const image = store.blockBuffers.take();
  const folder = folderOf(store, target.slot);
  const table = tableOf(target);
  try {
    const position = blockPosition(HEADER_BYTES, block);
    image.fill(0);
    await folder.gate.run(() => store.files.read(target.fd, [image], position));
    // A damaged source block stays recognizable: its copy gets a wrong CRC too.
    const good = crc32(image) === crcOf(table, block);
    image.fill(0, lengthBytes % BLOCK_SIZE);
    await folder.gate.run(() => store.files.write(target.fd, [image], position));
    const crc = crc32(image);
    table.writeUInt32BE(good ? crc : ~crc >>> 0, block * 4);
    await folder.gate.run(() => writeTable(store, target, table));
  } finally {
    store.blockBuffers.give(image);
  }
}

/** How a copy differs from its source. */
export interface CopyPlan {
  sourceId: number;
  sourceVersion: number;
  /** The source's version afterwards. */
  newSourceVersion: number;
  copyId: number;
  copyVersion: number;
  /** Length of the copy in bytes; undefined: as long as the source. */
  lengthBytes?: number;
}

async function fillCopy(store: Store, plan: CopyPlan, source: ActiveChunk, target: ActiveChunk): Promise<void> {
  const stored = store.table.blocks(source.slot);
  const blocks = plan.lengthBytes === undefined ? stored : Math.ceil(plan.lengthBytes / BLOCK_SIZE);
  await copyBlocks(store, source, target, Math.min(stored, blocks));
  const end = blockPosition(HEADER_BYTES, blocks);
  await folderOf(store, target.slot).gate.run(() => store.files.truncate(target.fd, end));
  if (plan.lengthBytes !== undefined && plan.lengthBytes % BLOCK_SIZE !== 0 && blocks <= stored)
    await cutLastBlock(store, target, plan.lengthBytes);
  noteBlocks(store, target.slot, blocks, UNKNOWN_BLOCKS);
  fileGrewOrShrank(store, target.slot);
}

/**
 * Copies a chunk on this server, cut or extended if asked for (spec 30 §2.5). The source's CRCs go over as they are, so
 * damage stays recognizable. Throws ChunkFailure.
 */
export async function copyChunk(store: Store, plan: CopyPlan): Promise<void> {
  const mode = plan.newSourceVersion === plan.sourceVersion ? 'shared' : 'exclusive';
  await withChunk(store, plan.sourceId, plan.sourceVersion, mode, async (source) => {
    if (mode === 'exclusive') await changeVersion(store, source, plan.newSourceVersion);
    await ensureOpen(store, source);
    const stored = store.table.blocks(source.slot);
    const kept = plan.lengthBytes === undefined ? stored : Math.min(stored, Math.ceil(plan.lengthBytes / BLOCK_SIZE));
    const table = tableOfCopy(tableOf(source), kept);
    const fill = (target: ActiveChunk) => fillCopy(store, plan, source, target);
    await withNewChunk(store, plan.copyId, plan.copyVersion, fill, table);
  });
}
