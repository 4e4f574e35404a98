import { Status } from '@alces/proto';
import { exhaustedChunkError, finalChunkError, ioError, MfsError } from '../errors.ts';
import { connectLimits, pauseAfterTransfer, pauseAfterTry, pauseWhileLocked } from '../retry.ts';
import type { ChunkLocation } from '../types.ts';
import { type DataContext, pause } from './context.ts';
import type { FileData } from './fileData.ts';
import { chunkIndex } from './locations.ts';
import type { Piece } from './piece.ts';
import { readFrom } from './readOperation.ts';

const NO_SERVERS_MS = 10_000;
const NOT_DONE_MS = 300;

/** Zeros of holes. Handed out as views: nobody may change what a read returned. */
const ZEROS = Buffer.alloc(1 << 20);

function addZeros(piece: Piece): void {
  while (!piece.isComplete) {
    const length = Math.min(ZEROS.length, piece.end - piece.received);
    piece.add([ZEROS.subarray(0, length)], length);
  }
}

/** The views in memory that nobody else uses, for callers that may change them. */
export function ownViews(views: readonly Buffer[]): Buffer[] {
  return views.map((view) => (view.buffer === ZEROS.buffer ? Buffer.alloc(view.length) : view));
}

/** Tries of one piece; what to do after each failure is the table of spec 20 §6.4. */
class Tries {
  readonly #context: DataContext;
  #count = 0;
  #locked = 0;

  constructor(context: DataContext) {
    this.#context = context;
  }

  get count(): number {
    return this.#count;
  }

  reset(): void {
    this.#count = 0;
    this.#locked = 0;
  }

  /** READ_CHUNK was refused. Throws when that is final. */
  async refusedByMaster(error: MfsError): Promise<void> {
    const { status } = error;
    if (status === Status.LOCKED || status === Status.EAGAIN) {
      this.#locked++;
      return pause(this.#context.clock, pauseWhileLocked(this.#locked));
    }
    const final = finalChunkError(status, false, this.#context.policy);
    if (final !== undefined) throw final;
    return this.#again(pauseAfterTry(this.#count + 1), exhaustedChunkError(status, 'cannot locate the chunk'));
  }

  noServers(): Promise<void> {
    return this.#again(NO_SERVERS_MS, new MfsError(Status.CSNOTPRESENT));
  }

  failed(reason: string): Promise<void> {
    return this.#again(pauseAfterTransfer(this.#count + 1), ioError(reason));
  }

  async #again(pauseMs: number, error: MfsError): Promise<void> {
    this.#count++;
    if (this.#count >= this.#context.ioRetries) throw error;
    if (pauseMs > 0) await pause(this.#context.clock, pauseMs);
  }
}

/** Fills a piece, whatever it takes. Errors end up in the piece. */
export async function fetchPiece(context: DataContext, file: FileData, piece: Piece): Promise<void> {
  try {
    await fill(context, file, piece);
  } catch (error) {
    piece.fail(error instanceof MfsError ? error : ioError(String(error)));
  }
}

async function fill(context: DataContext, file: FileData, piece: Piece): Promise<void> {
  const index = chunkIndex(piece.start);
  const tries = new Tries(context);
  while (!piece.isComplete && !piece.cancelled) {
    let location: ChunkLocation;
    try {
      location = await file.locate(index);
    } catch (error) {
      if (!(error instanceof MfsError)) throw error;
      await tries.refusedByMaster(error);
      continue;
    }
    if (piece.cancelled) return;
    if (location.chunkId === 0) addZeros(piece);
    else if (location.servers.length === 0) {
      file.locations.forget(index, location);
      await tries.noServers();
    } else await transfer(context, file, piece, index, location, tries);
  }
}

async function transfer(
  context: DataContext,
  file: FileData,
  piece: Piece,
  index: number,
  location: ChunkLocation,
  tries: Tries,
): Promise<void> {
  const before = piece.received;
  await context.readers.take(1);
  if (piece.cancelled) {
    context.readers.give(1);
    return;
  }
  const server = context.servers.forReading(location.servers);
  context.servers.begin(server);
  const end = await readFrom(context, server, location, piece, connectLimits(tries.count));
  context.servers.end(server, end.kind === 'broken' || end.kind === 'refused');
  context.readers.give(1);
  if (piece.received > before) tries.reset();
  if (end.kind === 'complete' || end.kind === 'cancelled' || end.kind === 'expired') return;
  if (end.kind === 'refused' && end.status === Status.NOTDONE) {
    await pause(context.clock, NOT_DONE_MS);
    return;
  }
  file.locations.forget(index, location);
  await tries.failed(end.kind === 'refused' ? `chunkserver status ${end.status}` : end.reason.message);
}
