import type { Folder } from '../disks/folder.ts';
import { countNewChunk } from '../disks/placement.ts';
import { UNKNOWN_BLOCKS } from './chunkTable.ts';
import { folderOf, noteBlocks, type Store } from './context.ts';

/** Chunks come and go: the table, the counts of the folders and the chunks in use always change together. */

function folderChanged(store: Store, folder: Folder): void {
  folder.spaceIsStale = true;
  store.reports.spaceChanged();
}

/** Enters a chunk that is about to be made in the folder's current subfolder. */
export function enterNewChunk(store: Store, chunkId: number, version: number, folder: Folder): number {
  const slot = store.table.add(chunkId, version, folder.number, folder.currentSubfolder);
  noteBlocks(store, slot, 0, UNKNOWN_BLOCKS);
  folder.chunks++;
  countNewChunk(folder, folder.currentSubfolder, store.settings.roundRobinChunks);
  folderChanged(store, folder);
  return slot;
}

/** Enters a chunk whose file exists already. */
export function enterFoundChunk(
  store: Store,
  chunkId: number,
  version: number,
  folder: Folder,
  subfolder: number,
): number {
  const slot = store.table.add(chunkId, version, folder.number, subfolder);
  folder.chunks++;
  folder.subfolderChunks[subfolder]++;
  return slot;
}

/** Takes a chunk out of all lists; its file is the caller's business. */
export function dropChunk(store: Store, slot: number): void {
  const folder = folderOf(store, slot);
  noteBlocks(store, slot, UNKNOWN_BLOCKS, UNKNOWN_BLOCKS);
  folder.chunks--;
  folder.subfolderChunks[store.table.subfolder(slot)]--;
  store.active.forget(store.table.id(slot));
  store.table.remove(slot);
  folderChanged(store, folder);
}

/** The chunk's file was moved to a subfolder of another folder. */
export function relocateChunk(store: Store, slot: number, to: Folder, subfolder: number): void {
  const from = folderOf(store, slot);
  const blocks = store.table.blocks(slot);
  noteBlocks(store, slot, UNKNOWN_BLOCKS, UNKNOWN_BLOCKS);
  from.chunks--;
  from.subfolderChunks[store.table.subfolder(slot)]--;
  store.table.move(slot, to.number, subfolder);
  to.chunks++;
  countNewChunk(to, subfolder, store.settings.roundRobinChunks);
  noteBlocks(store, slot, blocks, UNKNOWN_BLOCKS);
  folderChanged(store, from);
  folderChanged(store, to);
}

/** A change of the file's length changes the free space. */
export function fileGrewOrShrank(store: Store, slot: number): void {
  folderChanged(store, folderOf(store, slot));
}
