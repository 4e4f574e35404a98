import type { Disk } from '@alces/runtime';
import type { PersistentState } from '../core/effects.ts';
import type { RecoveredLog } from '../core/log.ts';
import type { EpochRecord } from '../history.ts';
import { EpochFile } from '../storage/epochFile.ts';
import type { EntryStorage } from '../storage/types.ts';
import type { Application } from './application.ts';

export interface RecoverOptions {
  environment: { disk: Disk };
  folder: string;
  entries: EntryStorage;
  application: Application | undefined;
  dataId?: string;
  report(level: 'info' | 'warn' | 'error', text: string): void;
}

/** Finds what a node's disk holds, after finishing the installation of an image that a crash interrupted. */
export async function recoverNode(options: RecoverOptions): Promise<RecoveredLog & { state: PersistentState }> {
  const { environment, folder, report } = options;
  await environment.disk.makeFolder(folder);
  const epochs = new EpochFile(environment.disk, folder);
  const { state, installing } = await epochs.load();
  if (installing !== undefined) {
    report('info', `finishing the installation of an image with changes up to ${installing.version}`);
    await finishInstallation(options, installing);
    await epochs.save({ state, installing: undefined });
  }
  const { base, last } = await openEntries(options, state.joined);
  // Of an epoch whose beginning lies behind the last entry nothing is left: the entries before it were never synced.
  const kept = state.history.filter((record) => record.first <= last + 1);
  const history = kept.length === 0 && last > 0 ? [dataBeforeJournal(options.dataId ?? '')] : kept;
  // An image on disk holds committed entries only, and may be younger than the last note of what is committed.
  const commit = Math.max(state.commit, Math.min(options.application?.appliedVersion ?? 0, last));
  return { base, last, history, state: { ...state, commit, history } };
}

/**
 * Opens the journal's entries. An application that brings data from before the journal begins it behind them; one that is ahead of a
 * journal that it took part in was changed by somebody else.
 */
async function openEntries(
  { entries, application }: RecoverOptions,
  joined: boolean,
): Promise<{ base: number; last: number }> {
  const found = await entries.open();
  const applied = application?.appliedVersion ?? 0;
  if (applied <= found.last) return found;
  if (joined) throw new Error(`the state is at change ${applied}, and the journal ends with ${found.last}`);
  await entries.reset(applied);
  return { base: applied, last: applied };
}

/** Stands for entries that are older than the journal. */
function dataBeforeJournal(dataId: string): EpochRecord {
  return { epoch: 0, first: 1, leader: '', id: dataId, members: [], startedMs: 0 };
}

async function finishInstallation(
  { environment, folder, entries, application }: RecoverOptions,
  { version, image }: { version: number; image: number },
): Promise<void> {
  await entries.reset(version);
  if (application === undefined) return;
  const path = `${folder}/image.install.${image}`;
  if (image === 0) await application.rewind(0);
  // When the file is gone, it was installed and only the note of it was not.
  else if (await environment.disk.exists(path)) await application.installImage(path, version);
  await environment.disk.remove(path);
}
