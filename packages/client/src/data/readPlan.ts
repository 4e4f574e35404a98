import { CHUNK_SIZE } from '@alces/proto';

/** A piece read ahead is at most so long: long enough to keep a server busy, short enough to spread over several. */
const MAX_PIECE_BYTES = 4 << 20;
/** How far reading runs ahead at most. */
const MAX_WINDOW_BYTES = 16 << 20;

export interface Range {
  readonly start: number;
  readonly end: number;
}

/**
 * Follows the reads of one open file and says how far to read ahead (spec 20 §6.4). A handle that reads in order gets a window that
 * doubles; a jump closes it. Reads that arrive slightly out of order, as the kernel sends them, count as in order.
 */
export class ReadPattern {
  readonly #firstStepBytes: number;
  #expected = 0;
  #windowBytes = 0;

  constructor(firstStepBytes: number) {
    this.#firstStepBytes = firstStepBytes;
  }

  /** Notes a read of [start, end) and returns how many bytes behind `end` should be under way. */
  note(start: number, end: number): number {
    const jump = Math.abs(start - this.#expected);
    if (jump > this.#firstStepBytes) this.#windowBytes = 0;
    else if (end > this.#expected) this.#grow();
    this.#expected = jump > this.#firstStepBytes ? end : Math.max(end, this.#expected);
    return this.#windowBytes;
  }

  #grow(): void {
    if (this.#windowBytes === 0) this.#windowBytes = this.#firstStepBytes;
    else this.#windowBytes = Math.min(2 * this.#windowBytes, Math.max(MAX_WINDOW_BYTES, this.#firstStepBytes));
  }
}

/** The first range in [start, end) that none of the `covered` ranges (ascending, disjoint) has. */
export function firstGap(covered: readonly Range[], start: number, end: number): Range | undefined {
  let position = start;
  for (const range of covered) {
    if (range.end <= position) continue;
    if (range.start > position) return { start: position, end: Math.min(end, range.start) };
    position = range.end;
    if (position >= end) return undefined;
  }
  return position < end ? { start: position, end } : undefined;
}

/** How a missing range is asked for: within one chunk, and not longer than `MAX_PIECE_BYTES` unless `whole` is. */
export function pieceEnd(start: number, wanted: number, whole: number): number {
  const chunkEnd = (Math.floor(start / CHUNK_SIZE) + 1) * CHUNK_SIZE;
  return Math.min(chunkEnd, Math.max(whole, Math.min(wanted, start + MAX_PIECE_BYTES)));
}

/** How much must be missing of a window of that size before it is asked for. */
export function worthwhileBytes(windowBytes: number): number {
  return Math.min(MAX_PIECE_BYTES, windowBytes / 4);
}
