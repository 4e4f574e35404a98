import { CHUNK_SIZE, Status } from '@alces/proto';
import { ensureLayout, ensureOpen, pathOf, tableOf, withChunk } from './access.ts';
import type { Store } from './context.ts';
import { folderOf } from './context.ts';
import { copyChunk } from './copy.ts';
import { ChunkFailure, errorCode, folderFailed, statusOf } from './failures.ts';
import { checksumOfTable } from './format.ts';
import { dropChunk } from './membership.ts';
import { withNewChunk } from './newChunk.ts';
import { changeVersion, resizeChunk } from './resize.ts';
import { testChunk } from './verify.ts';

/**
 * The operations that a master orders (spec 30 §1.15). Each answers a MooseFS status and never throws for an error of a disk
 * or a chunk. `version` 0 means "do not check" where a master may say so.
 */

async function status(operation: Promise<void>): Promise<number> {
  try {
    await operation;
    return Status.OK;
  } catch (error) {
    return statusOf(error);
  }
}

function refuse(): Promise<never> {
  return Promise.reject(new ChunkFailure(Status.EINVAL, 'invalid argument'));
}

export function createChunk(store: Store, chunkId: number, version: number): Promise<number> {
  store.counters.creates++;
  return status(withNewChunk(store, chunkId, version, async () => {}));
}

async function unlinkChunk(store: Store, chunkId: number, version: number): Promise<void> {
  await withChunk(store, chunkId, version, 'exclusive', async (chunk) => {
    const folder = folderOf(store, chunk.slot);
    // The file's space becomes free when it is closed, and that is to be so when the master is told.
    chunk.needsSync = false;
    await store.active.closeFile(chunk);
    try {
      await folder.gate.run(() => store.files.unlink(pathOf(store, chunk.slot)));
    } catch (error) {
      if (errorCode(error) !== 'ENOENT') {
        folderFailed(store, folder, chunkId, error);
        throw new ChunkFailure(Status.IO, String(error));
      }
    }
    dropChunk(store, chunk.slot);
  });
}

export function deleteChunk(store: Store, chunkId: number, version: number): Promise<number> {
  store.counters.deletes++;
  return status(unlinkChunk(store, chunkId, version));
}

export function setVersion(store: Store, chunkId: number, newVersion: number, oldVersion: number): Promise<number> {
  store.counters.versionChanges++;
  if (newVersion === 0) return status(refuse());
  return status(withChunk(store, chunkId, oldVersion, 'exclusive', (chunk) => changeVersion(store, chunk, newVersion)));
}

export function truncateChunk(
  store: Store,
  chunkId: number,
  lengthBytes: number,
  newVersion: number,
  oldVersion: number,
): Promise<number> {
  store.counters.truncates++;
  if (newVersion === 0 || lengthBytes > CHUNK_SIZE) return status(refuse());
  return status(
    withChunk(store, chunkId, oldVersion, 'exclusive', (chunk) => resizeChunk(store, chunk, lengthBytes, newVersion)),
  );
}

/** Source and copy of a duplication. */
export interface Duplication {
  sourceId: number;
  sourceVersion: number;
  /** Differs from `sourceVersion` only in the generic operation. */
  newSourceVersion?: number;
  copyId: number;
  /** 0: the source's (new) version. */
  copyVersion: number;
  /** Absent: as long as the source. */
  lengthBytes?: number;
}

export function duplicateChunk(store: Store, order: Duplication): Promise<number> {
  if (order.lengthBytes === undefined) store.counters.duplicates++;
  else store.counters.duplicateTruncates++;
  if (order.sourceVersion === 0 || order.copyId === 0 || (order.lengthBytes ?? 0) > CHUNK_SIZE) return status(refuse());
  const newSourceVersion = order.newSourceVersion ?? order.sourceVersion;
  return status(
    copyChunk(store, {
      sourceId: order.sourceId,
      sourceVersion: order.sourceVersion,
      newSourceVersion,
      copyId: order.copyId,
      copyVersion: order.copyVersion === 0 ? newSourceVersion : order.copyVersion,
      ...(order.lengthBytes !== undefined && { lengthBytes: order.lengthBytes }),
    }),
  );
}

export function testChunkForMaster(store: Store, chunkId: number, version: number): Promise<number> {
  store.counters.tests++;
  return status(testChunk(store, chunkId, version));
}

/** The fields of the generic operation (message 152). */
export interface GenericOrder {
  chunkId: number;
  version: number;
  newVersion: number;
  copyId: number;
  copyVersion: number;
  length: number;
}

const NO_LENGTH = 0xffff_ffff;

/** The generic operation: one of the others, chosen by which fields are set (spec 30 §1.15.8). */
export function genericOperation(store: Store, order: GenericOrder): Promise<number> {
  const { chunkId, version, newVersion, copyId, length } = order;
  if (newVersion === 0) {
    if (length === 0) return deleteChunk(store, chunkId, version);
    if (length === 1) return createChunk(store, chunkId, version);
    return length === 2 ? testChunkForMaster(store, chunkId, version) : status(refuse());
  }
  if (length !== NO_LENGTH && length > CHUNK_SIZE) return status(refuse());
  if (copyId === 0) {
    return length === NO_LENGTH
      ? setVersion(store, chunkId, newVersion, version)
      : truncateChunk(store, chunkId, length, newVersion, version);
  }
  return duplicateChunk(store, {
    sourceId: chunkId,
    sourceVersion: version,
    newSourceVersion: newVersion,
    copyId,
    copyVersion: order.copyVersion,
    ...(length !== NO_LENGTH && { lengthBytes: length }),
  });
}

/** What a query about a chunk answers: a value or the status of its failure. */
export type Answer<T> = { status: typeof Status.OK; value: T } | { status: number; value?: undefined };

async function answer<T>(query: Promise<T>): Promise<Answer<T>> {
  try {
    return { status: Status.OK, value: await query };
  } catch (error) {
    return { status: statusOf(error) };
  }
}

/** Number of blocks (message 250). */
export function chunkBlocks(store: Store, chunkId: number, version: number): Promise<Answer<number>> {
  return answer(
    withChunk(store, chunkId, version, 'shared', async (chunk) => {
      await ensureLayout(store, chunk.slot);
      return store.table.blocks(chunk.slot);
    }),
  );
}

/** A copy of the CRC table (message 302). */
export function chunkCrcTable(store: Store, chunkId: number, version: number): Promise<Answer<Buffer>> {
  return answer(
    withChunk(store, chunkId, version, 'shared', async (chunk) => {
      await ensureOpen(store, chunk);
      return Buffer.from(tableOf(chunk));
    }),
  );
}

/** The checksum of the CRC table (message 300). */
export async function chunkChecksum(store: Store, chunkId: number, version: number): Promise<Answer<number>> {
  const table = await chunkCrcTable(store, chunkId, version);
  return table.value ? { status: Status.OK, value: checksumOfTable(table.value) } : { status: table.status };
}
