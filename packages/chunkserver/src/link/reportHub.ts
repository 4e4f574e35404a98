import type { StoreReports } from '../store/context.ts';
import { ReportQueue } from './reportQueue.ts';

/**
 * Tells everybody what happens to the chunks: the master, whose queue fills while there is none, and the nodes that follow it, each of
 * which has a queue of its own from the beginning of its chunk list to the end of its connection.
 */
export class ReportHub implements StoreReports {
  readonly master = new ReportQueue();
  readonly #standbys = new Set<ReportQueue>();

  /** A queue for a connection to a node that follows. */
  open(): ReportQueue {
    const queue = new ReportQueue();
    this.#standbys.add(queue);
    return queue;
  }

  close(queue: ReportQueue): void {
    this.#standbys.delete(queue);
  }

  /**
   * An order was carried out on these chunks, with whatever result. Everybody is told what is so now, except the one who gave the
   * order and gets the answer (`answered`; undefined: its connection has ended).
   */
  ordered(chunkIds: readonly number[], answered: ReportQueue | undefined): void {
    this.#each((queue) => {
      if (queue !== answered) for (const chunkId of chunkIds) queue.changed(chunkId);
    });
  }

  errorOccurred(): void {
    this.#each((queue) => queue.errorOccurred());
  }

  damaged(chunkId: number): void {
    this.#each((queue) => queue.damaged(chunkId));
  }

  lost(chunkId: number): void {
    this.#each((queue) => queue.lost(chunkId));
  }

  found(chunkId: number): void {
    this.#each((queue) => queue.found(chunkId));
  }

  changed(chunkId: number): void {
    this.#each((queue) => queue.changed(chunkId));
  }

  spaceChanged(): void {
    this.#each((queue) => queue.spaceChanged());
  }

  #each(tell: (queue: ReportQueue) => void): void {
    tell(this.master);
    for (const queue of this.#standbys) tell(queue);
  }
}
