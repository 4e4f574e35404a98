import { Status } from '@alces/proto';
import type { Clock } from '@alces/runtime';
import { connectOnce } from '../data/nextServer.ts';
import type { Streams } from '../net/stream.ts';
import type { Store } from '../store/context.ts';
import { ChunkFailure } from '../store/failures.ts';
import { createChunk, deleteChunk, setVersion } from '../store/operations.ts';
import { type BlockWrite, writeBlocks } from '../store/writeBlocks.ts';
import { combineBlock } from './combine.ts';
import type { ReplicationOrder } from './order.ts';
import { type ReceivedBlock, SourceConnection } from './source.ts';

/** Fetching a chunk from other servers (spec 30 §1.16). */

const CONNECT_MS = 5000;
/** Blocks written together. */
const BATCH_BLOCKS = 16;

export interface ReplicationContext {
  store: Store;
  clock: Clock;
  streams: Streams;
}

function must(status: number): void {
  if (status !== Status.OK) throw new ChunkFailure(status, 'replication failed');
}

async function connectAll(context: ReplicationContext, order: ReplicationOrder): Promise<SourceConnection[]> {
  const connecting = order.sources.map(async (source) => {
    const peer = await connectOnce(context, source, CONNECT_MS);
    return new SourceConnection(peer, source, context.clock);
  });
  const results = await Promise.allSettled(connecting);
  const sources = results.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []));
  if (sources.length === order.sources.length) return sources;
  for (const source of sources) source.close();
  throw new ChunkFailure(Status.CANTCONNECT, 'a source cannot be reached');
}

/** One block from every source that has it. */
async function receiveRow(sources: readonly SourceConnection[], block: number): Promise<(ReceivedBlock | undefined)[]> {
  const row: (ReceivedBlock | undefined)[] = [];
  for (const source of sources) row.push(block < source.blocks ? await source.nextBlock(block) : undefined);
  return row;
}

function writeOf(order: ReplicationOrder, block: number, row: readonly (ReceivedBlock | undefined)[]): BlockWrite {
  const delivered = row.filter((part) => part !== undefined);
  const [only] = delivered;
  if (delivered.length === 1 && only) return { block, offset: 0, data: only.data, crc: only.crc };
  if (!order.masks) throw new ChunkFailure(Status.EINVAL, 'several sources without masks');
  return combineBlock(block, row, order.masks);
}

/** Receives some blocks, as many as are here without waiting, and writes them. Answers the next block. */
async function copyBatch(
  context: ReplicationContext,
  order: ReplicationOrder,
  sources: readonly SourceConnection[],
  first: number,
  end: number,
): Promise<number> {
  const writes: BlockWrite[] = [];
  const held: ReceivedBlock[] = [];
  try {
    let block = first;
    do {
      const row = await receiveRow(sources, block);
      for (const part of row) {
        if (!part) continue;
        held.push(part);
        context.store.counters.replicatorBytesIn += part.packet.frame.length;
      }
      writes.push(writeOf(order, block, row));
      block++;
    } while (block < end && writes.length < BATCH_BLOCKS && sources.some((source) => source.hasNext));
    must((await writeBlocks(context.store, order.chunkId, 0, writes)).status);
    return block;
  } finally {
    for (const part of held) part.packet.release();
  }
}

async function fetchBlocks(context: ReplicationContext, order: ReplicationOrder): Promise<void> {
  const sources = await connectAll(context, order);
  try {
    await Promise.all(sources.map((source) => source.askBlocks()));
    for (const source of sources) source.askData();
    const end = Math.max(...sources.map((source) => source.blocks));
    for (let block = 0; block < end; ) block = await copyBatch(context, order, sources, block, end);
    await Promise.all(sources.map((source) => source.end()));
  } finally {
    for (const source of sources) source.close();
  }
}

/**
 * Makes a copy of a chunk here. It has version 0 until it is complete, so that an unfinished one is recognized after a crash.
 * Answers a status.
 */
export async function replicate(context: ReplicationContext, order: ReplicationOrder): Promise<number> {
  const { store } = context;
  store.counters.replications++;
  const created = await createChunk(store, order.chunkId, 0);
  if (created !== Status.OK) return created;
  let status: number;
  try {
    await fetchBlocks(context, order);
    status = await setVersion(store, order.chunkId, order.version, 0);
  } catch (error) {
    if (!(error instanceof ChunkFailure)) throw error;
    status = error.status;
  }
  if (status !== Status.OK) await deleteChunk(store, order.chunkId, 0);
  return status;
}
