/**
 * Tells whether this process itself stood still since the last call (the program computed for long, or was stopped): then what arrived
 * meanwhile has not been read yet, and silence of the peers proves nothing.
 */
export class Standstill {
  readonly #limitMs: number;
  #lastMs: number;

  /** `limitMs`: a longer time between two calls is a standstill. */
  constructor(limitMs: number, nowMs: number) {
    this.#limitMs = limitMs;
    this.#lastMs = nowMs;
  }

  happened(nowMs: number): boolean {
    const gap = nowMs - this.#lastMs;
    this.#lastMs = nowMs;
    return gap > this.#limitMs;
  }
}
