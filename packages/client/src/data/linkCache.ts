import { ANTOAN_NOP } from '@alces/proto';
import type { Cancel, Clock } from '@alces/runtime';
import type { DataLink, LinkUser, OpenLink, ServerAddress } from './link.ts';

/** As the stock mount keeps (spec 20 §5.6). */
const CAPACITY = 200;
/** A chunkserver closes a connection on which nothing came for 5 s. */
const NOP_PERIOD_MS = 1000;
/** Nobody needed it for so long: give the socket back. */
const MAX_IDLE_MS = 60_000;

export const NOP_FRAME = ANTOAN_NOP.encode({});

interface IdleLink {
  readonly link: DataLink;
  readonly sinceMs: number;
}

/** Connections to chunkservers between two operations. */
export class LinkCache {
  readonly #open: OpenLink;
  readonly #clock: Clock;
  /** Oldest first. */
  #idle: IdleLink[] = [];
  #stopNops: Cancel | undefined;
  #closed = false;

  constructor(open: OpenLink, clock: Clock) {
    this.#open = open;
    this.#clock = clock;
  }

  get idleCount(): number {
    return this.#idle.length;
  }

  /** The connection to that server used last, if there is one. It may be dead already: nobody has told us yet. */
  takeIdle(server: ServerAddress, user: LinkUser): DataLink | undefined {
    for (let i = this.#idle.length - 1; i >= 0; i--) {
      const { link } = this.#idle[i];
      if (link.server.ip !== server.ip || link.server.port !== server.port) continue;
      this.#idle.splice(i, 1);
      link.user = user;
      return link;
    }
    return undefined;
  }

  /** A new connection, with one attempt per limit. Throws the last attempt's error. */
  async connect(server: ServerAddress, limitsMs: readonly number[], user: LinkUser): Promise<DataLink> {
    let failure: unknown;
    for (const limitMs of limitsMs) {
      if (this.#closed) break;
      try {
        return await this.#open(server, limitMs, user);
      } catch (error) {
        failure = error;
        // A refusal will not become better at once; only silence is worth a longer wait.
        if ((error as NodeJS.ErrnoException).code === 'ECONNREFUSED') break;
      }
    }
    throw failure ?? new Error('closed');
  }

  /** Gives back a connection whose operation ended cleanly. */
  put(link: DataLink): void {
    if (this.#closed || !link.isOpen) {
      link.destroy();
      return;
    }
    link.expect(0);
    link.user = {
      received: (bytes) => {
        if (bytes.some((byte) => byte !== 0)) this.#drop(link);
      },
      closed: () => this.#drop(link),
    };
    this.#idle.push({ link, sinceMs: this.#clock.monotonicMs() });
    if (this.#idle.length > CAPACITY) this.#idle.shift()!.link.destroy();
    this.#stopNops ??= this.#clock.interval(NOP_PERIOD_MS, () => this.#keepAlive());
  }

  close(): void {
    this.#closed = true;
    this.#stopNops?.();
    for (const { link } of this.#idle) link.destroy();
    this.#idle = [];
  }

  #drop(link: DataLink): void {
    this.#idle = this.#idle.filter((idle) => idle.link !== link);
    link.destroy();
  }

  #keepAlive(): void {
    const oldest = this.#clock.monotonicMs() - MAX_IDLE_MS;
    for (const { link, sinceMs } of [...this.#idle]) {
      if (sinceMs < oldest) this.#drop(link);
      else link.send([NOP_FRAME]);
    }
    if (this.#idle.length > 0) return;
    this.#stopNops?.();
    this.#stopNops = undefined;
  }
}
