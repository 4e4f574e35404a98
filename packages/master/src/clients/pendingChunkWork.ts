import type { ChunkService } from '../chunks/api.ts';
import type { Client } from './client.ts';

/** A write grant or truncate whose chunkservers have not answered yet. */
export interface ChunkWork {
  readonly client: Client;
  readonly inode: number;
  readonly index: number;
  /** What was in the slot before, 0 = nothing. */
  readonly previousChunkId: number;
  /** What is in it now. */
  chunkId: number;
}

/** What clients wait for, so that it can be undone when one of them goes (spec 20 §3.2.5). */
export class PendingChunkWork {
  readonly #chunks: ChunkService;
  readonly #work = new Map<Client, Set<ChunkWork>>();

  constructor(chunks: ChunkService) {
    this.#chunks = chunks;
  }

  add(work: ChunkWork): void {
    const own = this.#work.get(work.client);
    if (own) own.add(work);
    else this.#work.set(work.client, new Set([work]));
  }

  remove(work: ChunkWork): void {
    const own = this.#work.get(work.client);
    own?.delete(work);
    if (own?.size === 0) this.#work.delete(work.client);
  }

  /** The client has gone: nobody will use what is being prepared for it. */
  abandon(client: Client): void {
    const own = this.#work.get(client);
    this.#work.delete(client);
    for (const { chunkId, inode, index, previousChunkId } of own ?? []) {
      this.#chunks.abandon(chunkId);
      this.#chunks.rollBack(inode, index, previousChunkId, chunkId);
    }
  }
}
