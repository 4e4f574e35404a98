import { lookup } from 'node:dns/promises';
import { connect, createServer, isIPv4, type Server, type Socket } from 'node:net';
import type { Connection, ConnectionHandlers, Net } from './interfaces.ts';

/** Above this many queued bytes `write` answers false. */
const HIGH_WATER_BYTES = 1 << 20;

/** One socket. Writes are collected and go out in one `writev` per event-loop turn. */
class SocketConnection implements Connection {
  readonly remoteAddress: string;
  readonly remotePort: number;
  readonly localAddress: string;
  readonly localPort: number;
  readonly #socket: Socket;
  #corked = false;
  #open = true;
  #aboveHighWater = false;

  constructor(socket: Socket) {
    this.#socket = socket;
    this.remoteAddress = socket.remoteAddress ?? '';
    this.remotePort = socket.remotePort ?? 0;
    this.localAddress = socket.localAddress ?? '';
    this.localPort = socket.localPort ?? 0;
    socket.setNoDelay(true);
  }

  attach(handlers: ConnectionHandlers): void {
    const socket = this.#socket;
    let failure: Error | undefined;
    socket.on('data', (bytes: Buffer) => {
      if (this.#open) handlers.data(bytes);
    });
    socket.on('drain', () => {
      if (!this.#aboveHighWater || !this.#open) return;
      this.#aboveHighWater = false;
      handlers.drain?.();
    });
    socket.on('error', (error) => {
      failure = error;
    });
    socket.on('close', () => {
      this.#open = false;
      handlers.close(failure);
    });
  }

  get queuedBytes(): number {
    return this.#socket.writableLength;
  }

  write(bytes: Buffer): boolean {
    const socket = this.#socket;
    if (!this.#open || socket.destroyed || socket.writableEnded) return false;
    if (!this.#corked) {
      this.#corked = true;
      socket.cork();
      setImmediate(() => {
        this.#corked = false;
        socket.uncork();
      });
    }
    socket.write(bytes);
    if (socket.writableLength <= HIGH_WATER_BYTES) return true;
    this.#aboveHighWater = true;
    return false;
  }

  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  end(): void {
    this.#socket.end();
    // What the peer still sends is read and dropped, or the kernel would answer it with a reset that can overtake our last bytes.
    this.#socket.resume();
  }

  destroy(): void {
    this.#socket.destroy();
  }
}

/** Resolves a host name to one IPv4 address, picked at random when there are several (spec 00 §1.1). */
export async function resolveHost(host: string): Promise<string> {
  if (isIPv4(host)) return host;
  const found = await lookup(host, { family: 4, all: true });
  const pick = found[Math.floor(Math.random() * found.length)];
  if (!pick) throw new Error(`${host}: no IPv4 address`);
  return pick.address;
}

async function wildcardOrAddress(host: string): Promise<string> {
  return host.startsWith('*') || host === '' ? '0.0.0.0' : resolveHost(host);
}

function closeServer(server: Server, sockets: Set<Socket>): Promise<void> {
  for (const socket of sockets) socket.destroy();
  return new Promise((resolve) => server.close(() => resolve()));
}

export const realNet: Net = {
  async listen(options, accept) {
    const sockets = new Set<Socket>();
    const server = createServer({ noDelay: true }, (socket) => {
      sockets.add(socket);
      socket.on('close', () => sockets.delete(socket));
      const connection = new SocketConnection(socket);
      connection.attach(accept(connection));
    });
    const host = await wildcardOrAddress(options.host);
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen({ host, port: options.port, backlog: 100 }, () => {
        server.off('error', reject);
        resolve();
      });
    });
    // An accept error (EMFILE, ECONNABORTED) concerns one would-be connection; the listener goes on.
    server.on('error', () => {});
    const address = server.address();
    if (address === null || typeof address === 'string') throw new Error('listening socket has no port');
    return { port: address.port, close: () => closeServer(server, sockets) };
  },

  async connect(options, attach) {
    const host = await resolveHost(options.host);
    const bindHost = options.bindHost;
    const localAddress = bindHost && !bindHost.startsWith('*') ? await resolveHost(bindHost) : undefined;
    return new Promise((resolve, reject) => {
      const socket = connect({ host, port: options.port, noDelay: true, ...(localAddress && { localAddress }) });
      const timer = setTimeout(
        () => socket.destroy(new Error(`connect to ${host}:${options.port} timed out`)),
        options.timeoutMs,
      );
      const fail = (error: Error) => {
        clearTimeout(timer);
        reject(error);
      };
      socket.once('error', fail);
      socket.once('connect', () => {
        clearTimeout(timer);
        socket.off('error', fail);
        const connection = new SocketConnection(socket);
        connection.attach(attach(connection));
        resolve(connection);
      });
    });
  },
};
