import type { InheritedChanges } from '@alces/journal';
import type { Operation, State } from '@alces/metadata';

/** More chunks than a master makes whose changes are lost afterwards, even one that goes on alone for days; few enough for millions of failovers. */
const CHUNK_IDS = 2 ** 28;
/** Each costs a line of the change log. */
const SESSION_IDS = 64;

/**
 * The first changes of a master that may lack changes of the one before it: chunk and session ids that were given out in them are in the
 * hands of chunkservers and clients, and must not be given out again (decision 0182).
 */
export function skippedIds(state: State, inherited: InheritedChanges | undefined): Operation[] {
  if (inherited === undefined || inherited.isComplete || inherited.lastVersion === 0) return [];
  const sessions = Array.from({ length: SESSION_IDS }, (_, index): Operation => {
    return { op: 'SESSION', sessionid: state.nextsessionid + index };
  });
  return [{ op: 'NEXTCHUNKID', chunkid: state.nextchunkid + CHUNK_IDS }, ...sessions];
}
