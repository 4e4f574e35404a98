import {
  ANTOAN_NOP,
  BLOCK_SIZE,
  CLTOCS_WRITE,
  CLTOCS_WRITE_DATA,
  CLTOCS_WRITE_FINISH,
  CSTOCL_WRITE_STATUS,
  crc32,
  FrameReader,
  Status,
} from '@alces/proto';
import type { ChunkLocation, ChunkServer } from '../types.ts';
import type { Cell, CellQueue } from './cells.ts';
import type { DataContext } from './context.ts';
import type { DataLink, LinkUser } from './link.ts';
import { NOP_FRAME } from './linkCache.ts';
import type { Ticking } from './ticker.ts';

/** WRITE_DATA packets without status; the opening counts as one (spec 20 §6.6). */
const MAX_UNACKNOWLEDGED = 64;
const SILENCE_MS = 2000;
const NOP_AFTER_MS = 1000;
/** A cell that is not full waits so long for more. */
const PARTIAL_DELAY_MS = 50;
/** The session stays open for more data so long. */
const IDLE_MS = 100;
/** No new data after this, or the lock in the master could run out. */
const SENDING_LIMIT_MS = 25_000;
const LIMIT_MS = 30_000;
/** After a session this long the chunkserver wants to see a byte at once, or closes (spec 20 §5.1). */
const NOP_BEHIND_FINISH_MS = 1500;

const STATUS_BYTES = 13;
const HEADER_BYTES = 8 + 24;

/** How a session ended; cells not acknowledged are back in the queue. */
export type SessionEnd =
  | { readonly kind: 'finished' }
  /** Silence or the time limit. */
  | { readonly kind: 'stopped' }
  | { readonly kind: 'refused'; readonly status: number }
  /** `unused`: a connection used before was dead, nothing had come from it. */
  | { readonly kind: 'broken'; readonly reason: Error; readonly unused: boolean };

/** What the session asks its job. */
export interface SessionOwner {
  /** Somebody waits for the data: send everything, and end when it is acknowledged. */
  readonly hurry: boolean;
  /** Others wait for the memory or the place: do not wait for more data. */
  readonly pressed: boolean;
  acknowledged(cell: Cell): void;
}

/** Writes cells of one chunk through one open chain (spec 20 §5.3, §6.6). */
export class WriteSession implements LinkUser, Ticking {
  readonly end: Promise<SessionEnd>;
  /** End inside the chunk of everything acknowledged. */
  acknowledgedEnd = 0;
  acknowledgedCells = 0;
  readonly #context: DataContext;
  readonly #owner: SessionOwner;
  readonly #queue: CellQueue;
  readonly #chunk: ChunkLocation;
  readonly #finish: (end: SessionEnd) => void;
  readonly #frames = new FrameReader(STATUS_BYTES);
  #link: DataLink | undefined;
  #reused = false;
  #heard = false;
  #opened = false;
  #startedAtMs = 0;
  #lastBlockMs = 0;
  #nextWriteId = 1;

  constructor(context: DataContext, owner: SessionOwner, queue: CellQueue, chunk: ChunkLocation) {
    this.#context = context;
    this.#owner = owner;
    this.#queue = queue;
    this.#chunk = chunk;
    const { promise, resolve } = Promise.withResolvers<SessionEnd>();
    this.end = promise;
    this.#finish = resolve;
  }

  /** Opens the chain over `link`, which leads to the first server; `following` are the others. */
  start(link: DataLink, following: readonly ChunkServer[], reused: boolean): void {
    const { chunkId, version } = this.#chunk;
    const now = this.#context.clock.monotonicMs();
    this.#link = link;
    this.#reused = reused;
    this.#startedAtMs = now;
    this.#lastBlockMs = now;
    const chain = following.map(({ ip, port }) => ({ ip, port }));
    const opening = CLTOCS_WRITE.encode({ layout: 'protocol1', protocolid: 1, chunkId, version, chain });
    this.#context.ticker.add(this);
    this.#send([opening]);
  }

  /** There is more to send, or the owner hurries. */
  wake(): void {
    if (this.#link === undefined) return;
    this.#send([]);
    this.#endIfDone(this.#context.clock.monotonicMs());
  }

  received(bytes: Buffer): void {
    this.#heard = true;
    try {
      this.#frames.push(bytes);
      for (let frame = this.#frames.next(); frame !== undefined; frame = this.#frames.next()) {
        if (this.#link === undefined) return;
        if (frame.type === CSTOCL_WRITE_STATUS.number) this.#status(frame.payload);
        else if (frame.type !== ANTOAN_NOP.number) throw new Error(`message ${frame.type} during a write`);
      }
    } catch (error) {
      this.closed(error instanceof Error ? error : new Error(String(error)));
      return;
    }
    this.wake();
  }

  closed(reason: Error): void {
    this.#leave({ kind: 'broken', reason, unused: this.#reused && !this.#heard }, false);
  }

  tick(nowMs: number): void {
    const link = this.#link!;
    const age = nowMs - this.#startedAtMs;
    const silence = nowMs - Math.max(link.receivedAtMs, this.#startedAtMs, this.#waitsSince());
    if (silence > SILENCE_MS || (age > LIMIT_MS && !this.#isSettled)) this.#leave({ kind: 'stopped' }, false);
    else if (!this.#endIfDone(nowMs)) {
      this.#send([]);
      if (nowMs - link.sentAtMs > NOP_AFTER_MS && age < SENDING_LIMIT_MS) link.send([NOP_FRAME]);
    }
  }

  /** Nothing has to come while nothing is unanswered. */
  #waitsSince(): number {
    return this.#isSettled ? this.#context.clock.monotonicMs() : 0;
  }

  get #isSettled(): boolean {
    return this.#opened && this.#queue.sentCount === 0;
  }

  /** Sends `first` and all cells whose turn it is. */
  #send(first: Buffer[]): void {
    const now = this.#context.clock.monotonicMs();
    const buffers = first;
    if (now - this.#startedAtMs <= SENDING_LIMIT_MS) {
      const evenPartial = this.#owner.hurry || this.#owner.pressed || now - this.#lastBlockMs >= PARTIAL_DELAY_MS;
      const room = MAX_UNACKNOWLEDGED - (this.#opened ? 0 : 1);
      while (this.#queue.sentCount < room && this.#queue.peek(evenPartial) !== undefined) {
        this.#addCell(this.#queue.markSent(this.#nextWriteId++), buffers);
        this.#lastBlockMs = now;
      }
    }
    if (buffers.length > 0) this.#link!.send(buffers);
  }

  #addCell(cell: Cell, buffers: Buffer[]): void {
    const header = Buffer.allocUnsafe(HEADER_BYTES);
    const { chunkId } = this.#chunk;
    let crc = 0;
    for (const part of cell.content) crc = crc32(part, crc);
    header.writeUInt32BE(CLTOCS_WRITE_DATA.number, 0);
    header.writeUInt32BE(HEADER_BYTES - 8 + cell.length, 4);
    header.writeUInt32BE(Math.floor(chunkId / 0x1_0000_0000), 8);
    header.writeUInt32BE(chunkId % 0x1_0000_0000, 12);
    header.writeUInt32BE(cell.writeId, 16);
    header.writeUInt16BE(cell.block, 20);
    header.writeUInt16BE(cell.start, 22);
    header.writeUInt32BE(cell.length, 24);
    header.writeUInt32BE(crc, 28);
    buffers.push(header, ...cell.content);
  }

  #status(payload: Buffer): void {
    const { chunkId, writeId, status } = CSTOCL_WRITE_STATUS.decode(payload);
    if (chunkId !== this.#chunk.chunkId) throw new Error(`status for chunk ${chunkId}`);
    if (status !== Status.OK) {
      this.#leave({ kind: 'refused', status }, false);
      return;
    }
    if (writeId === 0) {
      if (this.#opened) throw new Error('chain opened twice');
      this.#opened = true;
      return;
    }
    const cell = this.#queue.acknowledge(writeId);
    if (cell === undefined) throw new Error(`status for write ${writeId}, which was not sent`);
    this.acknowledgedEnd = Math.max(this.acknowledgedEnd, cell.block * BLOCK_SIZE + cell.end);
    this.acknowledgedCells++;
    this.#owner.acknowledged(cell);
  }

  /** WRITE_FINISH once everything is acknowledged and there is no reason to wait for more. */
  #endIfDone(nowMs: number): boolean {
    if (!this.#isSettled) return false;
    const age = nowMs - this.#startedAtMs;
    const mayEnd = this.#queue.isEmpty
      ? this.#owner.hurry || this.#owner.pressed || nowMs - this.#lastBlockMs >= IDLE_MS
      : false;
    if (!mayEnd && age <= SENDING_LIMIT_MS) return false;
    const { chunkId, version } = this.#chunk;
    const finish = [CLTOCS_WRITE_FINISH.encode({ chunkId, version })];
    if (age > NOP_BEHIND_FINISH_MS) finish.push(NOP_FRAME);
    this.#link!.send(finish);
    this.#leave({ kind: 'finished' }, true);
    return true;
  }

  #leave(end: SessionEnd, reusable: boolean): void {
    const link = this.#link;
    if (link === undefined) return;
    this.#link = undefined;
    this.#context.ticker.remove(this);
    if (reusable) this.#context.links.put(link);
    else link.destroy();
    this.#queue.takeBack();
    this.#finish(end);
  }
}
