import {
  encodeNote,
  type JournalFollower,
  type MasterJournal,
  type RequestLedger,
  type RequestNote,
} from '@alces/journal';
import { apply, type Operation, type State } from '@alces/metadata';
import { Status, statusName } from '@alces/proto';
import type { MetaloggerService } from './metaloggers/service.ts';

/**
 * The only way in which the running master changes metadata: the operation is performed and handed to the journal in the same
 * breath. Everything that commits has checked before that the operation is possible; if it is not, what the master believes and
 * what is true have come apart, and it must not go on.
 */
export function committer(
  state: State,
  journal: MasterJournal,
  ledger: RequestLedger,
): (operation: Operation, now: number) => void {
  return (operation, now) => {
    const version = state.metaversion;
    // Before anything is changed: a journal that takes nothing (its node leads no more) must leave the state as it is.
    if (journal.nextVersion !== version)
      throw new Error(`change ${version} while the journal waits for ${journal.nextVersion}`);
    const status = apply(state, now, operation, 'live');
    if (status !== Status.OK) {
      const shown = JSON.stringify(operation, (_key, value) => (typeof value === 'bigint' ? String(value) : value));
      throw new Error(`change ${version} can't be made: ${statusName(status)}: ${shown}`);
    }
    journal.append(version, { timestamp: now, operation });
    ledger.applied(operation);
  };
}

/** Records what was answered to a numbered request with the change that it was about. */
export function noter(journal: MasterJournal, ledger: RequestLedger) {
  return (version: number, note: RequestNote): void => {
    ledger.record(note);
    journal.annotate(version, encodeNote(note));
  };
}

/** Passes on to the metaloggers what is safe. */
export function metaloggerFollower(metaloggers: MetaloggerService): JournalFollower {
  return {
    change: (version, text) => metaloggers.add(version, text),
    rotated: () => metaloggers.markRotation(),
    flushed: () => metaloggers.flush(),
  };
}
