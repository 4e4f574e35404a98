import { BLOCK_SIZE, CRC_ZERO_BLOCK, crc32, Status } from '@alces/proto';
import { countBlocks, ensureOpen, headerBytesOf, tableOf, withChunk } from './access.ts';
import type { ActiveChunk } from './activeChunks.ts';
import { folderOf, type Store } from './context.ts';
import { ContentError, chunkFailed, statusOf } from './failures.ts';
import { blockPosition } from './format.ts';

/** How far a request for several blocks came. */
export interface BlocksDone {
  /** Blocks done, from the first one on. */
  done: number;
  /** OK, or why the next one failed. */
  status: number;
}

/** The CRC of a stored block. */
export function crcOf(table: Buffer, block: number): number {
  return table.readUInt32BE(block * 4);
}

/** Checks blocks just read against the table; answers how many of them are good. */
function countGood(store: Store, chunk: ActiveChunk, first: number, areas: readonly Buffer[], crcs: number[]): number {
  const table = tableOf(chunk);
  for (const [index, area] of areas.entries()) {
    const crc = crcOf(table, first + index);
    if (crc32(area) !== crc) {
      chunkFailed(store, chunk.slot, new ContentError(`block ${first + index}: wrong CRC`));
      return index;
    }
    crcs.push(crc);
  }
  return areas.length;
}

async function readStored(
  store: Store,
  chunk: ActiveChunk,
  first: number,
  areas: readonly Buffer[],
  crcs: number[],
): Promise<BlocksDone> {
  const folder = folderOf(store, chunk.slot);
  const position = blockPosition(headerBytesOf(store, chunk.slot), first);
  const startMs = store.clock.monotonicMs();
  let complete: number;
  try {
    const bytes = await folder.gate.run(() => store.files.read(chunk.fd, areas, position));
    complete = Math.floor(bytes / BLOCK_SIZE);
  } catch (error) {
    chunkFailed(store, chunk.slot, error);
    return { done: 0, status: Status.IO };
  }
  countBlocks(store, folder, 'read', complete, startMs);
  const done = countGood(store, chunk, first, areas.slice(0, complete), crcs);
  if (done < complete) return { done, status: Status.CRC };
  if (complete === areas.length) return { done, status: Status.OK };
  chunkFailed(store, chunk.slot, new ContentError(`block ${first + complete} is missing in the file`));
  return { done, status: Status.IO };
}

/**
 * Reads whole blocks into `areas` and appends their CRCs to `crcs`. Every block is checked against the chunk's CRC table;
 * blocks behind the end of the chunk are zeros (spec 30 §2.6). Never throws for an error of the disk or the chunk.
 */
export async function readBlocks(
  store: Store,
  chunkId: number,
  version: number,
  first: number,
  areas: readonly Buffer[],
  crcs: number[],
): Promise<BlocksDone> {
  try {
    return await withChunk(store, chunkId, version, 'shared', async (chunk) => {
      await ensureOpen(store, chunk);
      const stored = Math.max(0, Math.min(areas.length, store.table.blocks(chunk.slot) - first));
      if (stored > 0) {
        const result = await readStored(
          store,
          chunk,
          first,
          stored === areas.length ? areas : areas.slice(0, stored),
          crcs,
        );
        if (result.status !== Status.OK) return result;
      }
      for (let index = stored; index < areas.length; index++) {
        areas[index].fill(0);
        crcs.push(CRC_ZERO_BLOCK);
      }
      return { done: areas.length, status: Status.OK };
    });
  } catch (error) {
    return { done: 0, status: statusOf(error) };
  }
}
