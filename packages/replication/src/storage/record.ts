import { crc32 } from '@alces/proto';
import { type Entry, MAX_ENTRY_BYTES, MAX_NOTE_BYTES } from '../entry.ts';

/** A record: CRC-32 of what follows, length of data, length of note (all ones: none), version, data, note. Big-endian. */
export const RECORD_HEADER_BYTES = 20;
const NO_NOTE = 0xffff_ffff;

export const MAX_RECORD_BYTES = RECORD_HEADER_BYTES + MAX_ENTRY_BYTES + MAX_NOTE_BYTES;

export function recordBytes(entry: Entry): number {
  return RECORD_HEADER_BYTES + entry.data.length + (entry.note?.length ?? 0);
}

/** The records of some entries, one after the other. */
export function encodeRecords(entries: readonly Entry[]): Buffer {
  const bytes = Buffer.allocUnsafe(entries.reduce((sum, entry) => sum + recordBytes(entry), 0));
  let at = 0;
  for (const { version, data, note } of entries) {
    const end = at + recordBytes({ version, data, note });
    bytes.writeUInt32BE(data.length, at + 4);
    bytes.writeUInt32BE(note === undefined ? NO_NOTE : note.length, at + 8);
    bytes.writeBigUInt64BE(BigInt(version), at + 12);
    data.copy(bytes, at + RECORD_HEADER_BYTES);
    note?.copy(bytes, at + RECORD_HEADER_BYTES + data.length);
    bytes.writeUInt32BE(crc32(bytes.subarray(at + 4, end)), at);
    at = end;
  }
  return bytes;
}

/** The length of the record at `at`; 0: more bytes are needed to tell; -1: this is no record. */
function lengthAt(bytes: Buffer, at: number): number {
  if (bytes.length - at < RECORD_HEADER_BYTES) return 0;
  const dataLength = bytes.readUInt32BE(at + 4);
  const noteLength = bytes.readUInt32BE(at + 8);
  if (dataLength > MAX_ENTRY_BYTES) return -1;
  if (noteLength === NO_NOTE) return RECORD_HEADER_BYTES + dataLength;
  return noteLength > MAX_NOTE_BYTES ? -1 : RECORD_HEADER_BYTES + dataLength + noteLength;
}

/**
 * The entry at `at` and its length; undefined: the bytes end before it does; 'bad': what is there is not the record of `version`.
 * Data and note are views.
 */
export function decodeRecord(
  bytes: Buffer,
  at: number,
  version: number,
): { entry: Entry; length: number } | 'bad' | undefined {
  const length = lengthAt(bytes, at);
  if (length < 0) return 'bad';
  if (length === 0 || bytes.length - at < length) return undefined;
  const record = bytes.subarray(at, at + length);
  if (crc32(record.subarray(4)) !== record.readUInt32BE(0)) return 'bad';
  if (record.readBigUInt64BE(12) !== BigInt(version)) return 'bad';
  const dataEnd = RECORD_HEADER_BYTES + record.readUInt32BE(4);
  const note = record.readUInt32BE(8) === NO_NOTE ? undefined : record.subarray(dataEnd);
  return { entry: { version, data: record.subarray(RECORD_HEADER_BYTES, dataEnd), note }, length };
}
