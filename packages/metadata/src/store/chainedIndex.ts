import { U32Column } from './columns.ts';
import { LinearBuckets } from './linearBuckets.ts';

/**
 * Hash index from a 32-bit hash to rows of a table, by linear hashing: rows of a bucket are chained through `next`, and each
 * insertion beyond the load limit splits exactly one bucket. So the index grows without ever stalling, at any size.
 *
 * It knows nothing of keys: the caller walks `first(hash)`, `next.get(row)` ... and compares.
 */
export class ChainedIndex {
  /** Next row of the same bucket, 0 = none. */
  readonly next = new U32Column();
  private readonly heads = new U32Column();
  private readonly hashOf: (row: number) => number;
  private readonly buckets = new LinearBuckets();

  /** @param hashOf gives the hash of a row that is in the index (needed when its bucket is split). */
  constructor(hashOf: (row: number) => number) {
    this.hashOf = hashOf;
  }

  /** Makes room for so many rows at once, which saves splitting bucket after bucket. Only while it is empty. */
  reserve(rows: number): void {
    this.buckets.reserve(rows);
  }

  /** First row of the chain in which rows with this hash are, 0 = empty. */
  first(hash: number): number {
    return this.heads.get(this.buckets.of(hash));
  }

  insert(row: number, hash: number): void {
    const bucket = this.buckets.of(hash);
    this.next.set(row, this.heads.get(bucket));
    this.heads.set(bucket, row);
    if (this.buckets.add()) {
      this.split();
    }
  }

  /** Removes a row that is in the index. */
  remove(row: number, hash: number): void {
    const bucket = this.buckets.of(hash);
    const after = this.next.get(row);
    let at = this.heads.get(bucket);
    this.buckets.remove();
    if (at === row) {
      this.heads.set(bucket, after);
      return;
    }
    for (;;) {
      const following = this.next.get(at);
      if (following === row) {
        this.next.set(at, after);
        return;
      }
      if (following === 0) {
        throw new Error(`row ${row} is not in its index`);
      }
      at = following;
    }
  }

  /** Distributes the rows of the next bucket in turn over it and a new one. */
  private split(): void {
    const { buckets, next } = this;
    let row = this.heads.get(buckets.splitFrom);
    let kept = 0;
    let moved = 0;
    while (row !== 0) {
      const following = next.get(row);
      if (buckets.moves(this.hashOf(row))) {
        next.set(row, moved);
        moved = row;
      } else {
        next.set(row, kept);
        kept = row;
      }
      row = following;
    }
    this.heads.set(buckets.splitFrom, kept);
    this.heads.set(buckets.splitTo, moved);
    buckets.splitDone();
  }
}

/** Spreads the bits of a 32-bit number over the low bits (dense numbers stay free of collisions). */
export function mixBits(value: number): number {
  return (value ^ (value >>> 16) ^ (value >>> 9)) >>> 0;
}
