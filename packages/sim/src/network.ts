import type { Connection, ConnectionHandlers, Listener, ListenOptions, Net } from '@alces/runtime';
import type { CrashKind, Host } from './host.ts';
import type { SeededRandom } from './random.ts';
import type { Scheduler } from './scheduler.ts';

const HIGH_WATER_BYTES = 1 << 20;

export interface NetworkOptions {
  /** One-way delay of a packet: a random number between these. */
  minDelayMs: number;
  maxDelayMs: number;
}

type Accept = (connection: Connection) => ConnectionHandlers;

function connectionError(code: string, text: string): Error {
  return Object.assign(new Error(`${code}: ${text}`), { code });
}

/** One side of a simulated TCP connection: ordered, reliable while the link is up, silent while it is cut. */
class Endpoint implements Connection {
  readonly host: Host;
  readonly remoteAddress: string;
  readonly remotePort: number;
  readonly localAddress: string;
  readonly localPort: number;
  readonly #network: SimNetwork;
  #peer: Endpoint | undefined;
  #handlers: ConnectionHandlers | undefined;
  #open = true;
  #paused = false;
  #received: Buffer[] = [];
  #outgoing: Buffer[] = [];
  #flushing = false;
  #queued = 0;
  #aboveHighWater = false;
  #nextDeliveryMs = 0;

  constructor(
    network: SimNetwork,
    host: Host,
    local: { address: string; port: number },
    remote: { address: string; port: number },
  ) {
    this.#network = network;
    this.host = host;
    this.localAddress = local.address;
    this.localPort = local.port;
    this.remoteAddress = remote.address;
    this.remotePort = remote.port;
  }

  join(peer: Endpoint, handlers: ConnectionHandlers): void {
    this.#peer = peer;
    this.#handlers = handlers;
  }

  get open(): boolean {
    return this.#open;
  }

  get queuedBytes(): number {
    return this.#queued;
  }

  write(bytes: Buffer): boolean {
    if (!this.#open) return false;
    this.#outgoing.push(bytes);
    this.#queued += bytes.length;
    if (!this.#flushing) {
      this.#flushing = true;
      this.#network.scheduler.after(
        0,
        this.host.guard(() => this.#flush()),
      );
    }
    if (this.#queued <= HIGH_WATER_BYTES) return true;
    this.#aboveHighWater = true;
    return false;
  }

  #flush(): void {
    this.#flushing = false;
    if (!this.#open || this.#outgoing.length === 0) return;
    const bytes = Buffer.concat(this.#outgoing);
    this.#outgoing = [];
    this.#send(
      () => this.#peer?.receive(bytes),
      () => this.#sent(bytes.length),
    );
  }

  #sent(length: number): void {
    this.#queued -= length;
    if (!this.#open || !this.#aboveHighWater || this.#queued > 0) return;
    this.#aboveHighWater = false;
    this.host.guard(() => this.#handlers?.drain?.())();
  }

  /** Delivers after the link's delay and never before what was sent earlier; waits while the link is cut, as retransmission does. */
  #send(deliver: () => void, delivered: () => void): void {
    const peer = this.#peer;
    if (peer === undefined) return;
    const network = this.#network;
    this.#nextDeliveryMs = Math.max(network.scheduler.nowMs + network.delayMs(), this.#nextDeliveryMs);
    const attempt = () => {
      if (network.isCut(this.host, peer.host)) {
        network.whenChanged(attempt);
        return;
      }
      delivered();
      peer.host.guard(deliver)();
    };
    network.scheduler.at(this.#nextDeliveryMs, attempt);
  }

  receive(bytes: Buffer): void {
    if (!this.#open) return;
    if (this.#paused) this.#received.push(bytes);
    else this.#handlers?.data(bytes);
  }

  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    this.#paused = false;
    const waiting = this.#received;
    this.#received = [];
    for (const bytes of waiting)
      this.#network.scheduler.after(
        0,
        this.host.guard(() => this.receive(bytes)),
      );
  }

  end(): void {
    if (!this.#open) return;
    this.#flush();
    this.#send(
      () => this.#peer?.closed(undefined),
      () => {},
    );
    this.#network.scheduler.after(
      0,
      this.host.guard(() => this.closed(undefined)),
    );
  }

  destroy(): void {
    if (!this.#open) return;
    this.#outgoing = [];
    this.#send(
      () => this.#peer?.closed(connectionError('ECONNRESET', 'reset by peer')),
      () => {},
    );
    this.#network.scheduler.after(
      0,
      this.host.guard(() => this.closed(undefined)),
    );
  }

  closed(error: Error | undefined): void {
    if (!this.#open) return;
    this.#open = false;
    this.#network.forget(this);
    this.#handlers?.close(error);
  }

  /** The host went down: nothing is called here any more; the peer hears of it only when a kernel was left to say so. */
  hostDied(kind: CrashKind): void {
    if (kind === 'kill')
      this.#send(
        () => this.#peer?.closed(connectionError('ECONNRESET', 'reset by peer')),
        () => {},
      );
    this.#open = false;
  }
}

/** The simulated network: addresses, listeners, connections, cut links. */
export class SimNetwork {
  readonly scheduler: Scheduler;
  readonly #random: SeededRandom;
  readonly #options: NetworkOptions;
  readonly #addresses = new Map<string, Host>();
  readonly #listeners = new Map<string, { host: Host; accept: Accept }>();
  readonly #endpoints = new Set<Endpoint>();
  readonly #cuts = new Set<string>();
  #waiting: (() => void)[] = [];
  #nextPort = 40_000;

  constructor(scheduler: Scheduler, random: SeededRandom, options: NetworkOptions) {
    this.scheduler = scheduler;
    this.#random = random;
    this.#options = options;
  }

  addHost(host: Host): void {
    this.#addresses.set(host.address, host);
  }

  /** Gives a further address (a virtual IP) to a host; it leaves the one that had it. Connections to the old holder fall silent. */
  moveAddress(address: string, host: Host): void {
    const previous = this.#addresses.get(address);
    this.#addresses.set(address, host);
    if (previous === undefined || previous === host) return;
    for (const endpoint of [...this.#endpoints]) {
      if (endpoint.host === previous && endpoint.localAddress === address) endpoint.hostDied('power');
    }
  }

  delayMs(): number {
    return this.#random.between(this.#options.minDelayMs, this.#options.maxDelayMs);
  }

  isCut(from: Host, to: Host): boolean {
    return from !== to && this.#cuts.has(`${from.name}>${to.name}`);
  }

  /** Nothing passes from one host to the other any more (one way). */
  cut(from: Host, to: Host): void {
    this.#cuts.add(`${from.name}>${to.name}`);
  }

  heal(from: Host, to: Host): void {
    this.#cuts.delete(`${from.name}>${to.name}`);
    this.#changed();
  }

  healAll(): void {
    this.#cuts.clear();
    this.#changed();
  }

  whenChanged(retry: () => void): void {
    this.#waiting.push(retry);
  }

  #changed(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const retry of waiting) this.scheduler.after(0, retry);
  }

  forget(endpoint: Endpoint): void {
    this.#endpoints.delete(endpoint);
  }

  hostCrashed(host: Host, kind: CrashKind): void {
    for (const [key, listener] of this.#listeners) if (listener.host === host) this.#listeners.delete(key);
    for (const endpoint of [...this.#endpoints]) {
      if (endpoint.host !== host) continue;
      endpoint.hostDied(kind);
      this.#endpoints.delete(endpoint);
    }
  }

  netOf(host: Host): Net {
    return {
      listen: async (options, accept) => this.#listen(host, options, accept),
      connect: (options, attach) => this.#connect(host, options, attach),
    };
  }

  #listen(host: Host, options: ListenOptions, accept: Accept): Listener {
    const key = `${options.host.startsWith('*') ? host.name : options.host}:${options.port}`;
    if (this.#listeners.has(key)) throw connectionError('EADDRINUSE', key);
    const listener = { host, accept };
    this.#listeners.set(key, listener);
    return {
      port: options.port,
      close: async () => {
        if (this.#listeners.get(key) === listener) this.#listeners.delete(key);
        for (const endpoint of [...this.#endpoints]) {
          if (endpoint.host === host && endpoint.localPort === options.port) endpoint.destroy();
        }
      },
    };
  }

  #connect(
    host: Host,
    options: Parameters<Net['connect']>[0],
    attach: Parameters<Net['connect']>[1],
  ): Promise<Connection> {
    return new Promise((resolve, reject) => {
      let settled = false;
      const fail = host.guard(() => {
        if (settled) return;
        settled = true;
        reject(connectionError('ETIMEDOUT', `${options.host}:${options.port}`));
      });
      this.scheduler.after(options.timeoutMs, fail);
      const refuse = host.guard(() => {
        if (settled) return;
        settled = true;
        reject(connectionError('ECONNREFUSED', `${options.host}:${options.port}`));
      });
      this.scheduler.after(this.delayMs(), () => {
        const server = this.#addresses.get(options.host);
        if (server === undefined || !server.up || this.isCut(host, server) || this.isCut(server, host)) return;
        const listener =
          this.#listeners.get(`${options.host}:${options.port}`) ??
          this.#listeners.get(`${server.name}:${options.port}`);
        if (listener === undefined || listener.host !== server) {
          this.scheduler.after(this.delayMs(), refuse);
          return;
        }
        const remote = { address: options.host, port: options.port };
        const bound = options.bindHost !== undefined && !options.bindHost.startsWith('*');
        const local = { address: bound ? options.bindHost! : host.address, port: this.#nextPort++ };
        const near = new Endpoint(this, host, local, remote);
        const far = new Endpoint(this, server, remote, local);
        this.scheduler.after(
          this.delayMs(),
          host.guard(() => {
            if (settled) return;
            // The listener may have gone with its host while the connection was on its way.
            if (![...this.#listeners.values()].includes(listener)) {
              refuse();
              return;
            }
            settled = true;
            this.#endpoints.add(near).add(far);
            server.guard(() => far.join(near, listener.accept(far)))();
            near.join(far, attach(near));
            resolve(near);
          }),
        );
      });
    });
  }
}
