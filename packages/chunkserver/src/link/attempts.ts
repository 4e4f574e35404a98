import { isIPv4 } from 'node:net';
import {
  type Cancel,
  type Clock,
  type Connection,
  type ConnectionHandlers,
  type Net,
  resolveHost,
} from '@alces/runtime';

/**
 * Attempts that follow each other quickly while the master, or its address, moves: a SYN to a host that has died is lost, and the
 * next one may go to another host. So attempts are short, overlap, and the first connection wins.
 */

/** Times between attempts, the last one again and again. */
const DELAYS_MS = [0, 20, 40, 80, 160, 200] as const;
/** An answer from another machine of the site takes less. */
const CONNECT_MS = 600;
const MAX_OPEN = 4;

export interface AttemptsOptions {
  clock: Clock;
  net: Net;
  target(): { hosts: readonly string[]; port: number; bindHost: string };
  /** Whether an address must not be used. */
  isUseless(address: string): boolean;
  /** There is a connection; called once after `start`, and the attempts are over. */
  connected(connection: Connection, host: string): ConnectionHandlers;
}

/** A connection that came too late. */
const IGNORED: ConnectionHandlers = { data: () => {}, close: () => {} };

export class Attempts {
  readonly #options: AttemptsOptions;
  #running = false;
  #endMs = 0;
  #step = 0;
  /** Attempts to each host that are under way. */
  readonly #open = new Map<string, number>();
  #cancel: Cancel = () => {};

  constructor(options: AttemptsOptions) {
    this.#options = options;
  }

  get running(): boolean {
    return this.#running;
  }

  /** Tries for `durationMs`, the first time after `afterMs`. */
  start(durationMs: number, afterMs = 0): void {
    const { clock } = this.#options;
    this.#running = true;
    this.#endMs = clock.monotonicMs() + durationMs;
    this.#step = 0;
    this.#schedule(afterMs);
  }

  stop(): void {
    this.#running = false;
    this.#cancel();
  }

  #schedule(delayMs: number): void {
    const { clock } = this.#options;
    this.#cancel();
    this.#cancel = clock.timeout(delayMs, () => {
      if (clock.monotonicMs() > this.#endMs) {
        this.stop();
        return;
      }
      this.#attemptAll();
      this.#step++;
      this.#schedule(DELAYS_MS[Math.min(this.#step, DELAYS_MS.length - 1)]);
    });
  }

  #attemptAll(): void {
    for (const host of this.#options.target().hosts) {
      const open = this.#open.get(host) ?? 0;
      if (open >= MAX_OPEN) continue;
      this.#open.set(host, open + 1);
      void this.#attempt(host).finally(() => this.#open.set(host, (this.#open.get(host) ?? 1) - 1));
    }
  }

  async #attempt(host: string): Promise<void> {
    const { net, isUseless, target, connected } = this.#options;
    const { port, bindHost } = target();
    try {
      const address = isIPv4(host) ? host : await resolveHost(host);
      if (!this.#running || isUseless(address)) return;
      await net.connect({ host: address, port, timeoutMs: CONNECT_MS, bindHost }, (connection) => {
        if (!this.#running) {
          connection.destroy();
          return IGNORED;
        }
        this.stop();
        return connected(connection, host);
      });
    } catch (error) {
      // Nobody there yet: the next attempt follows in a moment.
      if (!(error instanceof Error)) throw error;
    }
  }
}
