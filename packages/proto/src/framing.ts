/** Frames: `type:u32 length:u32 payload` (spec 00 §1.2). */
import { FrameTooLong } from './errors.ts';
import { readU32, writeU32 } from './integers.ts';

export const FRAME_HEADER_BYTES = 8;

/** Up to this many bytes a partial frame gets its whole buffer at once; beyond, the buffer doubles as bytes arrive. */
const EAGER_BYTES = 128 * 1024;

export interface Frame {
  readonly type: number;
  /** A view of a buffer given to `push` when the frame lay within one, else a buffer of its own. */
  readonly payload: Buffer;
}

/** Greatest accepted payload length, for all messages or by message number. */
export type FrameLimit = number | ((type: number) => number);

/** Writes a frame header and returns the offset after it. */
export function writeFrameHeader(target: Buffer, offset: number, type: number, lengthBytes: number): number {
  writeU32(target, offset, type);
  writeU32(target, offset + 4, lengthBytes);
  return offset + FRAME_HEADER_BYTES;
}

/** A frame made of a message number and the parts of its payload. */
export function encodeFrame(type: number, ...parts: readonly Uint8Array[]): Buffer {
  const lengthBytes = parts.reduce((sum, part) => sum + part.length, 0);
  const frame = Buffer.allocUnsafe(FRAME_HEADER_BYTES + lengthBytes);
  let offset = writeFrameHeader(frame, 0, type, lengthBytes);
  for (const part of parts) {
    frame.set(part, offset);
    offset += part.length;
  }
  return frame;
}

/**
 * Cuts a byte stream into frames. Push what arrived, then take frames with `next()` (or iterate) until there is none.
 * Buffers pushed belong to the reader: payloads are views of them. Bytes of a frame that lies in several are collected in
 * a buffer that grows with what really arrived, not with what the header announces.
 */
export class FrameReader implements Iterable<Frame> {
  readonly #limit: FrameLimit;
  #queue: Buffer[] = [];
  #queueHead = 0;
  /** The buffer being read, and the place in it. */
  #current: Buffer = Buffer.alloc(0);
  #position = 0;
  /** The beginning of a frame that has not arrived completely: its buffer and the bytes in use. */
  #partial: Buffer | undefined;
  #partialBytes = 0;

  constructor(limit: FrameLimit) {
    this.#limit = limit;
  }

  /** Hands over bytes that arrived. */
  push(bytes: Buffer): void {
    if (bytes.length > 0) this.#queue.push(bytes);
  }

  /** Bytes received of a frame that is not complete yet. Exact once `next()` returned undefined. */
  get partialBytes(): number {
    return this.#partialBytes;
  }

  /** The next complete frame, or undefined. Throws FrameTooLong when it comes to a header above the limit. */
  next(): Frame | undefined {
    if (this.#partial !== undefined) return this.#continuePartial();
    if (this.#position === this.#current.length && !this.#advance()) return undefined;
    const available = this.#current.length - this.#position;
    if (available < FRAME_HEADER_BYTES) return this.#startPartial(FRAME_HEADER_BYTES);
    const type = readU32(this.#current, this.#position);
    const lengthBytes = readU32(this.#current, this.#position + 4);
    this.#check(type, lengthBytes);
    if (available < FRAME_HEADER_BYTES + lengthBytes) return this.#startPartial(FRAME_HEADER_BYTES + lengthBytes);
    const start = this.#position + FRAME_HEADER_BYTES;
    this.#position = start + lengthBytes;
    return { type, payload: this.#current.subarray(start, this.#position) };
  }

  *[Symbol.iterator](): Iterator<Frame> {
    for (let frame = this.next(); frame !== undefined; frame = this.next()) yield frame;
  }

  #check(type: number, lengthBytes: number): void {
    const limitBytes = typeof this.#limit === 'number' ? this.#limit : this.#limit(type);
    if (lengthBytes > limitBytes) throw new FrameTooLong(type, lengthBytes, limitBytes);
  }

  /** Goes to the next pushed buffer, if there is one. */
  #advance(): boolean {
    if (this.#queueHead === this.#queue.length) {
      this.#queue.length = 0;
      this.#queueHead = 0;
      return false;
    }
    this.#current = this.#queue[this.#queueHead++];
    this.#position = 0;
    return true;
  }

  #startPartial(neededBytes: number): Frame | undefined {
    this.#partial = Buffer.allocUnsafe(Math.min(neededBytes, EAGER_BYTES));
    this.#partialBytes = 0;
    return this.#continuePartial();
  }

  #continuePartial(): Frame | undefined {
    if (!this.#fill(FRAME_HEADER_BYTES)) return undefined;
    const type = readU32(this.#partial!, 0);
    const lengthBytes = readU32(this.#partial!, 4);
    this.#check(type, lengthBytes);
    const frameBytes = FRAME_HEADER_BYTES + lengthBytes;
    if (!this.#fill(frameBytes)) return undefined;
    const payload = this.#partial!.subarray(FRAME_HEADER_BYTES, frameBytes);
    this.#partial = undefined;
    this.#partialBytes = 0;
    return { type, payload };
  }

  /** Moves arrived bytes into the partial frame until it has `targetBytes`; false if they have not all arrived. */
  #fill(targetBytes: number): boolean {
    while (this.#partialBytes < targetBytes) {
      if (this.#position === this.#current.length && !this.#advance()) {
        this.#current = Buffer.alloc(0);
        this.#position = 0;
        return false;
      }
      const take = Math.min(targetBytes - this.#partialBytes, this.#current.length - this.#position);
      this.#reserve(this.#partialBytes + take, targetBytes);
      this.#current.copy(this.#partial!, this.#partialBytes, this.#position, this.#position + take);
      this.#partialBytes += take;
      this.#position += take;
    }
    return true;
  }

  #reserve(bytes: number, targetBytes: number): void {
    if (this.#partial!.length >= bytes) return;
    const grown = Buffer.allocUnsafe(Math.min(targetBytes, Math.max(bytes, 2 * this.#partial!.length, EAGER_BYTES)));
    this.#partial!.copy(grown, 0, 0, this.#partialBytes);
    this.#partial = grown;
  }
}
