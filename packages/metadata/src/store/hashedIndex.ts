import { U32Column } from './columns.ts';
import { LinearBuckets } from './linearBuckets.ts';

/** Heads of so many buckets stay in the processor's cache while rows are inserted. */
const CACHED_BUCKETS = 1 << 17;
/** Passing over all rows costs too, so there are not more passes than this. */
const MOST_PASSES = 8;

/**
 * As ChainedIndex, for hashes that are spread over memory and cost too much to be computed again: the hash of a row stands beside the
 * link to the next one, so that a step along a chain is one access to memory that is not in the processor's cache.
 */
export class HashedIndex {
  /** Of row r: the next row of the same bucket (0 = none) at 2r, its hash at 2r + 1. */
  private readonly links = new U32Column();
  private readonly heads = new U32Column();
  private readonly buckets = new LinearBuckets();

  /** As ChainedIndex.reserve. */
  reserve(rows: number): void {
    this.buckets.reserve(rows);
  }

  /** First row with this hash, 0 = none. */
  first(hash: number): number {
    return this.from(this.heads.get(this.buckets.of(hash)), hash);
  }

  /** Next row with this hash behind one that has it, 0 = none. */
  next(row: number, hash: number): number {
    return this.from(this.links.get(row * 2), hash);
  }

  insert(row: number, hash: number): void {
    const bucket = this.buckets.of(hash);
    this.links.set(row * 2, this.heads.get(bucket));
    this.links.set(row * 2 + 1, hash);
    this.heads.set(bucket, row);
    if (this.buckets.add()) {
      this.split();
    }
  }

  /** Notes the hash of a row that `insertNoted` will insert. */
  note(row: number, hash: number): void {
    this.links.set(row * 2 + 1, hash);
  }

  /**
   * Inserts the rows below `rowLimit` whose hashes were noted, one range of buckets after the other: heads that are not in the
   * processor's cache are what costs time when many rows are inserted.
   */
  insertNoted(rowLimit: number, isNoted: (row: number) => boolean): void {
    const { span } = this.buckets;
    const step = Math.max(CACHED_BUCKETS, Math.ceil(span / MOST_PASSES));
    for (let first = 0; first < span; first += step) {
      for (let row = 1; row < rowLimit; row++) {
        const hash = this.links.get(row * 2 + 1);
        const place = (hash & (span - 1)) >>> 0;
        if (place >= first && place < first + step && isNoted(row)) this.insert(row, hash);
      }
    }
  }

  /** Removes a row that is in the index. */
  remove(row: number): void {
    const bucket = this.buckets.of(this.links.get(row * 2 + 1));
    const after = this.links.get(row * 2);
    let at = this.heads.get(bucket);
    this.buckets.remove();
    if (at === row) {
      this.heads.set(bucket, after);
      return;
    }
    for (;;) {
      const following = this.links.get(at * 2);
      if (following === row) {
        this.links.set(at * 2, after);
        return;
      }
      if (following === 0) {
        throw new Error(`row ${row} is not in its index`);
      }
      at = following;
    }
  }

  /** The first row with this hash from `row` on along its chain. */
  private from(row: number, hash: number): number {
    let at = row;
    while (at !== 0 && this.links.get(at * 2 + 1) !== hash) {
      at = this.links.get(at * 2);
    }
    return at;
  }

  /** Distributes the rows of the next bucket in turn over it and a new one. */
  private split(): void {
    const { buckets, links } = this;
    let row = this.heads.get(buckets.splitFrom);
    let kept = 0;
    let moved = 0;
    while (row !== 0) {
      const following = links.get(row * 2);
      if (buckets.moves(links.get(row * 2 + 1))) {
        links.set(row * 2, moved);
        moved = row;
      } else {
        links.set(row * 2, kept);
        kept = row;
      }
      row = following;
    }
    this.heads.set(buckets.splitFrom, kept);
    this.heads.set(buckets.splitTo, moved);
    buckets.splitDone();
  }
}
