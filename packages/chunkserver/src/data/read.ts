import { ANTOAN_NOP, BLOCK_SIZE, CHUNK_SIZE, type CLTOCS_READ, crc32, type FieldsOf, Status } from '@alces/proto';
import type { Packet } from '../net/packets.ts';
import { readBlocks } from '../store/readBlocks.ts';
import type { Activity, DataConnection } from './connection.ts';
import {
  areaPosition,
  putReadHead,
  putReadStatus,
  READ_HEAD_BYTES,
  type ReadBuffer,
  ReadBufferPool,
} from './frames.ts';
import { NOP_FRAME } from './nop.ts';

/** READ (spec 20 §5.2). Blocks are read in batches, the next one while the last one is being sent. */

type ReadRequest = FieldsOf<typeof CLTOCS_READ>;

/** Blocks in the first batch, which a client is waiting for, and the sizes that batches grow to. */
const BATCHES = [2, 4, 16] as const;
const POOLS = [new ReadBufferPool(1, 64), ...BATCHES.map((blocks) => new ReadBufferPool(blocks, 64 / blocks))];
/** With more jobs than this, batches stay small so that memory does not grow with the number of clients. */
const MANY_JOBS = 32;
/** Batches being sent while the next one is read. */
const SENDING_LIMIT = 2;
/** A client that takes nothing for so long is given up. */
const STALL_MS = 5000;
/** Silence after which a client that understands NOPs gets one. */
const NOP_AFTER_MS = 1000;

function statusFrame(chunkId: number, status: number): Buffer {
  const frame = Buffer.allocUnsafe(READ_HEAD_BYTES);
  return frame.subarray(0, putReadStatus(frame, 0, chunkId, status));
}

function refusal(request: ReadRequest): number | undefined {
  if (request.size === 0) return Status.OK;
  if (request.size > CHUNK_SIZE) return Status.WRONGSIZE;
  if (request.offset >= CHUNK_SIZE || request.offset + request.size > CHUNK_SIZE) return Status.WRONGOFFSET;
  return undefined;
}

/** Starts a READ; undefined when it was answered at once. */
export function startRead(connection: DataConnection, request: ReadRequest): Activity | undefined {
  const refused = refusal(request) ?? (connection.context.jobs.begin() ? undefined : Status.NOTDONE);
  if (refused === undefined) return new ReadActivity(connection, request);
  connection.send(statusFrame(request.chunkId, refused));
  return undefined;
}

class ReadActivity implements Activity {
  readonly #connection: DataConnection;
  readonly #request: ReadRequest;
  readonly #end: number;
  #at: number;
  #round = 0;
  /** Batches given to the connection and not yet taken by the kernel. */
  #sending = 0;
  #wake: (() => void) | undefined;
  #aborted = false;
  #unsentBytes = 0;
  #progressMs: number;

  constructor(connection: DataConnection, request: ReadRequest) {
    this.#connection = connection;
    this.#request = request;
    this.#at = request.offset;
    this.#end = request.offset + request.size;
    this.#progressMs = connection.context.clock.monotonicMs();
    void this.#run();
  }

  packet(packet: Packet): void {
    packet.release();
    // Anything but a NOP during a READ is garbage.
    if (packet.type !== ANTOAN_NOP.number) this.#connection.close();
  }

  tick(nowMs: number): void {
    const { stream, lastSentMs } = this.#connection;
    const unsent = stream.unsentBytes;
    if (unsent === 0 || unsent !== this.#unsentBytes) this.#progressMs = nowMs;
    this.#unsentBytes = unsent;
    if (unsent > 0 && nowMs - this.#progressMs > STALL_MS) this.#connection.close();
    else if (unsent === 0 && this.#request.protocolid && nowMs - lastSentMs >= NOP_AFTER_MS)
      this.#connection.send(NOP_FRAME);
  }

  closed(): void {
    this.#aborted = true;
    this.#wake?.();
  }

  async #run(): Promise<void> {
    const { jobs, store } = this.#connection.context;
    try {
      while (this.#at < this.#end && !this.#aborted) await this.#batch();
    } finally {
      jobs.end();
      store.counters.clientReads++;
    }
  }

  /** Reads some blocks and sends them, with the final status behind the last one. */
  async #batch(): Promise<void> {
    if (this.#sending >= SENDING_LIMIT) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
      this.#wake = undefined;
      if (this.#aborted) return;
    }
    const { chunkId, version } = this.#request;
    const first = Math.floor(this.#at / BLOCK_SIZE);
    const count = this.#batchSize(first);
    const buffer = (POOLS.find((pool) => pool.blocks >= count) ?? POOLS[POOLS.length - 1]).take();
    const areas = count === buffer.areas.length ? buffer.areas : buffer.areas.slice(0, count);
    const crcs: number[] = [];
    const { done, status } = await readBlocks(this.#connection.context.store, chunkId, version, first, areas, crcs);
    if (this.#aborted) buffer.pool.give(buffer);
    else this.#send(buffer, first, done, status, crcs);
  }

  #batchSize(first: number): number {
    const { jobs } = this.#connection.context;
    const wanted = Math.floor((this.#end - 1) / BLOCK_SIZE) - first + 1;
    const round = Math.min(this.#round++, jobs.active > MANY_JOBS ? 1 : BATCHES.length - 1);
    return Math.min(wanted, BATCHES[round]);
  }

  #send(buffer: ReadBuffer, first: number, done: number, status: number, crcs: readonly number[]): void {
    const { chunkId } = this.#request;
    const start = done > 0 ? areaPosition(0) + (this.#at % BLOCK_SIZE) - READ_HEAD_BYTES : 0;
    let end = start;
    for (let index = 0; index < done; index++) end = this.#putBlock(buffer, first + index, index, crcs[index]);
    const last = status !== Status.OK || this.#at >= this.#end;
    if (last) end = putReadStatus(buffer.bytes, end, chunkId, status);
    if (last) this.#finish();
    this.#sending++;
    this.#connection.send(buffer.bytes.subarray(start, end), () => {
      this.#sending--;
      buffer.pool.give(buffer);
      this.#wake?.();
    });
  }

  /** Puts the head before the wanted part of a block; answers the position behind the part. */
  #putBlock(buffer: ReadBuffer, block: number, index: number, blockCrc: number): number {
    const blockStart = block * BLOCK_SIZE;
    const from = this.#at - blockStart;
    const to = Math.min(this.#end - blockStart, BLOCK_SIZE);
    const crc = to - from === BLOCK_SIZE ? blockCrc : crc32(buffer.areas[index].subarray(from, to));
    const dataStart = areaPosition(index) + from;
    putReadHead(buffer.bytes, dataStart - READ_HEAD_BYTES, this.#request.chunkId, block, from, to - from, crc);
    this.#at = blockStart + to;
    return areaPosition(index) + to;
  }

  /** The connection is idle from now on; the client may have its next request on the way already. */
  #finish(): void {
    this.#aborted = true;
    this.#connection.finished();
  }
}
