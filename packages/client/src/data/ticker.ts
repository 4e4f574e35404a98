import type { Cancel, Clock } from '@alces/runtime';

const PERIOD_MS = 25;

export interface Ticking {
  tick(nowMs: number): void;
}

/** One timer for all operations that watch time limits; it stands still when there are none. */
export class Ticker {
  readonly #clock: Clock;
  readonly #members = new Set<Ticking>();
  #stop: Cancel | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  add(member: Ticking): void {
    this.#members.add(member);
    this.#stop ??= this.#clock.interval(PERIOD_MS, () => this.#tick());
  }

  remove(member: Ticking): void {
    this.#members.delete(member);
    if (this.#members.size > 0) return;
    this.#stop?.();
    this.#stop = undefined;
  }

  #tick(): void {
    const now = this.#clock.monotonicMs();
    for (const member of [...this.#members]) if (this.#members.has(member)) member.tick(now);
  }
}
