import type { AdoptingNet } from '@alces/master';
import type {
  Cancel,
  Clock,
  Connection,
  ConnectionHandlers,
  Environment,
  Listener,
  ListenOptions,
  Net,
} from '@alces/runtime';

/**
 * What a master is given of the outside world while it leads: everything that can make it do something (connections and timers) can be held
 * for a moment, and ends in the very turn in which the node ceases to lead.
 */
export interface Compartment {
  readonly environment: Environment;
  /** Holds everything that comes in (true), or lets it in again. */
  freeze(frozen: boolean): void;
  /** Breaks all connections and forgets all timers; nothing inside runs any more. */
  end(): void;
  /** Resolves when the ports are free. Only after `end`. */
  ended(): Promise<void>;
}

export function createCompartment(outside: Environment): Compartment {
  const clock = new HeldClock(outside.clock);
  const net = new HeldNet(outside.net);
  return {
    environment: { ...outside, clock, net },
    freeze(frozen) {
      net.freeze(frozen);
      clock.freeze(frozen);
    },
    end() {
      clock.end();
      net.end();
    },
    ended: () => net.ended(),
  };
}

/** Timers that come due while time is held run when it goes on. */
class HeldClock implements Clock {
  readonly #clock: Clock;
  readonly #timers = new Set<Cancel>();
  #frozen = false;
  #ended = false;
  #due: (() => void)[] = [];

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  wallMs(): number {
    return this.#clock.wallMs();
  }

  monotonicMs(): number {
    return this.#clock.monotonicMs();
  }

  unixSeconds(): number {
    return this.#clock.unixSeconds();
  }

  timeout(delayMs: number, run: () => void): Cancel {
    if (this.#ended) return () => {};
    let cancelled = false;
    const cancel = this.#clock.timeout(delayMs, () => {
      this.#timers.delete(stop);
      this.#run(() => {
        if (!cancelled) run();
      });
    });
    const stop = () => {
      cancelled = true;
      cancel();
      this.#timers.delete(stop);
    };
    this.#timers.add(stop);
    return stop;
  }

  interval(periodMs: number, run: () => void): Cancel {
    // A master that was still starting: nobody may be there to cancel it.
    if (this.#ended) return () => {};
    const cancel = this.#clock.interval(periodMs, () => {
      // A beat that is left out comes again.
      if (!this.#frozen && !this.#ended) run();
    });
    this.#timers.add(cancel);
    return () => {
      cancel();
      this.#timers.delete(cancel);
    };
  }

  #run(run: () => void): void {
    if (this.#ended) return;
    if (this.#frozen) this.#due.push(run);
    else run();
  }

  freeze(frozen: boolean): void {
    this.#frozen = frozen;
    if (frozen) return;
    const due = this.#due;
    this.#due = [];
    for (const run of due) this.#run(run);
  }

  end(): void {
    this.#ended = true;
    this.#due = [];
    for (const stop of [...this.#timers]) stop();
  }
}

class HeldNet implements AdoptingNet {
  readonly #net: Net;
  readonly #connections = new Set<Connection>();
  readonly #listeners = new Set<Listener>();
  /** Connections that the master itself paused stay so. */
  readonly #pausedInside = new Set<Connection>();
  #late: (() => void)[] = [];
  #frozen = false;
  #ended = false;
  #closing: Promise<unknown> = Promise.resolve();

  constructor(net: Net) {
    this.#net = net;
  }

  async listen(options: ListenOptions, accept: (connection: Connection) => ConnectionHandlers): Promise<Listener> {
    const listener = await this.#net.listen(options, (connection) => this.#attach(connection, accept));
    if (this.#ended) {
      await listener.close();
      throw new Error('the node does not lead any more');
    }
    this.#listeners.add(listener);
    return {
      port: listener.port,
      close: () => {
        this.#listeners.delete(listener);
        return listener.close();
      },
    };
  }

  connect(...[options, attach]: Parameters<Net['connect']>): Promise<Connection> {
    return this.#net.connect(options, (connection) => this.#attach(connection, attach));
  }

  /** Chunkservers' connections of the time of following become the master's. */
  adopt(connection: Connection, attach: (connection: Connection) => ConnectionHandlers): ConnectionHandlers {
    return this.#attach(connection, attach);
  }

  #attach(connection: Connection, attach: (connection: Connection) => ConnectionHandlers): ConnectionHandlers {
    if (this.#ended) {
      connection.destroy();
      return { data() {}, close() {} };
    }
    this.#connections.add(connection);
    if (this.#frozen) connection.pause();
    const handlers = attach(this.#inside(connection));
    return {
      data: (bytes) => this.#deliver(() => handlers.data(bytes)),
      drain: () => this.#deliver(() => handlers.drain?.()),
      close: (error) => {
        this.#connections.delete(connection);
        this.#pausedInside.delete(connection);
        this.#deliver(() => handlers.close(error));
      },
    };
  }

  /** What comes while everything is held comes in when it goes on, in the same order. */
  #deliver(event: () => void): void {
    if (this.#ended) return;
    if (this.#frozen) this.#late.push(event);
    else event();
  }

  /** The connection as the master has it: what it pauses is remembered. */
  #inside(connection: Connection): Connection {
    const pause = () => {
      this.#pausedInside.add(connection);
      connection.pause();
    };
    const resume = () => {
      this.#pausedInside.delete(connection);
      if (!this.#frozen) connection.resume();
    };
    return {
      remoteAddress: connection.remoteAddress,
      remotePort: connection.remotePort,
      localAddress: connection.localAddress,
      localPort: connection.localPort,
      get queuedBytes() {
        return connection.queuedBytes;
      },
      write: (bytes) => connection.write(bytes),
      pause,
      resume,
      end: () => connection.end(),
      destroy: () => connection.destroy(),
    };
  }

  freeze(frozen: boolean): void {
    this.#frozen = frozen;
    if (!frozen) for (const event of this.#late.splice(0)) this.#deliver(event);
    for (const connection of this.#connections) {
      if (frozen) connection.pause();
      else if (!this.#pausedInside.has(connection)) connection.resume();
    }
  }

  end(): void {
    this.#ended = true;
    this.#late = [];
    for (const connection of this.#connections) connection.destroy();
    this.#connections.clear();
    this.#closing = Promise.all([...this.#listeners].map((listener) => listener.close()));
    this.#listeners.clear();
  }

  async ended(): Promise<void> {
    await this.#closing;
  }
}
