import type { BufferPool } from './buffers.ts';
import { ChunkLock } from './chunkLock.ts';

/** A chunk in use, or used a short while ago. */
export interface ActiveChunk {
  readonly id: number;
  readonly slot: number;
  readonly lock: ChunkLock;
  /** Sessions and operations that hold it. */
  users: number;
  /** Deleted, or its folder given up, while somebody held it. */
  gone: boolean;
  /** The open file, -1 when it is closed. */
  fd: number;
  /** The opening in progress. */
  opening: Promise<void> | undefined;
  /** The CRC table as in the file. */
  crcTable: Buffer | undefined;
  /** Written to since it was opened. */
  needsSync: boolean;
  /** The block whose image is kept for the next partial write, -1 when none is. */
  cachedBlock: number;
  cachedImage: Buffer | undefined;
  lastUseMs: number;
}

const FILE_IDLE_MS = 1000;
const IMAGE_IDLE_MS = 10_000;
const TABLE_IDLE_MS = 100_000;
/** CRC tables kept at most: 4 KiB each. */
const MAX_TABLES = 16_384;

/**
 * The chunks in use. Idle ones are kept in order of their last use, so that the file, the block image and the CRC table can
 * be let go when they were not needed for a while, and earlier when there are too many.
 */
export class ActiveChunks {
  readonly #chunks = new Map<number, ActiveChunk>();
  readonly #images: BufferPool;
  readonly #maxOpenFiles: number;
  readonly #closer: (chunk: ActiveChunk, fd: number, sync: boolean) => Promise<void>;
  #openFiles = 0;
  /** Closings under way; never reject. */
  readonly #closing = new Set<Promise<void>>();

  constructor(
    images: BufferPool,
    maxOpenFiles: number,
    /** Syncs if asked to, closes, and takes care of errors itself. */
    closeFile: (chunk: ActiveChunk, fd: number, sync: boolean) => Promise<void>,
  ) {
    this.#images = images;
    this.#maxOpenFiles = maxOpenFiles;
    this.#closer = closeFile;
  }

  get openFiles(): number {
    return this.#openFiles;
  }

  get count(): number {
    return this.#chunks.size;
  }

  /** The chunk with one more user. Each `take` needs a `leave`. */
  take(id: number, slot: number): ActiveChunk {
    let chunk = this.#chunks.get(id);
    if (!chunk) {
      chunk = {
        id,
        slot,
        lock: new ChunkLock(),
        users: 0,
        gone: false,
        fd: -1,
        opening: undefined,
        crcTable: undefined,
        needsSync: false,
        cachedBlock: -1,
        cachedImage: undefined,
        lastUseMs: 0,
      };
      this.#chunks.set(id, chunk);
    }
    chunk.users++;
    return chunk;
  }

  leave(chunk: ActiveChunk, nowMs: number): void {
    chunk.users--;
    chunk.lastUseMs = nowMs;
    if (chunk.users > 0) return;
    if (chunk.gone) {
      void this.closeFile(chunk);
      return;
    }
    // To the end of the order of use.
    this.#chunks.delete(chunk.id);
    this.#chunks.set(chunk.id, chunk);
  }

  /** Whether anybody holds this chunk. */
  isInUse(id: number): boolean {
    return (this.#chunks.get(id)?.users ?? 0) > 0;
  }

  /** The chunk is no longer in the table: later accesses must not find it. */
  forget(id: number): void {
    const chunk = this.#chunks.get(id);
    if (!chunk) return;
    chunk.gone = true;
    this.#chunks.delete(id);
    if (chunk.users === 0) void this.closeFile(chunk);
  }

  /** Makes room for one more open file; false when all are busy. */
  reserveFile(): boolean {
    if (this.#openFiles >= this.#maxOpenFiles) this.#closeLeastUsed();
    if (this.#openFiles >= this.#maxOpenFiles) return false;
    this.#openFiles++;
    return true;
  }

  /** Gives a reservation back, after a failed open or the close of a file that belongs to no active chunk. */
  releaseFile(): void {
    this.#openFiles--;
  }

  /** Lets go of what was not used for a while; called several times a second. */
  houseKeeping(nowMs: number): void {
    let surplus = this.#chunks.size - MAX_TABLES;
    for (const chunk of this.#chunks.values()) {
      if (chunk.users > 0) continue;
      const idleMs = nowMs - chunk.lastUseMs;
      if (idleMs < FILE_IDLE_MS && surplus <= 0) break;
      if (chunk.fd >= 0) void this.#close(chunk);
      if (idleMs >= IMAGE_IDLE_MS) this.dropImage(chunk);
      if (idleMs < TABLE_IDLE_MS && surplus <= 0) continue;
      this.dropImage(chunk);
      this.#chunks.delete(chunk.id);
      surplus--;
    }
  }

  /** Forgets the block image, for instance because the block was overwritten. */
  dropImage(chunk: ActiveChunk): void {
    if (chunk.cachedImage) this.#images.give(chunk.cachedImage);
    chunk.cachedImage = undefined;
    chunk.cachedBlock = -1;
  }

  /** Closes the file of a chunk in use, because it is removed or another one takes its place. */
  async closeFile(chunk: ActiveChunk): Promise<void> {
    this.dropImage(chunk);
    if (chunk.fd >= 0) await this.#close(chunk);
  }

  /** Closes all files that nobody uses and waits for it. */
  async closeAll(): Promise<void> {
    for (const chunk of this.#chunks.values()) if (chunk.users === 0) void this.closeFile(chunk);
    await Promise.all(this.#closing);
  }

  #closeLeastUsed(): void {
    // Files that are being closed no longer count; when that takes its time, there must not be too many of them.
    if (this.#closing.size * 4 > this.#maxOpenFiles) return;
    for (const chunk of this.#chunks.values()) {
      if (chunk.users > 0 || chunk.fd < 0) continue;
      void this.#close(chunk);
      return;
    }
  }

  #close(chunk: ActiveChunk): Promise<void> {
    const { fd, needsSync } = chunk;
    chunk.fd = -1;
    chunk.needsSync = false;
    this.#openFiles--;
    const closing = this.#closer(chunk, fd, needsSync && !chunk.gone).then(() => {
      this.#closing.delete(closing);
    });
    this.#closing.add(closing);
    return closing;
  }
}
