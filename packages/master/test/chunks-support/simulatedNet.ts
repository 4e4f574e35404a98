import type { Clock, Connection, ConnectionHandlers, Listener, ListenOptions, Net } from '@alces/runtime';

/** One port on which something listens, and connections to it through memory. Bytes take `latencyMs`. */
export class SimulatedNet implements Net {
  private readonly clock: Clock;
  private readonly latencyMs: number;
  private accept: ((connection: Connection) => ConnectionHandlers) | undefined;

  constructor(clock: Clock, latencyMs = 1) {
    this.clock = clock;
    this.latencyMs = latencyMs;
  }

  async listen(options: ListenOptions, accept: (connection: Connection) => ConnectionHandlers): Promise<Listener> {
    this.accept = accept;
    return {
      port: options.port,
      close: async () => {
        this.accept = undefined;
      },
    };
  }

  connect(): Promise<Connection> {
    throw new Error('nobody connects outwards here');
  }

  /** Connects from an address; returns the client's end. */
  dial(from: string, handlers: ConnectionHandlers): Connection {
    if (this.accept === undefined) throw new Error('nobody listens');
    const far = new End(this.clock, this.latencyMs, from);
    const near = new End(this.clock, this.latencyMs, '10.0.0.1');
    far.peer = near;
    near.peer = far;
    far.handlers = this.accept(far);
    near.handlers = handlers;
    return near;
  }
}

class End implements Connection {
  readonly remoteAddress: string;
  readonly remotePort = 1;
  readonly localAddress = '10.0.0.1';
  readonly localPort = 9420;
  readonly queuedBytes = 0;
  peer: End | undefined;
  handlers: ConnectionHandlers | undefined;
  private readonly clock: Clock;
  private readonly latencyMs: number;
  private open = true;

  constructor(clock: Clock, latencyMs: number, remoteAddress: string) {
    this.clock = clock;
    this.latencyMs = latencyMs;
    this.remoteAddress = remoteAddress;
  }

  write(bytes: Buffer): boolean {
    const copy = Buffer.from(bytes);
    if (this.open) {
      this.clock.timeout(this.latencyMs, () => {
        if (this.peer!.open) this.peer!.handlers!.data(copy);
      });
    }
    return true;
  }

  pause(): void {}

  resume(): void {}

  end(): void {
    this.destroy();
  }

  destroy(): void {
    if (!this.open) return;
    this.close();
    this.clock.timeout(this.latencyMs, () => this.peer!.close());
  }

  private close(): void {
    if (!this.open) return;
    this.open = false;
    this.clock.timeout(0, () => this.handlers!.close());
  }
}
