/** Files with a reservation; beyond, the oldest is forgotten. */
const LIMIT = 1_000_000;

/**
 * Room reserved at the end of files for appends that were announced and not written yet (spec 20 §3.4.3). Only in memory: after a
 * restart an append begins at the end of what was written.
 */
export class AppendReservations {
  readonly #ends = new Map<number, number>();

  /** End of the reserved room of a file, 0 = none. */
  of(inode: number): number {
    return this.#ends.get(inode) ?? 0;
  }

  reserve(inode: number, end: number): void {
    this.#ends.delete(inode);
    this.#ends.set(inode, end);
    if (this.#ends.size <= LIMIT) return;
    const [oldest] = this.#ends.keys();
    this.#ends.delete(oldest!);
  }

  drop(inode: number): void {
    this.#ends.delete(inode);
  }

  /** The file has got this length: a reservation up to it is used up. */
  reached(inode: number, length: number): void {
    const end = this.#ends.get(inode);
    if (end !== undefined && length >= end) this.#ends.delete(inode);
  }
}
