import type { Cancel, Clock } from '@alces/runtime';
import { Standstill } from '../standstill.ts';

const PERIOD_MS = 25;
const STANDSTILL_MS = 500;

export interface Ticking {
  tick(nowMs: number): void;
}

/** One timer for all operations that watch time limits; it stands still when there are none. */
export class Ticker {
  readonly #clock: Clock;
  readonly #members = new Set<Ticking>();
  #stop: Cancel | undefined;
  #standstill: Standstill;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#standstill = new Standstill(STANDSTILL_MS, clock.monotonicMs());
  }

  add(member: Ticking): void {
    this.#members.add(member);
    if (this.#stop !== undefined) return;
    this.#standstill = new Standstill(STANDSTILL_MS, this.#clock.monotonicMs());
    this.#stop = this.#clock.interval(PERIOD_MS, () => this.#tick());
  }

  remove(member: Ticking): void {
    this.#members.delete(member);
    if (this.#members.size > 0) return;
    this.#stop?.();
    this.#stop = undefined;
  }

  #tick(): void {
    const now = this.#clock.monotonicMs();
    if (this.#standstill.happened(now)) return;
    for (const member of [...this.#members]) if (this.#members.has(member)) member.tick(now);
  }
}
