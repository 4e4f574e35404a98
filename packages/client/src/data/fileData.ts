import { BLOCK_SIZE, CHUNK_SIZE } from '@alces/proto';
import type { MfsError } from '../errors.ts';
import { readChunk } from '../operations/chunks.ts';
import { getattr } from '../operations/nodes.ts';
import type { ChunkChange, ChunkLocation, LocatedChunk, OpenFileInfo } from '../types.ts';
import { Budget } from './budget.ts';
import { ChunkJob } from './chunkJob.ts';
import type { DataContext } from './context.ts';
import { chunkIndex, Locations } from './locations.ts';
import type { Reader } from './reader.ts';

/** Chunks of one file written at the same time (spec 20 §6.1). */
const PARALLEL_CHUNKS = 16;

/** A length less than what our own write made it, told so soon after it, may be an older answer. */
const RAISED_MS = 1000;

const ANYONE = { uid: 0, gids: [0] };

/** What the handles of one inode share: length, chunk locations, and what is still to be written. */
export class FileData {
  readonly inode: number;
  readonly locations = new Locations();
  readonly writers = new Budget(PARALLEL_CHUNKS);
  readonly readers = new Set<Reader>();
  /** Told when writing fails: the open handles that wrote. */
  readonly failureListeners = new Set<(error: MfsError) => void>();
  /** Open handles. */
  handles = 0;
  readonly #context: DataContext;
  readonly #jobs = new Map<number, ChunkJob>();
  readonly #asking = new Map<number, Promise<ChunkLocation>>();
  #masterLength: number;
  #raisedAtMs = Number.NEGATIVE_INFINITY;
  /** End of everything written here since all was last flushed. */
  #localEnd = 0;
  /** The master may know another length: it told of changes, or its notifications were missed. */
  #lengthUncertain = false;
  #asksLength: Promise<void> | undefined;
  #flushes = 0;
  #lastAction: Promise<void> = Promise.resolve();
  #gate: PromiseWithResolvers<void> | undefined;

  constructor(context: DataContext, inode: number, length: number) {
    this.#context = context;
    this.inode = inode;
    this.#masterLength = length;
  }

  get length(): number {
    return Math.max(this.#masterLength, this.#localEnd);
  }

  get hasDirtyData(): boolean {
    return this.#jobs.size > 0;
  }

  /** What OPEN told; a file just opened for the first time knows no chunk. */
  opened({ length, chunkZero, truncated }: OpenFileInfo): void {
    this.noteMasterLength(length);
    if (truncated) this.cut(0, 0);
    if (chunkZero === undefined || this.locations.get(0) !== undefined || this.#asking.has(0)) return;
    if (chunkZero instanceof Promise) this.#asked(0, chunkZero);
    // A slot that was empty a moment ago may have been filled before we opened the file, and nobody told us.
    else if (chunkZero.chunkId !== 0) this.locations.learn(0, chunkZero, this.locations.changes);
  }

  /** The master said so, in an answer that may be older than the end of our last write. */
  noteMasterLength(length: number): void {
    const raisedJustNow = this.#context.clock.monotonicMs() - this.#raisedAtMs < RAISED_MS;
    this.#lengthUncertain = length < this.#masterLength && raisedJustNow;
    if (!this.#lengthUncertain) this.#masterLength = length;
  }

  /** A write raised the length at the master to at least this. */
  raiseMasterLength(length: number): void {
    if (length <= this.#masterLength) return;
    this.#masterLength = length;
    this.#raisedAtMs = this.#context.clock.monotonicMs();
  }

  /** The length to which reads are cut; asks the master if `end` lies beyond a length that may be old. */
  async lengthFor(end: number): Promise<number> {
    if (end > this.length && this.#lengthUncertain) await this.refreshLength();
    return this.length;
  }

  async refreshLength(): Promise<void> {
    this.#asksLength ??= (async () => {
      try {
        const { length } = await getattr(this.#context.session, this.inode, ANYONE, true);
        this.noteMasterLength(length);
      } finally {
        this.#asksLength = undefined;
      }
    })();
    await this.#asksLength;
  }

  /** Where the chunk is; asks the master if it is not known. Throws MfsError. */
  async locate(index: number): Promise<ChunkLocation> {
    // A chunk that we are locking ourselves would not be located for readers until we unlock it.
    if (this.locations.get(index) === undefined) await this.#jobs.get(index)?.located;
    const known = this.locations.get(index) ?? this.#asking.get(index);
    return known ?? this.#asked(index, readChunk(this.#context.session, this.inode, index));
  }

  #asked(index: number, question: Promise<LocatedChunk>): Promise<ChunkLocation> {
    const answer = this.#answered(index, question);
    this.#asking.set(index, answer);
    // Whoever waits for the location gets the error; nobody may be waiting.
    answer.catch(() => {});
    return answer;
  }

  /** Keeps what READ_CHUNK answers, unless the chunk changed while it was asked. */
  async #answered(index: number, question: Promise<LocatedChunk>): Promise<ChunkLocation> {
    const { changes } = this.locations;
    try {
      const located = await question;
      this.noteMasterLength(located.fileLength);
      if (located.servers.length > 0 || located.chunkId === 0) this.locations.learn(index, located, changes);
      return located;
    } finally {
      this.#asking.delete(index);
    }
  }

  /** Adds bytes to be written, all of them charged to the write budget before. */
  addDirty(offset: number, data: readonly Buffer[], asRoot: boolean): void {
    let position = offset;
    for (const buffer of data) {
      for (let from = 0; from < buffer.length; ) {
        const take = Math.min(buffer.length - from, BLOCK_SIZE - (position % BLOCK_SIZE));
        this.#job(chunkIndex(position), asRoot).add(position % CHUNK_SIZE, buffer.subarray(from, from + take));
        from += take;
        position += take;
      }
    }
    this.#localEnd = Math.max(this.#localEnd, position);
    for (const reader of this.readers) reader.invalidate(offset, position);
    for (let index = chunkIndex(offset); index <= chunkIndex(position - 1); index++) this.#jobs.get(index)!.wake();
  }

  #job(index: number, asRoot: boolean): ChunkJob {
    let job = this.#jobs.get(index);
    if (job === undefined) {
      job = new ChunkJob(this.#context, this, index);
      this.#jobs.set(index, job);
      job.start(() => this.#jobDone(index));
    }
    if (asRoot) job.usesReserve = true;
    return job;
  }

  #jobDone(index: number): void {
    this.#jobs.delete(index);
    if (this.#jobs.size === 0) this.#localEnd = 0;
  }

  /** Bytes are on all copies now; what was read ahead while they were under way may lack them. */
  written(start: number, end: number): void {
    for (const reader of this.readers) reader.invalidate(start, end);
  }

  /** Writing failed for good; the job dropped its data. */
  failed(error: MfsError): void {
    for (const listener of this.failureListeners) listener(error);
  }

  /** Whether bytes in [start, end) may wait to be written. */
  overlapsDirty(start: number, end: number): boolean {
    if (this.#jobs.size === 0) return false;
    for (const [index, job] of this.#jobs) {
      const base = index * CHUNK_SIZE;
      if (job.overlaps(start - base, end - base)) return true;
    }
    return false;
  }

  /** Waits until what was written into chunks touching [start, end) is on all copies, or failed. New writes wait meanwhile. */
  async flush(start = 0, end: number = Number.POSITIVE_INFINITY): Promise<void> {
    const jobs = [...this.#jobs].filter(([index]) => index * CHUNK_SIZE < end && (index + 1) * CHUNK_SIZE > start);
    if (jobs.length === 0) return;
    await this.#holdingWrites(async () => {
      for (const [, job] of jobs) job.flush();
      await Promise.all(jobs.map(([, job]) => job.done));
    });
  }

  /** Flushes everything, then runs `action` while nothing is written; one action after another. */
  exclusively<T>(action: () => Promise<T>): Promise<T> {
    const previous = this.#lastAction;
    const run = this.#holdingWrites(async () => {
      await previous;
      await this.flush();
      return action();
    });
    this.#lastAction = run.then(
      () => {},
      () => {},
    );
    return run;
  }

  /** Writers wait for this before they add data. */
  get writeGate(): Promise<void> | undefined {
    return this.#gate?.promise;
  }

  async #holdingWrites<T>(action: () => Promise<T>): Promise<T> {
    this.#flushes++;
    this.#gate ??= Promise.withResolvers();
    try {
      return await action();
    } finally {
      if (--this.#flushes === 0) {
        this.#gate.resolve();
        this.#gate = undefined;
      }
    }
  }

  /** The file was cut or extended to `length`: nothing known of its data from `from` on holds. */
  cut(length: number, from: number): void {
    this.#masterLength = length;
    this.#lengthUncertain = false;
    this.#raisedAtMs = Number.NEGATIVE_INFINITY;
    this.locations.forgetFrom(chunkIndex(from));
    for (const reader of this.readers) reader.invalidate(from, Number.POSITIVE_INFINITY);
  }

  /** 702 (spec 20 §3.7). The length of a file that grew is not told, so it is asked for when it matters. */
  chunkChanged({ index, chunkId, version, fileLength, truncated }: ChunkChange): void {
    const base = index * CHUNK_SIZE;
    if (truncated) this.cut(fileLength, base);
    else {
      this.locations.changed(index, chunkId, version);
      for (const reader of this.readers) reader.invalidate(base, base + CHUNK_SIZE);
    }
    this.#lengthUncertain = true;
  }

  /** 703: the value is not always the file's length (spec 20 §3.4.3), so it is asked for when it matters. */
  lengthChanged(length: number): void {
    const from = Math.min(length, this.#masterLength);
    this.#masterLength = length;
    this.#lengthUncertain = true;
    this.locations.forgetFrom(Math.ceil(length / CHUNK_SIZE));
    for (const reader of this.readers) reader.invalidate(from, Number.POSITIVE_INFINITY);
  }

  /** Notifications may have been missed. */
  connectionLost(): void {
    this.#lengthUncertain = true;
    this.locations.forgetFrom(0);
    for (const reader of this.readers) reader.invalidate(0, Number.POSITIVE_INFINITY);
  }
}
