import type { Clock } from '@alces/runtime';

interface Waiter {
  exclusive: boolean;
  decide(granted: boolean): void;
}

/**
 * The lock of one chunk: many readers or one writer, in order of arrival. It is held for one operation or one batch of
 * blocks, never for a client's session (spec 30 Part 3).
 */
export class ChunkLock {
  #readers = 0;
  #writing = false;
  #waiting: Waiter[] = [];

  get isFree(): boolean {
    return this.#readers === 0 && !this.#writing && this.#waiting.length === 0;
  }

  /** Takes the lock; false when it could not be had within `patienceMs`. */
  acquire(exclusive: boolean, clock: Clock, patienceMs: number): Promise<boolean> {
    if (this.#waiting.length === 0 && this.#fits(exclusive)) {
      this.#enter(exclusive);
      return Promise.resolve(true);
    }
    return new Promise((resolve) => {
      const waiter: Waiter = {
        exclusive,
        decide: (granted) => {
          cancel();
          resolve(granted);
        },
      };
      const cancel = clock.timeout(patienceMs, () => {
        this.#waiting.splice(this.#waiting.indexOf(waiter), 1);
        waiter.decide(false);
        this.#admit();
      });
      this.#waiting.push(waiter);
    });
  }

  release(exclusive: boolean): void {
    if (exclusive) this.#writing = false;
    else this.#readers--;
    this.#admit();
  }

  #fits(exclusive: boolean): boolean {
    return !this.#writing && (!exclusive || this.#readers === 0);
  }

  #enter(exclusive: boolean): void {
    if (exclusive) this.#writing = true;
    else this.#readers++;
  }

  #admit(): void {
    for (let next = this.#waiting[0]; next !== undefined && this.#fits(next.exclusive); next = this.#waiting[0]) {
      this.#waiting.shift();
      this.#enter(next.exclusive);
      next.decide(true);
    }
  }
}
