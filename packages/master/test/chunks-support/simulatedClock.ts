import type { Cancel, Clock, Random } from '@alces/runtime';

interface Timer {
  readonly atMs: number;
  readonly order: number;
  readonly run: () => void;
}

/** A clock that stands still until it is moved; timers run in order. */
export class SimulatedClock implements Clock {
  private nowMs = 0;
  private startMs: number;
  private timers: Timer[] = [];
  private nextOrder = 0;

  constructor(startUnixSeconds = 1_800_000_000) {
    this.startMs = startUnixSeconds * 1000;
  }

  wallMs(): number {
    return this.startMs + this.nowMs;
  }

  monotonicMs(): number {
    return this.nowMs;
  }

  unixSeconds(): number {
    return Math.floor(this.wallMs() / 1000);
  }

  timeout(delayMs: number, run: () => void): Cancel {
    const timer = { atMs: this.nowMs + Math.max(0, delayMs), order: this.nextOrder++, run };
    this.insert(timer);
    return () => {
      this.timers = this.timers.filter((other) => other !== timer);
    };
  }

  interval(periodMs: number, run: () => void): Cancel {
    let cancel: Cancel = () => {};
    const again = (): void => {
      cancel = this.timeout(periodMs, () => {
        again();
        run();
      });
    };
    again();
    return () => cancel();
  }

  /** Somebody sets the clock; timers do not notice. */
  setForward(seconds: number): void {
    this.startMs += seconds * 1000;
  }

  /** Moves on, running the timers that become due. */
  advance(ms: number): void {
    const endMs = this.nowMs + ms;
    while (this.timers.length > 0 && this.timers[0].atMs <= endMs) {
      const timer = this.timers.shift()!;
      this.nowMs = timer.atMs;
      timer.run();
    }
    this.nowMs = endMs;
  }

  private insert(timer: Timer): void {
    let at = this.timers.length;
    while (at > 0 && later(this.timers[at - 1], timer)) at--;
    this.timers.splice(at, 0, timer);
  }
}

function later(a: Timer, b: Timer): boolean {
  return a.atMs > b.atMs || (a.atMs === b.atMs && a.order > b.order);
}

/** Seeded random numbers (mulberry32). */
export class SeededRandom implements Random {
  private state: number;

  constructor(seed: number) {
    this.state = seed >>> 0;
  }

  u32(): number {
    this.state = (this.state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(this.state ^ (this.state >>> 15), this.state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return (mixed ^ (mixed >>> 14)) >>> 0;
  }

  below(limit: number): number {
    return Math.floor((this.u32() / 0x100000000) * limit);
  }

  bytes(count: number): Buffer {
    return Buffer.from(Array.from({ length: count }, () => this.below(256)));
  }

  /** True with this probability. */
  chance(probability: number): boolean {
    return this.u32() / 0x100000000 < probability;
  }

  pick<T>(list: readonly T[]): T {
    return list[this.below(list.length)];
  }
}
