import type { Clock } from '@alces/runtime';

/** Half a round trip longer than this says nothing about the clock. */
const MAX_HALF_TRIP_US = 50_000;

/** The master's wall clock, as far as TIME_SYNC tells (spec 00 §6.8). */
export class MasterClock {
  readonly #clock: Clock;
  #offsetUs = 0;
  #askedAtMs = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  asked(): void {
    this.#askedAtMs = this.#clock.monotonicMs();
  }

  answered(timeUs: number): void {
    const halfTripUs = ((this.#clock.monotonicMs() - this.#askedAtMs) * 1000) / 2;
    const now = timeUs + (halfTripUs > MAX_HALF_TRIP_US ? 0 : halfTripUs);
    this.#offsetUs = now - this.#clock.wallMs() * 1000;
  }

  nowUs(): number {
    return this.#clock.wallMs() * 1000 + this.#offsetUs;
  }

  seconds(): number {
    return Math.floor(this.nowUs() / 1_000_000);
  }
}
