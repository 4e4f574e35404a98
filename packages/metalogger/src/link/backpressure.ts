import type { Clock } from '@alces/runtime';
import type { MasterLink } from './masterLink.ts';

/** Changes that were received and are not worked off: above this the master has to wait. */
const HIGH_BYTES = 64 << 20;
const LOW_BYTES = 16 << 20;
const LOOK_MS = 50;

/** Lets the master wait while more has been received than can be worked off. */
export class Backpressure {
  readonly #clock: Clock;
  readonly #link: MasterLink;
  readonly #waitingBytes: () => number;
  #waiting = false;

  constructor(clock: Clock, link: MasterLink, waitingBytes: () => number) {
    this.#clock = clock;
    this.#link = link;
    this.#waitingBytes = waitingBytes;
  }

  /** To be called after something was received. */
  check(): void {
    if (this.#waiting || this.#waitingBytes() <= HIGH_BYTES) return;
    this.#link.pause();
    this.#waiting = true;
    this.#look();
  }

  #look(): void {
    if (this.#link.isClosed) return;
    if (this.#waitingBytes() > LOW_BYTES) {
      this.#clock.timeout(LOOK_MS, () => this.#look());
      return;
    }
    this.#waiting = false;
    this.#link.resume();
  }
}
