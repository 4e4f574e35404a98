import type { Cancel, Clock } from '@alces/runtime';

const PERIOD_MS = 25;
/** After a longer break this process itself stood still, and what came meanwhile has not been read yet. */
const STALL_MS = 500;

export interface Ticking {
  tick(nowMs: number): void;
}

/** One timer for all operations that watch time limits; it stands still when there are none. */
export class Ticker {
  readonly #clock: Clock;
  readonly #members = new Set<Ticking>();
  #stop: Cancel | undefined;
  #tickedAtMs = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  add(member: Ticking): void {
    this.#members.add(member);
    if (this.#stop !== undefined) return;
    this.#tickedAtMs = this.#clock.monotonicMs();
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
    const stoodStill = now - this.#tickedAtMs > STALL_MS;
    this.#tickedAtMs = now;
    if (stoodStill) return;
    for (const member of [...this.#members]) if (this.#members.has(member)) member.tick(now);
  }
}
