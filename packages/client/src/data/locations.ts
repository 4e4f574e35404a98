import { CHUNK_SIZE } from '@alces/proto';
import type { ChunkLocation } from '../types.ts';

export function chunkIndex(offset: number): number {
  return Math.floor(offset / CHUNK_SIZE);
}

/** Known chunk locations of one file (spec 20 §6.3). What was asked before a change must not be kept after it. */
export class Locations {
  readonly #known = new Map<number, ChunkLocation>();
  /** Counts changes, so that an answer that was under way during one is recognised. */
  #changes = 0;

  get changes(): number {
    return this.#changes;
  }

  get(index: number): ChunkLocation | undefined {
    return this.#known.get(index);
  }

  /** Remembers the answer to a question asked when `changes` had the given value. */
  learn(index: number, location: ChunkLocation, changes: number): void {
    if (changes === this.#changes) this.#known.set(index, location);
  }

  /** What the writer got is the newest there is. */
  set(index: number, location: ChunkLocation): void {
    this.#changes++;
    this.#known.set(index, location);
  }

  /** Another client wrote the chunk. Id and version as it left them; a location that agrees stays good. */
  changed(index: number, chunkId: number, version: number): void {
    this.#changes++;
    const known = this.#known.get(index);
    if (known !== undefined && (known.chunkId !== chunkId || known.version !== version)) this.#known.delete(index);
  }

  /** Reading by this location failed. */
  forget(index: number, location: ChunkLocation): void {
    if (this.#known.get(index) === location) this.#known.delete(index);
  }

  forgetFrom(index: number): void {
    this.#changes++;
    for (const known of [...this.#known.keys()]) if (known >= index) this.#known.delete(known);
  }
}
