import type { Entry } from '../entry.ts';

/** An image of the application's state, for a node that is too far behind. Does not change while it is open. */
export interface ImageSource {
  /** The last entry that it contains. */
  readonly version: number;
  readonly lengthBytes: number;
  /** Exactly `length` bytes within the image. */
  read(offset: number, length: number): Promise<Buffer>;
  close(): Promise<void>;
}

/** What stands on the journal: the shadow that follows, and the master when the node leads. A witness has none. */
export interface Application {
  /** The last entry that is in the state in memory. As a leader it appends what it applied, so this may be ahead of the journal. */
  readonly appliedVersion: number;
  /** A committed entry, the next one. Only while not leading. */
  apply(entry: Entry): void;
  /** The node leads from now on: everything in the journal is applied, `append` may be called and clients may be served. */
  lead(epoch: number): void;
  /** The node leads no more: nobody may be answered any more, about nothing. */
  follow(reason: string): void;
  /** A planned switch is under way: append nothing for a moment (true); it was given up, go on (false). */
  freeze(frozen: boolean): void;
  /**
   * Entries after `version` were removed from the journal: the state must become one of `version` or an earlier one, from an image on
   * disk (0: that of nothing). Entries behind it come by `apply` afterwards.
   */
  rewind(version: number): Promise<void>;
  /**
   * Entries after `version` were removed from the journal's files, and are in a file of discarded ones: copies that are not the journal's
   * have to go too. Nothing is written to the journal before this resolves.
   */
  removed?(version: number): Promise<void>;
  /** An image of the present state. Rejects when that is not possible now; never while the node's `stateIsCurrent` is false. */
  createImage(): Promise<ImageSource>;
  /**
   * Makes the image in a file, of the state behind `version`, the application's own: in memory, and on disk so that it survives the loss of
   * power when this resolves. May be called again with the same file after a crash, also before anything else.
   */
  installImage(path: string, version: number): Promise<void>;
}
