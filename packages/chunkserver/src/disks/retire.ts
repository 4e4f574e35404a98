import type { Store } from '../store/context.ts';
import { dropChunk } from '../store/membership.ts';
import { chunkDbOf, putChunkDb } from './chunkdb.ts';
import type { Folder } from './folder.ts';

/** Taking folders out of use: given up because of errors, or no longer configured. */

/** Drops the chunks that nobody uses at the moment and reports them as lost; answers how many are left. */
export function dropIdleChunks(store: Store, folder: Folder): number {
  const slots = [...store.table.ofFolder(folder.number)];
  for (const slot of slots) {
    const chunkId = store.table.id(slot);
    if (store.active.isInUse(chunkId)) continue;
    dropChunk(store, slot);
    store.reports.lost(chunkId);
  }
  return folder.chunks;
}

/** Gives a folder up (spec 30 §2.10). Only a reload or a restart brings it back. */
export function markDamaged(store: Store, folder: Folder, reason: string): void {
  store.log.error(`hdd space manager: folder '${folder.path}' is damaged: ${reason}`);
  folder.damaged = true;
  // A read-only folder keeps its chunks: nothing can go wrong by reading them.
  if (!folder.readOnly) dropIdleChunks(store, folder);
  store.reports.spaceChanged();
}

/** Whether the folder's chunks may be listed in a `.chunkdb`. */
export function mayHaveChunkDb(folder: Folder): boolean {
  const complete = folder.phase === 'working' || folder.phase === 'scanned';
  return complete && !folder.damaged && !folder.readOnly && folder.duplicates.length === 0;
}

async function saveChunkDb(store: Store, folder: Folder, content: Buffer): Promise<void> {
  try {
    await putChunkDb(store.files, folder, content);
  } catch (error) {
    store.log.warn(`hdd space manager: can't write '${folder.path}.chunkdb': ${String(error)}`);
  }
}

/** Writes the `.chunkdb` of a folder at the end of the process. */
export async function saveFolder(store: Store, folder: Folder): Promise<void> {
  if (mayHaveChunkDb(folder)) await saveChunkDb(store, folder, chunkDbOf(store, folder));
}

/** Folders whose removal has begun; they stay in the list until it is complete, so that nobody takes them into use again. */
const leaving = new WeakSet<Folder>();

/**
 * Takes a folder out of use if none of its chunks is in use: writes `.chunkdb`, reports all chunks as lost, releases the lock.
 */
export async function tryRemoveFolder(store: Store, folder: Folder): Promise<void> {
  if (leaving.has(folder) || folder.phase === 'scanning' || folder.gate.load > 0) return;
  for (const slot of store.table.ofFolder(folder.number)) if (store.active.isInUse(store.table.id(slot))) return;
  leaving.add(folder);
  const content = mayHaveChunkDb(folder) ? chunkDbOf(store, folder) : undefined;
  dropIdleChunks(store, folder);
  if (content) await saveChunkDb(store, folder, content);
  folder.lock.release();
  store.folders = store.folders.filter((other) => other !== folder);
  store.reports.spaceChanged();
}
