import { type Entry, EntryWindow } from '../entry.ts';
import {
  commonPoint,
  comparePositions,
  type EpochRecord,
  endOf,
  epochOfEntry,
  historyOfEntries,
  historyUpTo,
  MAX_HISTORY,
  ORIGIN,
  type Position,
} from '../history.ts';
import type { StoreOperation } from './effects.ts';

export type Store = (operation: StoreOperation, done?: () => void) => void;

/** What was found on disk at the start. */
export interface RecoveredLog {
  history: readonly EpochRecord[];
  base: number;
  last: number;
}

const earlier = (a: Position, b: Position) => (comparePositions(a, b) < 0 ? a : b);

/**
 * The journal of this node as the core sees it: everything that was accepted, stored or not. What is stored follows as the
 * operations that were asked for are done.
 */
export class LocalLog {
  history: readonly EpochRecord[];
  base: number;
  last: number;
  /** The newest entries. All that are not stored yet are among them. */
  readonly tail: EntryWindow;
  /** Up to here the journal is stored. Goes back, at once, when entries are removed. */
  stored: Position;
  /** Where the journal will be stored up to when each of the operations under way is done. */
  #storing: { end: Position }[] = [];
  readonly #store: Store;
  readonly #sync: boolean;
  /** Entries from here on were pushed and not handed to the disk. */
  #unwritten: number;

  constructor(recovered: RecoveredLog, sync: boolean, store: Store) {
    this.history = recovered.history;
    this.base = recovered.base;
    this.last = recovered.last;
    this.tail = new EntryWindow(recovered.last + 1);
    this.stored = endOf(recovered);
    this.#unwritten = recovered.last + 1;
    this.#sync = sync;
    this.#store = store;
  }

  get end(): Position {
    return endOf(this);
  }

  /** The version up to which an epoch's leader's journal is stored here; -1: not even the epoch's beginning. */
  storedIn(epoch: number): number {
    return this.stored.epoch === epoch ? this.stored.version : -1;
  }

  push(entry: Entry): void {
    this.tail.push(entry);
    this.last = entry.version;
  }

  /** Hands the entries pushed so far to the disk. */
  write(): void {
    if (this.#unwritten > this.last) return;
    const entries = this.tail.slice(this.#unwritten, this.last, Number.POSITIVE_INFINITY);
    this.#unwritten = this.last + 1;
    this.#store({ kind: 'append', entries, sync: this.#sync }, this.#storingUpTo(this.end));
  }

  /** Returns what is to be called when an operation is done that stores the journal up to `end`. */
  #storingUpTo(end: Position): () => void {
    const operation = { end };
    this.#storing.push(operation);
    return () => {
      this.#storing.splice(this.#storing.indexOf(operation), 1);
      this.stored = operation.end;
    };
  }

  /**
   * Puts the beginning of an epoch behind the last entry. The caller stores the state with the new history, and calls the function
   * returned when that is done.
   */
  beginEpoch(record: EpochRecord): () => void {
    if (record.first > this.last + 1) throw new Error(`epoch ${record.epoch} at ${record.first} behind ${this.last}`);
    this.write();
    this.history = [...this.history, record].slice(-MAX_HISTORY);
    return this.#storingUpTo(this.end);
  }

  /** Removes everything behind a position that the journal contains. The caller stores the state afterwards. */
  truncate(position: Position): void {
    this.write();
    if (position.version < this.last) {
      const epoch = epochOfEntry(this.history, position.version + 1);
      this.#store({ kind: 'truncate', version: position.version, epoch });
    }
    for (const operation of this.#storing) operation.end = earlier(operation.end, position);
    this.stored = earlier(this.stored, position);
    this.last = position.version;
    this.history = historyUpTo(this.history, position);
    this.tail.truncate(position.version);
    this.#unwritten = this.last + 1;
  }

  /** Replaces everything by an image: the journal is empty and begins behind `version`. The caller stores the installation. */
  replace(version: number, history: readonly EpochRecord[]): () => void {
    this.write();
    this.history = historyOfEntries(history, version);
    this.base = version;
    this.last = version;
    this.tail.reset(version + 1);
    this.#unwritten = version + 1;
    // What is on disk, and on its way there, is of the journal that is replaced.
    for (const operation of this.#storing) operation.end = ORIGIN;
    this.stored = ORIGIN;
    return this.#storingUpTo(this.end);
  }

  commonWith(other: { history: readonly EpochRecord[]; last: number }): Position | undefined {
    return commonPoint(this, other);
  }
}
