/** A change as it was pushed, or the mark that the master rotated its change logs. */
export type Pushed = { readonly version: number; readonly text: Buffer } | 'rotated';

/** Takes what the master pushes, in order. `later`: not now; it is offered again after `release`. */
export type TakePushed = (pushed: Pushed) => 'taken' | 'later';

/** What a change costs beside its text. */
const ITEM_BYTES = 64;

/** What the master pushed and nobody has taken yet. Holds everything until `release` names a taker. */
export class Inbox {
  #take: TakePushed | undefined;
  #waiting: Pushed[] = [];
  #bytes = 0;

  /** Bytes that wait. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Version of the first change that waits. */
  get firstVersion(): number | undefined {
    for (const pushed of this.#waiting) if (pushed !== 'rotated') return pushed.version;
    return undefined;
  }

  push(pushed: Pushed): void {
    if (this.#take !== undefined) {
      if (this.#take(pushed) === 'taken') return;
      this.#take = undefined;
    }
    this.#waiting.push(pushed);
    this.#bytes += costOf(pushed);
  }

  /** Everything waits from now on. */
  hold(): void {
    this.#take = undefined;
  }

  /** Hands over what waits, and from now on what comes, until the taker says `later`, or `hold`. */
  release(take: TakePushed): void {
    this.#take = take;
    let count = 0;
    while (this.#take === take && count < this.#waiting.length) {
      const pushed = this.#waiting[count];
      if (take(pushed) === 'later') {
        this.#take = undefined;
        break;
      }
      this.#bytes -= costOf(pushed);
      count++;
    }
    this.#waiting.splice(0, count);
  }
}

function costOf(pushed: Pushed): number {
  return ITEM_BYTES + (pushed === 'rotated' ? 0 : pushed.text.length);
}
