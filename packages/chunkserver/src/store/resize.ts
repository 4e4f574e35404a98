import { BLOCK_SIZE, CRC_ZERO_BLOCK, crc32, Status } from '@alces/proto';
import { ensureOpen, headerBytesOf, pathOf, tableOf, writeTable } from './access.ts';
import type { ActiveChunk } from './activeChunks.ts';
import { UNKNOWN_BLOCKS } from './chunkTable.ts';
import { folderOf, noteBlocks, type Store } from './context.ts';
import { ChunkFailure, ContentError, chunkFailed, statusOf } from './failures.ts';
import { blockPosition, VERSION_POSITION } from './format.ts';
import { fileGrewOrShrank } from './membership.ts';
import { crcOf } from './readBlocks.ts';

async function writeVersion(store: Store, chunk: ActiveChunk, version: number): Promise<void> {
  await ensureOpen(store, chunk, false);
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(version);
  await folderOf(store, chunk.slot).gate.run(() => store.files.write(chunk.fd, [bytes], VERSION_POSITION));
  store.counters.otherWrites++;
  store.counters.otherBytesWritten += bytes.length;
}

/**
 * Gives a locked chunk another version: the file's name first, then its header; the name goes back when the header cannot be
 * written (spec 30 §2.5). Throws ChunkFailure IO.
 */
export async function changeVersion(store: Store, chunk: ActiveChunk, version: number): Promise<void> {
  const { slot } = chunk;
  const before = store.table.version(slot);
  const folder = folderOf(store, slot);
  const oldPath = pathOf(store, slot);
  store.table.setVersion(slot, version);
  const newPath = pathOf(store, slot);
  let renamed = false;
  try {
    await folder.gate.run(() => store.files.rename(oldPath, newPath));
    renamed = true;
    await writeVersion(store, chunk, version);
  } catch (error) {
    if (!(error instanceof ChunkFailure)) chunkFailed(store, slot, error);
    store.table.setVersion(slot, before);
    if (renamed)
      await folder.gate
        .run(() => store.files.rename(newPath, oldPath))
        .catch((problem: unknown) => chunkFailed(store, slot, problem));
    throw new ChunkFailure(statusOf(error), String(error));
  }
}

/** Reads the block in which a cut falls and makes sure that it is good: a new CRC must not cover up old damage. */
async function readLastBlock(store: Store, chunk: ActiveChunk, block: number): Promise<Buffer> {
  const image = store.blockBuffers.take();
  const folder = folderOf(store, chunk.slot);
  const position = blockPosition(headerBytesOf(store, chunk.slot), block);
  const bytes = await folder.gate.run(() => store.files.read(chunk.fd, [image], position));
  store.counters.otherReads++;
  store.counters.otherBytesRead += bytes;
  if (bytes < BLOCK_SIZE) throw new ContentError(`block ${block} is missing in the file`);
  if (crc32(image) === crcOf(tableOf(chunk), block)) return image;
  store.blockBuffers.give(image);
  chunkFailed(store, chunk.slot, new ContentError(`block ${block}: wrong CRC`));
  throw new ChunkFailure(Status.CRC, `block ${block} is damaged`);
}

function zeroEntries(table: Buffer, from: number): void {
  for (let at = from * 4; at < table.length; at += 4) table.writeUInt32BE(CRC_ZERO_BLOCK, at);
}

async function setFileLength(store: Store, chunk: ActiveChunk, lengthBytes: number): Promise<void> {
  await folderOf(store, chunk.slot).gate.run(() => store.files.truncate(chunk.fd, lengthBytes));
}

async function applyLength(store: Store, chunk: ActiveChunk, lengthBytes: number, last?: Buffer): Promise<void> {
  const headerBytes = headerBytesOf(store, chunk.slot);
  const blocks = Math.ceil(lengthBytes / BLOCK_SIZE);
  const table = Buffer.from(tableOf(chunk));
  zeroEntries(table, Math.min(blocks, store.table.blocks(chunk.slot)));
  if (last) {
    last.fill(0, lengthBytes % BLOCK_SIZE);
    table.writeUInt32BE(crc32(last), (blocks - 1) * 4);
    // Cutting inside the block and extending again makes its tail zeros.
    await setFileLength(store, chunk, blockPosition(headerBytes, 0) + lengthBytes);
  }
  await setFileLength(store, chunk, blockPosition(headerBytes, blocks));
  await folderOf(store, chunk.slot).gate.run(() => writeTable(store, chunk, table));
  chunk.crcTable = table;
  store.active.dropImage(chunk);
  noteBlocks(store, chunk.slot, blocks, UNKNOWN_BLOCKS);
  fileGrewOrShrank(store, chunk.slot);
}

/**
 * Cuts or extends a locked chunk to `lengthBytes` and gives it a new version. Throws ChunkFailure IO, or CRC when the block
 * at the cut is damaged.
 */
export async function resizeChunk(
  store: Store,
  chunk: ActiveChunk,
  lengthBytes: number,
  version: number,
): Promise<void> {
  await ensureOpen(store, chunk);
  const cutInside =
    lengthBytes % BLOCK_SIZE !== 0 && Math.ceil(lengthBytes / BLOCK_SIZE) <= store.table.blocks(chunk.slot);
  let last: Buffer | undefined;
  try {
    if (cutInside) last = await readLastBlock(store, chunk, Math.floor(lengthBytes / BLOCK_SIZE));
    await changeVersion(store, chunk, version);
    await applyLength(store, chunk, lengthBytes, last);
  } catch (error) {
    if (error instanceof ChunkFailure) throw error;
    chunkFailed(store, chunk.slot, error);
    throw new ChunkFailure(Status.IO, String(error));
  } finally {
    if (last) store.blockBuffers.give(last);
  }
}
