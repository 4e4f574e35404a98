import type { Readable, Writable } from 'node:stream';
import { Status } from '@alces/proto';
import type { DataEngine, FileIo, MasterSession } from '../contracts.ts';
import { ownViews } from '../data/fetch.ts';
import { MfsError } from '../errors.ts';
import { getattr, setattr } from '../operations/nodes.ts';
import type { AttrChanges, Caller } from '../types.ts';
import { asNode, type PathLike } from './fsError.ts';
import type { OpenMode } from './openFlags.ts';
import { Stats } from './stats.ts';
import { type ReadStreamOptions, readStream, type WriteStreamOptions, writeStream } from './streams.ts';

export type Data = string | NodeJS.ArrayBufferView | ArrayBuffer;

/** The bytes of what a caller gave, without a copy where possible. */
export function bytesOf(data: Data): Buffer {
  if (typeof data === 'string') return Buffer.from(data);
  if (data instanceof ArrayBuffer) return Buffer.from(data);
  return Buffer.from(data.buffer, data.byteOffset, data.byteLength);
}

/** Seconds of a time given as Node's `utimes` takes it. */
export function secondsOf(time: number | string | Date): number {
  const seconds = time instanceof Date ? time.getTime() / 1000 : Number(time);
  if (!Number.isFinite(seconds)) throw new MfsError(Status.EINVAL);
  return Math.max(0, Math.min(0xffff_ffff, Math.floor(seconds)));
}

/** What a handle needs of the client that opened it. */
export interface HandleContext {
  readonly session: MasterSession;
  readonly data: DataEngine;
  readonly caller: Caller;
}

const READ_ALL_STEP = 1 << 20;

/** An open file, after the model of Node's `FileHandle`. */
export class FileHandle implements AsyncDisposable {
  readonly path: PathLike;
  readonly #context: HandleContext;
  readonly #io: FileIo;
  readonly #mode: OpenMode;
  /** Where reads and writes without a position happen. */
  #position = 0;
  #closing: Promise<void> | undefined;

  constructor(context: HandleContext, io: FileIo, mode: OpenMode, path: PathLike) {
    this.#context = context;
    this.#io = io;
    this.#mode = mode;
    this.path = path;
  }

  get inode(): number {
    return this.#io.inode;
  }

  /** Reads into `buffer`; without `position` at and behind the file's current position. `bytesRead` 0: end of the file. */
  async read<B extends NodeJS.ArrayBufferView>(
    buffer: B,
    offset = 0,
    length: number = buffer.byteLength - offset,
    position: number | null = null,
  ): Promise<{ bytesRead: number; buffer: B }> {
    const views = await this.readViews(length, position);
    const target = Buffer.from(buffer.buffer, buffer.byteOffset, buffer.byteLength);
    let at = offset;
    for (const view of views) at += view.copy(target, at);
    return { bytesRead: at - offset, buffer };
  }

  /** As `read`, without a copy: buffers in order, empty at the end of the file. They must not be changed. */
  readViews(length: number, position: number | null = null): Promise<Buffer[]> {
    return this.#run('read', async () => {
      if (!this.#mode.read) throw new MfsError(Status.NOTOPENED);
      const from = position ?? this.#position;
      let views = await this.#io.read(from, length);
      if (views.length === 0 && length > 0 && (await this.#hasGrown(from))) views = await this.#io.read(from, length);
      if (position === null) for (const view of views) this.#position += view.length;
      return views;
    });
  }

  /** Other clients may have appended; their writes do not tell us the new length. */
  async #hasGrown(position: number): Promise<boolean> {
    const { length } = await getattr(this.#context.session, this.inode, this.#context.caller, true);
    return this.#context.data.noteLength(this.inode, length) > position;
  }

  /** Writes all of `data`; without `position` at the current position, in append mode at the end of the file. */
  write(data: Data, position: number | null = null): Promise<{ bytesWritten: number }> {
    const bytes = bytesOf(data);
    return this.#run('write', async () => {
      await this.#write([bytes], bytes.length, position);
      return { bytesWritten: bytes.length };
    });
  }

  writev(data: readonly NodeJS.ArrayBufferView[], position: number | null = null): Promise<{ bytesWritten: number }> {
    const buffers = data.map(bytesOf);
    const length = buffers.reduce((sum, buffer) => sum + buffer.length, 0);
    return this.#run('write', async () => {
      await this.#write(buffers, length, position);
      return { bytesWritten: length };
    });
  }

  async #write(buffers: readonly Buffer[], length: number, position: number | null): Promise<void> {
    if (!this.#mode.write) throw new MfsError(Status.NOTOPENED);
    const options = { asRoot: this.#context.caller.uid === 0 };
    if (this.#mode.append) {
      await this.#io.append(buffers, options);
      return;
    }
    const at = position ?? this.#position;
    if (position === null) this.#position += length;
    await this.#io.write(at, buffers, options);
  }

  /** Everything from the current position to the end. */
  async readFile(): Promise<Buffer> {
    const parts: Buffer[] = [];
    for (;;) {
      const views = await this.readViews(READ_ALL_STEP);
      parts.push(...views);
      const received = views.reduce((sum, view) => sum + view.length, 0);
      if (received < READ_ALL_STEP) return Buffer.concat(parts);
    }
  }

  stat(): Promise<Stats> {
    return this.#run('fstat', async () => {
      const attr = await getattr(this.#context.session, this.inode, this.#context.caller, true);
      return new Stats(this.inode, { ...attr, length: this.#context.data.noteLength(this.inode, attr.length) });
    });
  }

  truncate(length = 0): Promise<void> {
    return this.#run('ftruncate', async () => {
      if (!this.#mode.write) throw new MfsError(Status.EINVAL);
      await this.#context.data.truncate(this.inode, length, this.#context.caller, true);
    });
  }

  /** Waits until everything written is on all copies and the master knows it. Throws the first error of a write. */
  sync(): Promise<void> {
    return this.#run('fsync', () => this.#io.flush());
  }

  datasync(): Promise<void> {
    return this.sync();
  }

  chmod(mode: number): Promise<void> {
    return this.#setattr('fchmod', { mode: mode & 0o7777 });
  }

  chown(uid: number, gid: number): Promise<void> {
    return this.#setattr('fchown', { uid, gid });
  }

  utimes(atime: number | string | Date, mtime: number | string | Date): Promise<void> {
    this.#context.session.forgetTimes(this.inode, true, true);
    return this.#setattr('futimes', { atime: secondsOf(atime), mtime: secondsOf(mtime) });
  }

  #setattr(syscall: string, changes: AttrChanges): Promise<void> {
    return this.#run(syscall, async () => {
      await setattr(this.#context.session, this.inode, changes, this.#context.caller, { opened: true });
    });
  }

  createReadStream(options: ReadStreamOptions = {}): Readable {
    return readStream(async () => this, options);
  }

  createWriteStream(options: WriteStreamOptions = {}): Writable {
    return writeStream(async () => this, options);
  }

  /** Flushes and closes. Throws the error of an earlier write, if there was one; the handle is closed nevertheless. */
  close(): Promise<void> {
    this.#closing ??= this.#run('close', async () => {
      try {
        await this.#io.close();
      } finally {
        this.#context.session.releaseInode(this.inode);
      }
    });
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #run<T>(syscall: string, action: () => Promise<T>): Promise<T> {
    return asNode(syscall, this.path, action);
  }

  /** Views for a stream, which hands them to code that may change them. */
  async readOwned(length: number, position: number): Promise<Buffer[]> {
    return ownViews(await this.readViews(length, position));
  }
}
