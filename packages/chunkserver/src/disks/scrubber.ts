import { BLOCK_SIZE } from '@alces/proto';
import type { Cancel } from '@alces/runtime';
import { NONE, UNKNOWN_BLOCKS } from '../store/chunkTable.ts';
import type { Store } from '../store/context.ts';
import { ChunkFailure, statusOf } from '../store/failures.ts';
import { testChunk } from '../store/verify.ts';
import { type Folder, isWorking } from './folder.ts';

/** Shortest and longest time between two looks at a folder. */
const SHORTEST_MS = 10;
const LONGEST_MS = 500;

/** The background tests (spec 30 §2.14): each folder's least recently used chunk, at the configured speed. */
export class Scrubber {
  readonly #store: Store;
  readonly #timers = new Map<Folder, Cancel>();
  readonly #running = new Set<Promise<void>>();
  #stopped = false;

  constructor(store: Store) {
    this.#store = store;
  }

  /** Sees to it that every folder is being tested; to be called every second. */
  tick(): void {
    for (const folder of this.#store.folders) if (!this.#timers.has(folder)) this.#schedule(folder, SHORTEST_MS);
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    for (const cancel of this.#timers.values()) cancel();
    await Promise.all(this.#running);
  }

  #schedule(folder: Folder, delayMs: number): void {
    const cancel = this.#store.clock.timeout(delayMs, () => {
      const run = this.#step(folder).finally(() => this.#running.delete(run));
      this.#running.add(run);
    });
    this.#timers.set(folder, cancel);
  }

  async #step(folder: Folder): Promise<void> {
    const startMs = this.#store.clock.monotonicMs();
    const bytes = await this.#testNext(folder);
    if (this.#stopped || !this.#store.folders.includes(folder)) {
      this.#timers.delete(folder);
      return;
    }
    const { testBytesPerSecond } = this.#store.settings;
    const wantedMs = bytes === undefined ? LONGEST_MS : (bytes / testBytesPerSecond) * 1000;
    const leftMs = wantedMs - (this.#store.clock.monotonicMs() - startMs);
    this.#schedule(folder, Math.max(SHORTEST_MS, leftMs));
  }

  /** Tests one chunk; answers its size, or undefined when there was nothing to test. */
  async #testNext(folder: Folder): Promise<number | undefined> {
    const { table, settings } = this.#store;
    if (settings.testBytesPerSecond <= 0 || !isWorking(folder) || folder.line.marked) return undefined;
    const slot = table.oldest(folder.number);
    if (slot === NONE) return undefined;
    if (table.isDamaged(slot)) {
      table.setOldest(table.next(slot));
      return undefined;
    }
    const chunkId = table.id(slot);
    try {
      await testChunk(this.#store, chunkId, 0);
    } catch (error) {
      // What is wrong with the chunk has been reported; the test itself only goes on.
      if (!(error instanceof ChunkFailure)) statusOf(error);
    }
    const now = table.find(chunkId);
    const blocks = now === NONE ? 0 : table.blocks(now);
    return blocks === UNKNOWN_BLOCKS ? 0 : blocks * BLOCK_SIZE;
  }
}
