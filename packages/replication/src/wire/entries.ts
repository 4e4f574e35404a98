import { type Entry, MAX_ENTRY_BYTES, MAX_NOTE_BYTES } from '../entry.ts';
import { BadMessage } from './fields.ts';

const NO_NOTE = 0xffff_ffff;
const HEADER_BYTES = 8;

/** Packed forms of lists that go to several peers. */
const packed = new WeakMap<readonly Entry[], Buffer>();

/** Consecutive entries as bytes: length of data, length of note (all ones: none), data, note; each length 32 bits, big-endian. */
export function packEntries(entries: readonly Entry[]): Buffer {
  const known = packed.get(entries);
  if (known !== undefined) return known;
  const length = entries.reduce((sum, { data, note }) => sum + HEADER_BYTES + data.length + (note?.length ?? 0), 0);
  const bytes = Buffer.allocUnsafe(length);
  let at = 0;
  for (const { data, note } of entries) {
    bytes.writeUInt32BE(data.length, at);
    bytes.writeUInt32BE(note === undefined ? NO_NOTE : note.length, at + 4);
    at += HEADER_BYTES;
    at += data.copy(bytes, at);
    if (note !== undefined) at += note.copy(bytes, at);
  }
  packed.set(entries, bytes);
  return bytes;
}

/** The entries from `first` on; views of the bytes. Throws BadMessage. */
export function unpackEntries(bytes: Buffer, first: number): Entry[] {
  const entries: Entry[] = [];
  for (let at = 0; at < bytes.length; ) {
    if (bytes.length - at < HEADER_BYTES) throw new BadMessage('entries end in the middle');
    const dataLength = bytes.readUInt32BE(at);
    const noteField = bytes.readUInt32BE(at + 4);
    const noteLength = noteField === NO_NOTE ? 0 : noteField;
    at += HEADER_BYTES;
    if (dataLength > MAX_ENTRY_BYTES || noteLength > MAX_NOTE_BYTES || dataLength + noteLength > bytes.length - at)
      throw new BadMessage('an entry is too long');
    const data = bytes.subarray(at, at + dataLength);
    at += dataLength;
    entries.push({
      version: first + entries.length,
      data,
      note: noteField === NO_NOTE ? undefined : bytes.subarray(at, at + noteLength),
    });
    at += noteLength;
  }
  return entries;
}
