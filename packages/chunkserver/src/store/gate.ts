/**
 * Lets a bounded number of operations of one disk run at a time. A disk that hangs then holds only its own share of the
 * thread pool, and the other disks go on.
 */
export class Gate {
  readonly #limit: number;
  #running = 0;
  #waiting: (() => void)[] = [];

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Operations running and waiting. */
  get load(): number {
    return this.#running + this.#waiting.length;
  }

  async run<T>(operation: () => Promise<T>): Promise<T> {
    if (this.#running >= this.#limit) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    else this.#running++;
    try {
      return await operation();
    } finally {
      // The place goes straight to the one that waited longest, so `#running` stays as it is.
      const next = this.#waiting.shift();
      if (next) next();
      else this.#running--;
    }
  }
}
