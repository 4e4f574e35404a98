import { Readable, Writable } from 'node:stream';
import type { FileHandle } from './fileHandle.ts';

export interface ReadStreamOptions {
  /** First and last byte to read, as in `fs.createReadStream`. */
  readonly start?: number;
  readonly end?: number;
  readonly highWaterMark?: number;
  readonly encoding?: BufferEncoding;
  readonly signal?: AbortSignal;
}

export interface WriteStreamOptions {
  /** Where to begin; not in append mode. */
  readonly start?: number;
  readonly highWaterMark?: number;
  readonly signal?: AbortSignal;
}

const READ_STEP = 256 * 1024;
const WRITE_STEP = 1 << 20;

type Done = (error?: Error | null) => void;

function settle(promise: Promise<void>, done: Done): void {
  promise.then(
    () => done(),
    (error: unknown) => done(error instanceof Error ? error : new Error(String(error))),
  );
}

/** A stream of a file's bytes. The file is opened when the stream starts and closed when it ends. */
export function readStream(open: () => Promise<FileHandle>, options: ReadStreamOptions): Readable {
  let handle: FileHandle | undefined;
  let position = options.start ?? 0;
  const end = options.end === undefined ? Number.POSITIVE_INFINITY : options.end + 1;
  return new Readable({
    highWaterMark: options.highWaterMark ?? READ_STEP,
    ...(options.encoding !== undefined && { encoding: options.encoding }),
    ...(options.signal !== undefined && { signal: options.signal }),
    construct(done) {
      settle(
        open().then((opened) => {
          handle = opened;
        }),
        done,
      );
    },
    read(size) {
      const length = Math.min(Math.max(size, READ_STEP), end - position);
      if (length <= 0) {
        this.push(null);
        return;
      }
      handle!.readOwned(length, position).then(
        (views) => {
          if (views.length === 0) this.push(null);
          for (const view of views) {
            position += view.length;
            this.push(view);
          }
        },
        (error: Error) => this.destroy(error),
      );
    },
    destroy(error, done) {
      if (handle === undefined) done(error);
      else settle(handle.close(), (failure) => done(error ?? failure));
    },
  });
}

/** A stream into a file. `finish` comes when all data are on all copies. */
export function writeStream(open: () => Promise<FileHandle>, options: WriteStreamOptions): Writable {
  let handle: FileHandle | undefined;
  let position = options.start ?? 0;
  const write = async (buffers: readonly Buffer[]): Promise<void> => {
    const at = position;
    for (const buffer of buffers) position += buffer.length;
    await handle!.writev(buffers, at);
  };
  return new Writable({
    highWaterMark: options.highWaterMark ?? WRITE_STEP,
    ...(options.signal !== undefined && { signal: options.signal }),
    construct(done) {
      settle(
        open().then((opened) => {
          handle = opened;
        }),
        done,
      );
    },
    write(chunk: Buffer, _encoding, done) {
      settle(write([chunk]), done);
    },
    writev(chunks, done) {
      settle(write(chunks.map(({ chunk }) => chunk as Buffer)), done);
    },
    final(done) {
      settle(handle!.close(), done);
    },
    destroy(error, done) {
      if (handle === undefined) done(error);
      else settle(handle.close(), (failure) => done(error ?? failure));
    },
  });
}
