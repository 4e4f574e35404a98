import type { Change } from '@alces/metadata';
import type { JournalFollower, JournalSettings } from './journal.ts';

/** Changes of the time before a master began that another one wrote to the same journal. */
export interface InheritedChanges {
  /** The last of them. */
  readonly lastVersion: number;
  /** Whatever the master before told anybody is among them; false: it may have told of changes that were lost. */
  readonly isComplete: boolean;
  /** Those from a version on; undefined: some are not at hand. `data` is the line without version and newline. */
  from(version: number): readonly { version: number; data: Buffer }[] | undefined;
}

/** What a master needs of its journal: the change logs of one machine (`Journal`), or the replicated journal. */
export interface MasterJournal {
  /** Number of the next change. */
  readonly nextVersion: number;
  /** The last version that is safe. */
  readonly committedVersion: number;
  /** Why changes can't be made safe at present; undefined: they can. */
  readonly stalledBy: string | undefined;
  /** Absent: of a journal in which nobody else writes. */
  readonly inherited?: InheritedChanges;
  /** Appends a change; `version` must be the next one. */
  append(version: number, change: Change): void;
  /** Keeps a note beside the change of that version; in the turn in which it was appended. */
  annotate(version: number, note: Buffer): void;
  /** Runs `run` when everything appended so far is safe: now, if it is. Calls keep their order. */
  afterCommit(run: () => void): void;
  /** Tells a follower everything that becomes safe from now on. Returns the function that ends it. */
  follow(follower: JournalFollower): () => void;
  /** Begins a new file behind the changes appended so far. Resolves when they are safe, in the old file. */
  rotate(): Promise<void>;
  /** Settings of a reloaded configuration. */
  configure(settings: JournalSettings): void;
  close(): Promise<void>;
}
