import {
  CSTOMA_CHUNK_DAMAGED,
  CSTOMA_CHUNK_LOST,
  CSTOMA_CHUNK_NEW,
  CSTOMA_ERROR_OCCURRED,
  MARKED_FOR_REMOVAL,
} from '@alces/proto';
import { NONE } from '../store/chunk-table.ts';
import { folderOf, type Store, type StoreReports } from '../store/context.ts';

/** Chunks named in one packet at most. */
const PER_PACKET = 24_576;
/** Errors that wait to be reported; more are not worth counting. */
const MAX_ERRORS = 1000;

/** A chunk's version as it is reported: bit 31 tells that its folder is marked for removal. */
export function reportedVersion(store: Store, slot: number): number {
  const marked = folderOf(store, slot).line.marked;
  return (store.table.version(slot) & 0x7fff_ffff) + (marked ? MARKED_FOR_REMOVAL : 0);
}

function* parts<T>(list: readonly T[]): Generator<T[]> {
  for (let at = 0; at < list.length; at += PER_PACKET) yield list.slice(at, at + PER_PACKET);
}

/** What the master must still be told (spec 30 §1.14). It waits while there is no registered connection. */
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

  /** The frames to send now, in the order that the master expects. */
  take(store: Store): Buffer[] {
    const frames: Buffer[] = [];
    for (; this.#errors > 0; this.#errors--) frames.push(CSTOMA_ERROR_OCCURRED.encode({}));
    for (const chunkIds of parts([...this.#damaged])) frames.push(CSTOMA_CHUNK_DAMAGED.encode({ chunkIds }));
    this.#damaged.clear();
    const found = this.#found.splice(0);
    const changed = this.#changed.splice(0);
    this.#pushLost(frames, this.#trulyLost(store, found));
    this.#pushFound(store, frames, found);
    this.#pushLost(frames, changed);
    this.#pushFound(store, frames, changed);
    return frames;
  }

  /** Chunks that came back since they were noted as lost are not lost, unless they are reported as found right after. */
  #trulyLost(store: Store, found: readonly number[]): number[] {
    const lost = this.#lost.splice(0);
    if (lost.length === 0) return lost;
    const again = new Set(found);
    return lost.filter((chunkId) => store.table.find(chunkId) === NONE || again.has(chunkId));
  }

  #pushLost(frames: Buffer[], lost: readonly number[]): void {
    for (const chunkIds of parts(lost)) frames.push(CSTOMA_CHUNK_LOST.encode({ chunkIds }));
  }

  #pushFound(store: Store, frames: Buffer[], found: readonly number[]): void {
    const chunks = found.flatMap((chunkId) => {
      const slot = store.table.find(chunkId);
      return slot === NONE ? [] : { chunkId, version: reportedVersion(store, slot) };
    });
    for (const part of parts(chunks)) frames.push(CSTOMA_CHUNK_NEW.encode({ chunks: part }));
  }
}
