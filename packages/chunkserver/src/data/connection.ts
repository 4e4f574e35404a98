import {
  ANTOAN_BAD_COMMAND_SIZE,
  ANTOAN_NOP,
  ANTOAN_UNKNOWN_COMMAND,
  CLTOCS_READ,
  CLTOCS_WRITE,
  CLTOCS_WRITE_DATA,
  CLTOCS_WRITE_FINISH,
  DecodeError,
  FrameTooLong,
  Limit,
} from '@alces/proto';
import { type Packet, PacketReader } from '../net/packets.ts';
import type { Stream, StreamHandlers } from '../net/stream.ts';
import { answerChunkQuery, isChunkQuery } from './chunkQueries.ts';
import type { DataContext } from './context.ts';
import { NOP_FRAME } from './nop.ts';
import { startRead } from './read.ts';
import { startWrite } from './write.ts';

/** Times of the idle state (spec 20 §5.1). */
const IDLE_NOP_MS = 1667;
const IDLE_CLOSE_MS = 5000;

/**
 * A READ or WRITE in progress; it gets everything that arrives until it calls `finished`. It counts as a job until its work is
 * done, which may be after the connection was closed.
 */
export interface Activity {
  /** Takes over one holder of the packet. */
  packet(packet: Packet): void;
  /** Several times a second. */
  tick(nowMs: number): void;
  closed(): void;
}

/**
 * One client's (or chunkserver's) connection to the data port: idle, or busy with one READ or WRITE (spec 20 §5.1). A bad
 * packet closes it without a word.
 */
export class DataConnection implements StreamHandlers {
  readonly context: DataContext;
  readonly stream: Stream;
  readonly #reader = new PacketReader(() => Limit.CHUNKSERVER_FROM_CLIENT);
  readonly #whenClosed: () => void;
  #activity: Activity | undefined;
  #open = true;
  #lastReceivedMs: number;
  #lastSentMs: number;

  constructor(context: DataContext, stream: Stream, whenClosed: () => void) {
    this.context = context;
    this.stream = stream;
    this.#whenClosed = whenClosed;
    this.#lastReceivedMs = context.clock.monotonicMs();
    this.#lastSentMs = this.#lastReceivedMs;
  }

  get isOpen(): boolean {
    return this.#open;
  }

  /** Time of the last write. */
  get lastSentMs(): number {
    return this.#lastSentMs;
  }

  /** Whether a packet has begun to arrive and is not complete. */
  get isReceiving(): boolean {
    return this.#reader.isInPacket;
  }

  data(bytes: Buffer): void {
    this.#lastReceivedMs = this.context.clock.monotonicMs();
    this.context.store.counters.serviceBytesIn += bytes.length;
    this.#guard(() => this.#reader.push(bytes, (packet) => this.#dispatch(packet)));
  }

  close(): void {
    if (!this.#open) return;
    this.#open = false;
    this.#reader.stop();
    this.stream.destroy();
    this.#activity?.closed();
    this.#activity = undefined;
    this.#whenClosed();
  }

  /** Closes after what was written has gone out. */
  closeGently(): void {
    if (!this.#open) return;
    this.#open = false;
    this.#reader.stop();
    this.stream.end();
    this.#activity?.closed();
    this.#activity = undefined;
    this.#whenClosed();
  }

  send(bytes: Buffer, sent?: () => void): void {
    this.#lastSentMs = this.context.clock.monotonicMs();
    this.context.store.counters.serviceBytesOut += bytes.length;
    this.stream.write(bytes, sent);
  }

  /** The READ or WRITE is over: back to idle. */
  finished(): void {
    this.#activity = undefined;
    this.#lastReceivedMs = this.context.clock.monotonicMs();
    this.#lastSentMs = this.#lastReceivedMs;
  }

  /** A packet that an activity received before it ended, but that does not belong to it. */
  redeliver(packet: Packet): void {
    if (this.#open) this.#guard(() => this.#dispatch(packet));
    else packet.release();
  }

  tick(nowMs: number): void {
    if (this.#activity) {
      this.#activity.tick(nowMs);
      return;
    }
    if (nowMs - this.#lastReceivedMs > IDLE_CLOSE_MS) this.close();
    else if (nowMs - this.#lastSentMs >= IDLE_NOP_MS && this.stream.unsentBytes === 0) this.send(NOP_FRAME);
  }

  /** A packet that is not what it must be closes the connection. */
  #guard(handle: () => void): void {
    try {
      handle();
    } catch (error) {
      if (!(error instanceof FrameTooLong || error instanceof DecodeError)) throw error;
      this.close();
    }
  }

  #dispatch(packet: Packet): void {
    if (this.#activity) {
      this.#activity.packet(packet);
      return;
    }
    try {
      this.#idlePacket(packet);
    } finally {
      packet.release();
    }
  }

  #idlePacket(packet: Packet): void {
    const { type, payload } = packet;
    switch (type) {
      case ANTOAN_NOP.number:
      case ANTOAN_UNKNOWN_COMMAND.number:
      case ANTOAN_BAD_COMMAND_SIZE.number:
        return;
      case CLTOCS_READ.number:
        this.#activity = startRead(this, CLTOCS_READ.decode(payload));
        return;
      case CLTOCS_WRITE.number:
        this.#activity = startWrite(this, CLTOCS_WRITE.decode(payload));
        return;
      case CLTOCS_WRITE_DATA.number:
      case CLTOCS_WRITE_FINISH.number:
        // Late data of a write that failed; what was answered must still go out.
        this.closeGently();
        return;
      default:
        this.#queryPacket(type, payload);
    }
  }

  #queryPacket(type: number, payload: Buffer): void {
    if (isChunkQuery(type)) {
      void answerChunkQuery(this.context.store, this.context.jobs, type, payload).then((reply) => {
        if (this.#open) this.send(reply);
      });
      return;
    }
    const reply = this.context.query(type, payload);
    if (reply) this.send(reply);
    else this.close();
  }
}
