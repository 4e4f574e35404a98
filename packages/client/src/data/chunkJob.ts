import { BLOCK_SIZE, CHUNK_SIZE, ChunkOpFlag, Status } from '@alces/proto';
import { exhaustedChunkError, finalChunkError, ioError, MfsError, writeEndError } from '../errors.ts';
import { writeChunk, writeChunkEnd } from '../operations/chunks.ts';
import { connectLimits, pauseAfterTry, pauseWhileLocked } from '../retry.ts';
import type { ChunkServer, LocatedChunk } from '../types.ts';
import { type Cell, CellQueue } from './cells.ts';
import { type DataContext, pause } from './context.ts';
import type { FileData } from './fileData.ts';
import { type SessionEnd, type SessionOwner, WriteSession } from './writeSession.ts';

const NO_SERVERS_MS = 10_000;
const NOT_DONE_MS = 300;

/** Writes what is to be written into one chunk: locks it, sends through the chain, unlocks it, and again until nothing is left. */
export class ChunkJob implements SessionOwner {
  readonly done: Promise<void>;
  /** Resolves when the master has told where the chunk is, or the job ended without that. */
  readonly located: Promise<void>;
  /** Some of the data was written by uid 0. */
  usesReserve = false;
  readonly #context: DataContext;
  readonly #file: FileData;
  readonly #index: number;
  readonly #queue = new CellQueue();
  readonly #finished: () => void;
  readonly #told: () => void;
  #session: WriteSession | undefined;
  #hurry = false;
  #tries = 0;

  constructor(context: DataContext, file: FileData, index: number) {
    this.#context = context;
    this.#file = file;
    this.#index = index;
    const done = Promise.withResolvers<void>();
    this.done = done.promise;
    this.#finished = done.resolve;
    const located = Promise.withResolvers<void>();
    this.located = located.promise;
    this.#told = located.resolve;
  }

  /** Runs until the queue is empty; `ended` is called when no more may be added. */
  start(ended: () => void): void {
    void this.#run(ended);
  }

  get hurry(): boolean {
    return this.#hurry;
  }

  get pressed(): boolean {
    const { writeBudget, writers } = this.#context;
    return writeBudget.waiting > 0 || writers.waiting > 0 || this.#file.writers.waiting > 0;
  }

  add(offset: number, data: Buffer): void {
    this.#queue.add(offset, data);
  }

  wake(): void {
    this.#session?.wake();
  }

  /** Somebody waits for `done`. */
  flush(): void {
    this.#hurry = true;
    this.wake();
  }

  overlaps(start: number, end: number): boolean {
    return this.#queue.overlaps(start, end);
  }

  acknowledged(cell: Cell): void {
    this.#context.writeBudget.give(cell.chargedBytes);
    const blockStart = this.#index * CHUNK_SIZE + cell.block * BLOCK_SIZE;
    this.#file.written(blockStart + cell.start, blockStart + cell.end);
  }

  async #run(ended: () => void): Promise<void> {
    await this.#file.writers.take(1);
    try {
      while (!this.#queue.isEmpty) await this.#round();
    } catch (error) {
      this.#context.writeBudget.give(this.#queue.clear());
      this.#file.failed(error instanceof MfsError ? error : ioError(String(error)));
    }
    ended();
    this.#file.writers.give(1);
    this.#told();
    this.#finished();
  }

  /** One lock of the chunk. Throws MfsError when writing it failed for good. */
  async #round(): Promise<void> {
    const chunk = await this.#lock();
    if (chunk.servers.length === 0) {
      await this.#unlock(chunk, 0);
      await this.#again(NO_SERVERS_MS, new MfsError(Status.CSNOTPRESENT));
      return;
    }
    const chain = this.#context.servers.chainOrder(chunk.servers);
    this.#context.servers.begin(chain[0]);
    const session = new WriteSession(this.#context, this, this.#queue, chunk);
    await this.#context.writers.take(1);
    const end = await this.#write(session, chain);
    this.#context.writers.give(1);
    this.#session = undefined;
    this.#context.servers.end(chain[0], end.kind === 'broken' || end.kind === 'stopped');
    const written = this.#index * CHUNK_SIZE + session.acknowledgedEnd;
    // Only what we wrote: another client may have cut the file since WRITE_CHUNK told its length.
    await this.#unlock(chunk, session.acknowledgedCells === 0 ? 0 : written);
    await this.#judge(end, session.acknowledgedCells);
  }

  async #lock(): Promise<LocatedChunk> {
    const { session, clock, policy } = this.#context;
    const flags = this.usesReserve ? ChunkOpFlag.CANUSERESERVESPACE : 0;
    for (let locked = 0; ; ) {
      try {
        const chunk = await writeChunk(session, this.#file.inode, this.#index, flags);
        if (chunk.chunkId === 0) throw ioError('WRITE_CHUNK gave no chunk');
        this.#file.raiseMasterLength(chunk.fileLength);
        this.#file.locations.set(this.#index, chunk);
        this.#told();
        return chunk;
      } catch (error) {
        if (!(error instanceof MfsError)) throw error;
        const { status } = error;
        if (status === Status.LOCKED || status === Status.EAGAIN) {
          await pause(clock, pauseWhileLocked(++locked));
          continue;
        }
        const final = finalChunkError(status, true, policy);
        if (final !== undefined) throw final;
        await this.#again(pauseAfterTry(this.#tries + 1), exhaustedChunkError(status, 'cannot lock the chunk'));
      }
    }
  }

  async #write(session: WriteSession, chain: readonly ChunkServer[]): Promise<SessionEnd> {
    this.#session = session;
    const [head, ...following] = chain;
    const idle = this.#context.links.takeIdle(head, session);
    if (idle !== undefined) {
      session.start(idle, following, true);
      return session.end;
    }
    try {
      const link = await this.#context.links.connect(head, connectLimits(this.#tries), session);
      session.start(link, following, false);
    } catch (error) {
      return { kind: 'broken', reason: error instanceof Error ? error : new Error(String(error)), unused: false };
    }
    return session.end;
  }

  /** WRITE_CHUNK_END; `length` 0 only unlocks. */
  async #unlock({ chunkId }: LocatedChunk, length: number): Promise<void> {
    try {
      await writeChunkEnd(this.#context.session, { inode: this.#file.inode, index: this.#index, chunkId, length });
    } catch (error) {
      throw error instanceof MfsError ? writeEndError(error.status) : error;
    }
    this.#file.raiseMasterLength(length);
  }

  /** Counts failures and pauses after them (spec 20 §6.6). */
  async #judge(end: SessionEnd, acknowledgedCells: number): Promise<void> {
    if (end.kind === 'finished') {
      this.#tries = 0;
    } else if (end.kind === 'stopped' && acknowledgedCells > 0) {
      this.#tries = 0;
    } else if (end.kind === 'stopped') {
      await this.#again(pauseAfterTry(this.#tries + 1), ioError('the chunkserver does not answer'));
    } else if (end.kind === 'refused' && end.status === Status.NOTDONE) {
      await pause(this.#context.clock, NOT_DONE_MS);
    } else if (end.kind === 'refused') {
      const error =
        end.status === Status.NOSPACE ? new MfsError(end.status) : ioError(`chunkserver status ${end.status}`);
      await this.#again(pauseAfterTry(this.#tries + 1), error);
    } else if (!end.unused) {
      await this.#again(pauseAfterTry(this.#tries + 1), ioError(end.reason.message));
    }
  }

  async #again(pauseMs: number, error: MfsError): Promise<void> {
    this.#tries++;
    if (this.#tries >= this.#context.ioRetries) throw error;
    if (pauseMs > 0) await pause(this.#context.clock, pauseMs);
  }
}
