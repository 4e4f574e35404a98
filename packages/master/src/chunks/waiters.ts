import type { Waiter } from './api.ts';

/** Requests wait at most so long (spec 20 §2.3). */
const maxWaitMs = 30_000;

interface Parked {
  readonly waiter: Waiter;
  readonly sinceMs: number;
  status: number;
}

/** Requests that met a locked or busy chunk, per chunk in order of arrival. */
export class WaitingRequests {
  private readonly queues = new Map<number, Parked[]>();
  /** Chunks whose requests are being executed again. */
  private readonly walking = new Set<number>();

  park(chunkId: number, status: number, waiter: Waiter, nowMs: number): void {
    const parked = { waiter, sinceMs: nowMs, status };
    const queue = this.queues.get(chunkId);
    if (queue === undefined) this.queues.set(chunkId, [parked]);
    else queue.push(parked);
  }

  /**
   * The chunk was unlocked: executes its requests again, in order, until one waits again or `blocked` says that the chunk is
   * locked or busy anew.
   */
  wake(chunkId: number, blocked: () => boolean): void {
    const queue = this.queues.get(chunkId);
    if (queue === undefined || this.walking.has(chunkId)) return;
    this.walking.add(chunkId);
    while (queue.length > 0 && !blocked()) {
      const parked = queue.shift()!;
      parked.status = parked.waiter.run();
      if (parked.status === 0) continue;
      queue.unshift(parked);
      break;
    }
    this.walking.delete(chunkId);
    this.discardEmpty(chunkId);
  }

  /** Answers requests that waited too long. Once a second. */
  expire(nowMs: number): void {
    for (const [chunkId, queue] of this.queues) {
      const late = removeWhere(queue, (parked) => parked.sinceMs + maxWaitMs <= nowMs);
      this.discardEmpty(chunkId);
      for (const { waiter, status } of late) waiter.expire(status);
    }
  }

  /** Forgets the requests of a connection. */
  drop(owner: object): void {
    for (const [chunkId, queue] of this.queues) {
      removeWhere(queue, (parked) => parked.waiter.owner === owner);
      this.discardEmpty(chunkId);
    }
  }

  /** Chunks that somebody waits for. */
  chunks(): number[] {
    return [...this.queues.keys()];
  }

  get count(): number {
    let count = 0;
    for (const queue of this.queues.values()) count += queue.length;
    return count;
  }

  private discardEmpty(chunkId: number): void {
    if (this.queues.get(chunkId)?.length === 0 && !this.walking.has(chunkId)) this.queues.delete(chunkId);
  }
}

function removeWhere(queue: Parked[], unwanted: (parked: Parked) => boolean): Parked[] {
  const removed = queue.filter(unwanted);
  if (removed.length > 0) {
    const kept = queue.filter((parked) => !unwanted(parked));
    queue.splice(0, queue.length, ...kept);
  }
  return removed;
}
