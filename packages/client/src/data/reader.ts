import { CHUNK_SIZE } from '@alces/proto';
import type { DataContext } from './context.ts';
import { fetchPiece } from './fetch.ts';
import type { FileData } from './fileData.ts';
import { Piece } from './piece.ts';
import { firstGap, pieceEnd, ReadPattern, worthwhileBytes } from './readPlan.ts';

/** Reads of one handle under way at the same time (spec 20 §6.1). */
const MAX_PIECES = 16;
/** Data behind the reader are kept so far, for reads that arrive out of order. */
const KEEP_BEHIND_BYTES = 1 << 20;
/** Data read ahead and not asked for are dropped after so long. */
const MAX_AGE_MS = 60_000;

/** The reads of one open file: pieces asked for, and what to ask for next. */
export class Reader {
  readonly #context: DataContext;
  readonly #file: FileData;
  readonly #pattern: ReadPattern;
  /** Ascending and disjoint. */
  #pieces: Piece[] = [];

  constructor(context: DataContext, file: FileData) {
    this.#context = context;
    this.#file = file;
    this.#pattern = new ReadPattern(context.readAheadBytes);
  }

  /**
   * The bytes of [start, end), which must lie inside the file; undefined if the file changed there meanwhile and `acceptStale` is not
   * given. Throws MfsError.
   */
  async read(start: number, end: number, fileLength: number, acceptStale: boolean): Promise<Buffer[] | undefined> {
    const ahead = this.#pattern.note(start, end);
    const pieces = this.#cover(start, end, ahead, fileLength);
    for (const piece of pieces) piece.users++;
    try {
      for (const piece of pieces) {
        const wait = piece.wait(Math.min(end, piece.end));
        if (wait !== undefined) await wait;
        if (piece.error !== undefined) throw piece.error;
      }
    } finally {
      for (const piece of pieces) piece.users--;
    }
    if (!acceptStale && pieces.some(({ stale }) => stale)) return undefined;
    const views: Buffer[] = [];
    for (const piece of pieces) piece.collect(Math.max(start, piece.start), Math.min(end, piece.end), views);
    this.#forgetServed(start);
    return views;
  }

  /** The data of [start, end) changed. */
  invalidate(start: number, end: number): void {
    if (this.#pieces.length > 0) this.#drop((piece) => piece.start < end && piece.end > start);
  }

  /** Drops data that nobody came for. */
  dropOld(nowMs: number): void {
    this.#drop((piece) => nowMs - piece.createdAtMs > MAX_AGE_MS && piece.users === 0);
  }

  close(): void {
    this.#drop(() => true);
  }

  /** The pieces that make up [start, end), asking for what is missing, and for `aheadBytes` more. */
  #cover(start: number, end: number, aheadBytes: number, fileLength: number): Piece[] {
    this.#drop((piece) => piece.error !== undefined);
    const aheadEnd = Math.min(fileLength, end + aheadBytes);
    for (let gap = firstGap(this.#pieces, start, end); gap !== undefined; gap = firstGap(this.#pieces, start, end)) {
      // A sequential reader's missing part is asked for together with what comes next.
      const wanted = gap.end === end ? this.#freeUntil(gap.start, Math.max(end, aheadEnd)) : gap.end;
      this.#ask(gap.start, pieceEnd(gap.start, wanted, gap.end));
    }
    this.#askAhead(end, aheadEnd, worthwhileBytes(aheadBytes));
    return this.#pieces.filter((piece) => piece.start < end && piece.end > start);
  }

  /** Slivers would come as slivers each time, so only a worthwhile piece is asked for, or one that cannot become longer. */
  #askAhead(end: number, aheadEnd: number, worthwhile: number): void {
    const { readBudget } = this.#context;
    for (
      let gap = firstGap(this.#pieces, end, aheadEnd);
      gap !== undefined;
      gap = firstGap(this.#pieces, end, aheadEnd)
    ) {
      const stop = pieceEnd(gap.start, gap.end, 0);
      const atEnd = stop === this.#file.length || stop % CHUNK_SIZE === 0;
      if (!atEnd && stop - gap.start < worthwhile) return;
      if (this.#pieces.length >= MAX_PIECES) return;
      if (readBudget.used + (stop - gap.start) > readBudget.limit) return;
      this.#ask(gap.start, stop);
    }
  }

  /** How far from `start` nothing is asked for yet, at most to `limit`. */
  #freeUntil(start: number, limit: number): number {
    return firstGap(this.#pieces, start, limit)?.end ?? limit;
  }

  #ask(start: number, end: number): void {
    const piece = new Piece(start, end, this.#context.clock.monotonicMs());
    const index = this.#pieces.findIndex((other) => other.start > start);
    this.#pieces.splice(index === -1 ? this.#pieces.length : index, 0, piece);
    this.#context.readBudget.charge(piece.length);
    void fetchPiece(this.#context, this.#file, piece);
  }

  #forgetServed(position: number): void {
    const behind = position - KEEP_BEHIND_BYTES;
    this.#drop((piece) => piece.servedBytes >= piece.length || (piece.end <= behind && piece.users === 0));
  }

  #drop(condition: (piece: Piece) => boolean): void {
    let kept = 0;
    for (const piece of this.#pieces) {
      if (!condition(piece)) {
        this.#pieces[kept++] = piece;
        continue;
      }
      piece.stale = true;
      if (piece.users === 0) piece.cancelled = true;
      this.#context.readBudget.give(piece.length);
    }
    this.#pieces.length = kept;
  }
}
