import { Status } from '@alces/proto';
import { chunkPath, type Folder } from '../disks/folder.ts';
import { chooseFolder } from '../disks/placement.ts';
import type { ActiveChunk } from './activeChunks.ts';
import { NONE } from './chunkTable.ts';
import type { Store } from './context.ts';
import { ChunkFailure, folderFailed, isShortage, statusOf } from './failures.ts';
import { emptyTable, encodeChunkStart } from './format.ts';
import { dropChunk, enterNewChunk } from './membership.ts';

function placeFor(store: Store, chunkId: number): Folder {
  if (store.table.find(chunkId) !== NONE) throw new ChunkFailure(Status.CHUNKEXIST, 'the chunk exists');
  const folder = chooseFolder(store.folders, store.clock);
  if (!folder) throw new ChunkFailure(Status.NOSPACE, 'no folder has space');
  return folder;
}

/** Makes the file; a table given is written with the header, otherwise the file gets zeros and the memory an empty table. */
async function makeFile(store: Store, chunk: ActiveChunk, path: string, folder: Folder, table?: Buffer): Promise<void> {
  if (!store.active.reserveFile()) throw new ChunkFailure(Status.NOTDONE, 'too many open chunk files');
  let fd: number;
  try {
    fd = await folder.gate.run(() => store.files.open(path, 'createNew'));
  } catch (error) {
    store.active.releaseFile();
    throw error;
  }
  // From here on the file belongs to the chunk and is closed with it.
  chunk.fd = fd;
  chunk.crcTable = table ?? emptyTable();
  const start = encodeChunkStart(chunk.id, store.table.version(chunk.slot), table);
  try {
    await folder.gate.run(() => store.files.write(fd, [start], 0));
  } catch (error) {
    await removeFile(store, folder, chunk.id, path);
    throw error;
  }
  store.counters.otherWrites++;
  store.counters.otherBytesWritten += start.length;
}

async function removeFile(store: Store, folder: Folder, chunkId: number, path: string): Promise<void> {
  try {
    await folder.gate.run(() => store.files.unlink(path));
  } catch (error) {
    folderFailed(store, folder, chunkId, error);
  }
}

/**
 * Makes a new chunk and runs `fill` while nobody else can use it; when anything fails, the chunk and its file are gone again.
 * Throws ChunkFailure CHUNKEXIST, NOSPACE, NOTDONE, IO, and what `fill` throws.
 */
export async function withNewChunk(
  store: Store,
  chunkId: number,
  version: number,
  fill: (chunk: ActiveChunk, folder: Folder) => Promise<void>,
  table?: Buffer,
): Promise<void> {
  const folder = placeFor(store, chunkId);
  const slot = enterNewChunk(store, chunkId, version, folder);
  const path = chunkPath(folder, store.table.subfolder(slot), chunkId, version);
  const chunk = store.active.take(chunkId, slot);
  // Nobody can hold the lock of a chunk that did not exist in this turn.
  await chunk.lock.acquire(true, store.clock, 0);
  let made = false;
  try {
    await makeFile(store, chunk, path, folder, table);
    made = true;
    await fill(chunk, folder);
  } catch (error) {
    if (made) await removeFile(store, folder, chunkId, path);
    if (!chunk.gone) dropChunk(store, slot);
    if (error instanceof ChunkFailure) throw error;
    if (!isShortage(error)) folderFailed(store, folder, chunkId, error);
    throw new ChunkFailure(statusOf(error), String(error));
  } finally {
    chunk.lock.release(true);
    store.active.leave(chunk, store.clock.monotonicMs());
  }
}
