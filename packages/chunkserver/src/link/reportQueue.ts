import {
  CSTOMA_CHUNK_DAMAGED,
  CSTOMA_CHUNK_LOST,
  CSTOMA_CHUNK_NEW,
  CSTOMA_ERROR_OCCURRED,
  MARKED_FOR_REMOVAL,
} from '@alces/proto';
import { NONE } from '../store/chunkTable.ts';
import { folderOf, type Store, type StoreReports } from '../store/context.ts';

/** Chunks told in one turn of the event loop, and in one packet; the stock server has up to 24576 in a packet. */
const PER_TURN = 8192;
/** Errors that wait to be reported; more are not worth counting. */
const MAX_ERRORS = 1000;

/** A chunk's version as it is reported: bit 31 tells that its folder is marked for removal. */
export function reportedVersion(store: Store, slot: number): number {
  const marked = folderOf(store, slot).line.marked;
  return (store.table.version(slot) & 0x7fff_ffff) + (marked ? MARKED_FOR_REMOVAL : 0);
}

/** What one peer must still be told (spec 30 §1.14). It waits while there is no registered connection to it. */
export class ReportQueue implements StoreReports {
  #errors = 0;
  readonly #damaged = new Set<number>();
  #lost: number[] = [];
  #found: number[] = [];
  #changed: number[] = [];
  #spaceChanged = true;
  /** Called when something is to be reported. */
  wake: () => void = () => {};

  errorOccurred(): void {
    this.#errors = Math.min(this.#errors + 1, MAX_ERRORS);
    this.wake();
  }

  damaged(chunkId: number): void {
    this.#damaged.add(chunkId);
    this.wake();
  }

  lost(chunkId: number): void {
    this.#lost.push(chunkId);
    this.wake();
  }

  found(chunkId: number): void {
    this.#found.push(chunkId);
    this.wake();
  }

  changed(chunkId: number): void {
    this.#changed.push(chunkId);
    this.wake();
  }

  spaceChanged(): void {
    this.#spaceChanged = true;
  }

  /** Whether space changed since the last call. */
  takeSpaceChanged(): boolean {
    const changed = this.#spaceChanged;
    this.#spaceChanged = false;
    return changed;
  }

  /** There is nothing to tell, apart from the space. */
  get isEmpty(): boolean {
    const chunks = this.#damaged.size + this.#lost.length + this.#found.length + this.#changed.length;
    return this.#errors + chunks === 0;
  }

  /** The frames to send in this turn, in the order that the master expects; `isEmpty` tells whether there is more. */
  take(store: Store): Buffer[] {
    const frames: Buffer[] = [];
    for (; this.#errors > 0; this.#errors--) frames.push(CSTOMA_ERROR_OCCURRED.encode({}));
    if (this.#damaged.size > 0) frames.push(CSTOMA_CHUNK_DAMAGED.encode({ chunkIds: [...this.#damaged] }));
    this.#damaged.clear();
    let room = PER_TURN;
    const lost = this.#lost.splice(0, room);
    room -= lost.length;
    pushLost(frames, this.#trulyLost(store, lost));
    const found = this.#found.splice(0, room);
    room -= found.length;
    pushFound(store, frames, found);
    const changed = this.#changed.splice(0, room);
    pushLost(frames, changed);
    pushFound(store, frames, changed);
    return frames;
  }

  /** Chunks that came back since they were noted as lost are not lost, unless they are reported as found right after. */
  #trulyLost(store: Store, lost: readonly number[]): readonly number[] {
    const back = lost.filter((chunkId) => store.table.find(chunkId) !== NONE);
    if (back.length === 0) return lost;
    const again = new Set(this.#found);
    const notLost = new Set(back.filter((chunkId) => !again.has(chunkId)));
    return lost.filter((chunkId) => !notLost.has(chunkId));
  }
}

function pushLost(frames: Buffer[], chunkIds: readonly number[]): void {
  if (chunkIds.length > 0) frames.push(CSTOMA_CHUNK_LOST.encode({ chunkIds: [...chunkIds] }));
}

function pushFound(store: Store, frames: Buffer[], found: readonly number[]): void {
  const chunks = found.flatMap((chunkId) => {
    const slot = store.table.find(chunkId);
    return slot === NONE ? [] : { chunkId, version: reportedVersion(store, slot) };
  });
  if (chunks.length > 0) frames.push(CSTOMA_CHUNK_NEW.encode({ chunks }));
}
