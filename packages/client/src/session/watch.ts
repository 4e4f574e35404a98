import type { Cancel, Clock } from '@alces/runtime';

const TICK_MS = 100;
/** A master that is silent for so long while something waits for it is asked whether it is alive. */
const PING_AFTER_MS = 200;
/** A master that does not answer that for so long may be gone: another is looked for. */
const DOUBT_AFTER_MS = 400;

/** What the watch looks at, and what it sets off. */
export interface Watched {
  /** Monotonic time at which something came from the master last; undefined: there is no connection. */
  receivedAtMs(): number | undefined;
  /** True while requests wait for answers. */
  isWaiting(): boolean;
  ping(): void;
  /** The master is silent although it was asked: true from then on until something comes again. */
  doubt(isDoubtful: boolean): void;
}

/**
 * Watches whether the master is alive while answers are awaited. An address that moved to another host leaves a connection that nobody
 * breaks; only silence tells.
 */
export class Watch {
  readonly #clock: Clock;
  readonly #watched: Watched;
  #cancel: Cancel | undefined;
  #lastTickMs = 0;
  /** Silence before this proves nothing. */
  #sinceMs = 0;
  #pingedAtMs = 0;
  #isDoubtful = false;

  constructor(clock: Clock, watched: Watched) {
    this.#clock = clock;
    this.#watched = watched;
  }

  /** Something waits for an answer. */
  begin(): void {
    if (this.#cancel !== undefined) return;
    this.#lastTickMs = this.#clock.monotonicMs();
    this.#sinceMs = this.#lastTickMs;
    this.#cancel = this.#clock.interval(TICK_MS, () => this.#tick());
  }

  stop(): void {
    this.#cancel?.();
    this.#cancel = undefined;
    this.#settle(false);
  }

  #tick(): void {
    const now = this.#clock.monotonicMs();
    // This process itself stood still: what arrived meanwhile has not been read yet.
    if (now - this.#lastTickMs > 3 * TICK_MS) this.#sinceMs = now;
    this.#lastTickMs = now;
    const receivedAtMs = this.#watched.receivedAtMs();
    if (receivedAtMs === undefined || !this.#watched.isWaiting()) {
      this.stop();
      return;
    }
    const silentMs = now - Math.max(receivedAtMs, this.#sinceMs);
    if (silentMs >= PING_AFTER_MS && now - this.#pingedAtMs >= PING_AFTER_MS) {
      this.#pingedAtMs = now;
      this.#watched.ping();
    }
    this.#settle(silentMs >= DOUBT_AFTER_MS);
  }

  #settle(isDoubtful: boolean): void {
    if (isDoubtful === this.#isDoubtful) return;
    this.#isDoubtful = isDoubtful;
    this.#watched.doubt(isDoubtful);
  }
}
