import type { Cancel, Clock } from '@alces/runtime';

interface Timer {
  atMs: number;
  periodMs: number | undefined;
  run: () => void;
}

/** A clock that stands still until the test moves it. */
export class ManualClock implements Clock {
  #nowMs = 1_800_000_000_000;
  #timers: Timer[] = [];

  wallMs(): number {
    return this.#nowMs;
  }

  monotonicMs(): number {
    return this.#nowMs;
  }

  unixSeconds(): number {
    return Math.floor(this.#nowMs / 1000);
  }

  timeout(delayMs: number, run: () => void): Cancel {
    return this.#add({ atMs: this.#nowMs + Math.max(0, delayMs), periodMs: undefined, run });
  }

  interval(periodMs: number, run: () => void): Cancel {
    return this.#add({ atMs: this.#nowMs + periodMs, periodMs, run });
  }

  /** Lets time pass; what falls due runs at its time. */
  advance(ms: number): void {
    const endMs = this.#nowMs + ms;
    for (;;) {
      const next = this.#timers.filter((timer) => timer.atMs <= endMs).sort((a, b) => a.atMs - b.atMs)[0];
      if (!next) break;
      this.#nowMs = next.atMs;
      if (next.periodMs === undefined) this.#timers.splice(this.#timers.indexOf(next), 1);
      else next.atMs += next.periodMs;
      next.run();
    }
    this.#nowMs = endMs;
  }

  #add(timer: Timer): Cancel {
    this.#timers.push(timer);
    return () => {
      const index = this.#timers.indexOf(timer);
      if (index >= 0) this.#timers.splice(index, 1);
    };
  }
}
