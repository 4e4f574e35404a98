import {
  ANTOCS_GET_CHUNK_BLOCKS,
  ANTOCS_GET_CHUNK_CHECKSUM,
  ANTOCS_GET_CHUNK_CHECKSUM_TAB,
  CSTOAN_CHUNK_BLOCKS,
  CSTOAN_CHUNK_CHECKSUM,
  CSTOAN_CHUNK_CHECKSUM_TAB,
  type FieldsOf,
  Status,
} from '@alces/proto';
import type { Jobs } from '../jobs.ts';
import type { Store } from '../store/context.ts';
import { type Answer, chunkBlocks, chunkChecksum, chunkCrcTable } from '../store/operations.ts';

/** Queries about one chunk, served on the data port and on the master link alike (spec 20 §5.7, 30 §1.17). */

export function isChunkQuery(type: number): boolean {
  return (
    type === ANTOCS_GET_CHUNK_BLOCKS.number ||
    type === ANTOCS_GET_CHUNK_CHECKSUM.number ||
    type === ANTOCS_GET_CHUNK_CHECKSUM_TAB.number
  );
}

type Query = FieldsOf<typeof ANTOCS_GET_CHUNK_BLOCKS>;

async function asJob<T>(jobs: Jobs, query: () => Promise<Answer<T>>): Promise<Answer<T>> {
  if (!jobs.begin()) return { status: Status.NOTDONE };
  try {
    return await query();
  } finally {
    jobs.end();
  }
}

async function blocksReply(store: Store, jobs: Jobs, { chunkId, version }: Query): Promise<Buffer> {
  const answer = await asJob(jobs, () => chunkBlocks(store, chunkId, version));
  return CSTOAN_CHUNK_BLOCKS.encode({ chunkId, version, blocks: answer.value ?? 0, status: answer.status });
}

async function checksumReply(store: Store, jobs: Jobs, { chunkId, version }: Query): Promise<Buffer> {
  const { status, value } = await asJob(jobs, () => chunkChecksum(store, chunkId, version));
  return CSTOAN_CHUNK_CHECKSUM.encode(
    value === undefined
      ? { layout: 'status', chunkId, version, status }
      : { layout: 'data', chunkId, version, checksum: value },
  );
}

async function tableReply(store: Store, jobs: Jobs, { chunkId, version }: Query): Promise<Buffer> {
  const { status, value } = await asJob(jobs, () => chunkCrcTable(store, chunkId, version));
  return CSTOAN_CHUNK_CHECKSUM_TAB.encode(
    value === undefined
      ? { layout: 'status', chunkId, version, status }
      : { layout: 'data', chunkId, version, crcs: value },
  );
}

/** The reply to a query about a chunk. Throws DecodeError at once when the payload is not what it must be. */
export function answerChunkQuery(store: Store, jobs: Jobs, type: number, payload: Buffer): Promise<Buffer> {
  switch (type) {
    case ANTOCS_GET_CHUNK_BLOCKS.number:
      return blocksReply(store, jobs, ANTOCS_GET_CHUNK_BLOCKS.decode(payload));
    case ANTOCS_GET_CHUNK_CHECKSUM.number:
      return checksumReply(store, jobs, ANTOCS_GET_CHUNK_CHECKSUM.decode(payload));
    default:
      return tableReply(store, jobs, ANTOCS_GET_CHUNK_CHECKSUM_TAB.decode(payload));
  }
}
