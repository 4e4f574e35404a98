import { CSTOMA_REGISTER } from '@alces/proto';
import { NONE } from '../store/chunk-table.ts';
import type { Store } from '../store/context.ts';
import { reportedVersion } from './report-queue.ts';

/** The chunk list of a registration, cut into parts (spec 30 §1.8). It holds the chunks known when it was made. */
export class ChunkList {
  readonly #store: Store;
  readonly #ids: Float64Array;
  readonly #perPart: number;
  #next = 0;

  constructor(store: Store, perPart: number) {
    this.#store = store;
    this.#perPart = perPart;
    this.#ids = new Float64Array(store.table.count);
    let index = 0;
    for (const slot of store.table.all()) this.#ids[index++] = store.table.id(slot);
  }

  /** The frame with the next part, undefined after the last one. Chunks that are gone meanwhile are left out. */
  next(): Buffer | undefined {
    if (this.#next >= this.#ids.length) return undefined;
    const chunks: { chunkId: number; version: number }[] = [];
    const end = Math.min(this.#next + this.#perPart, this.#ids.length);
    for (; this.#next < end; this.#next++) {
      const chunkId = this.#ids[this.#next];
      const slot = this.#store.table.find(chunkId);
      if (slot !== NONE) chunks.push({ chunkId, version: reportedVersion(this.#store, slot) });
    }
    return CSTOMA_REGISTER.encode({ layout: 'chunks', chunks });
  }
}
