interface Waiter {
  readonly amount: number;
  readonly admit: () => void;
}

/** A bounded amount of something (bytes, running jobs), handed out first come, first served. */
export class Budget {
  readonly limit: number;
  #used = 0;
  readonly #waiters: Waiter[] = [];

  constructor(limit: number) {
    this.limit = limit;
  }

  get used(): number {
    return this.#used;
  }

  get waiting(): number {
    return this.#waiters.length;
  }

  /** Takes `amount` now if nobody waits and it fits. More than the whole limit fits when nothing else is taken. */
  tryTake(amount: number): boolean {
    if (this.#waiters.length > 0 || !this.#fits(amount)) return false;
    this.#used += amount;
    return true;
  }

  /** Takes `amount`, when it is there. Undefined: taken at once. */
  take(amount: number): Promise<void> | undefined {
    if (this.tryTake(amount)) return undefined;
    return new Promise((resolve) => this.#waiters.push({ amount, admit: resolve }));
  }

  /** Takes `amount` whether it fits or not: what must be done is done. */
  charge(amount: number): void {
    this.#used += amount;
  }

  give(amount: number): void {
    this.#used -= amount;
    if (this.#used < 0) throw new Error(`budget of ${this.limit} got back more than it gave`);
    while (this.#waiters.length > 0 && this.#fits(this.#waiters[0].amount)) {
      const waiter = this.#waiters.shift()!;
      this.#used += waiter.amount;
      waiter.admit();
    }
  }

  #fits(amount: number): boolean {
    return this.#used === 0 || this.#used + amount <= this.limit;
  }
}
