import { BLOCK_SIZE, Status } from '@alces/proto';
import { chunkPath, type Folder } from '../disks/folder.ts';
import type { ActiveChunk } from './activeChunks.ts';
import { NONE, UNKNOWN_BLOCKS } from './chunkTable.ts';
import { folderOf, noteBlocks, type Store } from './context.ts';
import { ChunkFailure, ContentError, chunkFailed, folderFailed, isShortage, statusOf } from './failures.ts';
import {
  decodeHeader,
  HEADER_BYTES,
  layoutOfSize,
  OLD_HEADER_BYTES,
  SIGNIFICANT_HEADER_BYTES,
  TABLE_BYTES,
} from './format.ts';

/** How long an operation waits for a chunk that another one holds. */
const LOCK_PATIENCE_MS = 10_000;

export type LockMode = 'shared' | 'exclusive';

/** The chunk's slot; reports the chunk as lost when it is not here. */
export function findChunk(store: Store, chunkId: number): number {
  const slot = store.table.find(chunkId);
  if (slot === NONE) {
    store.reports.lost(chunkId);
    throw new ChunkFailure(Status.NOCHUNK, 'no such chunk');
  }
  return slot;
}

function checkVersion(store: Store, slot: number, version: number): void {
  if (version !== 0 && store.table.version(slot) !== version)
    throw new ChunkFailure(Status.WRONGVERSION, `version is ${store.table.version(slot)}, not ${version}`);
}

/**
 * Runs `body` with the chunk locked. `version` 0 matches any. Throws ChunkFailure NOCHUNK (and reports the chunk as lost),
 * WRONGVERSION, or NOTDONE when the lock could not be had in 10 s; and what `body` throws.
 */
export async function withChunk<T>(
  store: Store,
  chunkId: number,
  version: number,
  mode: LockMode,
  body: (chunk: ActiveChunk) => Promise<T>,
): Promise<T> {
  const chunk = store.active.take(chunkId, findChunk(store, chunkId));
  const exclusive = mode === 'exclusive';
  try {
    if (!(await chunk.lock.acquire(exclusive, store.clock, LOCK_PATIENCE_MS)))
      throw new ChunkFailure(Status.NOTDONE, 'the chunk is busy');
    try {
      if (chunk.gone) findChunk(store, chunkId);
      if (chunk.gone) throw new ChunkFailure(Status.NOTDONE, 'the chunk was replaced meanwhile');
      checkVersion(store, chunk.slot, version);
      store.table.use(chunk.slot, store.clock.unixSeconds());
      return await body(chunk);
    } finally {
      chunk.lock.release(exclusive);
    }
  } finally {
    store.active.leave(chunk, store.clock.monotonicMs());
  }
}

/** The file of a chunk as it is named now. */
export function pathOf(store: Store, slot: number): string {
  const { table } = store;
  return chunkPath(folderOf(store, slot), table.subfolder(slot), table.id(slot), table.version(slot));
}

export function headerBytesOf(store: Store, slot: number): number {
  return store.table.hasOldHeader(slot) ? OLD_HEADER_BYTES : HEADER_BYTES;
}

/** Looks at the file's size when it is not known yet (spec 30 §2.4). */
export async function ensureLayout(store: Store, slot: number): Promise<void> {
  if (store.table.blocks(slot) !== UNKNOWN_BLOCKS) return;
  const path = pathOf(store, slot);
  const folder = folderOf(store, slot);
  let problem: unknown;
  try {
    const info = await folder.gate.run(() => store.files.info(path));
    const layout = info.isFile ? layoutOfSize(info.sizeBytes) : undefined;
    if (layout) {
      store.table.setOldHeader(slot, layout.headerBytes === OLD_HEADER_BYTES);
      noteBlocks(store, slot, layout.blocks, UNKNOWN_BLOCKS);
      return;
    }
    problem = new ContentError(`${path}: a chunk file cannot have ${info.sizeBytes} bytes`);
  } catch (error) {
    if (isShortage(error)) throw error;
    problem = error;
  }
  chunkFailed(store, slot, problem);
  throw new ChunkFailure(Status.NOCHUNK, String(problem));
}

async function readStart(store: Store, folder: Folder, fd: number, headerBytes: number): Promise<Buffer> {
  const start = Buffer.allocUnsafeSlow(headerBytes + TABLE_BYTES);
  const bytes = await folder.gate.run(() => store.files.read(fd, [start], 0));
  store.counters.otherReads++;
  store.counters.otherBytesRead += bytes;
  if (bytes < start.length) throw new ContentError('the file ends within its header');
  return start;
}

function checkHeader(store: Store, slot: number, header: Buffer, versionMatters: boolean): void {
  const found = decodeHeader(header.subarray(0, SIGNIFICANT_HEADER_BYTES));
  if (!found) throw new ContentError('wrong signature in the header');
  if (found.chunkId !== BigInt(store.table.id(slot))) throw new ContentError(`the header says chunk ${found.chunkId}`);
  if (versionMatters && found.version !== store.table.version(slot))
    throw new ContentError(`the header says version ${found.version}, the name ${store.table.version(slot)}`);
}

async function openAndCheck(store: Store, chunk: ActiveChunk, versionMatters: boolean): Promise<void> {
  const folder = folderOf(store, chunk.slot);
  const headerBytes = headerBytesOf(store, chunk.slot);
  const mode = folder.readOnly ? 'read' : 'readWrite';
  const fd = await folder.gate.run(() => store.files.open(pathOf(store, chunk.slot), mode));
  try {
    const start = await readStart(store, folder, fd, headerBytes);
    checkHeader(store, chunk.slot, start, versionMatters);
    chunk.crcTable ??= Buffer.from(start.subarray(headerBytes));
    chunk.fd = fd;
  } catch (error) {
    await store.files.close(fd);
    throw error;
  }
}

async function openFile(store: Store, chunk: ActiveChunk, versionMatters: boolean): Promise<void> {
  await ensureLayout(store, chunk.slot);
  if (!store.active.reserveFile()) throw new ChunkFailure(Status.NOTDONE, 'too many open chunk files');
  try {
    await openAndCheck(store, chunk, versionMatters);
  } catch (error) {
    store.active.releaseFile();
    if (!isShortage(error)) chunkFailed(store, chunk.slot, error);
    throw new ChunkFailure(statusOf(error), String(error));
  }
}

/**
 * Makes sure that the file is open and its CRC table in memory; the caller holds the lock. The version in the header does
 * not matter while the version is being changed. Throws ChunkFailure NOCHUNK, IO or NOSPACE; then the chunk was reported
 * as damaged.
 */
export async function ensureOpen(store: Store, chunk: ActiveChunk, versionMatters = true): Promise<void> {
  if (chunk.fd >= 0 && chunk.crcTable) return;
  chunk.opening ??= openFile(store, chunk, versionMatters).finally(() => {
    chunk.opening = undefined;
  });
  await chunk.opening;
}

/** The CRC table of an open chunk. */
export function tableOf(chunk: ActiveChunk): Buffer {
  if (!chunk.crcTable) throw new Error(`chunk ${chunk.id} is not open`);
  return chunk.crcTable;
}

/** Closes the file of a chunk that nobody uses; with `sync` what was written survives a power loss afterwards. */
export async function closeChunkFile(store: Store, chunk: ActiveChunk, fd: number, sync: boolean): Promise<void> {
  const slot = store.table.find(chunk.id);
  const folder = slot === NONE ? undefined : folderOf(store, slot);
  let problem: unknown;
  try {
    if (sync && store.settings.syncBeforeClose) {
      const startMs = store.clock.monotonicMs();
      await store.files.sync(fd);
      const tookMs = store.clock.monotonicMs() - startMs;
      folder?.statistics.sync(tookMs);
      store.counters.writeNanoseconds += Math.round(tookMs * 1e6);
    }
  } catch (error) {
    problem = error;
  }
  try {
    await store.files.close(fd);
  } catch (error) {
    problem ??= error;
  }
  if (problem === undefined) return;
  const now = store.table.find(chunk.id);
  if (now !== NONE) chunkFailed(store, now, problem);
  else if (folder) folderFailed(store, folder, chunk.id, problem);
}

/** Writes the CRC table of an open chunk to its file. */
export async function writeTable(store: Store, chunk: ActiveChunk, table: Buffer): Promise<void> {
  const position = headerBytesOf(store, chunk.slot);
  await store.files.write(chunk.fd, [table], position);
  store.counters.otherWrites++;
  store.counters.otherBytesWritten += TABLE_BYTES;
  chunk.needsSync = true;
}

/** Notes a data block operation in the statistics of its folder and of the server. */
export function countBlocks(
  store: Store,
  folder: Folder,
  kind: 'read' | 'write',
  blocks: number,
  startMs: number,
): void {
  const tookMs = store.clock.monotonicMs() - startMs;
  const bytes = blocks * BLOCK_SIZE;
  if (kind === 'read') {
    folder.statistics.read(blocks, bytes, tookMs);
    store.counters.dataReads += blocks;
    store.counters.dataBytesRead += bytes;
    store.counters.readNanoseconds += Math.round(tookMs * 1e6);
  } else {
    folder.statistics.write(blocks, bytes, tookMs);
    store.counters.dataWrites += blocks;
    store.counters.dataBytesWritten += bytes;
    store.counters.writeNanoseconds += Math.round(tookMs * 1e6);
  }
}
