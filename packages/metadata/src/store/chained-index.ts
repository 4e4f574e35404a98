import { U32Column } from './columns.ts';

const FIRST_BUCKETS = 1024;

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
  /** Greatest power of two not above `buckets`. */
  private level = FIRST_BUCKETS;
  private buckets = FIRST_BUCKETS;
  private count = 0;

  /** @param hashOf gives the hash of a row that is in the index (needed when its bucket is split). */
  constructor(hashOf: (row: number) => number) {
    this.hashOf = hashOf;
  }

  /** Makes room for so many rows at once, which saves splitting bucket after bucket. Only while it is empty. */
  reserve(rows: number): void {
    if (this.count > 0 || rows <= this.buckets) {
      return;
    }
    this.buckets = rows;
    this.level = 2 ** (31 - Math.clz32(rows));
  }

  /** First row of the chain in which rows with this hash are, 0 = empty. */
  first(hash: number): number {
    return this.heads.get(this.bucketOf(hash));
  }

  insert(row: number, hash: number): void {
    const bucket = this.bucketOf(hash);
    this.next.set(row, this.heads.get(bucket));
    this.heads.set(bucket, row);
    this.count++;
    if (this.count > this.buckets) {
      this.split();
    }
  }

  /** Removes a row that is in the index. */
  remove(row: number, hash: number): void {
    const bucket = this.bucketOf(hash);
    const after = this.next.get(row);
    let at = this.heads.get(bucket);
    this.count--;
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

  private bucketOf(hash: number): number {
    const bucket = (hash & (this.level * 2 - 1)) >>> 0;
    return bucket < this.buckets ? bucket : (hash & (this.level - 1)) >>> 0;
  }

  /** Distributes the rows of the next bucket in turn over it and a new one. */
  private split(): void {
    const from = this.buckets - this.level;
    const to = this.buckets;
    let row = this.heads.get(from);
    let kept = 0;
    let moved = 0;
    while (row !== 0) {
      const following = this.next.get(row);
      if ((this.hashOf(row) & (this.level * 2 - 1)) >>> 0 === to) {
        this.next.set(row, moved);
        moved = row;
      } else {
        this.next.set(row, kept);
        kept = row;
      }
      row = following;
    }
    this.heads.set(from, kept);
    this.heads.set(to, moved);
    this.buckets++;
    if (this.buckets === this.level * 2) {
      this.level *= 2;
    }
  }
}

/** Spreads the bits of a 32-bit number over the low bits (dense numbers stay free of collisions). */
export function mixBits(value: number): number {
  return (value ^ (value >>> 16) ^ (value >>> 9)) >>> 0;
}
