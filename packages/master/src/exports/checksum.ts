import { crc32 } from 'node:zlib';
import type { ExportRecord } from './record.ts';

const RECORD_BYTES = 62;

const rotateLeft = (word: number, bits: number) => (word << bits) | (word >>> (32 - bits));
const scramble = (word: number) => Math.imul(rotateLeft(Math.imul(word, 0xcc9e2d51), 15), 0x1b873593);

/** MurmurHash3 x86 32-bit, but with the body words read big-endian (spec 00 §5.8). */
function murmur3BigEndian(data: Buffer, seed: number): number {
  const body = data.length & ~3;
  let hash = seed;
  for (let at = 0; at < body; at += 4)
    hash = (Math.imul(rotateLeft(hash ^ scramble(data.readInt32BE(at)), 13), 5) + 0xe6546b64) | 0;
  const tail = data.length & 3;
  if (tail > 0) hash ^= scramble(data.readUIntLE(body, tail));
  hash ^= data.length;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}

function recordBytes(record: ExportRecord): Buffer {
  const bytes = Buffer.alloc(RECORD_BYTES);
  let at = bytes.writeUInt32BE(record.fromIp);
  at = bytes.writeUInt32BE(record.toIp, at);
  at = bytes.writeUInt32BE(record.minVersion, at);
  record.passwordMd5?.copy(bytes, at);
  at += 16;
  const flags =
    (record.alldirs ? 8 : 0) | (record.passwordMd5 ? 4 : 0) | (record.meta ? 2 : 0) | (record.maprootGiven ? 1 : 0);
  for (const byte of [flags, record.sesflags, record.minGoal, record.maxGoal]) at = bytes.writeUInt8(byte, at);
  at = bytes.writeUInt16BE(record.umask, at);
  const words = [record.minTrashSeconds, record.maxTrashSeconds, record.rootUid, record.rootGid];
  for (const word of [...words, record.mapallUid, record.mapallGid, record.disables])
    at = bytes.writeUInt32BE(word, at);
  return bytes;
}

/** The contribution of one record to the checksum of the exports. */
export function recordChecksum(record: ExportRecord): bigint {
  const bytes = recordBytes(record);
  const { path } = record;
  let crc = crc32(bytes, 0xffffffff);
  let hash = murmur3BigEndian(bytes, 0);
  if (path.length > 0) {
    crc = crc32(path, crc);
    hash = murmur3BigEndian(path, hash);
  }
  return (BigInt(crc) << 32n) | BigInt(hash);
}

/** The exports checksum stored in sessions (spec 00 §5.8); the order of the records does not matter, no records give 0. */
export function exportsChecksum(records: readonly ExportRecord[]): bigint {
  return BigInt.asUintN(
    64,
    records.reduce((sum, record) => sum + recordChecksum(record), 0n),
  );
}
