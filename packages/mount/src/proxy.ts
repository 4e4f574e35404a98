import type { MasterSession } from '@alces/client';
import {
  CLTOMA_FUSE_REGISTER,
  CLTOMA_FUSE_SNAPSHOT,
  type Frame,
  FrameReader,
  Limit,
  MATOCL_FUSE_REGISTER,
  REGISTER_BLOB,
  RegisterCode,
  Status,
} from '@alces/proto';
import type { Cancel, Clock, Connection, ConnectionHandlers, Net } from '@alces/runtime';

/** Length of the tools' registration: text, code, session id, version. */
const REGISTER_BYTES = 73;
/** A connection on which nothing moves for so long is closed. */
const PATIENCE_MS = 20_000;
const MSGID_BYTES = 4;

/** A tool's connection: its requests go to the master one after the other, as the mount's own (spec 00 §7.3). */
class ToolConnection implements ConnectionHandlers {
  readonly #connection: Connection;
  readonly #options: ProxyOptions;
  readonly #reader = new FrameReader(Limit.PROXY_FROM_TOOL);
  #cancelPatience: Cancel;
  #busy = false;
  #closed = false;

  constructor(connection: Connection, options: ProxyOptions) {
    this.#connection = connection;
    this.#options = options;
    this.#cancelPatience = options.clock.timeout(PATIENCE_MS, () => this.destroy());
  }

  data(bytes: Buffer): void {
    try {
      this.#reader.push(bytes);
      this.#next();
    } catch {
      this.destroy();
    }
  }

  close(): void {
    this.#closed = true;
    this.#cancelPatience();
    this.#options.gone(this);
  }

  destroy(): void {
    if (this.#closed) return;
    this.#connection.destroy();
    this.close();
  }

  #wait(): void {
    this.#cancelPatience();
    this.#cancelPatience = this.#options.clock.timeout(PATIENCE_MS, () => this.destroy());
  }

  #next(): void {
    while (!this.#busy && !this.#closed) {
      const frame = this.#reader.next();
      if (frame === undefined) return;
      if (frame.type === CLTOMA_FUSE_REGISTER.number) this.#register(frame.payload);
      else if (frame.payload.length < MSGID_BYTES) this.destroy();
      else this.#forward(frame);
    }
  }

  #register(payload: Buffer): void {
    const known = payload.subarray(0, REGISTER_BLOB.length).equals(REGISTER_BLOB);
    const valid = payload.length === REGISTER_BYTES && known && payload[REGISTER_BLOB.length] === RegisterCode.TOOLS;
    if (!valid) {
      this.destroy();
      return;
    }
    this.#connection.write(MATOCL_FUSE_REGISTER.encode({ layout: 'status', status: Status.OK }));
    this.#wait();
  }

  #forward({ type, payload }: Frame): void {
    this.#busy = true;
    this.#connection.pause();
    // The answer may take as long as the mount's retries; patience is for the tool.
    this.#cancelPatience();
    this.#options.session.forward(type, payload).then(
      (answer) => this.#answer(type, answer),
      () => this.destroy(),
    );
  }

  #answer(requestType: number, { type, payload }: { type: number; payload: Buffer }): void {
    if (this.#closed) return;
    if (payload.length - MSGID_BYTES > Limit.PROXY_ANSWER) {
      this.destroy();
      return;
    }
    if (requestType === CLTOMA_FUSE_SNAPSHOT.number) this.#options.snapshotMade();
    const header = Buffer.allocUnsafe(8);
    header.writeUInt32BE(type, 0);
    header.writeUInt32BE(payload.length, 4);
    this.#connection.write(header);
    this.#connection.write(payload);
    this.#busy = false;
    this.#connection.resume();
    this.#wait();
    this.#next();
  }
}

interface ProxyOptions {
  readonly session: MasterSession;
  readonly clock: Clock;
  /** Names may mean something that the mount believes missing. */
  snapshotMade(): void;
  gone(connection: ToolConnection): void;
}

export interface ToolsProxy {
  readonly port: number;
  close(): Promise<void>;
}

/** Listens for tools on a port of the kernel's choice (spec 00 §7). */
export async function startProxy(
  { net, clock, host }: { net: Net; clock: Clock; host: string },
  session: MasterSession,
  snapshotMade: () => void,
): Promise<ToolsProxy> {
  const connections = new Set<ToolConnection>();
  const gone = (connection: ToolConnection): void => {
    connections.delete(connection);
  };
  const listener = await net.listen({ host, port: 0 }, (connection) => {
    const tool = new ToolConnection(connection, { session, clock, snapshotMade, gone });
    connections.add(tool);
    return {
      data: (bytes) => tool.data(bytes),
      close: () => tool.close(),
    };
  });
  return {
    port: listener.port,
    close: () => {
      for (const connection of connections) connection.destroy();
      return listener.close();
    },
  };
}
