import type { Cancel, Clock, Net } from '@alces/runtime';
import type { MasterAddress } from '../types.ts';
import { MasterConnection } from './masterConnection.ts';

/** Pauses after attempts that were refused: a master that comes back is found at once, one that is gone costs little. */
const PAUSES_MS = [10, 20, 50, 100];
const PAUSE_AFTER_MS = 30_000;
const LONG_PAUSE_MS = 1000;

/**
 * An attempt that gets no answer at all is followed by another at this pace, while it goes on: the address may have moved to another host,
 * where nobody knows of it. The pace slows down, so that a master that is slow has time to answer.
 */
const PACE_MS: readonly (readonly [untilMs: number, paceMs: number])[] = [
  [2000, 200],
  [10_000, 500],
  [Number.POSITIVE_INFINITY, 1000],
];
/** Attempts under way at a time, per address. */
const PARALLEL = 3;
/** Addresses have their first turns so far apart. */
const STAGGER_MS = 5;

export interface SearchOptions {
  readonly net: Net;
  readonly clock: Clock;
  /** The likeliest first. */
  readonly addresses: readonly MasterAddress[];
  readonly bindHost: string | undefined;
  /** Called once, with the first connection on which a master said who it is. */
  found(connection: MasterConnection): void;
  /** An attempt failed; others follow until the search is stopped. */
  failed(reason: unknown): void;
}

/** Tries addresses, all at the same time, until a master answers at one. A node that does not lead refuses connections. */
export class MasterSearch {
  readonly #options: SearchOptions;
  readonly #begunAtMs: number;
  readonly #timers = new Set<Cancel>();
  readonly #open = new Set<MasterConnection>();
  #stopped = false;

  constructor(options: SearchOptions) {
    this.#options = options;
    this.#begunAtMs = options.clock.monotonicMs();
    options.addresses.forEach((address, place) => {
      const search: AddressSearch = { address, failures: 0 };
      if (place === 0) this.#attempt(search);
      else this.#after(place * STAGGER_MS, () => this.#attempt(search));
    });
  }

  stop(): void {
    this.#stopped = true;
    for (const cancel of this.#timers) cancel();
    for (const connection of this.#open) connection.destroy();
    this.#timers.clear();
    this.#open.clear();
  }

  #after(delayMs: number, run: () => void): Cancel {
    const cancel = this.#options.clock.timeout(delayMs, () => {
      this.#timers.delete(cancel);
      run();
    });
    this.#timers.add(cancel);
    return () => {
      this.#timers.delete(cancel);
      cancel();
    };
  }

  get #paceMs(): number {
    const passedMs = this.#options.clock.monotonicMs() - this.#begunAtMs;
    return PACE_MS.find(([untilMs]) => passedMs < untilMs)![1];
  }

  #attempt(search: AddressSearch): void {
    const limitMs = PARALLEL * this.#paceMs;
    let successor: Cancel | undefined = this.#after(this.#paceMs, () => {
      successor = undefined;
      this.#attempt(search);
    });
    this.#ask(search.address, limitMs).then(
      (connection) => this.#found(connection),
      (error: unknown) => {
        if (this.#stopped) return;
        this.#options.failed(error);
        // An attempt whose successor has begun leaves the rest to that.
        if (successor === undefined || this.#stopped) return;
        successor();
        this.#after(this.#pauseMs(search), () => this.#attempt(search));
      },
    );
  }

  #pauseMs(search: AddressSearch): number {
    if (this.#options.clock.monotonicMs() - this.#begunAtMs > PAUSE_AFTER_MS) return LONG_PAUSE_MS;
    return PAUSES_MS[Math.min(search.failures++, PAUSES_MS.length - 1)];
  }

  /** Connects and asks who is there. */
  async #ask(address: MasterAddress, limitMs: number): Promise<MasterConnection> {
    const { net, clock, bindHost } = this.#options;
    const connection = await MasterConnection.open(net, clock, address, limitMs, bindHost);
    if (this.#stopped) {
      connection.destroy();
      throw new Error('not wanted any more');
    }
    this.#open.add(connection);
    try {
      await connection.askVersion(limitMs);
      return connection;
    } catch (error) {
      this.#open.delete(connection);
      connection.destroy();
      throw error;
    }
  }

  #found(connection: MasterConnection): void {
    if (this.#stopped) {
      connection.destroy();
      return;
    }
    this.#open.delete(connection);
    this.stop();
    this.#options.found(connection);
  }
}

interface AddressSearch {
  readonly address: MasterAddress;
  failures: number;
}
