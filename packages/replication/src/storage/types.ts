import type { Entry } from '../entry.ts';

/**
 * The entries of a journal on disk. Calls that change something are made one after the other, each after the previous one is done;
 * `read` may come at any time. A call that fails has changed nothing that counts, and is made again.
 */
export interface EntryStorage {
  /** Finds what is there; a torn end (the node lost power while it wrote) is cut off. `base` is the version before the first entry. */
  open(): Promise<{ base: number; last: number }>;
  /** Appends consecutive entries. With `sync` they survive the loss of power when it resolves, and all before them. */
  append(entries: readonly Entry[], sync: boolean): Promise<void>;
  /** When it resolves everything appended survives the loss of power. */
  sync(): Promise<void>;
  /** Removes the entries after `version`, after copying them to a file named for `epoch`; durable. */
  truncate(version: number, epoch: number): Promise<void>;
  /** Removes all entries; the next will be `version + 1`; durable. Works before `open` too. */
  reset(version: number): Promise<void>;
  /** Entries from `from` on, at least one, and about `maxBytes`; undefined: entry `from` is not there. */
  read(from: number, maxBytes: number): Promise<Entry[] | undefined>;
  /** Entries up to `version` need not be kept. */
  prune(version: number): Promise<void>;
  close(): Promise<void>;
}
