import type { Operation, State } from '@alces/metadata';

/** What the lock queues need of the master. */
export interface LockHost {
  readonly state: State;
  commit(operation: Operation, now: number): void;
  /** Answers a request that had to wait; it goes to any connection of the session, or is lost when there is none. */
  answer(sessionId: number, msgid: number, status: number): void;
}

/** Requests of one session that may wait at the same time; a mount has one per thread at most. */
export const WAITING_PER_SESSION = 16384;

/** Counts the waiting requests of each session. */
export class WaitingCounts {
  readonly #counts = new Map<number, number>();

  isFull(sessionId: number): boolean {
    return (this.#counts.get(sessionId) ?? 0) >= WAITING_PER_SESSION;
  }

  add(sessionId: number, change: 1 | -1): void {
    const count = (this.#counts.get(sessionId) ?? 0) + change;
    if (count === 0) this.#counts.delete(sessionId);
    else this.#counts.set(sessionId, count);
  }
}
