/**
 * All chunks that this server has, in typed arrays: about 40 bytes a chunk and nothing for the garbage collector to walk.
 * A chunk is named by its slot; slots are reused after removal. Each folder's chunks form a ring in order of use (the least
 * recently used first), which is the order of the background tests.
 */

/** Slot number that means "none". */
export const NONE = -1;
/** The number of blocks before the file was looked at. */
export const UNKNOWN_BLOCKS = 0xffff;

const FLAG_OLD_HEADER = 1;
const FLAG_DAMAGED = 2;

interface Columns {
  idLow: Uint32Array;
  idHigh: Uint32Array;
  version: Uint32Array;
  blocks: Uint16Array;
  folder: Uint16Array;
  subfolder: Uint8Array;
  flags: Uint8Array;
  lastUse: Uint32Array;
  /** Next slot with the same hash, or next free slot. */
  chain: Int32Array;
  /** Neighbours in the folder's ring; `before` is NONE for a free slot. */
  before: Int32Array;
  after: Int32Array;
}

function makeColumns(capacity: number): Columns {
  return {
    idLow: new Uint32Array(capacity),
    idHigh: new Uint32Array(capacity),
    version: new Uint32Array(capacity),
    blocks: new Uint16Array(capacity),
    folder: new Uint16Array(capacity),
    subfolder: new Uint8Array(capacity),
    flags: new Uint8Array(capacity),
    lastUse: new Uint32Array(capacity),
    chain: new Int32Array(capacity),
    before: new Int32Array(capacity),
    after: new Int32Array(capacity),
  };
}

const HIGH = 0x1_0000_0000;
const INITIAL_CAPACITY = 1024;

export class ChunkTable {
  #capacity = INITIAL_CAPACITY;
  #columns = makeColumns(INITIAL_CAPACITY);
  #heads = new Int32Array(INITIAL_CAPACITY * 2).fill(NONE);
  #free = NONE;
  #used = 0;
  #count = 0;
  /** Least recently used chunk of each folder (by folder number), NONE for an empty folder. */
  #oldest: number[] = [];

  get count(): number {
    return this.#count;
  }

  /** Slots are below this number. */
  get slotLimit(): number {
    return this.#used;
  }

  /** Whether there is a chunk in the slot. */
  isUsed(slot: number): boolean {
    return this.#columns.before[slot] !== NONE;
  }

  /** The slot of a chunk, NONE when it is not here. */
  find(chunkId: number): number {
    const low = chunkId >>> 0;
    const high = Math.floor(chunkId / HIGH);
    const { idLow, idHigh, chain } = this.#columns;
    let slot = this.#heads[this.#hash(low, high)];
    while (slot !== NONE && (idLow[slot] !== low || idHigh[slot] !== high)) slot = chain[slot];
    return slot;
  }

  /** Makes room for so many more chunks at once: growing step by step would move all of them again and again. */
  reserve(chunks: number): void {
    while (this.#capacity < this.#used + chunks) this.#capacity *= 2;
    if (this.#columns.version.length < this.#capacity) this.#grow();
  }

  /** Adds a chunk that is not in the table yet, as the most recently used of its folder. */
  add(chunkId: number, version: number, folder: number, subfolder: number): number {
    const slot = this.#takeSlot();
    const columns = this.#columns;
    columns.idLow[slot] = chunkId >>> 0;
    columns.idHigh[slot] = Math.floor(chunkId / HIGH);
    columns.version[slot] = version;
    columns.blocks[slot] = UNKNOWN_BLOCKS;
    columns.subfolder[slot] = subfolder;
    columns.flags[slot] = 0;
    columns.lastUse[slot] = 0;
    const hash = this.#hash(columns.idLow[slot], columns.idHigh[slot]);
    columns.chain[slot] = this.#heads[hash];
    this.#heads[hash] = slot;
    this.#link(slot, folder);
    this.#count++;
    return slot;
  }

  remove(slot: number): void {
    const columns = this.#columns;
    const hash = this.#hash(columns.idLow[slot], columns.idHigh[slot]);
    let at = this.#heads[hash];
    if (at === slot) {
      this.#heads[hash] = columns.chain[slot];
    } else {
      while (columns.chain[at] !== slot) at = columns.chain[at];
      columns.chain[at] = columns.chain[slot];
    }
    this.#unlink(slot);
    columns.before[slot] = NONE;
    columns.chain[slot] = this.#free;
    this.#free = slot;
    this.#count--;
  }

  id(slot: number): number {
    return this.#columns.idHigh[slot] * HIGH + this.#columns.idLow[slot];
  }

  version(slot: number): number {
    return this.#columns.version[slot];
  }

  setVersion(slot: number, version: number): void {
    this.#columns.version[slot] = version;
  }

  /** Blocks in the file, UNKNOWN_BLOCKS before it was looked at. */
  blocks(slot: number): number {
    return this.#columns.blocks[slot];
  }

  setBlocks(slot: number, blocks: number): void {
    this.#columns.blocks[slot] = blocks;
  }

  folder(slot: number): number {
    return this.#columns.folder[slot];
  }

  subfolder(slot: number): number {
    return this.#columns.subfolder[slot];
  }

  /** Whether the file has the 1024-byte header of old versions. */
  hasOldHeader(slot: number): boolean {
    return (this.#columns.flags[slot] & FLAG_OLD_HEADER) !== 0;
  }

  setOldHeader(slot: number, old: boolean): void {
    this.#setFlag(slot, FLAG_OLD_HEADER, old);
  }

  /** Whether an error was seen; such a chunk is served, but not tested or moved. */
  isDamaged(slot: number): boolean {
    return (this.#columns.flags[slot] & FLAG_DAMAGED) !== 0;
  }

  setDamaged(slot: number): void {
    this.#setFlag(slot, FLAG_DAMAGED, true);
  }

  /** Unix seconds of the last use, 0 when it was not used since the start. */
  lastUse(slot: number): number {
    return this.#columns.lastUse[slot];
  }

  setLastUse(slot: number, seconds: number): void {
    this.#columns.lastUse[slot] = seconds;
  }

  /** Notes a use: the chunk becomes the most recently used of its folder. */
  use(slot: number, seconds: number): void {
    this.#columns.lastUse[slot] = seconds;
    this.toEnd(slot);
  }

  /** Puts the chunk where the most recently used one of its folder is. */
  toEnd(slot: number): void {
    const folder = this.#columns.folder[slot];
    if (this.#columns.before[this.#oldest[folder]] === slot) return;
    this.#unlink(slot);
    this.#link(slot, folder);
  }

  /** Moves a chunk to another place; it becomes the most recently used there. */
  move(slot: number, folder: number, subfolder: number): void {
    this.#unlink(slot);
    this.#columns.subfolder[slot] = subfolder;
    this.#link(slot, folder);
  }

  /** The folder's least recently used chunk, NONE when it has none. */
  oldest(folder: number): number {
    return this.#oldest[folder] ?? NONE;
  }

  /** Makes another chunk of the folder the one from which the ring is counted. */
  setOldest(slot: number): void {
    this.#oldest[this.#columns.folder[slot]] = slot;
  }

  /** The next chunk in the folder's ring; after the most recently used one comes the least recently used. */
  next(slot: number): number {
    return this.#columns.after[slot];
  }

  /** The chunks of a folder, least recently used first. The table must not be changed meanwhile. */
  *ofFolder(folder: number): Generator<number> {
    const first = this.oldest(folder);
    if (first === NONE) return;
    let slot = first;
    do {
      yield slot;
      slot = this.#columns.after[slot];
    } while (slot !== first);
  }

  /** All chunks, in no particular order. The table must not be changed meanwhile. */
  *all(): Generator<number> {
    for (let folder = 0; folder < this.#oldest.length; folder++) yield* this.ofFolder(folder);
  }

  #setFlag(slot: number, flag: number, on: boolean): void {
    const { flags } = this.#columns;
    flags[slot] = on ? flags[slot] | flag : flags[slot] & ~flag;
  }

  #hash(low: number, high: number): number {
    const mixed = Math.imul(low ^ Math.imul(high, 0x9e3779b1), 0x85ebca6b);
    return ((mixed ^ (mixed >>> 15)) >>> 0) & (this.#heads.length - 1);
  }

  #link(slot: number, folder: number): void {
    const { before, after } = this.#columns;
    this.#columns.folder[slot] = folder;
    while (this.#oldest.length <= folder) this.#oldest.push(NONE);
    const first = this.#oldest[folder];
    if (first === NONE) {
      before[slot] = slot;
      after[slot] = slot;
      this.#oldest[folder] = slot;
      return;
    }
    const last = before[first];
    before[slot] = last;
    after[slot] = first;
    after[last] = slot;
    before[first] = slot;
  }

  #unlink(slot: number): void {
    const { before, after, folder } = this.#columns;
    const next = after[slot];
    if (this.#oldest[folder[slot]] === slot) this.#oldest[folder[slot]] = next === slot ? NONE : next;
    after[before[slot]] = next;
    before[next] = before[slot];
  }

  #takeSlot(): number {
    if (this.#free !== NONE) {
      const slot = this.#free;
      this.#free = this.#columns.chain[slot];
      return slot;
    }
    if (this.#used === this.#capacity) {
      this.#capacity *= 2;
      this.#grow();
    }
    return this.#used++;
  }

  #grow(): void {
    const old = this.#columns;
    const grown = makeColumns(this.#capacity);
    for (const name of Object.keys(old) as (keyof Columns)[]) grown[name].set(old[name]);
    this.#columns = grown;
    this.#heads = new Int32Array(this.#capacity * 2).fill(NONE);
    for (let slot = 0; slot < this.#used; slot++) {
      // The chain of a free slot leads to the next free one.
      if (grown.before[slot] === NONE) continue;
      const hash = this.#hash(grown.idLow[slot], grown.idHigh[slot]);
      grown.chain[slot] = this.#heads[hash];
      this.#heads[hash] = slot;
    }
  }
}
