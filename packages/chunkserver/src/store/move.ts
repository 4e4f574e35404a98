import { BLOCK_SIZE } from '@alces/proto';
import { chunkPath, type Folder } from '../disks/folder.ts';
import { ensureOpen, pathOf, tableOf, withChunk } from './access.ts';
import type { ActiveChunk } from './activeChunks.ts';
import { COPY_BLOCKS, folderOf, type Store } from './context.ts';
import { readForCopy, writeSparsely } from './copy.ts';
import { ChunkFailure, errorCode, folderFailed } from './failures.ts';
import { blockPosition, encodeChunkStart, HEADER_BYTES, moveFileName } from './format.ts';
import { relocateChunk } from './membership.ts';
import { checkBlocks } from './verify.ts';

/** Moving a chunk to another folder of this server (spec 30 §2.13). The master is not told. */

async function copyContent(store: Store, chunk: ActiveChunk, target: Folder, fd: number): Promise<void> {
  const { table, files, copyBuffers } = store;
  const start = encodeChunkStart(chunk.id, table.version(chunk.slot), tableOf(chunk));
  await target.gate.run(() => files.write(fd, [start], 0));
  const blocks = table.blocks(chunk.slot);
  const buffer = copyBuffers.take();
  try {
    for (let first = 0; first < blocks; first += COPY_BLOCKS) {
      const part = buffer.subarray(0, Math.min(COPY_BLOCKS, blocks - first) * BLOCK_SIZE);
      await readForCopy(store, chunk, first, part);
      checkBlocks(store, chunk, first, part);
      await target.gate.run(() => writeSparsely(store, fd, tableOf(chunk), first, part));
    }
  } finally {
    copyBuffers.give(buffer);
  }
  await target.gate.run(() => files.truncate(fd, blockPosition(HEADER_BYTES, blocks)));
}

async function makeCopy(store: Store, chunk: ActiveChunk, target: Folder, path: string): Promise<void> {
  const fd = await target.gate.run(() => store.files.open(path, 'createNew'));
  try {
    await copyContent(store, chunk, target, fd);
    if (store.settings.syncBeforeClose) await target.gate.run(() => store.files.sync(fd));
  } catch (error) {
    await target.gate.run(() => store.files.unlink(path));
    throw error;
  } finally {
    await store.files.close(fd);
  }
}

async function moveLocked(store: Store, chunk: ActiveChunk, target: Folder): Promise<void> {
  await ensureOpen(store, chunk);
  const { table, files } = store;
  const source = folderOf(store, chunk.slot);
  const oldPath = pathOf(store, chunk.slot);
  const temporary = target.root + moveFileName(chunk.id);
  await makeCopy(store, chunk, target, temporary);
  const newPath = chunkPath(target, target.currentSubfolder, chunk.id, table.version(chunk.slot));
  const subfolder = target.currentSubfolder;
  await target.gate.run(() => files.rename(temporary, newPath));
  await store.active.closeFile(chunk);
  relocateChunk(store, chunk.slot, target, subfolder);
  table.setOldHeader(chunk.slot, false);
  target.movedInAtMs = store.clock.monotonicMs();
  try {
    await source.gate.run(() => files.unlink(oldPath));
  } catch (error) {
    if (errorCode(error) !== 'ENOENT') folderFailed(store, source, chunk.id, error);
  }
}

/** Moves a chunk; false when it could not be moved (it stays where it is). */
export async function moveChunk(store: Store, chunkId: number, target: Folder): Promise<boolean> {
  try {
    await withChunk(store, chunkId, 0, 'exclusive', (chunk) => moveLocked(store, chunk, target));
    return true;
  } catch (error) {
    if (!(error instanceof ChunkFailure)) folderFailed(store, target, chunkId, error);
    return false;
  }
}
