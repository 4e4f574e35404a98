import { type DecodeContext, FrameReader, type Message, writeFrameHeader } from '@alces/proto';
import type { Connection } from '@alces/runtime';
import type { CommitGate } from '../commitGate.ts';
import { addressNumber } from '../exports/network.ts';
import type { LiveSession } from '../sessions/registry.ts';
import type { NumberedRequest } from './numbered.ts';
import { Outbox } from './outbox.ts';
import type { ClientTraffic } from './service.ts';

/** Kinds of connection, as bits, so that a message can name those on which it is accepted (spec 00 §3). */
export const ClientKind = { unregistered: 1, mount: 2, tools: 4 } as const;
export type ClientKind = (typeof ClientKind)[keyof typeof ClientKind];

/** Greatest payload the master accepts from a registered client (spec 00 §1.3). */
const REGISTERED_LIMIT_BYTES = 50_000_000;
/** Strangers get less: what they may ask for is at most a list of inodes. */
const UNREGISTERED_LIMIT_BYTES = 16 << 20;

/** Once so much waits to be taken by the peer, its requests are left in the socket. */
const PAUSE_BYTES = 4 << 20;

/** What a client tells whoever drives it. */
export interface ClientOwner {
  /** The first frame since the last flush was added. */
  markDirty(client: Client): void;
  /** Frames that waited for the journal went to the socket. */
  released(client: Client): void;
  readonly traffic: ClientTraffic;
}

/** One TCP connection on the client port: its place in the protocol and its way back. */
export class Client implements DecodeContext {
  readonly connection: Connection;
  readonly reader: FrameReader;
  readonly outbox: Outbox;
  readonly ip: number;
  kind: ClientKind = ClientKind.unregistered;
  /** The session that a registered connection is attached to. */
  session: LiveSession | undefined;
  /** Version of the metadata when the connection was attached to its session: changes from there on may be for it. */
  attachedAt = 0;
  /** Version the client registered with, 0 before. */
  version = 0;
  /** What GETRANDOM gave out last. */
  random: Buffer | undefined;
  /** Number of the request that comes next, 0: it has none. */
  announced = 0;
  /** The numbered request that is being executed. */
  executing: NumberedRequest | undefined;
  lastReadMs: number;
  lastWriteMs: number;
  /** Requests are left in the socket until the peer takes its answers. */
  paused = false;
  /** No more requests are worked off; the connection ends when the last answer is out. */
  ending = false;
  closed = false;
  /** Bytes waiting at the last tick; a slow reader that makes progress is not a dead one. */
  queuedBytesBefore = 0;
  /** Has frames in the outbox that the owner will flush. */
  dirty = false;
  readonly #owner: ClientOwner;

  constructor(connection: Connection, gate: CommitGate, nowMs: number, owner: ClientOwner) {
    this.connection = connection;
    this.ip = addressNumber(connection.remoteAddress);
    this.lastReadMs = nowMs;
    this.lastWriteMs = nowMs;
    this.#owner = owner;
    this.outbox = new Outbox(connection, gate, owner.traffic, () => owner.released(this));
    this.reader = new FrameReader(() =>
      this.kind === ClientKind.unregistered ? UNREGISTERED_LIMIT_BYTES : REGISTERED_LIMIT_BYTES,
    );
  }

  /** Layouts of requests depend on the version that the client registered with. */
  get peerVersion(): number {
    return this.version;
  }

  /** Adds an answer. */
  send<Fields>(message: Message<Fields>, fields: Fields): void {
    if (this.closed) return;
    this.#added();
    this.outbox.addMessage(message, fields);
  }

  /** Adds the 5-byte status answer `msgid:u32 status:u8`. */
  sendStatus(type: number, msgid: number, status: number): void {
    if (this.closed) return;
    this.#added();
    const offset = this.outbox.reserve(13);
    const { slab } = this.outbox;
    const at = writeFrameHeader(slab, offset, type, 5);
    slab.writeUInt32BE(msgid, at);
    slab[at + 4] = status;
  }

  /** Adds a complete frame. */
  sendFrame(frame: Buffer): void {
    if (this.closed) return;
    this.#added();
    this.outbox.add(frame);
  }

  get mustPause(): boolean {
    return this.outbox.queuedBytes > PAUSE_BYTES;
  }

  get mayResume(): boolean {
    return this.outbox.queuedBytes <= PAUSE_BYTES / 2;
  }

  #added(): void {
    this.#owner.traffic.packetsSent++;
    if (this.dirty) return;
    this.dirty = true;
    this.#owner.markDirty(this);
  }
}

/** Whether a client takes part in what came with 3.0.`minor` (versions are doubled on the wire, spec 00 §1.7). */
export function atLeast(version: number, minor: number): boolean {
  return version >= 0x00030000 + 2 * minor;
}
