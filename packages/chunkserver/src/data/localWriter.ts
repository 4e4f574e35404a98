import { BLOCK_SIZE, type CLTOCS_WRITE_DATA, DecodeError, type FieldsOf, Status } from '@alces/proto';
import type { Packet } from '../net/packets.ts';
import { type BlockWrite, writeBlocks } from '../store/writeBlocks.ts';
import type { DataContext } from './context.ts';
import { WRITE_DATA_HEAD_BYTES } from './frames.ts';

/** A WRITE_DATA on its way to the disk. */
export interface QueuedWrite extends BlockWrite {
  packet: Packet;
  chunkId: number;
  writeId: number;
}

const HIGH = 0x1_0000_0000;

/** Reads a WRITE_DATA without checking its values. Throws DecodeError when the lengths do not fit. */
export function decodeWriteData(packet: Packet): QueuedWrite {
  const { payload } = packet;
  if (payload.length < WRITE_DATA_HEAD_BYTES) throw new DecodeError('CLTOCS_WRITE_DATA', 'too short');
  const size = payload.readUInt32BE(16);
  if (payload.length !== WRITE_DATA_HEAD_BYTES + size) throw new DecodeError('CLTOCS_WRITE_DATA', `size ${size}`);
  const fields: Omit<FieldsOf<typeof CLTOCS_WRITE_DATA>, 'size'> = {
    chunkId: payload.readUInt32BE(0) * HIGH + payload.readUInt32BE(4),
    writeId: payload.readUInt32BE(8),
    block: payload.readUInt16BE(12),
    offset: payload.readUInt16BE(14),
    crc: payload.readUInt32BE(20),
    data: payload.subarray(WRITE_DATA_HEAD_BYTES),
  };
  return { ...fields, packet };
}

/** Writes that go to the disk together. */
const BATCH_WRITES = 32;
/** Above this many queued bytes the client is not listened to until the queue is short again. */
export const QUEUE_HIGH_BYTES = 64 * BLOCK_SIZE;
export const QUEUE_LOW_BYTES = 16 * BLOCK_SIZE;

/** What a writer needs of the server. */
export type WriterContext = Pick<DataContext, 'store' | 'defer'>;

/**
 * Takes the WRITE_DATA packets of one session to the disk in order. What arrives while a batch is being written makes up the
 * next batch.
 */
export class LocalWriter {
  readonly #context: WriterContext;
  readonly #chunkId: number;
  readonly #version: number;
  /** Told of each batch: its first `done` writes are done, and unless `status` is OK the next one failed. */
  readonly #batchDone: (batch: readonly QueuedWrite[], done: number, status: number) => void;
  #queue: QueuedWrite[] = [];
  #queuedBytes = 0;
  #running = false;
  #open = false;
  #failed = false;

  constructor(
    context: WriterContext,
    chunkId: number,
    version: number,
    batchDone: (batch: readonly QueuedWrite[], done: number, status: number) => void,
  ) {
    this.#context = context;
    this.#chunkId = chunkId;
    this.#version = version;
    this.#batchDone = batchDone;
  }

  get queuedBytes(): number {
    return this.#queuedBytes;
  }

  /** Nothing is queued or being written. */
  get isIdle(): boolean {
    return !this.#running && this.#queue.length === 0;
  }

  /** The writer becomes the packet's holder. */
  add(write: QueuedWrite): void {
    this.#queue.push(write);
    this.#queuedBytes += write.packet.frame.length;
    if (this.#open) this.#start();
  }

  /** The chunk is open: begin to write. */
  open(): void {
    this.#open = true;
    this.#start();
  }

  /** Stops and hands back what was not written; the caller becomes the holder of the packets. */
  takeRest(): QueuedWrite[] {
    this.#failed = true;
    const rest = this.#queue.splice(0);
    for (const write of rest) this.#queuedBytes -= write.packet.frame.length;
    return rest;
  }

  #start(): void {
    if (this.#running || this.#failed || this.#queue.length === 0) return;
    this.#running = true;
    this.#schedule();
  }

  /** Each batch begins at the end of a turn of the event loop, when all that has arrived in it is in the queue. */
  #schedule(): void {
    this.#context.defer(() => void this.#batch());
  }

  async #batch(): Promise<void> {
    const batch = this.#queue.splice(0, BATCH_WRITES);
    const { done, status } = batch.length > 0 ? await this.#write(batch) : { done: 0, status: Status.OK };
    for (const write of batch) this.#queuedBytes -= write.packet.frame.length;
    if (status !== Status.OK) this.#failed = true;
    const more = this.#queue.length > 0 && !this.#failed;
    if (more) this.#schedule();
    else this.#running = false;
    this.#batchDone(batch, done, status);
  }

  /** Writes up to the first packet that names another chunk. */
  async #write(batch: readonly QueuedWrite[]): Promise<{ done: number; status: number }> {
    const foreign = batch.findIndex((write) => write.chunkId !== this.#chunkId);
    const own = foreign < 0 ? batch : batch.slice(0, foreign);
    const result = await writeBlocks(this.#context.store, this.#chunkId, this.#version, own);
    return result.status === Status.OK && foreign >= 0 ? { done: foreign, status: Status.WRONGCHUNKID } : result;
  }
}
