import type { Cancel, Clock } from '@alces/runtime';

/**
 * Orders that are being carried out, of whatever connection. They go on when their connection ends, so what a chunk list says may
 * be out of date a moment later; who makes one waits for them.
 */
export class OrdersUnderWay {
  #count = 0;
  #waiting: (() => void)[] = [];

  get any(): boolean {
    return this.#count > 0;
  }

  begin(): void {
    this.#count++;
  }

  end(): void {
    this.#count--;
    if (this.#count === 0) for (const resolve of this.#waiting.splice(0)) resolve();
  }

  /** Resolves as soon as no order is being carried out, or after `maxMs`: a disk may hang. */
  whenNone(clock: Clock, maxMs: number): Promise<void> {
    if (this.#count === 0) return Promise.resolve();
    return new Promise((resolve) => {
      let cancel: Cancel = () => {};
      const done = () => {
        cancel();
        resolve();
      };
      cancel = clock.timeout(maxMs, done);
      this.#waiting.push(done);
    });
  }
}
