import { runInSlices } from '@alces/runtime';
import { NONE, UNKNOWN_BLOCKS } from '../store/chunkTable.ts';
import { folderOf, noteBlocks, type Store } from '../store/context.ts';
import { errorCode } from '../store/failures.ts';
import { layoutOfSize, OLD_HEADER_BYTES, parseChunkFileName, subfolderName } from '../store/format.ts';
import { dropChunk, enterFoundChunk } from '../store/membership.ts';
import { type ChunkDbEntry, chunkDbCount, readChunkDb, SLICE_MS, takeChunkDb } from './chunkdb.ts';
import { chunkPath, type Folder, SUBFOLDERS } from './folder.ts';

/** Finding a folder's chunks (spec 30 §2.8). File contents are not looked at. */

function rememberDuplicate(folder: Folder, chunkId: number, version: number, subfolder: number): void {
  if (!folder.readOnly) folder.duplicates.push({ chunkId, version, subfolder });
}

/** The file that was known so far lost against a newer copy. */
function replaceKnown(store: Store, slot: number, version: number, folder: Folder, subfolder: number): number {
  const { table } = store;
  const chunkId = table.id(slot);
  rememberDuplicate(folderOf(store, slot), chunkId, table.version(slot), table.subfolder(slot));
  dropChunk(store, slot);
  store.reports.changed(chunkId);
  return enterFoundChunk(store, chunkId, version, folder, subfolder);
}

/** Enters a chunk file, or remembers it as a duplicate. Answers the slot, NONE for a duplicate. */
function enter(store: Store, folder: Folder, subfolder: number, chunkId: number, version: number): number {
  const { table, active, reports } = store;
  const known = table.find(chunkId);
  if (known === NONE) {
    reports.found(chunkId);
    return enterFoundChunk(store, chunkId, version, folder, subfolder);
  }
  const sameFile =
    table.folder(known) === folder.number && table.subfolder(known) === subfolder && table.version(known) === version;
  if (sameFile) return known;
  if (version > table.version(known) && !active.isInUse(chunkId))
    return replaceKnown(store, known, version, folder, subfolder);
  rememberDuplicate(folder, chunkId, version, subfolder);
  return NONE;
}

function enterFromDb(store: Store, folder: Folder, { chunkId, version, subfolder, layout }: ChunkDbEntry): void {
  const slot = enter(store, folder, subfolder, chunkId, version);
  if (slot === NONE || !layout || store.table.blocks(slot) !== UNKNOWN_BLOCKS) return;
  store.table.setOldHeader(slot, layout.headerBytes === OLD_HEADER_BYTES);
  noteBlocks(store, slot, layout.blocks, UNKNOWN_BLOCKS);
}

async function ignoringMissing<T>(operation: Promise<T>): Promise<T | undefined> {
  try {
    return await operation;
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}

/** Moves the files of one folder of the ancient layout (`0` .. `F`) to the subfolders by the low bits of the chunk id. */
async function emptyAncientFolder(store: Store, folder: Folder, digit: string): Promise<void> {
  const { files } = store;
  const names = await ignoringMissing(files.list(`${folder.root}${digit}`));
  if (!names) return;
  for (const name of names) {
    const parsed = parseChunkFileName(name);
    if (!parsed) continue;
    const target = subfolderName(parsed.chunkId % SUBFOLDERS);
    await files.rename(`${folder.root}${digit}/${name}`, `${folder.root}${target}/${name}`);
  }
  try {
    await files.removeFolder(`${folder.root}${digit}`);
  } catch (error) {
    if (errorCode(error) !== 'ENOTEMPTY' && errorCode(error) !== 'EEXIST') throw error;
  }
}

async function prepareSubfolders(store: Store, folder: Folder): Promise<void> {
  for (let subfolder = 0; subfolder < SUBFOLDERS; subfolder++)
    await store.files.makeFolder(folder.root + subfolderName(subfolder));
  for (let digit = 0; digit < 16; digit++) await emptyAncientFolder(store, folder, digit.toString(16).toUpperCase());
}

/** In a folder with a "use at most" limit the sizes must be known; a file that is no chunk goes the way of duplicates. */
async function lookAtFile(store: Store, folder: Folder, slot: number): Promise<void> {
  const { table } = store;
  const chunkId = table.id(slot);
  const version = table.version(slot);
  const subfolder = table.subfolder(slot);
  const info = await ignoringMissing(store.files.info(chunkPath(folder, subfolder, chunkId, version)));
  // Meanwhile an operation may have changed or removed the chunk.
  if (table.find(chunkId) !== slot || table.version(slot) !== version || table.folder(slot) !== folder.number) return;
  if (store.active.isInUse(chunkId)) return;
  const layout = info?.isFile ? layoutOfSize(info.sizeBytes) : undefined;
  if (!info || !layout) {
    rememberDuplicate(folder, chunkId, version, subfolder);
    dropChunk(store, slot);
    store.reports.lost(chunkId);
    return;
  }
  if (table.blocks(slot) === UNKNOWN_BLOCKS) {
    table.setOldHeader(slot, layout.headerBytes === OLD_HEADER_BYTES);
    noteBlocks(store, slot, layout.blocks, UNKNOWN_BLOCKS);
  }
  if (table.lastUse(slot) === 0) table.setLastUse(slot, Math.max(info.accessedSeconds, info.modifiedSeconds));
}

async function scanSubfolder(store: Store, folder: Folder, subfolder: number): Promise<void> {
  const names = await ignoringMissing(store.files.list(folder.root + subfolderName(subfolder)));
  const entered: number[] = [];
  for (const name of names ?? []) {
    const parsed = parseChunkFileName(name);
    if (!parsed) continue;
    const slot = enter(store, folder, subfolder, parsed.chunkId, parsed.version);
    if (slot !== NONE) entered.push(parsed.chunkId);
  }
  if (folder.line.limit.kind !== 'atMost') return;
  for (const chunkId of entered) {
    const slot = store.table.find(chunkId);
    if (slot !== NONE && store.table.folder(slot) === folder.number) await lookAtFile(store, folder, slot);
  }
}

const SLOTS_PER_STEP = 64;

/**
 * The background tests take the chunks of a folder in random order first. In steps: chunks that come or are used meanwhile stand where
 * they happen to.
 */
function* shuffle({ table, random }: Store, folder: Folder): Generator<void, void> {
  const isHere = (slot: number) => table.isUsed(slot) && table.folder(slot) === folder.number;
  const slots = new Int32Array(table.slotLimit);
  let count = 0;
  for (let slot = 0; slot < slots.length; slot++) {
    if (isHere(slot)) slots[count++] = slot;
    if (slot % SLOTS_PER_STEP === 0) yield;
  }
  for (let last = count - 1; last >= 0; last--) {
    const other = random.below(last + 1);
    const slot = slots[other];
    slots[other] = slots[last];
    if (isHere(slot)) table.toEnd(slot);
    if (last % SLOTS_PER_STEP === 0) yield;
  }
}

async function scanFully(store: Store, folder: Folder, stopped: () => boolean): Promise<void> {
  if (!folder.line.marked) await prepareSubfolders(store, folder);
  for (let subfolder = 0; subfolder < SUBFOLDERS && !stopped(); subfolder++) {
    await scanSubfolder(store, folder, subfolder);
    folder.scanPercent = Math.floor(((subfolder + 1) * 100) / SUBFOLDERS);
    store.reports.spaceChanged();
  }
}

/**
 * Finds all chunks of a folder. `stopped` is asked between the subfolders. Throws system errors, after which the folder is
 * of no use.
 */
export async function scanFolder(store: Store, folder: Folder, stopped: () => boolean): Promise<void> {
  const db = folder.readOnly ? undefined : await takeChunkDb(store, folder);
  const inSlices = (steps: Generator<void, void>) => runInSlices(store.clock, SLICE_MS, steps);
  if (db) store.table.reserve(chunkDbCount(db));
  if (db) await inSlices(readChunkDb(db, (entry) => enterFromDb(store, folder, entry)));
  else await scanFully(store, folder, stopped);
  await inSlices(shuffle(store, folder));
}
