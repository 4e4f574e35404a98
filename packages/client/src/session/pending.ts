import type { Message } from '@alces/proto';

/** A request that waits for its answer. */
export interface Pending {
  readonly id: number;
  /** The encoded request, sent again unchanged after a broken connection. */
  readonly frame: Buffer;
  /** The expected answer; undefined: whatever comes is handed on (`forward`). */
  readonly reply: Message<unknown> | undefined;
  readonly resolve: (type: number, payload: Buffer) => void;
  readonly reject: (error: Error) => void;
  /** Order of issue, and the number by which an Alces master knows a repeated request. */
  readonly sequence: number;
  /** Session in which it was sent with its number, 0: in none. */
  numberedIn: number;
  /** Times it was sent on a connection that then broke, or could not be sent. */
  tries: number;
  /** Monotonic time at which it fails if no answer came. */
  readonly deadlineMs: number;
  /** Monotonic time at which it fails if there is still no connection. */
  patienceEndMs: number;
  /** Nobody waits any more, but the answer may still come. */
  abandoned: boolean;
}

/**
 * The requests under way, by message id. Ids are small numbers from 1 up, used again as soon as the answer came, as the
 * stock mount's are (spec 00 §1.9); 0 is what the master uses for unsolicited packets.
 */
export class PendingRequests {
  readonly #byId: (Pending | undefined)[] = [undefined];
  readonly #free: number[] = [];
  #sequence = 1;
  #count = 0;

  get count(): number {
    return this.#count;
  }

  /** The sequence that the request registered next will have. */
  get nextSequence(): number {
    return this.#sequence;
  }

  nextId(): number {
    return this.#free.length > 0 ? this.#free[this.#free.length - 1] : this.#byId.length;
  }

  /** Registers a request under the id that `nextId` just gave. */
  add(
    id: number,
    frame: Buffer,
    reply: Message<unknown> | undefined,
    resolve: Pending['resolve'],
    reject: Pending['reject'],
    deadlineMs: number,
    patienceEndMs: number,
  ): Pending {
    if (id === this.#byId.length) this.#byId.push(undefined);
    else this.#free.pop();
    const sequence = this.#sequence++;
    const times = { deadlineMs, patienceEndMs, tries: 1, numberedIn: 0 };
    const pending = { id, frame, reply, resolve, reject, sequence, ...times, abandoned: false };
    this.#byId[id] = pending;
    this.#count++;
    return pending;
  }

  get(id: number): Pending | undefined {
    return this.#byId[id];
  }

  remove(pending: Pending): void {
    this.#byId[pending.id] = undefined;
    this.#free.push(pending.id);
    this.#count--;
  }

  /** All requests in the order in which they were made. */
  inOrder(): Pending[] {
    const all = this.#byId.filter((pending) => pending !== undefined);
    return all.sort((a, b) => a.sequence - b.sequence);
  }
}
