import { BLOCK_SIZE, crc32, Status } from '@alces/proto';
import { ensureOpen, tableOf, withChunk } from './access.ts';
import type { ActiveChunk } from './activeChunks.ts';
import { COPY_BLOCKS, folderOf, type Store } from './context.ts';
import { readForCopy } from './copy.ts';
import { ChunkFailure, ContentError, chunkFailed } from './failures.ts';
import { crcOf } from './readBlocks.ts';

/** Checks blocks just read, in one piece, against the table. Throws ChunkFailure CRC. */
export function checkBlocks(store: Store, chunk: ActiveChunk, first: number, data: Buffer): void {
  for (let at = 0; at < data.length; at += BLOCK_SIZE) {
    const block = first + at / BLOCK_SIZE;
    if (crc32(data.subarray(at, at + BLOCK_SIZE)) === crcOf(tableOf(chunk), block)) continue;
    chunkFailed(store, chunk.slot, new ContentError(`block ${block}: wrong CRC`));
    throw new ChunkFailure(Status.CRC, `block ${block} is damaged`);
  }
}

/** Reads a locked, open chunk and checks every block; one bad block ends it. Throws ChunkFailure CRC or IO. */
export async function verifyBlocks(store: Store, chunk: ActiveChunk): Promise<void> {
  const buffer = store.copyBuffers.take();
  try {
    const blocks = store.table.blocks(chunk.slot);
    for (let first = 0; first < blocks; first += COPY_BLOCKS) {
      const part = buffer.subarray(0, Math.min(COPY_BLOCKS, blocks - first) * BLOCK_SIZE);
      await readForCopy(store, chunk, first, part);
      checkBlocks(store, chunk, first, part);
    }
  } finally {
    store.copyBuffers.give(buffer);
  }
}

function wantsToLeaveCache(store: Store, idleSeconds: number): boolean {
  const { dropCacheAfterSeconds } = store.settings;
  return dropCacheAfterSeconds >= 0 && idleSeconds >= dropCacheAfterSeconds;
}

/**
 * Tests a chunk (spec 30 §2.14): header and CRC table always, the blocks only when it was not used for
 * `minTestIntervalSeconds`. A test counts as a use. Throws ChunkFailure.
 */
export async function testChunk(store: Store, chunkId: number, version: number): Promise<void> {
  const slot = store.table.find(chunkId);
  const lastUse = slot < 0 ? 0 : store.table.lastUse(slot);
  const idleSeconds = store.clock.unixSeconds() - lastUse;
  await withChunk(store, chunkId, version, 'shared', async (chunk) => {
    await ensureOpen(store, chunk);
    if (idleSeconds < store.settings.minTestIntervalSeconds) return;
    await verifyBlocks(store, chunk);
    if (wantsToLeaveCache(store, idleSeconds))
      await folderOf(store, chunk.slot).gate.run(() => store.files.dropCache(chunk.fd));
  });
}
