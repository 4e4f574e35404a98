import { CHUNK_SIZE, CLTOCS_READ, Status } from '@alces/proto';
import type { ChunkLocation, ChunkServer } from '../types.ts';
import type { DataContext } from './context.ts';
import type { DataLink, LinkUser } from './link.ts';
import { NOP_FRAME } from './linkCache.ts';
import type { Piece } from './piece.ts';
import { ReadAnswer, readAnswerBytes } from './readFrames.ts';
import type { Ticking } from './ticker.ts';

const SILENCE_MS = 2000;
const NOP_AFTER_MS = 1000;
/** Total time of one READ; what is missing then is asked for anew. */
const LIMIT_MS = 30_000;
/** A chunkserver closes a connection after a READ longer than 5 s (spec 20 §5.1). */
const REUSABLE_AFTER_MS = 4000;

/** How a READ ended. */
export type ReadEnd =
  | { readonly kind: 'complete' }
  /** READ_STATUS with an error. */
  | { readonly kind: 'refused'; readonly status: number }
  /** Nobody wants the piece any more. */
  | { readonly kind: 'cancelled' }
  /** Time is up though data kept coming. */
  | { readonly kind: 'expired' }
  /** The connection broke or was silent, or what came was wrong. `unused`: before any answer on a connection used before. */
  | { readonly kind: 'broken'; readonly reason: Error; readonly unused: boolean };

/** One READ on one connection: fills the piece from where it stands (spec 20 §5.2, §6.4). */
class ReadOperation implements LinkUser, Ticking {
  readonly #context: DataContext;
  readonly #piece: Piece;
  readonly #startedAtMs: number;
  readonly #answer: ReadAnswer;
  readonly #end: (end: ReadEnd) => void;
  #link: DataLink | undefined;
  #reused = false;

  constructor(context: DataContext, piece: Piece, chunkId: number, end: (end: ReadEnd) => void) {
    this.#context = context;
    this.#piece = piece;
    this.#end = end;
    this.#startedAtMs = context.clock.monotonicMs();
    const offset = piece.received % CHUNK_SIZE;
    this.#answer = new ReadAnswer(chunkId, offset, piece.end - piece.received, {
      data: (views, length) => piece.add(views, length),
      status: (status) => this.#finish(status),
    });
  }

  start(link: DataLink, { chunkId, version }: ChunkLocation, reused: boolean): void {
    this.#link = link;
    this.#reused = reused;
    const offset = this.#piece.received % CHUNK_SIZE;
    const size = this.#piece.end - this.#piece.received;
    link.expect(readAnswerBytes(offset, size));
    link.send([CLTOCS_READ.encode({ protocolid: 1, chunkId, version, offset, size })]);
    this.#context.ticker.add(this);
  }

  received(bytes: Buffer): void {
    try {
      this.#answer.push(bytes);
    } catch (error) {
      this.#break(error instanceof Error ? error : new Error(String(error)));
      return;
    }
    if (this.#piece.cancelled && this.#link !== undefined) this.#leave({ kind: 'cancelled' }, false);
  }

  closed(reason: Error): void {
    this.#break(reason);
  }

  tick(nowMs: number): void {
    const link = this.#link!;
    if (this.#piece.cancelled) this.#leave({ kind: 'cancelled' }, false);
    else if (nowMs - Math.max(link.receivedAtMs, this.#startedAtMs) > SILENCE_MS) this.#break(new Error('silence'));
    else if (nowMs - this.#startedAtMs > LIMIT_MS) this.#leave({ kind: 'expired' }, false);
    else if (nowMs - link.sentAtMs > NOP_AFTER_MS) link.send([NOP_FRAME]);
  }

  #finish(status: number): void {
    const reusable = this.#context.clock.monotonicMs() - this.#startedAtMs < REUSABLE_AFTER_MS;
    this.#leave(
      status === Status.OK ? { kind: 'complete' } : { kind: 'refused', status },
      reusable && status === Status.OK,
    );
  }

  #break(reason: Error): void {
    this.#leave({ kind: 'broken', reason, unused: this.#reused && this.#answer.untouched }, false);
  }

  #leave(end: ReadEnd, reusable: boolean): void {
    const link = this.#link;
    if (link === undefined) return;
    this.#link = undefined;
    this.#context.ticker.remove(this);
    if (reusable) this.#context.links.put(link);
    else link.destroy();
    this.#end(end);
  }
}

/** Reads the rest of the piece from that server. Never throws. */
export async function readFrom(
  context: DataContext,
  server: ChunkServer,
  location: ChunkLocation,
  piece: Piece,
  limitsMs: readonly number[],
): Promise<ReadEnd> {
  for (;;) {
    const end = await readOnce(context, server, location, piece, limitsMs);
    // The cached connection was dead; that says nothing about the server.
    if (end.kind !== 'broken' || !end.unused) return end;
  }
}

async function readOnce(
  context: DataContext,
  server: ChunkServer,
  location: ChunkLocation,
  piece: Piece,
  limitsMs: readonly number[],
): Promise<ReadEnd> {
  const { promise, resolve } = Promise.withResolvers<ReadEnd>();
  const operation = new ReadOperation(context, piece, location.chunkId, resolve);
  const idle = context.links.takeIdle(server, operation);
  if (idle !== undefined) {
    operation.start(idle, location, true);
    return promise;
  }
  try {
    const link = await context.links.connect(server, limitsMs, operation);
    operation.start(link, location, false);
  } catch (error) {
    const reason = error instanceof Error ? error : new Error(String(error));
    return { kind: 'broken', reason, unused: false };
  }
  return promise;
}
