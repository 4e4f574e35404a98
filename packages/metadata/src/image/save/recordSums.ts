import { crc32, crc32Zeros } from '@alces/proto';

/** Records up to this length are collected; the checksums of longer ones are taken one by one. */
const LONGEST_COLLECTED_BYTES = 1024;

/** The exclusive or of all records of one length. */
interface Collected {
  readonly bytes: Buffer;
  readonly view: DataView;
  records: number;
}

/**
 * The checksum of a part of an image: the exclusive or of the CRCs of its records (spec 50 §8.4).
 *
 * The CRC of an exclusive or of records of one length is the exclusive or of their CRCs, but for the CRC of so many zeros if the number
 * of records is even. So records are only xored together, length by length, and a CRC is computed once for each length: for records
 * of some 20 bytes a call of zlib costs ten times as much.
 */
export class RecordSums {
  /** By length. */
  readonly #collected: (Collected | undefined)[] = [];
  #sum = 0;

  /** Counts the bytes of `view` from `start` on as a record. */
  add(view: DataView, start: number, lengthBytes: number): void {
    if (lengthBytes > LONGEST_COLLECTED_BYTES) {
      this.#sum ^= crc32(new Uint8Array(view.buffer, view.byteOffset + start, lengthBytes));
      return;
    }
    const into = this.#collected[lengthBytes] ?? this.#begin(lengthBytes);
    const sums = into.view;
    into.records++;
    let at = 0;
    for (; at + 4 <= lengthBytes; at += 4) sums.setInt32(at, sums.getInt32(at) ^ view.getInt32(start + at));
    for (; at < lengthBytes; at++) sums.setUint8(at, sums.getUint8(at) ^ view.getUint8(start + at));
  }

  /** The checksum of what was added since the last call. */
  take(): number {
    let sum = this.#sum;
    for (const collected of this.#collected) {
      if (collected === undefined) continue;
      sum ^= crc32(collected.bytes);
      if (collected.records % 2 === 0) sum ^= crc32Zeros(collected.bytes.length);
    }
    this.#collected.length = 0;
    this.#sum = 0;
    return sum >>> 0;
  }

  #begin(lengthBytes: number): Collected {
    const bytes = Buffer.alloc(lengthBytes);
    const entry = { bytes, view: new DataView(bytes.buffer, bytes.byteOffset, lengthBytes), records: 0 };
    this.#collected[lengthBytes] = entry;
    return entry;
  }
}
