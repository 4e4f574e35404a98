const NONE = -1;

/**
 * What the master remembers about data cached in mounts (spec 00 §6.10, 10 §2.14, 20 §3.9): for up to `capacity` pairs of
 * (inode, session), least recently used dropped, whether the session's cached data of that file is still good.
 */
export class DataCacheTable {
  readonly #buckets: Int32Array;
  readonly #mask: number;
  readonly #inode: Uint32Array;
  readonly #session: Uint32Array;
  readonly #good: Uint8Array;
  readonly #chainNext: Int32Array;
  readonly #newer: Int32Array;
  readonly #older: Int32Array;
  #newest = NONE;
  #oldest = NONE;
  #free = NONE;
  #used = 0;

  constructor(capacity = 500_000) {
    const buckets = 2 ** Math.ceil(Math.log2(capacity));
    this.#buckets = new Int32Array(buckets).fill(NONE);
    this.#mask = buckets - 1;
    this.#inode = new Uint32Array(capacity);
    this.#session = new Uint32Array(capacity);
    this.#good = new Uint8Array(capacity);
    this.#chainNext = new Int32Array(capacity);
    this.#newer = new Int32Array(capacity);
    this.#older = new Int32Array(capacity);
  }

  /** The session opens the file or looks it up: whether its cached data may be kept. An unknown pair is entered as not good. */
  open(inode: number, session: number): boolean {
    const found = this.#find(inode, session);
    if (found !== NONE) {
      this.#touch(found);
      return this.#good[found] === 1;
    }
    this.#insert(inode, session);
    return false;
  }

  /** The session fetched the file's data anew, or says that it dropped its cache: a known pair becomes good. */
  access(inode: number, session: number): void {
    const found = this.#find(inode, session);
    if (found === NONE) return;
    this.#good[found] = 1;
    this.#touch(found);
  }

  /** The session changed the file: pairs of all others go, its own one, if known, becomes good. */
  modify(inode: number, session: number): void {
    this.#drop(inode, session);
    this.access(inode, session);
  }

  /** The inode is gone. */
  remove(inode: number): void {
    this.#drop(inode, 0);
  }

  #bucket(inode: number): number {
    return (Math.imul(inode, 0x9e3779b1) >>> 8) & this.#mask;
  }

  #find(inode: number, session: number): number {
    let at = this.#buckets[this.#bucket(inode)];
    while (at !== NONE && (this.#inode[at] !== inode || this.#session[at] !== session)) at = this.#chainNext[at];
    return at;
  }

  #insert(inode: number, session: number): void {
    if (this.#free === NONE && this.#used === this.#inode.length) this.#evictOldest();
    let at = this.#free;
    if (at === NONE) at = this.#used++;
    else this.#free = this.#chainNext[at];
    const bucket = this.#bucket(inode);
    this.#inode[at] = inode;
    this.#session[at] = session;
    this.#good[at] = 0;
    this.#chainNext[at] = this.#buckets[bucket];
    this.#buckets[bucket] = at;
    this.#linkNewest(at);
  }

  /** Removes the pairs of an inode, except that of session `keep` (0 = none). */
  #drop(inode: number, keep: number): void {
    const bucket = this.#bucket(inode);
    let before = NONE;
    let at = this.#buckets[bucket];
    while (at !== NONE) {
      const next = this.#chainNext[at];
      if (this.#inode[at] === inode && this.#session[at] !== keep) this.#release(at, before, bucket);
      else before = at;
      at = next;
    }
  }

  #evictOldest(): void {
    const at = this.#oldest;
    const bucket = this.#bucket(this.#inode[at]);
    let before = NONE;
    for (let walk = this.#buckets[bucket]; walk !== at; walk = this.#chainNext[walk]) before = walk;
    this.#release(at, before, bucket);
  }

  #release(at: number, before: number, bucket: number): void {
    const next = this.#chainNext[at];
    if (before === NONE) this.#buckets[bucket] = next;
    else this.#chainNext[before] = next;
    this.#unlink(at);
    this.#chainNext[at] = this.#free;
    this.#free = at;
  }

  #touch(at: number): void {
    if (at === this.#newest) return;
    this.#unlink(at);
    this.#linkNewest(at);
  }

  #linkNewest(at: number): void {
    this.#newer[at] = NONE;
    this.#older[at] = this.#newest;
    if (this.#newest !== NONE) this.#newer[this.#newest] = at;
    this.#newest = at;
    if (this.#oldest === NONE) this.#oldest = at;
  }

  #unlink(at: number): void {
    const newer = this.#newer[at];
    const older = this.#older[at];
    if (newer === NONE) this.#newest = older;
    else this.#older[newer] = older;
    if (older === NONE) this.#oldest = newer;
    else this.#newer[older] = newer;
  }
}
