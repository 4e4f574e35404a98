import { MAX_FILE_SIZE, Status, TruncateFlag } from '@alces/proto';
import type { FileIo, WriteOptions } from '../contracts.ts';
import { ioError, MfsError } from '../errors.ts';
import { truncate } from '../operations/files.ts';
import type { DataContext } from './context.ts';
import type { FileData } from './fileData.ts';
import { Reader } from './reader.ts';

/** After so many changes during one read its data are taken as they are: all of it was read after the call began. */
const MAX_ROUNDS = 5;
const SIZE_LIMIT = Number(MAX_FILE_SIZE);
const APPEND = TruncateFlag.OPENED | TruncateFlag.UPDATE | TruncateFlag.RESERVE;
const ROOT = { uid: 0, gids: [0] };

function totalLength(data: readonly Buffer[]): number {
  let total = 0;
  for (const buffer of data) total += buffer.length;
  return total;
}

/** Whether referring to the data would hold much more memory than they have bytes. */
function wastesMemory(data: readonly Buffer[], length: number): boolean {
  let held = 0;
  let previous: ArrayBufferLike | undefined;
  for (const { buffer } of data) {
    if (buffer !== previous) held += buffer.byteLength;
    previous = buffer;
  }
  return held > 2 * length;
}

/** See the interface. */
export class OpenFileIo implements FileIo {
  readonly #context: DataContext;
  readonly #file: FileData;
  readonly #reader: Reader;
  readonly #released: () => void;
  #wrote = false;
  #closed = false;
  /** The first failure since this handle began to write; it stays (spec 20 §6.6). */
  #error: MfsError | undefined;
  readonly #onFailure = (error: MfsError): void => {
    this.#error ??= error;
  };

  /** `released` is called when the handle is closed. */
  constructor(context: DataContext, file: FileData, released: () => void) {
    this.#context = context;
    this.#file = file;
    this.#reader = new Reader(context, file);
    this.#released = released;
    file.handles++;
    file.readers.add(this.#reader);
  }

  get inode(): number {
    return this.#file.inode;
  }

  get length(): number {
    return this.#file.length;
  }

  read(offset: number, length: number): Promise<Buffer[]> {
    const { timeoutMs } = this.#context;
    return timeoutMs === 0 ? this.#read(offset, length) : this.#limited(this.#read(offset, length), timeoutMs);
  }

  async #read(offset: number, length: number): Promise<Buffer[]> {
    this.#checkOpen();
    if (offset < 0 || length < 0) throw new MfsError(Status.EINVAL);
    const file = this.#file;
    for (let round = 1; ; round++) {
      if (file.hasDirtyData && file.overlapsDirty(offset, offset + length)) await file.flush(offset, offset + length);
      const known = file.length;
      const fileLength = offset + length <= known ? known : await file.lengthFor(offset + length);
      const end = Math.min(offset + length, fileLength);
      if (end <= offset) return [];
      const views = await this.#reader.read(offset, end, fileLength, round === MAX_ROUNDS);
      // The answer that located a chunk may have told that the file is shorter now.
      if (views === undefined || (file.length < end && round < MAX_ROUNDS)) continue;
      this.#context.session.noteRead(file.inode);
      return views;
    }
  }

  async #limited<T>(operation: Promise<T>, timeoutMs: number): Promise<T> {
    const { promise, reject } = Promise.withResolvers<never>();
    const cancel = this.#context.clock.timeout(timeoutMs, () => reject(ioError('reading took too long')));
    try {
      return await Promise.race([operation, promise]);
    } finally {
      cancel();
    }
  }

  async write(offset: number, data: readonly Buffer[], options: WriteOptions = {}): Promise<void> {
    this.#checkWritable();
    const file = this.#file;
    const length = totalLength(data);
    if (offset < 0) throw new MfsError(Status.EINVAL);
    if (offset + length > SIZE_LIMIT) throw new MfsError(Status.INDEXTOOBIG);
    if (length === 0) return;
    this.#markWriter();
    while (file.writeGate !== undefined) await file.writeGate;
    const budget = this.#context.writeBudget.take(length);
    if (budget !== undefined) await this.#afterBudget(budget, length);
    const keep = options.transfer === true && !wastesMemory(data, length);
    const kept = keep ? data : [data.length === 1 ? Buffer.from(data[0]) : Buffer.concat(data)];
    file.addDirty(offset, kept, options.asRoot ?? false);
    this.#context.session.noteWrite(file.inode);
  }

  /** The cache was full. Meanwhile a flush may have begun, which must not wait for us. */
  async #afterBudget(budget: Promise<void>, length: number): Promise<void> {
    await budget;
    try {
      while (this.#file.writeGate !== undefined) await this.#file.writeGate;
      this.#checkWritable();
    } catch (error) {
      this.#context.writeBudget.give(length);
      throw error;
    }
  }

  async append(data: readonly Buffer[], options: WriteOptions = {}): Promise<number> {
    this.#checkWritable();
    const length = totalLength(data);
    let position = await this.#reserve(length);
    // The master does not know of our unflushed writes, and a restart makes it forget reservations.
    while (position < this.#file.length && this.#file.overlapsDirty(position, Number.POSITIVE_INFINITY)) {
      await this.#file.flush();
      position = await this.#reserve(length);
    }
    await this.write(position, data, options);
    return position;
  }

  async #reserve(length: number): Promise<number> {
    const { session } = this.#context;
    return (await truncate(session, this.#file.inode, length, APPEND, ROOT)).previousLength;
  }

  async flush(): Promise<void> {
    if (this.#file.hasDirtyData) await this.#file.flush();
    this.#checkError();
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    try {
      if (this.#wrote) await this.flush();
    } finally {
      this.#release();
    }
  }

  #release(): void {
    if (this.#closed) return;
    this.#closed = true;
    const file = this.#file;
    this.#reader.close();
    file.readers.delete(this.#reader);
    file.handles--;
    file.failureListeners.delete(this.#onFailure);
    this.#released();
  }

  #markWriter(): void {
    if (this.#wrote) return;
    this.#wrote = true;
    this.#file.failureListeners.add(this.#onFailure);
  }

  #checkOpen(): void {
    if (this.#closed) throw new MfsError(Status.NOTOPENED);
  }

  #checkError(): void {
    if (this.#error !== undefined) throw this.#error;
  }

  #checkWritable(): void {
    this.#checkOpen();
    this.#checkError();
  }
}
