/**
 * The one point in time that every answer waits for: all changelog entries appended before the answer was made are as safe as the
 * journal's mode demands. Answers, and commands to chunkservers, leave in the order in which they were made.
 */
export class CommitGate {
  #appended = 0;
  #committed = 0;
  readonly #waiting: { position: number; run: () => void }[] = [];
  #head = 0;

  /** Nothing is waiting for the journal: what is made now may leave at once. */
  get open(): boolean {
    return this.#committed === this.#appended && this.#head === this.#waiting.length;
  }

  /** An entry was handed to the journal. Returns its position, to be given to `commit` later. */
  append(): number {
    return ++this.#appended;
  }

  /** All entries up to `position` are safe; runs what waited for them. */
  commit(position: number): void {
    if (position <= this.#committed) return;
    this.#committed = position;
    while (this.#head < this.#waiting.length && this.#waiting[this.#head]!.position <= position) {
      const { run } = this.#waiting[this.#head++]!;
      run();
    }
    if (this.#head < this.#waiting.length) return;
    this.#waiting.length = 0;
    this.#head = 0;
  }

  /** Runs `run` when everything appended so far is safe: now, if it is already. Calls keep their order. */
  afterCommit(run: () => void): void {
    if (this.open) run();
    else this.#waiting.push({ position: this.#appended, run });
  }
}
