import { BLOCKS_IN_CHUNK } from '@alces/proto';
import { runInSlices } from '@alces/runtime';
import type { ChunkFiles } from '../os/files.ts';
import { UNKNOWN_BLOCKS } from '../store/chunkTable.ts';
import type { Store } from '../store/context.ts';
import { errorCode } from '../store/failures.ts';
import { HEADER_BYTES, OLD_HEADER_BYTES, subfolderName } from '../store/format.ts';
import { type Folder, SUBFOLDERS } from './folder.ts';

/** `.chunkdb`: a folder's chunks, written at an orderly end so that the next start need not list 256 subfolders (spec 30 §2.2). */

export interface ChunkDbEntry {
  chunkId: number;
  version: number;
  subfolder: number;
  /** Undefined: nobody looked at the file. */
  layout: { blocks: number; headerBytes: number } | undefined;
}

const SIGNATURE = 'MFS CHUNKDB2';
const OLD_SIGNATURE = 'MFS CHUNKDB1';
const SIGNATURE_BYTES = 12;
const ENTRY_BYTES = 18;
const OLD_ENTRY_BYTES = 16;
const HIGH = 0x1_0000_0000;
/** Chunk ids are below 2^53. */
const MAX_ID_HIGH = 0x1f_ffff;

export function encodeChunkDb(path: string, count: number, entries: Iterable<ChunkDbEntry>): Buffer {
  const name = Buffer.from(path);
  const start = SIGNATURE_BYTES + 2 + name.length;
  const file = Buffer.alloc(start + (count + 1) * ENTRY_BYTES);
  file.write(SIGNATURE, 0, 'latin1');
  file.writeUInt16BE(name.length, SIGNATURE_BYTES);
  name.copy(file, SIGNATURE_BYTES + 2);
  let at = start;
  for (const entry of entries) {
    file.writeBigUInt64BE(BigInt(entry.chunkId), at);
    file.writeUInt32BE(entry.version, at + 8);
    file.writeUInt16BE(entry.layout?.blocks ?? UNKNOWN_BLOCKS, at + 12);
    file.writeUInt16BE(entry.layout?.headerBytes ?? 0, at + 14);
    file.writeUInt16BE(entry.subfolder, at + 16);
    at += ENTRY_BYTES;
  }
  return file;
}

/** A file written for this folder, whose entries were not looked at yet. */
export interface ChunkDb {
  readonly file: Buffer;
  readonly old: boolean;
  /** Where the entries begin, and where they end. */
  readonly start: number;
  readonly end: number;
}

/** Entries between two points at which work on them may be interrupted. */
const ENTRIES_PER_STEP = 64;

function entryBytesOf({ old }: { readonly old: boolean }): number {
  return old ? OLD_ENTRY_BYTES : ENTRY_BYTES;
}

/** The file as far as signature, length and path tell; undefined when it is not what it must be. */
export function openChunkDb(file: Buffer, path: string): ChunkDb | undefined {
  const signature = file.toString('latin1', 0, SIGNATURE_BYTES);
  const old = signature === OLD_SIGNATURE;
  if ((!old && signature !== SIGNATURE) || file.length < SIGNATURE_BYTES + 2) return undefined;
  const start = SIGNATURE_BYTES + 2 + file.readUInt16BE(SIGNATURE_BYTES);
  const entryBytes = entryBytesOf({ old });
  if (file.length < start + entryBytes || (file.length - start) % entryBytes !== 0) return undefined;
  if (!file.subarray(SIGNATURE_BYTES + 2, start).equals(Buffer.from(path))) return undefined;
  const end = file.length - entryBytes;
  if (!file.subarray(end).equals(Buffer.alloc(entryBytes))) return undefined;
  return { file, old, start, end };
}

/** Number of chunks in the file. */
export function chunkDbCount(db: ChunkDb): number {
  return (db.end - db.start) / entryBytesOf(db);
}

/** Whether every entry can be trusted; in steps. */
export function* checkChunkDb(db: ChunkDb): Generator<void, boolean> {
  const { file, old, start, end } = db;
  const entryBytes = entryBytesOf(db);
  let steps = 0;
  for (let at = start; at < end; at += entryBytes) {
    if (file.readUInt16BE(at + (old ? 14 : 16)) >= SUBFOLDERS || file.readUInt32BE(at) > MAX_ID_HIGH) return false;
    if (++steps % ENTRIES_PER_STEP === 0) yield;
  }
  return true;
}

/** Calls `take` for each entry of a checked file; in steps. */
export function* readChunkDb(db: ChunkDb, take: (entry: ChunkDbEntry) => void): Generator<void, void> {
  const entryBytes = entryBytesOf(db);
  let steps = 0;
  for (let at = db.start; at < db.end; at += entryBytes) {
    take(entryAt(db, at));
    if (++steps % ENTRIES_PER_STEP === 0) yield;
  }
}

function entryAt({ file, old }: ChunkDb, at: number): ChunkDbEntry {
  const blocks = file.readUInt16BE(at + 12);
  const headerBytes = old ? OLD_HEADER_BYTES : file.readUInt16BE(at + 14);
  const known = blocks < BLOCKS_IN_CHUNK && (headerBytes === HEADER_BYTES || headerBytes === OLD_HEADER_BYTES);
  return {
    chunkId: file.readUInt32BE(at) * HIGH + file.readUInt32BE(at + 4),
    version: file.readUInt32BE(at + 8),
    subfolder: file.readUInt16BE(at + (old ? 14 : 16)),
    layout: known ? { blocks, headerBytes } : undefined,
  };
}

/** Work on a long list goes on for so long before others have their turn. */
export const SLICE_MS = 5;

const FILE_NAME = '.chunkdb';
const TEMPORARY_NAME = '.tmp_chunkdb';

/** Whether nothing touched the folder and its subfolders after the file was written. */
async function isFresh(files: ChunkFiles, folder: Folder): Promise<boolean> {
  const written = (await files.info(folder.root + FILE_NAME)).modifiedSeconds;
  if ((await files.info(folder.root)).modifiedSeconds > written) return false;
  for (let subfolder = 0; subfolder < SUBFOLDERS; subfolder++) {
    const info = await files.info(folder.root + subfolderName(subfolder));
    if (info.modifiedSeconds > written || info.accessedSeconds > written) return false;
  }
  return true;
}

/** Reads and removes the file; undefined when there is none that can be used. */
export async function takeChunkDb(store: Store, folder: Folder): Promise<ChunkDb | undefined> {
  try {
    if (!(await isFresh(store.files, folder))) return undefined;
    const file = await store.files.readFile(folder.root + FILE_NAME);
    await store.files.unlink(folder.root + FILE_NAME);
    const db = openChunkDb(file, folder.path);
    return db !== undefined && (await runInSlices(store.clock, SLICE_MS, checkChunkDb(db))) ? db : undefined;
  } catch (error) {
    // Any trouble with it only means that the subfolders are listed instead.
    if (errorCode(error) === '') throw error;
    return undefined;
  }
}

function* entriesOf(store: Store, folder: Folder): Generator<ChunkDbEntry> {
  const { table } = store;
  for (const slot of table.ofFolder(folder.number)) {
    const blocks = table.blocks(slot);
    yield {
      chunkId: table.id(slot),
      version: table.version(slot),
      subfolder: table.subfolder(slot),
      layout:
        blocks === UNKNOWN_BLOCKS
          ? undefined
          : { blocks, headerBytes: table.hasOldHeader(slot) ? OLD_HEADER_BYTES : HEADER_BYTES },
    };
  }
}

/** What would be written for the folder now. */
export function chunkDbOf(store: Store, folder: Folder): Buffer {
  return encodeChunkDb(folder.path, folder.chunks, entriesOf(store, folder));
}

/** Writes the file so that it counts as fresh at the next start. */
export async function putChunkDb(files: ChunkFiles, folder: Folder, content: Buffer): Promise<void> {
  await files.writeFile(folder.root + TEMPORARY_NAME, content);
  await files.rename(folder.root + TEMPORARY_NAME, folder.root + FILE_NAME);
  // The rename touched the folder, perhaps in a later second than the writing.
  await files.touch(folder.root + FILE_NAME);
}
