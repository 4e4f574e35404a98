import { BLOCK_SIZE, BLOCKS_IN_CHUNK, CRC_ZERO_BLOCK } from '@alces/proto';

/** The chunk file (spec 30 §2.2, §2.3): name, 20-byte header, CRC table, blocks. */

/** Header bytes before the CRC table in files made by 3.x. */
export const HEADER_BYTES = 4096;
/** The same in files of older versions; they stay usable in place. */
export const OLD_HEADER_BYTES = 1024;
export const TABLE_BYTES = BLOCKS_IN_CHUNK * 4;
/** The part of the header that carries information. */
export const SIGNIFICANT_HEADER_BYTES = 20;
/** Position of the version in the header. */
export const VERSION_POSITION = 16;

const SIGNATURE = 'MFSC 1.0';
const SIGNATURES: readonly string[] = [SIGNATURE, 'MFSC 1.1'];

const ZERO_BLOCK = Buffer.alloc(BLOCK_SIZE);

/** A CRC table of a chunk without data: all entries are the CRC of a block of zeros. */
export function emptyTable(): Buffer {
  const table = Buffer.allocUnsafeSlow(TABLE_BYTES);
  for (let at = 0; at < TABLE_BYTES; at += 4) table.writeUInt32BE(CRC_ZERO_BLOCK, at);
  return table;
}

/** `piece` is at most one block long. */
export function isZero(piece: Buffer): boolean {
  return piece.compare(ZERO_BLOCK, 0, piece.length) === 0;
}

const hex = (value: number, digits: number) => value.toString(16).toUpperCase().padStart(digits, '0');

export function chunkFileName(chunkId: number, version: number): string {
  return `chunk_${hex(chunkId, 16)}_${hex(version, 8)}.mfs`;
}

/** The file in which a chunk is moved to another folder of this server, before it gets its final name. */
export function moveFileName(chunkId: number): string {
  return `reptmp_chunk_${hex(chunkId, 16)}`;
}

export function subfolderName(subfolder: number): string {
  return hex(subfolder, 2);
}

const NAME_PATTERN = /^chunk_([0-9A-F]{16})_([0-9A-F]{8})\.mfs$/;

/** Id and version from a file name; undefined when it is not a chunk's. Ids above 2^53 do not exist in practice. */
export function parseChunkFileName(name: string): { chunkId: number; version: number } | undefined {
  const match = NAME_PATTERN.exec(name);
  if (!match) return undefined;
  const chunkId = Number.parseInt(match[1], 16);
  return Number.isSafeInteger(chunkId) ? { chunkId, version: Number.parseInt(match[2], 16) } : undefined;
}

/** The beginning of a new chunk file: header, zero filled, and the given table (zeros when absent). */
export function encodeChunkStart(chunkId: number, version: number, table?: Buffer): Buffer {
  const start = Buffer.alloc(HEADER_BYTES + TABLE_BYTES);
  start.write(SIGNATURE, 0, 'latin1');
  start.writeBigUInt64BE(BigInt(chunkId), 8);
  start.writeUInt32BE(version, VERSION_POSITION);
  table?.copy(start, HEADER_BYTES);
  return start;
}

/** Id and version as the header says; undefined when it is not the header of a chunk file. */
export function decodeHeader(header: Buffer): { chunkId: bigint; version: number } | undefined {
  if (header.length < SIGNIFICANT_HEADER_BYTES || !SIGNATURES.includes(header.toString('latin1', 0, 8)))
    return undefined;
  return { chunkId: header.readBigUInt64BE(8), version: header.readUInt32BE(VERSION_POSITION) };
}

/** Header size and number of blocks that a file of this size has; undefined when no chunk file has it. */
export function layoutOfSize(sizeBytes: number): { headerBytes: number; blocks: number } | undefined {
  const headerBytes = (sizeBytes - TABLE_BYTES) % BLOCK_SIZE;
  if (headerBytes !== HEADER_BYTES && headerBytes !== OLD_HEADER_BYTES) return undefined;
  const blocks = (sizeBytes - TABLE_BYTES - headerBytes) / BLOCK_SIZE;
  return blocks >= 0 && blocks <= BLOCKS_IN_CHUNK ? { headerBytes, blocks } : undefined;
}

/** Position of a block's data in the file. */
export function blockPosition(headerBytes: number, block: number): number {
  return headerBytes + TABLE_BYTES + block * BLOCK_SIZE;
}

/** The one number for a whole chunk that message 301 carries (spec 20 §4). */
export function checksumOfTable(table: Buffer): number {
  let value = 1;
  for (let at = 0; at < TABLE_BYTES; at += 4) value = (Math.imul(value, 426265243) ^ table.readUInt32BE(at)) >>> 0;
  return value;
}
