import type { ChunkSlot } from './views.ts';

/** States of a copy (spec 40 §1.2). 0 is no state, so that a cleared record is recognised. */
export const CopyState = {
  ok: 1,
  okMarked: 2,
  busy: 3,
  busyMarked: 4,
  stale: 5,
  staleMarked: 6,
  bad: 7,
  deleting: 8,
} as const;

/** ok, busy and their forms on disks marked for removal. */
export function isLive(state: number): boolean {
  return state <= CopyState.busyMarked;
}

/** On a disk that stays. */
export function isRegular(state: number): boolean {
  return state === CopyState.ok || state === CopyState.busy;
}

/** A copy whose disk is marked for removal, as far as that is known. */
export function isMarked(state: number): boolean {
  return state === CopyState.okMarked || state === CopyState.busyMarked || state === CopyState.staleMarked;
}

/** Has the chunk's version and no operation. */
export function isGood(state: number): boolean {
  return state === CopyState.ok || state === CopyState.okMarked;
}

export function isBusy(state: number): boolean {
  return state === CopyState.busy || state === CopyState.busyMarked;
}

export function isStale(state: number): boolean {
  return state === CopyState.stale || state === CopyState.staleMarked;
}

/** The same state without operation, on the same kind of disk. */
export function goodState(state: number): number {
  return isMarked(state) ? CopyState.okMarked : CopyState.ok;
}

/** The same copy with an operation in progress. */
export function busyState(state: number): number {
  return isMarked(state) ? CopyState.busyMarked : CopyState.busy;
}

export function staleState(state: number): number {
  return isMarked(state) ? CopyState.staleMarked : CopyState.stale;
}

/** Index of a copy record; 0 = none. */
export type CopyRef = number;

const initialCopies = 1024;
const initialSlots = 1024;

/**
 * Copies of all chunks: for each chunk slot a list of records in a pool, 11 bytes a copy and 4 a chunk, outside the
 * JavaScript heap. Newest copy first. Knows nothing of what the states mean.
 */
export class CopyStore {
  private heads = new Uint32Array(initialSlots);
  private nexts = new Uint32Array(initialCopies);
  private versions = new Uint32Array(initialCopies);
  private servers = new Uint16Array(initialCopies);
  private states = new Uint8Array(initialCopies);
  private used = 1;
  private free: CopyRef = 0;
  /** Number of copy records. */
  count = 0;

  /** First copy of a chunk, 0 when there is none. */
  first(slot: ChunkSlot): CopyRef {
    return slot < this.heads.length ? this.heads[slot] : 0;
  }

  next(copy: CopyRef): CopyRef {
    return this.nexts[copy];
  }

  server(copy: CopyRef): number {
    return this.servers[copy];
  }

  state(copy: CopyRef): number {
    return this.states[copy];
  }

  /** Own version of a stale copy; for a live one its version as ordered. */
  version(copy: CopyRef): number {
    return this.versions[copy];
  }

  setState(copy: CopyRef, state: number): void {
    this.states[copy] = state;
  }

  setVersion(copy: CopyRef, version: number): void {
    this.versions[copy] = version;
  }

  /** The copy on a server, 0 when there is none. */
  find(slot: ChunkSlot, server: number): CopyRef {
    let copy = this.first(slot);
    while (copy !== 0 && this.servers[copy] !== server) copy = this.nexts[copy];
    return copy;
  }

  add(slot: ChunkSlot, server: number, state: number, version: number): CopyRef {
    if (slot >= this.heads.length) this.growSlots(slot + 1);
    const copy = this.take();
    this.servers[copy] = server;
    this.states[copy] = state;
    this.versions[copy] = version;
    this.nexts[copy] = this.heads[slot];
    this.heads[slot] = copy;
    this.count++;
    return copy;
  }

  remove(slot: ChunkSlot, copy: CopyRef): void {
    const after = this.nexts[copy];
    if (this.heads[slot] === copy) {
      this.heads[slot] = after;
    } else {
      let before = this.heads[slot];
      while (this.nexts[before] !== copy) {
        if (before === 0) throw new Error(`copy record ${copy} is not in the list of chunk slot ${slot}`);
        before = this.nexts[before];
      }
      this.nexts[before] = after;
    }
    this.states[copy] = 0;
    this.nexts[copy] = this.free;
    this.free = copy;
    this.count--;
  }

  /** Bytes held outside the heap, for the metrics. */
  get byteLength(): number {
    return (
      this.heads.byteLength +
      this.nexts.byteLength +
      this.versions.byteLength +
      this.servers.byteLength +
      this.states.byteLength
    );
  }

  private take(): CopyRef {
    const copy = this.free;
    if (copy !== 0) {
      this.free = this.nexts[copy];
      return copy;
    }
    if (this.used === this.nexts.length) this.growCopies();
    return this.used++;
  }

  private growSlots(atLeast: number): void {
    const heads = new Uint32Array(grownLength(this.heads.length, atLeast));
    heads.set(this.heads);
    this.heads = heads;
  }

  private growCopies(): void {
    const length = grownLength(this.nexts.length, this.used + 1);
    const nexts = new Uint32Array(length);
    nexts.set(this.nexts);
    const versions = new Uint32Array(length);
    versions.set(this.versions);
    const servers = new Uint16Array(length);
    servers.set(this.servers);
    const states = new Uint8Array(length);
    states.set(this.states);
    this.nexts = nexts;
    this.versions = versions;
    this.servers = servers;
    this.states = states;
  }
}

/** Half as much again, so that the spare room stays below a third of the whole. */
export function grownLength(present: number, atLeast: number): number {
  return Math.max(atLeast, Math.ceil(present * 1.5));
}
