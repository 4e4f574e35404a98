interface Waiting {
  version: number;
  run: () => void;
}

/** Callbacks that wait for a version to be safe, run in the order in which they were added. */
export class CommitQueue {
  #waiting: Waiting[] = [];
  #head = 0;
  #committed: number;

  /** `committed`: the last version that is safe already. */
  constructor(committed: number) {
    this.#committed = committed;
  }

  /** The last version that is safe, and all before it. */
  get committed(): number {
    return this.#committed;
  }

  /** Runs `run` once `version` is safe: at once if it is. */
  when(version: number, run: () => void): void {
    if (version <= this.#committed && this.#head === this.#waiting.length) run();
    else this.#waiting.push({ version, run });
  }

  /** All versions up to this one are safe now. */
  advance(version: number): void {
    if (version <= this.#committed) return;
    this.#committed = version;
    while (this.#head < this.#waiting.length && this.#waiting[this.#head].version <= version) {
      this.#waiting[this.#head++].run();
    }
    if (this.#head === this.#waiting.length) {
      this.#waiting = [];
      this.#head = 0;
    }
  }
}
