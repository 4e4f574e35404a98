import type { Clock } from '@alces/runtime';
import type { ChunkServer } from '../types.ts';
import type { ServerAddress } from './link.ts';

/** A server that failed is asked last for so long. */
const AVOID_MS = 5000;

interface ServerState {
  operations: number;
  avoidUntilMs: number;
}

function keyOf({ ip, port }: ServerAddress): number {
  return ip * 0x1_0000 + port;
}

/** What this client knows of chunkservers: what it has running there, and which ones failed just now. */
export class ServerTable {
  readonly #clock: Clock;
  readonly #preferredLabels: readonly number[];
  readonly #states = new Map<number, ServerState>();

  /** `preferredLabels`: label masks, best first (`mfspreflabels`). */
  constructor(clock: Clock, preferredLabels: readonly number[]) {
    this.#clock = clock;
    this.#preferredLabels = preferredLabels;
  }

  /** The server to read from: no recent failure, preferred labels, least busy, in the master's order (spec 20 §6.2). */
  forReading(servers: readonly ChunkServer[]): ChunkServer {
    let best = servers[0];
    for (const server of servers) if (this.#compareForReading(server, best) < 0) best = server;
    return best;
  }

  /** The chain for writing: recent failures last, preferred labels first, else the master's order. */
  chainOrder(servers: readonly ChunkServer[]): ChunkServer[] {
    return [...servers].sort(
      (a, b) => this.#avoided(a) - this.#avoided(b) || this.#labelClass(a) - this.#labelClass(b),
    );
  }

  begin(server: ServerAddress): void {
    this.#of(server).operations++;
  }

  end(server: ServerAddress, failed: boolean): void {
    const state = this.#of(server);
    state.operations--;
    state.avoidUntilMs = failed ? this.#clock.monotonicMs() + AVOID_MS : 0;
    if (state.operations === 0 && !failed) this.#states.delete(keyOf(server));
  }

  #compareForReading(a: ChunkServer, b: ChunkServer): number {
    return (
      this.#avoided(a) - this.#avoided(b) ||
      this.#labelClass(a) - this.#labelClass(b) ||
      this.#operations(a) - this.#operations(b)
    );
  }

  #avoided(server: ServerAddress): number {
    const state = this.#states.get(keyOf(server));
    return state !== undefined && state.avoidUntilMs > this.#clock.monotonicMs() ? 1 : 0;
  }

  #operations(server: ServerAddress): number {
    return this.#states.get(keyOf(server))?.operations ?? 0;
  }

  #labelClass({ labelMask }: ChunkServer): number {
    const found = this.#preferredLabels.findIndex((mask) => (labelMask & mask) === mask);
    return found === -1 ? this.#preferredLabels.length : found;
  }

  #of(server: ServerAddress): ServerState {
    const key = keyOf(server);
    let state = this.#states.get(key);
    if (state === undefined) {
      state = { operations: 0, avoidUntilMs: 0 };
      this.#states.set(key, state);
    }
    return state;
  }
}
