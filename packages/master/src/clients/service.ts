import { FrameTooLong } from '@alces/proto';
import type { Cancel, Clock, Connection, ConnectionHandlers, Logger } from '@alces/runtime';
import type { CommitGate } from '../commitGate.ts';
import { formatAddress } from '../exports/network.ts';
import { Client, ClientKind, type ClientOwner } from './client.ts';
import { type DispatchTable, ProtocolViolation } from './dispatch.ts';

/** A client from which nothing came for longer is dead. */
const SILENCE_LIMIT_MS = 10_000;
/** A connection on which nothing was written for longer gets a NOP. */
const NOP_AFTER_MS = 1_000;
const TICK_MS = 200;
/** A tick that comes later than this means that the master stood still, and nobody else is to blame. */
const STALL_MS = 1_000;

/** NOP on this link: type 0, a msgid of 0. A mount loses sync on any other length (spec 00 §1.5). */
const NOP = Buffer.from('000000000000000400000000', 'hex');

interface ClientServiceOptions {
  clock: Clock;
  gate: CommitGate;
  table: DispatchTable;
  log: Logger;
  /** The connection is gone; its session, locks and waiting requests are the business of others. */
  onClose(client: Client): void;
  /** Counts traffic for the charts. */
  traffic: ClientTraffic;
}

/** Sums since the start, for the charts (spec 70 §5.3). */
export interface ClientTraffic {
  packetsReceived: number;
  packetsSent: number;
  bytesReceived: number;
  bytesSent: number;
}

/** The connections of the client port: framing, keep-alive, back-pressure, and the order of answers. */
export class ClientService implements ClientOwner {
  readonly traffic: ClientTraffic;
  readonly clients = new Set<Client>();
  readonly #options: ClientServiceOptions;
  readonly #cancelTick: Cancel;
  #dirty: Client[] = [];
  #lastTickMs: number;

  constructor(options: ClientServiceOptions) {
    this.#options = options;
    this.traffic = options.traffic;
    this.#lastTickMs = options.clock.monotonicMs();
    this.#cancelTick = options.clock.interval(TICK_MS, () => this.#tick());
  }

  /** A connection was accepted. */
  accept(connection: Connection): ConnectionHandlers {
    const { clock, gate } = this.#options;
    const client = new Client(connection, gate, clock.monotonicMs(), this);
    this.clients.add(client);
    return {
      data: (bytes) => this.#received(client, bytes),
      drain: () => this.#mayContinue(client),
      close: () => this.#gone(client),
    };
  }

  /** Ends all connections and the ticking. */
  stop(): void {
    this.#cancelTick();
    for (const client of [...this.clients]) this.drop(client);
  }

  /** Closes a connection at once; answers that were not sent are lost. */
  drop(client: Client): void {
    if (client.closed) return;
    client.connection.destroy();
    this.#gone(client);
  }

  /** Closes a connection when its answers are out; nothing more is taken from it. */
  finish(client: Client): void {
    client.ending = true;
    this.#flush(client);
    this.#options.gate.afterCommit(() => {
      if (!client.closed) client.connection.end();
    });
  }

  /** Called by a client that has frames to send; they leave at the end of this turn's work. */
  markDirty(client: Client): void {
    this.#dirty.push(client);
  }

  /** Sends what the work of this turn produced, on all connections. */
  flush(): void {
    const dirty = this.#dirty;
    if (dirty.length === 0) return;
    this.#dirty = [];
    for (const client of dirty) this.#flush(client);
  }

  /** Frames that waited for the journal are on their way. */
  released(client: Client): void {
    this.#mayContinue(client);
  }

  #flush(client: Client): void {
    client.dirty = false;
    client.lastWriteMs = this.#options.clock.monotonicMs();
    client.outbox.flush();
  }

  #received(client: Client, bytes: Buffer): void {
    const { traffic, clock } = this.#options;
    traffic.bytesReceived += bytes.length;
    client.lastReadMs = clock.monotonicMs();
    client.reader.push(bytes);
    this.#work(client);
    this.flush();
  }

  /** Works off complete requests until there are none, or the client must take its answers first. */
  #work(client: Client): void {
    const { table, traffic, log } = this.#options;
    try {
      while (!client.closed && !client.ending && !client.paused) {
        const frame = client.reader.next();
        if (!frame) return;
        traffic.packetsReceived++;
        table.run(client, frame.type, frame.payload);
        if (client.mustPause) this.#pause(client);
      }
    } catch (error) {
      if (!(error instanceof ProtocolViolation || error instanceof FrameTooLong)) throw error;
      log.info(`main master server module: ${error.message} from ${formatAddress(client.ip)} - connection closed`);
      this.drop(client);
    }
  }

  #pause(client: Client): void {
    client.paused = true;
    client.connection.pause();
  }

  #mayContinue(client: Client): void {
    if (!client.paused || client.closed || !client.mayResume) return;
    client.paused = false;
    client.connection.resume();
    this.#work(client);
    this.flush();
  }

  #gone(client: Client): void {
    if (client.closed) return;
    client.closed = true;
    client.outbox.close();
    this.clients.delete(client);
    this.#options.onClose(client);
    this.flush();
  }

  #tick(): void {
    const nowMs = this.#options.clock.monotonicMs();
    const stallMs = nowMs - this.#lastTickMs - TICK_MS;
    this.#lastTickMs = nowMs;
    for (const client of [...this.clients]) {
      if (stallMs > STALL_MS) client.lastReadMs += stallMs;
      this.#checkAlive(client, nowMs);
      this.#mayContinue(client);
    }
  }

  #checkAlive(client: Client, nowMs: number): void {
    const { queuedBytes } = client.outbox;
    if (queuedBytes < client.queuedBytesBefore) client.lastReadMs = nowMs;
    client.queuedBytesBefore = queuedBytes;
    if (nowMs - client.lastReadMs > SILENCE_LIMIT_MS) {
      this.drop(client);
    } else if (client.kind !== ClientKind.tools && nowMs - client.lastWriteMs > NOP_AFTER_MS && !client.ending) {
      // Answers that wait for the journal may be overtaken: the peer must not take the wait for our death.
      if (client.connection.queuedBytes === 0) client.connection.write(NOP);
      client.lastWriteMs = nowMs;
    }
  }
}
