import { ImageError } from './errors.ts';

/** A parser that is resumed with more input: it yields how many bytes it lacks, and returns its result. */
export type Resumable<R> = Generator<number, R, void>;

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

  constructor(totalBytes: number) {
    this.totalBytes = totalBytes;
  }

  /** Position in the file. */
  get offset(): number {
    return this.#base + this.position;
  }

  /** Position in the file up to which input has arrived. */
  get received(): number {
    return this.#base + this.limit;
  }

  get available(): number {
    return this.limit - this.position;
  }

  /** Adds the bytes that follow in the file. The buffer belongs to the input from now on. */
  push(chunk: Buffer): void {
    const rest = this.available;
    this.#base += this.position;
    this.bytes = rest === 0 ? chunk : Buffer.concat([this.bytes.subarray(this.position, this.limit), chunk]);
    this.view = new DataView(this.bytes.buffer, this.bytes.byteOffset, this.bytes.length);
    this.position = 0;
    this.limit = this.bytes.length;
  }

  /** Waits until `lengthBytes` are available; fails if the file has not that many. */
  *demand(lengthBytes: number): Resumable<void> {
    if (this.available >= lengthBytes) return;
    const left = this.totalBytes - this.offset;
    if (lengthBytes > left) {
      this.fail(`the file is truncated: ${lengthBytes} bytes needed, ${left} left`);
    }
    if (lengthBytes > LONGEST_RECORD_BYTES) this.fail(`a record of ${lengthBytes} bytes`);
    while (this.available < lengthBytes) yield lengthBytes - this.available;
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
