import { encodeSectionHeader, type SectionTag } from '../format.ts';
import { RecordSums } from './recordSums.ts';

/**
 * Bytes of an image and their place in the file. A piece may overwrite 8 bytes of an earlier one (a section's length), or be
 * empty: then the serializer only wants other work to get its turn. `data` is valid until the piece after the next is asked for, so
 * that one can be written while the next is made.
 */
export interface ImagePiece {
  position: number;
  data: Buffer;
}

/** A part of the serializer: yields pieces whenever a buffer is full. */
export type ImageWriter<R = void> = Generator<ImagePiece, R, void>;

const NO_BYTES = Buffer.alloc(0);
/** Size of the pieces; a longer record makes a longer one. */
const PIECE_BYTES = 128 * 1024;

/** Collects records into pieces, and their checksums for metadata.crc (spec 50 §8.4). */
export class ImageOutput {
  view: DataView;
  /** Where the next byte goes in `bytes`/`view`. */
  length = 0;
  bytes: Buffer;
  readonly #checksums = new Map<string, number>();
  readonly #sums = new RecordSums();
  /** What was handed out last, to be used again when the next piece was. */
  #handedOut: Buffer;
  #base = 0;
  #part = 'HEAD';
  #sectionStart = 0;

  constructor() {
    this.bytes = Buffer.allocUnsafeSlow(PIECE_BYTES);
    this.view = new DataView(this.bytes.buffer);
    this.#handedOut = Buffer.allocUnsafeSlow(PIECE_BYTES);
  }

  /** Position in the file. */
  get offset(): number {
    return this.#base + this.length;
  }

  fits(lengthBytes: number): boolean {
    return this.length + lengthBytes <= this.bytes.length;
  }

  /** Hands out what was collected and makes room for at least `lengthBytes`. */
  *flush(lengthBytes = 0): ImageWriter {
    if (this.length > 0) {
      yield { position: this.#base, data: this.bytes.subarray(0, this.length) };
      const free = this.#handedOut;
      this.#handedOut = this.bytes;
      this.bytes = free;
      this.#base += this.length;
      this.length = 0;
    }
    if (lengthBytes > this.bytes.length) this.bytes = Buffer.allocUnsafeSlow(lengthBytes);
    this.view = new DataView(this.bytes.buffer);
  }

  /** Hands control back without bytes, for parts that look at many rows and write little. */
  *pause(): ImageWriter {
    yield { position: this.offset, data: NO_BYTES };
  }

  /** Makes room for a record. Hot writers test `fits` themselves. */
  *reserve(lengthBytes: number): ImageWriter {
    if (!this.fits(lengthBytes)) yield* this.flush(lengthBytes);
  }

  /** Counts what was written from `start` on in `bytes` as one piece of the checksum. */
  checksum(start: number): void {
    this.#sums.add(this.view, start, this.length - start);
  }

  u8(value: number): void {
    this.bytes[this.length++] = value;
  }

  u16(value: number): void {
    this.view.setUint16(this.length, value);
    this.length += 2;
  }

  u32(value: number): void {
    this.view.setUint32(this.length, value);
    this.length += 4;
  }

  /** A u64 from a double. */
  u64(value: number): void {
    const high = Math.floor(value / 0x1_0000_0000);
    this.view.setUint32(this.length, Math.min(high, 0xffff_ffff));
    this.view.setUint32(this.length + 4, high > 0xffff_ffff ? 0xffff_ffff : value);
    this.length += 8;
  }

  big(value: bigint): void {
    this.view.setBigUint64(this.length, value);
    this.length += 8;
  }

  data(value: Uint8Array): void {
    this.bytes.set(value, this.length);
    this.length += value.length;
  }

  /** A record that is all zeros: the end of a list. */
  *terminator(lengthBytes: number): ImageWriter {
    yield* this.reserve(lengthBytes);
    const start = this.length;
    this.bytes.fill(0, start, start + lengthBytes);
    this.length += lengthBytes;
    this.checksum(start);
  }

  /** Bytes that are one piece of the checksum. */
  *record(value: Uint8Array): ImageWriter {
    yield* this.reserve(value.length);
    const start = this.length;
    this.data(value);
    this.checksum(start);
  }

  /** What follows counts for this part in metadata.crc. */
  begin(part: string): void {
    this.#checksums.set(this.#part, this.#sums.take());
    this.#part = part;
  }

  /** The checksums of all parts. */
  checksums(): ReadonlyMap<string, number> {
    this.#checksums.set(this.#part, this.#sums.take());
    return this.#checksums;
  }

  /** A section around what `body` writes; its length is put in place afterwards. */
  *section(tag: SectionTag, version: number, body: ImageWriter): ImageWriter {
    this.begin(tag);
    yield* this.record(encodeSectionHeader(tag, version));
    this.#sectionStart = this.offset;
    yield* body;
    const length = Buffer.alloc(8);
    length.writeBigUInt64BE(BigInt(this.offset - this.#sectionStart));
    this.#sums.add(new DataView(length.buffer, length.byteOffset), 0, length.length);
    const position = this.#sectionStart - 8;
    if (position >= this.#base) length.copy(this.bytes, position - this.#base);
    else yield { position, data: length };
  }
}
