import { BLOCKS_IN_CHUNK } from '@alces/proto';
import type { ChunkFiles } from '../os/files.ts';
import { UNKNOWN_BLOCKS } from '../store/chunk-table.ts';
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

function decodeEntry(file: Buffer, at: number, old: boolean): ChunkDbEntry | undefined {
  const blocks = file.readUInt16BE(at + 12);
  const headerBytes = old ? OLD_HEADER_BYTES : file.readUInt16BE(at + 14);
  const subfolder = file.readUInt16BE(at + (old ? 14 : 16));
  const chunkId = file.readBigUInt64BE(at);
  if (subfolder >= SUBFOLDERS || chunkId > BigInt(Number.MAX_SAFE_INTEGER)) return undefined;
  const known = blocks < BLOCKS_IN_CHUNK && (headerBytes === HEADER_BYTES || headerBytes === OLD_HEADER_BYTES);
  return {
    chunkId: Number(chunkId),
    version: file.readUInt32BE(at + 8),
    subfolder,
    layout: known ? { blocks, headerBytes } : undefined,
  };
}

/** The entries of a file written for this path; undefined when it cannot be trusted in every point. */
export function decodeChunkDb(file: Buffer, path: string): ChunkDbEntry[] | undefined {
  const signature = file.toString('latin1', 0, SIGNATURE_BYTES);
  const old = signature === OLD_SIGNATURE;
  if ((!old && signature !== SIGNATURE) || file.length < SIGNATURE_BYTES + 2) return undefined;
  const start = SIGNATURE_BYTES + 2 + file.readUInt16BE(SIGNATURE_BYTES);
  const entryBytes = old ? OLD_ENTRY_BYTES : ENTRY_BYTES;
  if (file.length < start + entryBytes || (file.length - start) % entryBytes !== 0) return undefined;
  if (!file.subarray(SIGNATURE_BYTES + 2, start).equals(Buffer.from(path))) return undefined;
  const end = file.length - entryBytes;
  if (!file.subarray(end).equals(Buffer.alloc(entryBytes))) return undefined;
  const entries: ChunkDbEntry[] = [];
  for (let at = start; at < end; at += entryBytes) {
    const entry = decodeEntry(file, at, old);
    if (!entry) return undefined;
    entries.push(entry);
  }
  return entries;
}

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
export async function takeChunkDb(store: Store, folder: Folder): Promise<ChunkDbEntry[] | undefined> {
  try {
    if (!(await isFresh(store.files, folder))) return undefined;
    const file = await store.files.readFile(folder.root + FILE_NAME);
    await store.files.unlink(folder.root + FILE_NAME);
    return decodeChunkDb(file, folder.path);
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
