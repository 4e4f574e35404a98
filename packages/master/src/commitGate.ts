import type { MasterJournal } from '@alces/journal';

/**
 * The one point in time that every answer waits for: all changelog entries appended before the answer was made are as safe as the
 * journal's mode demands. Answers, and commands to chunkservers, leave in the order in which they were made.
 */
export interface CommitGate {
  /** Runs `run` when everything appended so far is safe: now, if it is already. Calls keep their order. */
  afterCommit(run: () => void): void;
}

/** The gate of a journal. */
export function journalGate(journal: MasterJournal): CommitGate {
  return { afterCommit: (run) => journal.afterCommit(run) };
}
