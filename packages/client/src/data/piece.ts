import type { MfsError } from '../errors.ts';

interface Waiter {
  readonly position: number;
  readonly wake: () => void;
}

/** A range of a file that was asked for with one READ: what came of it so far, and who waits for more. Positions are file offsets. */
export class Piece {
  readonly start: number;
  readonly end: number;
  readonly createdAtMs: number;
  /** Everything before this position is here. */
  received: number;
  /** Bytes handed out; with all of them handed out the piece has done its duty. */
  servedBytes = 0;
  /** The file changed since: whoever has not taken the data yet asks anew. */
  stale = false;
  /** Nobody wants it any more. */
  cancelled = false;
  /** Reads that will take data from it. */
  users = 0;
  error: MfsError | undefined;
  readonly #views: Buffer[] = [];
  /** Position of the first byte of each view. */
  readonly #positions: number[] = [];
  #waiters: Waiter[] = [];

  constructor(start: number, end: number, createdAtMs: number) {
    this.start = start;
    this.end = end;
    this.received = start;
    this.createdAtMs = createdAtMs;
  }

  get length(): number {
    return this.end - this.start;
  }

  get isComplete(): boolean {
    return this.received === this.end;
  }

  add(views: readonly Buffer[], length: number): void {
    let position = this.received;
    for (const view of views) {
      this.#views.push(view);
      this.#positions.push(position);
      position += view.length;
    }
    this.received += length;
    this.#wake();
  }

  fail(error: MfsError): void {
    this.error = error;
    this.#wake();
  }

  /** Resolves when everything before `position` is here, or the piece failed. Undefined: it is so already. */
  wait(position: number): Promise<void> | undefined {
    if (this.received >= position || this.error !== undefined) return undefined;
    return new Promise((wake) => this.#waiters.push({ position, wake }));
  }

  /** Appends views of [from, to) to `target`; all of it must be here. */
  collect(from: number, to: number, target: Buffer[]): void {
    for (let i = this.#viewAt(from); i < this.#views.length && this.#positions[i] < to; i++) {
      const view = this.#views[i];
      const position = this.#positions[i];
      const begin = Math.max(0, from - position);
      const end = Math.min(view.length, to - position);
      target.push(begin === 0 && end === view.length ? view : view.subarray(begin, end));
    }
    this.servedBytes += to - from;
  }

  /** Index of the view that contains the position. */
  #viewAt(position: number): number {
    let low = 0;
    let high = this.#positions.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.#positions[middle] <= position) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  #wake(): void {
    if (this.#waiters.length === 0) return;
    const all = this.#waiters;
    this.#waiters = [];
    for (const waiter of all) {
      if (this.received >= waiter.position || this.error !== undefined) waiter.wake();
      else this.#waiters.push(waiter);
    }
  }
}
