import type { ToolIo } from './io.ts';

const BAR_CELLS = 30;
const REDRAW_MS = 100;

/** A progress line on a terminal; nothing elsewhere. */
export class ProgressLine {
  readonly #io: ToolIo;
  readonly #clockMs: () => number;
  readonly #startedMs: number;
  #drawnMs = Number.NEGATIVE_INFINITY;
  #drawn = false;

  constructor(io: ToolIo, clockMs: () => number) {
    this.#io = io;
    this.#clockMs = clockMs;
    this.#startedMs = clockMs();
  }

  update(version: number, first: number, last: number): void {
    const nowMs = this.#clockMs();
    if (!this.#io.interactive || nowMs - this.#drawnMs < REDRAW_MS) return;
    this.#drawnMs = nowMs;
    this.#drawn = true;
    const done = (version - first + 1) / (last - first + 1);
    const cells = Math.floor(done * BAR_CELLS);
    const seconds = Math.ceil(((nowMs - this.#startedMs) * (1 - done)) / done / 1000);
    const bar = '#'.repeat(cells).padEnd(BAR_CELLS, '.');
    this.#io.error(`\rchange ${version} of ${last} [${bar}] ${Math.floor(done * 100)}% ETA ${seconds} s\u001b[K`);
  }

  /** Removes the line, so that other text can follow. */
  clear(): void {
    if (this.#drawn) this.#io.error('\r\u001b[K');
    this.#drawn = false;
  }
}
