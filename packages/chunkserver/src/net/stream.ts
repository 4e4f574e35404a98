import type { Connection, Listener, Net } from '@alces/runtime';

/**
 * Bulk connections. They differ from the runtime's `Connection` in who owns buffers: received bytes lie in one buffer that
 * all connections share and are valid only during the call, and a sender learns when its buffer may be used again. So
 * gigabytes pass without an allocation. `streamsOver` makes them from any `Net` (as in a simulation).
 */
export interface Stream {
  readonly remoteAddress: string;
  readonly remotePort: number;
  /** Bytes accepted by `write` and not yet taken by the kernel. */
  readonly unsentBytes: number;
  /** Queues bytes; they must not change until `sent` is called, which happens exactly once, also when the connection breaks. */
  write(bytes: Buffer, sent?: () => void): void;
  /** Stop and restart the delivery of data. */
  pause(): void;
  resume(): void;
  /** Sends what is queued, then closes. */
  end(): void;
  /** Closes at once. */
  destroy(): void;
}

export interface StreamHandlers {
  /** The bytes are valid only during the call. */
  data(bytes: Buffer): void;
  /** Called exactly once, after which no handler is called again. */
  close(error?: Error): void;
}

export interface StreamTarget {
  host: string;
  port: number;
  timeoutMs: number;
}

export interface Streams {
  listen(options: { host: string; port: number }, accept: (stream: Stream) => StreamHandlers): Promise<Listener>;
  /** Rejects when the connection was not there in time. Handlers are attached in the turn in which it is. */
  connect(target: StreamTarget, attach: (stream: Stream) => StreamHandlers): Promise<Stream>;
}

class ConnectionStream implements Stream {
  readonly #connection: Connection;
  /** Called at the next drain. */
  #waiting: (() => void)[] = [];

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  get remoteAddress(): string {
    return this.#connection.remoteAddress;
  }

  get remotePort(): number {
    return this.#connection.remotePort;
  }

  get unsentBytes(): number {
    return this.#connection.queuedBytes;
  }

  write(bytes: Buffer, sent?: () => void): void {
    // The connection keeps what it is given, while our caller wants its buffer back.
    const accepted = this.#connection.write(Buffer.from(bytes));
    if (!sent) return;
    if (accepted) queueMicrotask(sent);
    else this.#waiting.push(sent);
  }

  drained(): void {
    for (const sent of this.#waiting.splice(0)) sent();
  }

  pause(): void {
    this.#connection.pause();
  }

  resume(): void {
    this.#connection.resume();
  }

  end(): void {
    this.#connection.end();
  }

  destroy(): void {
    this.#connection.destroy();
  }
}

/** Streams over any implementation of the runtime's network. */
export function streamsOver(net: Net): Streams {
  const adapt = (connection: Connection, attach: (stream: Stream) => StreamHandlers) => {
    const stream = new ConnectionStream(connection);
    const handlers = attach(stream);
    return {
      stream,
      handlers: {
        data: (bytes: Buffer) => handlers.data(bytes),
        drain: () => stream.drained(),
        close: (error?: Error) => {
          stream.drained();
          handlers.close(error);
        },
      },
    };
  };
  return {
    listen: (options, accept) => net.listen(options, (connection) => adapt(connection, accept).handlers),
    async connect(target, attach) {
      let made: Stream | undefined;
      await net.connect(target, (connection) => {
        const { stream, handlers } = adapt(connection, attach);
        made = stream;
        return handlers;
      });
      if (!made) throw new Error('connected without a connection');
      return made;
    },
  };
}
