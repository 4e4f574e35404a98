import { BLOCK_SIZE, FRAME_HEADER_BYTES, FrameTooLong } from '@alces/proto';
import { BufferPool } from '../store/buffers.ts';

/** The longest frame that carries a block: WRITE_DATA (24 bytes before the data; READ_DATA has 20). */
export const BLOCK_FRAME_BYTES = FRAME_HEADER_BYTES + 24 + BLOCK_SIZE;

/** Frames longer than this go into buffers of the pool. */
const POOLED_FROM_BYTES = 4096;

/** Buffers for frames that carry a block. */
export const frameBuffers = new BufferPool(BLOCK_FRAME_BYTES, 512);

/**
 * A received frame with its header, in memory of its own. It has one holder; `hold` adds one, and when the last one has called
 * `release` the memory is used again.
 */
export class Packet {
  readonly type: number;
  /** The whole frame. */
  readonly frame: Buffer;
  #pooled: Buffer | undefined;
  #holders = 1;

  constructor(type: number, frame: Buffer, pooled: Buffer | undefined) {
    this.type = type;
    this.frame = frame;
    this.#pooled = pooled;
  }

  get payload(): Buffer {
    return this.frame.subarray(FRAME_HEADER_BYTES);
  }

  hold(): void {
    this.#holders++;
  }

  release(): void {
    this.#holders--;
    if (this.#holders > 0 || !this.#pooled) return;
    frameBuffers.give(this.#pooled);
    this.#pooled = undefined;
  }
}

/**
 * Cuts a byte stream into packets. Each byte is copied once, from the shared receive buffer into the packet, so that a block
 * lies in one piece, from where it is both written to disk and sent on.
 */
export class PacketReader {
  readonly #limit: (type: number) => number;
  readonly #header = Buffer.allocUnsafe(FRAME_HEADER_BYTES);
  #filled = 0;
  #frame: Buffer | undefined;
  #pooled: Buffer | undefined;
  #stopped = false;

  /** `limit`: the greatest accepted payload for a message number. */
  constructor(limit: (type: number) => number) {
    this.#limit = limit;
  }

  /** Whether a packet has begun and is not complete. */
  get isInPacket(): boolean {
    return this.#filled > 0;
  }

  /** Delivers nothing more; what is incomplete is dropped. */
  stop(): void {
    this.#stopped = true;
    this.#discard();
  }

  /** Takes bytes that arrived and calls `take` for each complete packet. Throws FrameTooLong. */
  push(bytes: Buffer, take: (packet: Packet) => void): void {
    let at = 0;
    while (at < bytes.length && !this.#stopped) {
      at += this.#frame ? this.#fillFrame(this.#frame, bytes, at) : this.#fillHeader(bytes, at);
      const frame = this.#frame;
      if (!frame || this.#filled < frame.length) continue;
      const packet = new Packet(frame.readUInt32BE(0), frame, this.#pooled);
      this.#frame = undefined;
      this.#pooled = undefined;
      this.#filled = 0;
      take(packet);
    }
  }

  #fillHeader(bytes: Buffer, at: number): number {
    const count = Math.min(FRAME_HEADER_BYTES - this.#filled, bytes.length - at);
    bytes.copy(this.#header, this.#filled, at, at + count);
    this.#filled += count;
    if (this.#filled === FRAME_HEADER_BYTES) this.#beginFrame();
    return count;
  }

  #beginFrame(): void {
    const type = this.#header.readUInt32BE(0);
    const length = this.#header.readUInt32BE(4);
    const limit = this.#limit(type);
    if (length > limit) throw new FrameTooLong(type, length, limit);
    const frameBytes = FRAME_HEADER_BYTES + length;
    if (frameBytes > POOLED_FROM_BYTES && frameBytes <= BLOCK_FRAME_BYTES) {
      this.#pooled = frameBuffers.take();
      this.#frame = this.#pooled.subarray(0, frameBytes);
    } else {
      this.#frame = Buffer.allocUnsafe(frameBytes);
    }
    this.#header.copy(this.#frame);
  }

  #fillFrame(frame: Buffer, bytes: Buffer, at: number): number {
    const count = Math.min(frame.length - this.#filled, bytes.length - at);
    bytes.copy(frame, this.#filled, at, at + count);
    this.#filled += count;
    return count;
  }

  #discard(): void {
    if (this.#pooled) frameBuffers.give(this.#pooled);
    this.#pooled = undefined;
    this.#frame = undefined;
    this.#filled = 0;
  }
}
