import {
  BLOCK_SIZE,
  CSTOCL_READ_DATA,
  CSTOCL_READ_STATUS,
  CSTOCL_WRITE_STATUS,
  FRAME_HEADER_BYTES,
} from '@alces/proto';
import { BufferPool } from '../store/buffers.ts';

/** Frames of the data port that are written straight into the buffers of the hot path. */

/** READ_DATA before its data: frame header and five fields. */
export const READ_HEAD_BYTES = FRAME_HEADER_BYTES + 20;
const READ_STATUS_BYTES = FRAME_HEADER_BYTES + 9;
export const WRITE_STATUS_BYTES = FRAME_HEADER_BYTES + 13;
/** WRITE_DATA before its data, without the frame header. */
export const WRITE_DATA_HEAD_BYTES = 24;

const HIGH = 0x1_0000_0000;

function putChunkId(target: Buffer, at: number, chunkId: number): void {
  target.writeUInt32BE(Math.floor(chunkId / HIGH), at);
  target.writeUInt32BE(chunkId >>> 0, at + 4);
}

/** Writes the head of a READ_DATA; the data follow at `at + READ_HEAD_BYTES`. */
export function putReadHead(
  target: Buffer,
  at: number,
  chunkId: number,
  block: number,
  offset: number,
  size: number,
  crc: number,
): void {
  target.writeUInt32BE(CSTOCL_READ_DATA.number, at);
  target.writeUInt32BE(READ_HEAD_BYTES - FRAME_HEADER_BYTES + size, at + 4);
  putChunkId(target, at + 8, chunkId);
  target.writeUInt16BE(block, at + 16);
  target.writeUInt16BE(offset, at + 18);
  target.writeUInt32BE(size, at + 20);
  target.writeUInt32BE(crc, at + 24);
}

/** Writes a READ_STATUS; answers the position after it. */
export function putReadStatus(target: Buffer, at: number, chunkId: number, status: number): number {
  target.writeUInt32BE(CSTOCL_READ_STATUS.number, at);
  target.writeUInt32BE(READ_STATUS_BYTES - FRAME_HEADER_BYTES, at + 4);
  putChunkId(target, at + 8, chunkId);
  target.writeUInt8(status, at + 16);
  return at + READ_STATUS_BYTES;
}

/** Writes a WRITE_STATUS; answers the position after it. */
export function putWriteStatus(target: Buffer, at: number, chunkId: number, writeId: number, status: number): number {
  target.writeUInt32BE(CSTOCL_WRITE_STATUS.number, at);
  target.writeUInt32BE(WRITE_STATUS_BYTES - FRAME_HEADER_BYTES, at + 4);
  putChunkId(target, at + 8, chunkId);
  target.writeUInt32BE(writeId, at + 16);
  target.writeUInt8(status, at + 20);
  return at + WRITE_STATUS_BYTES;
}

/**
 * A buffer for several blocks on their way from the disk to the network: before each block there is room for its READ_DATA
 * head, behind the last one for a READ_STATUS, so that whatever part is wanted leaves in one piece.
 */
export interface ReadBuffer {
  readonly bytes: Buffer;
  /** Where the blocks go, one view each. */
  readonly areas: readonly Buffer[];
  readonly pool: ReadBufferPool;
}

const SPAN_BYTES = READ_HEAD_BYTES + BLOCK_SIZE;

/** Position of a block's area in a ReadBuffer. */
export const areaPosition = (index: number): number => index * SPAN_BYTES + READ_HEAD_BYTES;

/** Read buffers for a fixed number of blocks. */
export class ReadBufferPool {
  readonly blocks: number;
  readonly #memory: BufferPool;
  readonly #areas = new WeakMap<Buffer, ReadBuffer>();

  constructor(blocks: number, keep: number) {
    this.blocks = blocks;
    this.#memory = new BufferPool(blocks * SPAN_BYTES + READ_STATUS_BYTES, keep);
  }

  take(): ReadBuffer {
    const bytes = this.#memory.take();
    const known = this.#areas.get(bytes);
    if (known) return known;
    const area = (_: unknown, index: number) => bytes.subarray(areaPosition(index), areaPosition(index) + BLOCK_SIZE);
    const made: ReadBuffer = { bytes, areas: Array.from({ length: this.blocks }, area), pool: this };
    this.#areas.set(bytes, made);
    return made;
  }

  give(buffer: ReadBuffer): void {
    this.#memory.give(buffer.bytes);
  }
}
