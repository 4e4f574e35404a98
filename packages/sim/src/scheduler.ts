interface Event {
  timeMs: number;
  order: number;
  run: () => void;
}

const before = (a: Event, b: Event) => a.timeMs < b.timeMs || (a.timeMs === b.timeMs && a.order < b.order);

/** Virtual time: events run in order of their time, those of one instant in the order in which they were made. */
export class Scheduler {
  #nowMs = 0;
  #order = 0;
  readonly #heap: Event[] = [];

  get nowMs(): number {
    return this.#nowMs;
  }

  at(timeMs: number, run: () => void): void {
    const event = { timeMs: Math.max(timeMs, this.#nowMs), order: this.#order++, run };
    const heap = this.#heap;
    let index = heap.push(event) - 1;
    while (index > 0) {
      const parent = (index - 1) >> 1;
      const other = heap[parent];
      if (other === undefined || !before(event, other)) break;
      heap[index] = other;
      index = parent;
    }
    heap[index] = event;
  }

  after(delayMs: number, run: () => void): void {
    this.at(this.#nowMs + delayMs, run);
  }

  #take(): Event | undefined {
    const heap = this.#heap;
    const first = heap[0];
    const last = heap.pop();
    if (first === undefined || last === undefined || heap.length === 0) return first;
    let index = 0;
    for (;;) {
      let child = 2 * index + 1;
      const left = heap[child];
      if (left === undefined) break;
      const right = heap[child + 1];
      let least = left;
      if (right !== undefined && before(right, left)) {
        child++;
        least = right;
      }
      if (!before(least, last)) break;
      heap[index] = least;
      index = child;
    }
    heap[index] = last;
    return first;
  }

  /** Runs everything up to `untilMs`. After each event all promise continuations run before the next one. */
  async run(untilMs: number): Promise<void> {
    await drainPromises();
    for (let next = this.#heap[0]; next !== undefined && next.timeMs <= untilMs; next = this.#heap[0]) {
      const event = this.#take();
      if (event === undefined) break;
      this.#nowMs = event.timeMs;
      event.run();
      await drainPromises();
    }
    this.#nowMs = Math.max(this.#nowMs, untilMs);
  }
}

/** Resolves when no promise continuation is left to run: the engine empties that queue before it turns to an immediate. */
function drainPromises(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
