import { ANTOAN_NOP, CLTOCS_WRITE_DATA, CLTOCS_WRITE_FINISH, Status } from '@alces/proto';
import type { Packet } from '../net/packets.ts';
import { openForWriting } from '../store/writeBlocks.ts';
import type { Activity, DataConnection } from './connection.ts';
import { decodeWriteData, LocalWriter, QUEUE_HIGH_BYTES, QUEUE_LOW_BYTES, type QueuedWrite } from './localWriter.ts';
import { NOP_FRAME } from './nop.ts';
import { finishes, NOP_ECHO_MS, SILENCE_MS, writeStatusFrame, writeStatusFrames } from './writeFrames.ts';

/** A WRITE at the last (or only) server of a chain (spec 20 §5.3.3): each packet is answered when it is written. */
export class LastWrite implements Activity {
  readonly #connection: DataConnection;
  readonly #chunkId: number;
  readonly #version: number;
  readonly #writer: LocalWriter;
  #opening = true;
  #closed = false;
  #ended = false;
  #finish: 'none' | 'matching' | 'wrong' = 'none';
  /** Packets behind WRITE_FINISH; they belong to the idle state. */
  #later: Packet[] = [];
  #lastWriteId = 0;
  #lastPacketMs: number;
  #lastEchoMs = Number.NEGATIVE_INFINITY;
  #paused = false;

  constructor(connection: DataConnection, chunkId: number, version: number) {
    const { clock } = connection.context;
    this.#connection = connection;
    this.#chunkId = chunkId;
    this.#version = version;
    this.#lastPacketMs = clock.monotonicMs();
    this.#writer = new LocalWriter(connection.context, chunkId, version, (...result) => this.#batchDone(...result));
    void this.#open();
  }

  packet(packet: Packet): void {
    this.#lastPacketMs = this.#connection.context.clock.monotonicMs();
    if (this.#finish !== 'none') {
      this.#later.push(packet);
      return;
    }
    if (packet.type === CLTOCS_WRITE_DATA.number) {
      this.#writeData(packet);
      return;
    }
    try {
      if (packet.type === CLTOCS_WRITE_FINISH.number) this.#finishRequested(packet.payload);
      else if (packet.type === ANTOAN_NOP.number && packet.payload.length === 0) this.#echo();
    } finally {
      packet.release();
    }
  }

  tick(nowMs: number): void {
    const busy = this.#opening || !this.#writer.isIdle;
    if (busy) this.#lastPacketMs = nowMs;
    else if (nowMs - this.#lastPacketMs > SILENCE_MS) this.#connection.close();
  }

  closed(): void {
    this.#closed = true;
    // What arrived in full is written even though nobody waits for the answer.
    if (!this.#opening && this.#writer.isIdle) this.#end();
  }

  async #open(): Promise<void> {
    const { store } = this.#connection.context;
    const status = await openForWriting(store, this.#chunkId, this.#version);
    this.#opening = false;
    this.#answer(writeStatusFrame(this.#chunkId, 0, status));
    if (status !== Status.OK) this.#endIdle([]);
    else this.#writer.open();
    if (!this.#ended && this.#writer.isIdle) this.#drained();
  }

  #writeData(packet: Packet): void {
    let write: QueuedWrite;
    try {
      write = decodeWriteData(packet);
    } catch (error) {
      packet.release();
      throw error;
    }
    this.#lastWriteId = write.writeId;
    this.#writer.add(write);
    if (this.#writer.queuedBytes <= QUEUE_HIGH_BYTES || this.#paused) return;
    this.#paused = true;
    this.#connection.stream.pause();
  }

  #batchDone(batch: readonly QueuedWrite[], done: number, status: number): void {
    if (done > 0)
      this.#answer(
        writeStatusFrames(
          this.#chunkId,
          batch.slice(0, done).map((write) => write.writeId),
        ),
      );
    if (status !== Status.OK) {
      this.#answer(writeStatusFrame(this.#chunkId, batch[done].writeId, status));
      for (const write of batch.slice(0, done + 1)) write.packet.release();
      this.#endIdle(batch.slice(done + 1).map((write) => write.packet));
      return;
    }
    for (const write of batch) write.packet.release();
    if (this.#paused && this.#writer.queuedBytes < QUEUE_LOW_BYTES) this.#resume();
    if (this.#writer.isIdle) this.#drained();
  }

  /** Everything received so far is written. */
  #drained(): void {
    if (this.#closed) this.#end();
    else if (this.#finish === 'wrong') {
      this.#answer(writeStatusFrame(this.#chunkId, this.#lastWriteId, Status.WRONGCHUNKID));
      this.#endIdle([]);
    } else if (this.#finish === 'matching') this.#endIdle([]);
  }

  #finishRequested(payload: Buffer): void {
    this.#finish = finishes(payload, this.#chunkId, this.#version) ? 'matching' : 'wrong';
    if (!this.#opening && this.#writer.isIdle) this.#drained();
  }

  #echo(): void {
    if (this.#lastPacketMs - this.#lastEchoMs < NOP_ECHO_MS) return;
    this.#lastEchoMs = this.#lastPacketMs;
    this.#answer(NOP_FRAME);
  }

  #answer(frame: Buffer): void {
    if (!this.#closed) this.#connection.send(frame);
  }

  #resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    if (!this.#closed) this.#connection.stream.resume();
  }

  /** The session is over, the connection idle; what arrived behind it is the idle state's business. */
  #endIdle(rest: readonly Packet[]): void {
    const queued = this.#writer.takeRest().map((write) => write.packet);
    this.#end();
    if (!this.#closed) this.#connection.finished();
    this.#resume();
    for (const packet of [...rest, ...queued, ...this.#later.splice(0)]) this.#connection.redeliver(packet);
  }

  #end(): void {
    if (this.#ended) return;
    this.#ended = true;
    const { jobs, store } = this.#connection.context;
    jobs.end();
    store.counters.clientWrites++;
    if (!this.#closed) return;
    for (const write of this.#writer.takeRest()) write.packet.release();
    for (const packet of this.#later.splice(0)) packet.release();
  }
}
