import { connect, type Socket } from 'node:net';
import type { Clock, Net } from '@alces/runtime';

/** Where a chunkserver listens. */
export interface ServerAddress {
  readonly ip: number;
  readonly port: number;
}

/** Who gets what a link receives. Replaced as the link goes from one operation to the next. */
export interface LinkUser {
  /** Bytes arrived. Views of memory that nobody changes any more while `expect` is in force, else good only during the call. */
  received(bytes: Buffer): void;
  /** The connection is gone. Not called after `destroy`. */
  closed(reason: Error): void;
}

/** A connection to a chunkserver's data port. */
export interface DataLink {
  readonly server: ServerAddress;
  user: LinkUser;
  /** When bytes came last, monotonic milliseconds. */
  readonly receivedAtMs: number;
  readonly sentAtMs: number;
  readonly isOpen: boolean;
  /** Sends the buffers in order, in one system call if possible; they must not change any more. */
  send(buffers: readonly Buffer[]): void;
  /** From now on received bytes are kept as views, about so many of them; 0: no longer. */
  expect(bytes: number): void;
  destroy(): void;
}

export type OpenLink = (server: ServerAddress, limitMs: number, user: LinkUser) => Promise<DataLink>;

export function dottedAddress(ip: number): string {
  return `${ip >>> 24}.${(ip >>> 16) & 255}.${(ip >>> 8) & 255}.${ip & 255}`;
}

/** Memory into which bulk data are received comes in pieces of this size, so that a small part kept does not hold much. */
const SLAB_BYTES = 1 << 20;
/** With less room than this left a new slab is taken, or the last reads into a slab would be tiny. */
const MIN_ROOM_BYTES = 4096;
/** NOPs between the data make the answer longer than announced. */
const MIN_SLAB_BYTES = 64;

/**
 * All links receive small answers here; they are taken out before the next read. The first bytes of a bulk answer land here as well
 * and are copied into its slab: the buffer of a read has to be given before it is known what will come.
 */
const SHARED = Buffer.allocUnsafeSlow(64 * 1024);

class SocketLink implements DataLink {
  readonly server: ServerAddress;
  user: LinkUser;
  receivedAtMs: number;
  sentAtMs: number;
  readonly #clock: Clock;
  #socket: Socket | undefined;
  #keeping = false;
  #expectedBytes = 0;
  #slab: Buffer = SHARED;
  #slabUsed = 0;

  constructor(server: ServerAddress, user: LinkUser, clock: Clock) {
    this.server = server;
    this.user = user;
    this.#clock = clock;
    this.receivedAtMs = clock.monotonicMs();
    this.sentAtMs = this.receivedAtMs;
  }

  get isOpen(): boolean {
    return this.#socket !== undefined;
  }

  attach(socket: Socket): void {
    this.#socket = socket;
    let failure: Error | undefined;
    socket.on('error', (error) => {
      failure = error;
    });
    socket.on('close', () => {
      if (this.#socket === undefined) return;
      this.#socket = undefined;
      this.user.closed(failure ?? new Error('closed by the chunkserver'));
    });
  }

  send(buffers: readonly Buffer[]): void {
    const socket = this.#socket;
    if (socket === undefined) return;
    this.sentAtMs = this.#clock.monotonicMs();
    if (buffers.length === 1) {
      socket.write(buffers[0]);
      return;
    }
    socket.cork();
    for (const buffer of buffers) socket.write(buffer);
    socket.uncork();
  }

  expect(bytes: number): void {
    this.#keeping = bytes > 0;
    this.#expectedBytes = bytes;
    if (!this.#keeping) this.#slab = SHARED;
  }

  destroy(): void {
    const socket = this.#socket;
    this.#socket = undefined;
    this.#slab = SHARED;
    socket?.destroy();
  }

  /** The memory for the next read. */
  room(): Buffer {
    if (this.#slab === SHARED) return SHARED;
    return this.#slabUsed === 0 ? this.#slab : this.#slab.subarray(this.#slabUsed);
  }

  onRead(count: number): void {
    if (this.#socket === undefined) return;
    this.receivedAtMs = this.#clock.monotonicMs();
    const bytes = this.#slab === SHARED ? this.#takeShared(count) : this.#takeSlab(count);
    this.user.received(bytes);
  }

  #takeShared(count: number): Buffer {
    const bytes = SHARED.subarray(0, count);
    if (!this.#keeping) return bytes;
    this.#newSlab(count);
    bytes.copy(this.#slab, 0);
    return this.#takeSlab(count);
  }

  #takeSlab(count: number): Buffer {
    const bytes = this.#slab.subarray(this.#slabUsed, this.#slabUsed + count);
    this.#slabUsed += count;
    this.#expectedBytes = Math.max(0, this.#expectedBytes - count);
    const room = this.#slab.length - this.#slabUsed;
    if (room === 0 || room < Math.min(MIN_ROOM_BYTES, this.#expectedBytes)) this.#newSlab(0);
    return bytes;
  }

  #newSlab(atLeast: number): void {
    this.#slab = Buffer.allocUnsafeSlow(Math.max(atLeast, MIN_SLAB_BYTES, Math.min(SLAB_BYTES, this.#expectedBytes)));
    this.#slabUsed = 0;
  }
}

/** Links over sockets of the operating system that receive bulk data where it stays. */
export function socketLinks(clock: Clock, bindHost?: string): OpenLink {
  return (server, limitMs, user) =>
    new Promise((resolve, reject) => {
      const link = new SocketLink(server, user, clock);
      const socket = connect({
        host: dottedAddress(server.ip),
        port: server.port,
        noDelay: true,
        ...(bindHost !== undefined && { localAddress: bindHost }),
        onread: {
          buffer: () => link.room(),
          callback: (count) => {
            link.onRead(count);
            return true;
          },
        },
      });
      const cancel = clock.timeout(limitMs, () => socket.destroy(new Error('connection timed out')));
      const fail = (error: Error): void => {
        cancel();
        reject(error);
      };
      socket.once('error', fail);
      socket.once('connect', () => {
        cancel();
        socket.off('error', fail);
        link.attach(socket);
        resolve(link);
      });
    });
}

/** Links over any `Net`, a simulated one for instance. */
export function netLinks(net: Net, clock: Clock, bindHost?: string): OpenLink {
  return async (server, limitMs, user) => {
    const now = clock.monotonicMs();
    let open = true;
    const connection = await net.connect(
      {
        host: dottedAddress(server.ip),
        port: server.port,
        timeoutMs: limitMs,
        ...(bindHost !== undefined && { bindHost }),
      },
      () => ({
        data(bytes) {
          if (!open) return;
          link.receivedAtMs = clock.monotonicMs();
          link.user.received(bytes);
        },
        close(error) {
          if (!open) return;
          open = false;
          link.user.closed(error ?? new Error('closed by the chunkserver'));
        },
      }),
    );
    const link = {
      server,
      user,
      receivedAtMs: now,
      sentAtMs: now,
      get isOpen() {
        return open;
      },
      send(buffers: readonly Buffer[]) {
        if (!open) return;
        link.sentAtMs = clock.monotonicMs();
        for (const buffer of buffers) connection.write(buffer);
      },
      expect() {},
      destroy() {
        open = false;
        connection.destroy();
      },
    };
    return link;
  };
}
