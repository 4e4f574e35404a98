import { silentObserver } from './observer.ts';
import type { State } from './state.ts';
import { Arena } from './store/arena.ts';
import { F64Column, type Shareable, U8Column, U16Column, U32Column } from './store/columns.ts';

/** The state of one moment, to be read while the live state goes on changing. */
export interface Snapshot {
  /** Must not be changed. */
  readonly state: State;
  /** To be called once when the snapshot is no longer needed: from then on changes of the live state copy nothing more. */
  release(): void;
}

function isShareable(value: object): value is Shareable {
  return (
    value instanceof U8Column ||
    value instanceof U16Column ||
    value instanceof U32Column ||
    value instanceof F64Column ||
    value instanceof Arena
  );
}

function isNumberArray(value: object): value is Uint8Array | Uint32Array | Float64Array {
  return value instanceof Uint8Array || value instanceof Uint32Array || value instanceof Float64Array;
}

/** Copies an object graph; columns and arenas are shared until written. */
class Freezer {
  /** What was copied already: tables refer to each other. */
  readonly #copies = new Map<object, object>();
  readonly shared: Shareable[] = [];

  copy<T>(value: T): T {
    if (typeof value !== 'object' || value === null) return value;
    const known = this.#copies.get(value);
    if (known !== undefined) return known as T;
    return this.#copyObject(value) as T;
  }

  #copyObject(value: object): object {
    if (isShareable(value)) {
      this.shared.push(value);
      return this.#remember(value, value.snapshot());
    }
    // Names and texts are replaced, never changed in place; counters are changed.
    if (Buffer.isBuffer(value)) return value;
    if (isNumberArray(value)) return this.#remember(value, value.slice());
    if (Array.isArray(value)) return this.#copyArray(value);
    return value instanceof Map ? this.#copyMap(value) : this.#copyFields(value);
  }

  #remember(original: object, copy: object): object {
    this.#copies.set(original, copy);
    return copy;
  }

  #copyArray(value: unknown[]): object {
    const copy: unknown[] = [];
    this.#remember(value, copy);
    for (const item of value) copy.push(this.copy(item));
    return copy;
  }

  #copyMap(value: Map<unknown, unknown>): object {
    const copy: Map<unknown, unknown> = Object.setPrototypeOf(new Map(), Object.getPrototypeOf(value));
    this.#remember(value, copy);
    for (const [key, item] of value) copy.set(key, this.copy(item));
    return copy;
  }

  #copyFields(value: object): object {
    const copy: Record<string, unknown> = Object.create(Object.getPrototypeOf(value));
    this.#remember(value, copy);
    for (const [key, item] of Object.entries(value)) copy[key] = this.copy(item);
    return copy;
  }
}

/**
 * Takes a snapshot of the state in well under a millisecond per million nodes: tables are shared with it segment by segment, and
 * copied when the live state writes to a segment for the first time (see docs/decisions/0043).
 */
export function takeSnapshot(state: State): Snapshot {
  const freezer = new Freezer();
  // Begun changes are in no image and no digest, and may be a hundred thousand records.
  const { observer: _observer, begunChanges: _begunChanges, ...tables } = state;
  const copy = freezer.copy(tables);
  let released = false;
  return {
    state: { ...copy, observer: silentObserver, begunChanges: new Map() },
    release() {
      if (released) return;
      released = true;
      for (const shared of freezer.shared) shared.releaseSnapshot();
    },
  };
}
