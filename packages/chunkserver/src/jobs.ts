import { LoadStatus } from '@alces/proto';

/**
 * Counts what the server is doing: master operations, replications, queries, client reads and write sessions (spec 30 Part 3).
 * The stock server has a worker thread for each; here the count is a limit, and the load that the master is told.
 */
export class Jobs {
  #active = 0;
  #limit: number;
  #highest = 0;
  #busy = false;
  #waiting: (() => void)[] = [];
  /** Called when the server becomes busy or stops being it. */
  readonly #busyChanged: () => void;

  constructor(limit: number, busyChanged: () => void) {
    this.#limit = limit;
    this.#busyChanged = busyChanged;
  }

  setLimit(limit: number): void {
    this.#limit = limit;
    this.#watch();
  }

  get active(): number {
    return this.#active;
  }

  /** Begins a job; false (and no job) when there are too many. */
  begin(): boolean {
    if (this.#active > this.#limit) return false;
    this.#active++;
    this.#highest = Math.max(this.#highest, this.#active);
    this.#watch();
    return true;
  }

  end(): void {
    this.#active--;
    this.#watch();
    if (this.#active === 0) for (const resolve of this.#waiting.splice(0)) resolve();
  }

  /** Resolves as soon as no job is active. */
  whenIdle(): Promise<void> {
    return this.#active === 0 ? Promise.resolve() : new Promise((resolve) => this.#waiting.push(resolve));
  }

  /** Above three quarters of the limit until half of it is left. */
  get isBusy(): boolean {
    return this.#busy;
  }

  get loadStatus(): number {
    return this.#busy ? LoadStatus.OVERLOADED : LoadStatus.OK;
  }

  /** The highest count since the last call. */
  takeHighest(): number {
    const highest = this.#highest;
    this.#highest = this.#active;
    return highest;
  }

  #watch(): void {
    const before = this.#busy;
    if (this.#active * 4 > this.#limit * 3) this.#busy = true;
    else if (this.#active * 2 < this.#limit) this.#busy = false;
    if (this.#busy !== before) this.#busyChanged();
  }
}
