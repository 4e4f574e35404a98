import type { Channel } from './channel.ts';
import { OUT_HEADER_BYTES } from './constants.ts';
import type { DirectoryList } from './directory.ts';
import { putOutHeader } from './encode.ts';
import type { Answer, Operations, Status } from './operations.ts';
import type { Request } from './request.ts';
import { allocateBlock } from './words.ts';

const EIO = 5;
const ENOENT = 2;
const ERANGE = 34;
const REPLY_BYTES = 512;
const HEADER_WORDS = OUT_HEADER_BYTES / 4;

/** Writes a reply structure at a word index, returns the index behind it. */
export type Put<T> = (words: Uint32Array, at: number, value: T) => number;

export type Undelivered<T> = (value: T) => void;

/** Tells what went wrong inside an operation or on the channel. */
export type ErrorReport = (message: string, error: unknown, request: Request | undefined) => void;

/** The answering side of the server loop: turns what operations return into replies, now or when a promise settles. */
export class Loop {
  readonly operations: Operations;
  readonly #channel: () => Channel;
  readonly #report: ErrorReport;
  readonly #pending = new Map<number, Request>();
  /** Replies are written before the next one is encoded, so one piece of memory serves all of them. */
  readonly #reply = allocateBlock(REPLY_BYTES);

  constructor(operations: Operations, channel: () => Channel, report: ErrorReport) {
    this.operations = operations;
    this.#channel = channel;
    this.#report = report;
  }

  /** Requests that operations have not answered yet. */
  get pendingRequests(): number {
    return this.#pending.size;
  }

  interrupt(unique: number): void {
    this.#pending.get(unique)?.interrupt();
  }

  /** Nobody waits for answers any more: lets operations that wait (locks) give up. */
  interruptAll(): void {
    for (const request of [...this.#pending.values()]) request.interrupt();
  }

  failed(request: Request, error: unknown): void {
    this.#report('operation failed', error, request);
    this.error(request, EIO);
  }

  /** Hands the outcome of an operation to `deliver` (values) or answers it (errno), now or when it settles. */
  #settle<T>(
    request: Request,
    outcome: T | number | Promise<T | number>,
    deliver: (value: T) => void,
    done?: () => void,
  ): void {
    if (outcome instanceof Promise) {
      this.#pending.set(request.unique, request);
      outcome.then(
        (value) => {
          this.#pending.delete(request.unique);
          this.#settle(request, value, deliver, done);
        },
        (error) => {
          this.#pending.delete(request.unique);
          this.failed(request, error);
          done?.();
        },
      );
      return;
    }
    if (typeof outcome === 'number') this.error(request, outcome);
    else deliver(outcome);
    done?.();
  }

  error(request: Request, errno: number): void {
    putOutHeader(this.#reply.words, OUT_HEADER_BYTES, errno, request.unique);
    this.#send(request, OUT_HEADER_BYTES);
  }

  status(request: Request, outcome: Status): void {
    this.#settle(request, outcome, () => {});
  }

  /** Answers with a structure. `undelivered` undoes what a reply means if the kernel did not take it. */
  value<T extends object>(request: Request, outcome: Answer<T>, put: Put<T>, undelivered?: Undelivered<T>): void {
    this.#settle(request, outcome, (value: T) => {
      const lengthBytes = put(this.#reply.words, HEADER_WORDS, value) * 4;
      putOutHeader(this.#reply.words, lengthBytes, 0, request.unique);
      if (this.#send(request, lengthBytes) === ENOENT) undelivered?.(value);
    });
  }

  /** Answers with bytes, in one writev with the header. */
  bytes(request: Request, outcome: Answer<Buffer | readonly Buffer[]>, limitBytes: number): void {
    this.#settle(request, outcome, (value: Buffer | readonly Buffer[]) => {
      const parts = Buffer.isBuffer(value) ? [value] : value;
      let lengthBytes = OUT_HEADER_BYTES;
      for (const part of parts) lengthBytes += part.length;
      if (lengthBytes - OUT_HEADER_BYTES > limitBytes) {
        this.error(request, ERANGE);
        return;
      }
      putOutHeader(this.#reply.words, lengthBytes, 0, request.unique);
      const header = this.#reply.bytes.subarray(0, OUT_HEADER_BYTES);
      this.#sent(request, this.#channel().replyParts([header, ...parts]));
    });
  }

  /** Answers a WRITE: success means all of it. `done` runs when the data is no longer needed. */
  written(request: Request, outcome: Status, lengthBytes: number, done: () => void): void {
    const all = { bytes: lengthBytes };
    const answer = (errno: number): void => {
      if (errno !== 0) this.error(request, errno);
      else this.value(request, all, putWritten);
    };
    if (typeof outcome === 'number') {
      answer(outcome);
      done();
      return;
    }
    const settled = outcome.then((errno) => (errno === 0 ? all : errno));
    this.#settle<{ bytes: number }>(request, settled, () => answer(0), done);
  }

  directory(request: Request, outcome: Status, list: DirectoryList): void {
    const settled = typeof outcome === 'number' ? outcome || list : outcome.then((errno) => errno || list);
    this.#settle<DirectoryList>(request, settled, () => {
      putOutHeader(list.block.words, list.lengthBytes, 0, request.unique);
      const errno = this.#sent(request, this.#channel().reply(list.block.bytes, list.lengthBytes));
      if (errno === ENOENT) for (const node of list.lookedUp) this.operations.forget?.(node, 1);
    });
  }

  #send(request: Request, lengthBytes: number): number {
    return this.#sent(request, this.#channel().reply(this.#reply.bytes, lengthBytes));
  }

  /** ENOENT and ENODEV are the kernel's way of saying that nobody waits; anything else is a defect of ours. */
  #sent(request: Request, errno: number): number {
    const ENODEV = 19;
    if (errno !== 0 && errno !== ENOENT && errno !== ENODEV) {
      this.#report(`the kernel refused a reply (errno ${errno})`, undefined, request);
    }
    return errno;
  }
}

export function putWritten(words: Uint32Array, at: number, value: { bytes: number }): number {
  words[at] = value.bytes;
  words[at + 1] = 0;
  return at + 2;
}
