import { ImageError } from './errors.ts';

/** A parser that is resumed with more input: it yields how many bytes it lacks, and returns its result. */
export type Resumable<R> = Generator<number, R, void>;

/** A record that begins in one piece of input and ends in the next is put together with so much of the next, if that suffices. */
const SEAM_BYTES = 64 * 1024;

/** A single record may not ask for more than this in one piece. */
const LONGEST_RECORD_BYTES = 0x4000_0000;

/**
 * The part of an image that has arrived and is not parsed yet. Parsers read `bytes`/`view` between `position` and `limit`
 * directly and move `position`; when they need more they `yield* demand(n)`, after which both buffers may be others.
 */
export class ImageInput {
  bytes: Buffer = Buffer.alloc(0);
  view: DataView = new DataView(this.bytes.buffer, 0, 0);
  position = 0;
  limit = 0;
  /** Name of what is being read, for errors. */
  section = 'header';
  /** Bytes of the whole image. */
  readonly totalBytes: number;
  /** Place of `bytes[0]` in the file. */
  #base = 0;
  /** Input whose beginning stands in `bytes` too, behind `#seamStart` bytes of the input before it. */
  #following: Buffer | undefined;
  #seamStart = 0;

  constructor(totalBytes: number) {
    this.totalBytes = totalBytes;
  }

  /** Position in the file. */
  get offset(): number {
    return this.#base + this.position;
  }

  /** Position in the file up to which input has arrived. */
  get received(): number {
    return this.#base + (this.#following === undefined ? this.limit : this.#seamStart + this.#following.length);
  }

  get available(): number {
    return this.limit - this.position;
  }

  /** Adds the bytes that follow in the file. The buffer belongs to the input from now on. */
  push(chunk: Buffer): void {
    this.#enterFollowing();
    const rest = this.bytes.subarray(this.position, this.limit);
    this.#base += this.position;
    if (rest.length === 0) {
      this.#replace(chunk, 0);
      return;
    }
    this.#replace(Buffer.concat([rest, chunk.subarray(0, SEAM_BYTES)]), 0);
    if (chunk.length <= SEAM_BYTES) return;
    this.#following = chunk;
    this.#seamStart = rest.length;
  }

  #replace(bytes: Buffer, position: number): void {
    this.bytes = bytes;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    this.position = position;
    this.limit = bytes.length;
  }

  /** Goes on in the input that was only begun, without a copy if nothing in front of it is needed any more. */
  #enterFollowing(): void {
    const following = this.#following;
    if (following === undefined) return;
    this.#following = undefined;
    if (this.position < this.#seamStart) {
      const rest = this.bytes.subarray(this.position, this.#seamStart);
      this.#base += this.position;
      this.#replace(Buffer.concat([rest, following]), 0);
    } else {
      this.#base += this.#seamStart;
      this.#replace(following, this.position - this.#seamStart);
    }
  }

  /** Waits until `lengthBytes` are available; fails if the file has not that many. */
  *demand(lengthBytes: number): Resumable<void> {
    if (this.available >= lengthBytes) return;
    const left = this.totalBytes - this.offset;
    if (lengthBytes > left) {
      this.fail(`the file is truncated: ${lengthBytes} bytes needed, ${left} left`);
    }
    if (lengthBytes > LONGEST_RECORD_BYTES) this.fail(`a record of ${lengthBytes} bytes`);
    while (this.available < lengthBytes) {
      if (this.#following === undefined) yield lengthBytes - this.available;
      else this.#enterFollowing();
    }
  }

  /** Moves over bytes without looking at them. */
  *skip(lengthBytes: number): Resumable<void> {
    let left = lengthBytes;
    if (left > this.totalBytes - this.offset) this.fail(`the file is truncated: ${left} bytes to skip`);
    while (left > 0) {
      if (this.available === 0) yield* this.demand(1);
      const step = Math.min(left, this.available);
      this.position += step;
      left -= step;
    }
  }

  /** Throws an error with the present place in the file. */
  fail(reason: string, offset: number = this.offset): never {
    throw new ImageError(this.section, offset, reason);
  }
}

/** Runs a parser over an image that is wholly in memory. */
export function parseWhole<R>(image: Buffer, parser: (input: ImageInput) => Resumable<R>): R {
  const input = new ImageInput(image.length);
  input.push(image);
  const step: IteratorResult<number, R> = parser(input).next();
  if (step.done !== true) return input.fail('the file is truncated');
  return step.value;
}
