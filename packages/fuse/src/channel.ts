import { close, read, write, writeSync, writevSync } from 'node:fs';
import { Socket, type SocketConstructorOpts } from 'node:net';
import type { BlockPool } from './pool.ts';
import type { Block } from './words.ts';

/** Why a channel ended. */
export type ChannelEnd =
  /** Somebody unmounted the file system (ENODEV): the orderly end. */
  | { cause: 'unmounted' }
  /** The kernel's connection was aborted (`umount -f`, /sys/fs/fuse/connections/N/abort). */
  | { cause: 'aborted' }
  /** `Channel.close` was called. */
  | { cause: 'closed' }
  | { cause: 'failed'; error: Error };

export interface ChannelHandlers {
  /**
   * One request, `lengthBytes` long. True: the receiver keeps `block` and gives it back to the pool itself; false: the block is
   * free for the next read as soon as this returns.
   */
  request(block: Block, lengthBytes: number): boolean;
  /** Called once; no request follows. */
  ended(end: ChannelEnd): void;
}

/** A /dev/fuse descriptor: requests come in through the handlers, replies and notifications go out. */
export interface Channel {
  readonly kind: 'stream' | 'threads';
  /** Sends one reply now. Returns 0 or an errno: ENOENT means the kernel no longer waits for it. */
  reply(bytes: Buffer, lengthBytes: number): number;
  replyParts(parts: readonly Buffer[]): number;
  /**
   * Sends a notification from another thread: the kernel may make the writer wait until requests of this very process are
   * answered. Resolves to 0 or an errno, ENODEV after the end.
   */
  notify(bytes: Buffer): Promise<number>;
  /** Stops reading and closes the descriptor; unless it was unmounted before, the mount point is dead from then on. */
  close(): void;
}

const EBADF = 9;
const EAGAIN = 11;
const ENODEV = 19;
/** Pause of the thread-pool reader when the descriptor turns out to be non-blocking. */
const RETRY_MS = 5;

/** Notifications may block a thread each; the others of libuv's pool must stay free for name resolution and files. */
const NOTIFIERS = 2;

function errnoOf(error: unknown): number {
  const errno = (error as NodeJS.ErrnoException).errno;
  return typeof errno === 'number' ? -errno : EBADF;
}

function endOf(error: NodeJS.ErrnoException): ChannelEnd {
  if (error.code === 'ENODEV') return { cause: 'unmounted' };
  // ENOENT: the kernel aborted the very request that was being read.
  if (error.code === 'ECONNABORTED' || error.code === 'ENOENT') return { cause: 'aborted' };
  return { cause: 'failed', error };
}

/** What both kinds of channel share: writing, and a descriptor that stays open until no thread uses it. */
class Writer {
  readonly fd: number;
  ended = false;
  #notifying = 0;
  readonly #waiting: (() => void)[] = [];
  #whenQuiet: (() => void) | undefined;

  constructor(fd: number) {
    this.fd = fd;
  }

  reply(bytes: Buffer, lengthBytes: number): number {
    if (this.ended) return ENODEV;
    try {
      writeSync(this.fd, bytes, 0, lengthBytes);
      return 0;
    } catch (error) {
      return this.#failed(error, () => [Buffer.from(bytes.subarray(0, lengthBytes))]);
    }
  }

  replyParts(parts: readonly Buffer[]): number {
    if (this.ended) return ENODEV;
    try {
      writevSync(this.fd, parts);
      return 0;
    } catch (error) {
      return this.#failed(error, () => parts.map((part) => Buffer.from(part)));
    }
  }

  /** EAGAIN: the reply was not taken; it is kept (its memory may be reused after we return) and tried again in later turns. */
  #failed(error: unknown, keep: () => Buffer[]): number {
    const errno = errnoOf(error);
    if (errno !== EAGAIN) return errno;
    const kept = keep();
    setImmediate(() => this.replyParts(kept));
    return 0;
  }

  async notify(bytes: Buffer): Promise<number> {
    if (this.#notifying >= NOTIFIERS) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    else this.#notifying += 1;
    const errno = this.ended ? ENODEV : await this.#writeInThread(bytes);
    const next = this.#waiting.shift();
    if (next) next();
    else {
      this.#notifying -= 1;
      if (this.#notifying === 0) this.#whenQuiet?.();
    }
    return errno;
  }

  #writeInThread(bytes: Buffer): Promise<number> {
    return new Promise((resolve) => {
      write(this.fd, bytes, 0, bytes.length, null, (error) => resolve(error ? errnoOf(error) : 0));
    });
  }

  /** Calls `run` when no thread writes to the descriptor any more. Nothing new is started once `ended` is set. */
  whenQuiet(run: () => void): void {
    if (this.#notifying === 0) run();
    else this.#whenQuiet = run;
  }
}

interface PipeHandle {
  open(fd: number): number | undefined;
}
type PipeBinding = { Pipe: new (type: number) => PipeHandle; constants: { SOCKET: number } };

/**
 * The event loop's own handle type for a pipe, opened on any pollable descriptor. `net.Socket` refuses character devices by
 * itself, so the handle is made here; undefined if this Node version does not let us.
 */
function pipeOn(fd: number): PipeHandle | undefined {
  const host = process as unknown as { binding?: (name: string) => PipeBinding };
  try {
    const binding = host.binding?.('pipe_wrap');
    if (!binding) return undefined;
    const pipe = new binding.Pipe(binding.constants.SOCKET);
    return pipe.open(fd) ? undefined : pipe;
  } catch {
    return undefined;
  }
}

/** A socket whose descriptor outlives its end until writers in other threads are done: a reused number would be written to. */
class DeviceSocket extends Socket {
  beforeClose: ((proceed: () => void) => void) | undefined;

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    const proceed = () => super._destroy(error, callback);
    if (this.beforeClose) this.beforeClose(proceed);
    else proceed();
  }
}

function openStream(handle: PipeHandle, writer: Writer, pool: BlockPool, handlers: ChannelHandlers): Channel {
  let current = pool.take();
  const options = {
    handle,
    onread: {
      buffer: () => current.bytes,
      callback: (lengthBytes: number) => {
        if (handlers.request(current, lengthBytes)) current = pool.take();
        return true;
      },
    },
  };
  const socket = new DeviceSocket(options as unknown as SocketConstructorOpts);
  let end: ChannelEnd = { cause: 'closed' };
  socket.beforeClose = (proceed) => {
    writer.ended = true;
    writer.whenQuiet(proceed);
  };
  socket.on('error', (error) => {
    end = endOf(error);
  });
  socket.on('end', () => {
    end = { cause: 'failed', error: new Error('end of file on the FUSE device') };
  });
  socket.on('close', () => handlers.ended(end));
  return {
    kind: 'stream',
    reply: (bytes, lengthBytes) => writer.reply(bytes, lengthBytes),
    replyParts: (parts) => writer.replyParts(parts),
    notify: (bytes) => writer.notify(bytes),
    close: () => {
      socket.destroy();
    },
  };
}

/** Reads in libuv's thread pool: slower, and needs nothing but documented functions. */
function openThreads(writer: Writer, pool: BlockPool, handlers: ChannelHandlers): Channel {
  let closing = false;
  const finish = (end: ChannelEnd): void => {
    writer.ended = true;
    writer.whenQuiet(() => close(writer.fd, () => handlers.ended(end)));
  };
  const next = (block: Block): void => {
    read(writer.fd, block.bytes, 0, block.bytes.length, null, (error, lengthBytes) => {
      if (closing) finish({ cause: 'closed' });
      else if (error?.code === 'EAGAIN') setTimeout(next, RETRY_MS, block);
      else if (error?.code === 'EINTR' || error?.code === 'ENOENT') next(block);
      else if (error) finish(endOf(error));
      else next(handlers.request(block, lengthBytes) ? pool.take() : block);
    });
  };
  next(pool.take());
  return {
    kind: 'threads',
    reply: (bytes, lengthBytes) => writer.reply(bytes, lengthBytes),
    replyParts: (parts) => writer.replyParts(parts),
    notify: (bytes) => writer.notify(bytes),
    close: () => {
      closing = true;
      writer.ended = true;
    },
  };
}

/**
 * Starts reading requests from `fd`, which belongs to the channel from now on. The pool's buffers must have room for the
 * largest request (`max_write` + 4096). `threads` forces the thread-pool channel.
 */
export function openChannel(
  fd: number,
  pool: BlockPool,
  handlers: ChannelHandlers,
  { threads = false }: { threads?: boolean } = {},
): Channel {
  const writer = new Writer(fd);
  const handle = threads ? undefined : pipeOn(fd);
  return handle ? openStream(handle, writer, pool, handlers) : openThreads(writer, pool, handlers);
}
