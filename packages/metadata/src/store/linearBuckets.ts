const FIRST_BUCKETS = 1024;
/** Hashes have 32 bits. */
const MOST_BUCKETS = 2 ** 31;
/** Room for what comes after an image was loaded. */
const SPARE_FACTOR = 1.25;

/** How many buckets a hash table by linear hashing has, and which one a hash is in: each insertion beyond the load limit splits one. */
export class LinearBuckets {
  /** Greatest power of two not above `buckets`. */
  private level = FIRST_BUCKETS;
  private buckets = FIRST_BUCKETS;
  private count = 0;

  /** Makes room for so many rows, and a quarter more, at once. Only while the table is empty. */
  reserve(rows: number): void {
    const buckets = Math.min(Math.ceil(rows * SPARE_FACTOR), MOST_BUCKETS);
    if (this.count > 0 || buckets <= this.buckets) {
      return;
    }
    this.buckets = buckets;
    this.level = 2 ** (31 - Math.clz32(buckets));
  }

  /** Of hashes below this, each stands for another bucket or for one that is still to be split off. */
  get span(): number {
    return this.level * 2;
  }

  of(hash: number): number {
    const bucket = (hash & (this.level * 2 - 1)) >>> 0;
    return bucket < this.buckets ? bucket : (hash & (this.level - 1)) >>> 0;
  }

  /** Counts a row. Whether the next bucket in turn is due for being split. */
  add(): boolean {
    return ++this.count > this.buckets;
  }

  remove(): void {
    this.count--;
  }

  /** The bucket that is to be split next. */
  get splitFrom(): number {
    return this.buckets - this.level;
  }

  /** The bucket into which half of its rows go. */
  get splitTo(): number {
    return this.buckets;
  }

  /** Whether a row of the bucket that is split goes into the new one. */
  moves(hash: number): boolean {
    return (hash & (this.level * 2 - 1)) >>> 0 === this.buckets;
  }

  /** The split was done. */
  splitDone(): void {
    this.buckets++;
    if (this.buckets === this.level * 2) {
      this.level *= 2;
    }
  }
}
