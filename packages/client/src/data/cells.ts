import { BLOCK_SIZE } from '@alces/proto';

/** More pieces than this in one cell are copied together. */
const MAX_PIECES = 16;

/** Bytes to be written into one block of a chunk, sent as one WRITE_DATA. */
export class Cell {
  readonly block: number;
  /** The range inside the block, half open. */
  start: number;
  end: number;
  /** 0 while the cell is not sent. */
  writeId = 0;
  /** Bytes that callers wrote into this cell: what it holds of the write cache. */
  chargedBytes: number;
  /** The content in order, until pieces overlap or become too many; then `#block` has it. */
  #pieces: Buffer[];
  #blockBuffer: Buffer | undefined;

  constructor(block: number, start: number, data: Buffer) {
    this.block = block;
    this.start = start;
    this.end = start + data.length;
    this.chargedBytes = data.length;
    this.#pieces = [data];
  }

  get length(): number {
    return this.end - this.start;
  }

  get isFull(): boolean {
    return this.start === 0 && this.end === BLOCK_SIZE;
  }

  /** The bytes to send, in order. */
  get content(): readonly Buffer[] {
    if (this.#blockBuffer) return [this.#blockBuffer.subarray(this.start, this.end)];
    return this.#pieces;
  }

  touches(start: number, end: number): boolean {
    return start <= this.end && end >= this.start;
  }

  /** Writes `data` over the cell; the ranges must touch or overlap. */
  merge(start: number, data: Buffer): void {
    const end = start + data.length;
    this.chargedBytes += data.length;
    if (!this.#blockBuffer && start === this.end && this.#pieces.length < MAX_PIECES) {
      this.#pieces.push(data);
      this.end = end;
      return;
    }
    data.copy(this.#ownBlock(), start);
    this.start = Math.min(this.start, start);
    this.end = Math.max(this.end, end);
  }

  #ownBlock(): Buffer {
    if (this.#blockBuffer) return this.#blockBuffer;
    const own = Buffer.allocUnsafe(BLOCK_SIZE);
    let position = this.start;
    for (const piece of this.#pieces) position += piece.copy(own, position);
    this.#blockBuffer = own;
    this.#pieces = [];
    return own;
  }
}

/**
 * What is to be written into one chunk, in the order of the writes. Cells are sent from the head on; a sent cell is never
 * changed any more, newer bytes for its block go into a new cell (spec 20 §6.5).
 */
export class CellQueue {
  /** Sent cells that wait for their status, by write id: insertion order is sending order. */
  readonly #sent = new Map<number, Cell>();
  #unsent: Cell[] = [];
  #head = 0;
  /** The newest cell of each block, if it is not sent yet. */
  readonly #newest = new Map<number, Cell>();
  #dirtyStart = Number.POSITIVE_INFINITY;
  #dirtyEnd = 0;

  get isEmpty(): boolean {
    return this.#sent.size === 0 && this.unsentCount === 0;
  }

  get sentCount(): number {
    return this.#sent.size;
  }

  get unsentCount(): number {
    return this.#unsent.length - this.#head;
  }

  /** Whether bytes in [start, end) of the chunk may be waiting. Never false when some are. */
  overlaps(start: number, end: number): boolean {
    return !this.isEmpty && start < this.#dirtyEnd && end > this.#dirtyStart;
  }

  /** Adds `data` at `offset` of the chunk; the range must lie in one block. The data must not change any more. */
  add(offset: number, data: Buffer): void {
    if (this.isEmpty) {
      this.#dirtyStart = offset;
      this.#dirtyEnd = offset;
    }
    this.#dirtyStart = Math.min(this.#dirtyStart, offset);
    this.#dirtyEnd = Math.max(this.#dirtyEnd, offset + data.length);
    const block = Math.floor(offset / BLOCK_SIZE);
    const start = offset % BLOCK_SIZE;
    const newest = this.#newest.get(block);
    if (newest?.touches(start, start + data.length)) {
      newest.merge(start, data);
      return;
    }
    const cell = new Cell(block, start, data);
    this.#unsent.push(cell);
    this.#newest.set(block, cell);
  }

  /** The next cell worth sending: full, or followed by another one, or any if `evenPartial`. */
  peek(evenPartial: boolean): Cell | undefined {
    if (this.unsentCount === 0) return undefined;
    const cell = this.#unsent[this.#head];
    return evenPartial || cell.isFull || this.unsentCount > 1 ? cell : undefined;
  }

  /** Takes the cell that `peek` showed; it now waits for the status of `writeId`. */
  markSent(writeId: number): Cell {
    const cell = this.#unsent[this.#head++];
    if (this.#head === this.#unsent.length) {
      this.#unsent = [];
      this.#head = 0;
    }
    cell.writeId = writeId;
    this.#sent.set(writeId, cell);
    if (this.#newest.get(cell.block) === cell) this.#newest.delete(cell.block);
    return cell;
  }

  /** The cell is on all copies; undefined if no such cell waits. */
  acknowledge(writeId: number): Cell | undefined {
    const cell = this.#sent.get(writeId);
    if (cell) this.#sent.delete(writeId);
    return cell;
  }

  /** The session ended: what was sent and not acknowledged has to be sent again, before the rest. */
  takeBack(): void {
    if (this.#sent.size === 0) return;
    const again = [...this.#sent.values()];
    this.#sent.clear();
    for (const cell of again) cell.writeId = 0;
    this.#unsent = [...again, ...this.#unsent.slice(this.#head)];
    this.#head = 0;
    this.#newest.clear();
    for (const cell of this.#unsent) this.#newest.set(cell.block, cell);
  }

  /** Drops everything and returns the bytes that were charged for it. */
  clear(): number {
    let bytes = 0;
    for (const cell of this.#sent.values()) bytes += cell.chargedBytes;
    for (let i = this.#head; i < this.#unsent.length; i++) bytes += this.#unsent[i].chargedBytes;
    this.#sent.clear();
    this.#unsent = [];
    this.#head = 0;
    this.#newest.clear();
    return bytes;
  }
}
