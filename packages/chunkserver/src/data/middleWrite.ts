import {
  ANTOAN_NOP,
  CLTOCS_WRITE_DATA,
  CLTOCS_WRITE_FINISH,
  CSTOCL_WRITE_STATUS,
  DecodeError,
  Status,
} from '@alces/proto';
import type { Packet } from '../net/packets.ts';
import { openForWriting } from '../store/writeBlocks.ts';
import type { Activity, DataConnection } from './connection.ts';
import { decodeWriteData, LocalWriter, QUEUE_HIGH_BYTES, QUEUE_LOW_BYTES, type QueuedWrite } from './localWriter.ts';
import { addressKey, connectToNext, type ServerAddress } from './nextServer.ts';
import { NOP_FRAME } from './nop.ts';
import type { PeerConnection } from './peer.ts';
import { finishes, NOP_ECHO_MS, writeStatusFrame, writeStatusFrames } from './writeFrames.ts';

/** One WRITE_DATA that has been forwarded and is not answered yet. */
interface Outstanding {
  packet: Packet;
  writeId: number;
}

/** A session in which neither the client nor the next server says anything ends after this time, lest dead peers collect. */
const DEAD_MS = 30_000;

/**
 * A WRITE at a server in the middle of a chain (spec 20 §5.3.4). Each packet goes to the next server and to the local disk
 * from the same memory; the client gets an OK when both have it. Any error closes both connections without a word, as the
 * stock server does. Unlike there, what has been received is written even when the session ends early.
 */
export class MiddleWrite implements Activity {
  readonly #connection: DataConnection;
  readonly #chunkId: number;
  readonly #version: number;
  readonly #target: ServerAddress;
  readonly #openingFrame: Buffer;
  readonly #writer: LocalWriter;
  #next: PeerConnection | undefined;
  #nextIsFromCache = false;
  /** In the order in which they came. */
  #outstanding: Outstanding[] = [];
  /** How many of them are written on this server, and how many the next server has answered; both go in order. */
  #written = 0;
  #acknowledged = 0;
  /** This server's copy and the whole rest of the chain must be open before the client hears of it. */
  #openHere = false;
  #openThere = false;
  #closed = false;
  #ended = false;
  #paused = false;
  #lastHeardMs: number;
  #lastEchoMs = Number.NEGATIVE_INFINITY;

  constructor(
    connection: DataConnection,
    chunkId: number,
    version: number,
    target: ServerAddress,
    openingFrame: Buffer,
  ) {
    this.#connection = connection;
    this.#chunkId = chunkId;
    this.#version = version;
    this.#target = target;
    this.#openingFrame = openingFrame;
    this.#lastHeardMs = connection.context.clock.monotonicMs();
    this.#writer = new LocalWriter(connection.context, chunkId, version, (...result) => this.#batchDone(...result));
    void this.#open();
  }

  packet(packet: Packet): void {
    this.#lastHeardMs = this.#connection.context.clock.monotonicMs();
    switch (packet.type) {
      case CLTOCS_WRITE_DATA.number:
        this.#writeData(packet);
        return;
      case CLTOCS_WRITE_FINISH.number:
        this.#finish(packet);
        return;
      case ANTOAN_NOP.number:
        this.#next?.stream.write(NOP_FRAME);
        this.#echo();
        break;
      default:
        this.#fail();
    }
    packet.release();
  }

  tick(nowMs: number): void {
    if (nowMs - this.#lastHeardMs > DEAD_MS) this.#fail();
  }

  closed(): void {
    if (this.#closed) return;
    this.#closed = true;
    // What was forwarded reaches the next server before the connection ends.
    this.#next?.drop(true);
    this.#next = undefined;
    this.#settle();
  }

  async #open(): Promise<void> {
    const { context } = this.#connection;
    const cached = context.cache.take(addressKey(this.#target));
    if (cached) this.#attach(cached, true);
    else await this.#connectFresh();
    if (this.#closed) return;
    const status = await openForWriting(context.store, this.#chunkId, this.#version);
    if (status !== Status.OK) {
      this.#refuse(status);
      return;
    }
    this.#openHere = true;
    this.#writer.open();
    this.#opened();
  }

  async #connectFresh(): Promise<void> {
    const { context } = this.#connection;
    const peer = await connectToNext(context, this.#target, () => this.#closed);
    if (!this.#closed && peer) this.#attach(peer, false);
    else if (peer) peer.drop(false);
    else if (!this.#closed) this.#refuse(Status.CANTCONNECT);
  }

  /** The next server is reached: it gets the request, and what the client has sent meanwhile. */
  #attach(peer: PeerConnection, fromCache: boolean): void {
    this.#next = peer;
    this.#nextIsFromCache = fromCache;
    peer.user = {
      packet: (packet) => this.#fromNext(packet),
      closed: () => this.#nextClosed(),
    };
    peer.stream.write(this.#openingFrame);
    for (const write of this.#outstanding) this.#forward(write.packet);
  }

  #forward(packet: Packet): void {
    if (!this.#next) return;
    packet.hold();
    this.#connection.context.store.counters.serviceBytesOut += packet.frame.length;
    this.#next.stream.write(packet.frame, () => {
      packet.release();
      this.#resumeWhenShort();
    });
  }

  #nextClosed(): void {
    const stale = this.#nextIsFromCache && !this.#next?.heard;
    this.#next = undefined;
    if (this.#closed) return;
    // A connection from the cache may have been closed by the other side before it saw our request.
    if (stale) void this.#connectFresh();
    else this.#fail();
  }

  #writeData(packet: Packet): void {
    let write: QueuedWrite;
    try {
      write = decodeWriteData(packet);
    } catch (error) {
      packet.release();
      throw error;
    }
    if (write.chunkId !== this.#chunkId) {
      packet.release();
      this.#endWrongly();
      return;
    }
    this.#outstanding.push({ packet, writeId: write.writeId });
    packet.hold();
    this.#writer.add(write);
    this.#forward(packet);
    if (this.#paused || this.#queueIsShort()) return;
    this.#paused = true;
    this.#connection.stream.pause();
  }

  #queueIsShort(): boolean {
    const limit = this.#paused ? QUEUE_LOW_BYTES : QUEUE_HIGH_BYTES;
    return this.#writer.queuedBytes <= limit && (this.#next?.stream.unsentBytes ?? 0) <= limit;
  }

  #fromNext(packet: Packet): void {
    this.#lastHeardMs = this.#connection.context.clock.monotonicMs();
    try {
      if (packet.type === CSTOCL_WRITE_STATUS.number) this.#statusFromNext(packet.payload);
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error;
      this.#fail();
    } finally {
      packet.release();
    }
  }

  #statusFromNext(payload: Buffer): void {
    const { chunkId, writeId, status } = CSTOCL_WRITE_STATUS.decode(payload);
    if (status !== Status.OK || chunkId !== this.#chunkId) {
      this.#fail();
      return;
    }
    if (writeId === 0) {
      this.#openThere = true;
      this.#opened();
      return;
    }
    if (this.#outstanding[this.#acknowledged]?.writeId !== writeId) {
      this.#fail();
      return;
    }
    this.#acknowledged++;
    this.#answerDone();
  }

  #opened(): void {
    if (!this.#openHere || !this.#openThere) return;
    this.#answer(writeStatusFrame(this.#chunkId, 0, Status.OK));
    this.#answerDone();
  }

  #batchDone(batch: readonly QueuedWrite[], done: number, status: number): void {
    for (const write of batch) write.packet.release();
    this.#written += done;
    if (status !== Status.OK) this.#fail();
    else this.#answerDone();
    this.#resumeWhenShort();
    if (this.#closed) this.#settle();
  }

  /** Tells the client of everything that both this server and the rest of the chain have, in order. */
  #answerDone(): void {
    if (!this.#openHere || !this.#openThere) return;
    const count = Math.min(this.#written, this.#acknowledged);
    if (count === 0) return;
    const done = this.#outstanding.splice(0, count);
    this.#written -= count;
    this.#acknowledged -= count;
    for (const write of done) write.packet.release();
    this.#answer(
      writeStatusFrames(
        this.#chunkId,
        done.map((write) => write.writeId),
      ),
    );
  }

  #finish(packet: Packet): void {
    const matching = finishes(packet.payload, this.#chunkId, this.#version);
    this.#next?.stream.write(packet.frame, () => packet.release());
    if (!matching) {
      this.#endWrongly();
      return;
    }
    const { cache } = this.#connection.context;
    if (this.#outstanding.length === 0 && this.#next) cache.give(this.#next);
    else this.#next?.drop(true);
    this.#next = undefined;
    if (this.#paused) this.#connection.stream.resume();
    this.#closed = true;
    this.#connection.finished();
    this.#settle();
  }

  /** Refused before the session began: the connection stays idle. */
  #refuse(status: number): void {
    if (this.#paused) this.#connection.stream.resume();
    this.#next?.drop(false);
    this.#next = undefined;
    this.#answer(writeStatusFrame(this.#chunkId, 0, status));
    this.#closed = true;
    const rest = this.#outstanding.splice(0);
    for (const write of this.#writer.takeRest()) write.packet.release();
    this.#connection.finished();
    this.#settle();
    // Data sent without waiting for the answer are "late data" now.
    for (const write of rest) this.#connection.redeliver(write.packet);
  }

  #endWrongly(): void {
    this.#answer(writeStatusFrame(this.#chunkId, 0, Status.WRONGCHUNKID));
    this.#fail();
  }

  /** Closes both connections; what was answered before still goes out. */
  #fail(): void {
    if (this.#closed) return;
    this.#next?.drop(false);
    this.#next = undefined;
    this.#connection.closeGently();
  }

  #echo(): void {
    const nowMs = this.#connection.context.clock.monotonicMs();
    if (nowMs - this.#lastEchoMs < NOP_ECHO_MS) return;
    this.#lastEchoMs = nowMs;
    this.#answer(NOP_FRAME);
  }

  #answer(frame: Buffer): void {
    if (!this.#closed) this.#connection.send(frame);
  }

  #resumeWhenShort(): void {
    if (!this.#paused || !this.#queueIsShort()) return;
    this.#paused = false;
    if (!this.#closed) this.#connection.stream.resume();
  }

  /** Ends the job when nothing is left to be written here. */
  #settle(): void {
    if (this.#ended || !this.#writer.isIdle) return;
    this.#ended = true;
    for (const write of this.#outstanding.splice(0)) write.packet.release();
    const { jobs, store } = this.#connection.context;
    jobs.end();
    store.counters.clientWrites++;
  }
}
