/** Reports in which an inode still appears after its last release: about ten minutes (spec 00 §6.8). */
const REPORTS_AFTER_RELEASE = 10;
const MAX_LINGERING = 5000;

/** The inodes that a session uses, as SUSTAINED_INODES reports them (spec 00 §6.8, 10 §10.2). */
export class OpenInodes {
  readonly #users = new Map<number, number>();
  /** Released inodes with the number of reports left, oldest release first. */
  readonly #lingering = new Map<number, number>();
  #background = new Set<number>();
  readonly #forgotten: (inode: number) => void;

  /** `forgotten` is called when an inode will not be in the next report. */
  constructor(forgotten: (inode: number) => void) {
    this.#forgotten = forgotten;
  }

  acquire(inode: number): void {
    this.#users.set(inode, (this.#users.get(inode) ?? 0) + 1);
    this.#lingering.delete(inode);
  }

  release(inode: number): void {
    const users = this.#users.get(inode);
    if (users === undefined) throw new Error(`inode ${inode} was released more often than acquired`);
    if (users > 1) {
      this.#users.set(inode, users - 1);
      return;
    }
    this.#users.delete(inode);
    this.#lingering.set(inode, REPORTS_AFTER_RELEASE);
    if (this.#lingering.size > MAX_LINGERING) this.#forgetOldest();
  }

  setBackground(inodes: readonly number[]): void {
    this.#background = new Set(inodes);
  }

  isAcquired(inode: number): boolean {
    return this.#users.has(inode);
  }

  /** All inodes to report, ascending, each once. */
  list(): number[] {
    const all = new Set(this.#background);
    for (const inode of this.#users.keys()) all.add(inode);
    for (const inode of this.#lingering.keys()) all.add(inode);
    all.delete(0);
    return [...all].sort((a, b) => a - b);
  }

  /** The list for a periodic report; released inodes come one report nearer to being forgotten. */
  report(): number[] {
    const inodes = this.list();
    for (const [inode, reportsLeft] of this.#lingering) {
      if (reportsLeft > 1) this.#lingering.set(inode, reportsLeft - 1);
      else this.#forget(inode);
    }
    return inodes;
  }

  #forgetOldest(): void {
    for (const inode of this.#lingering.keys()) {
      this.#forget(inode);
      return;
    }
  }

  #forget(inode: number): void {
    this.#lingering.delete(inode);
    if (!this.#background.has(inode)) this.#forgotten(inode);
  }
}
