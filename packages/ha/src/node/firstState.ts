import { type EpochFile, SegmentLog } from '@alces/replication';
import type { Disk } from '@alces/runtime';
import type { Beginning, StateStore } from './stateStore.ts';

export interface FirstStateOptions {
  disk: Disk;
  store: StateStore;
  epochs: EpochFile;
  /** `-a`: data from before the journal are put together from all that is there. */
  restore: boolean;
  /** DATA_PATH. */
  folder: string;
  /** Where the journal is. */
  haFolder: string;
}

/** What this node's disk holds; of a node that never took part in the journal, what was there before. */
export async function firstState({
  disk,
  store,
  epochs,
  restore,
  folder,
  haFolder,
}: FirstStateOptions): Promise<Beginning> {
  const { joined } = (await epochs.load()).state;
  const entries = new SegmentLog({ disk, folder: haFolder });
  const { last } = await entries.open();
  await entries.close();
  await store.setAside(last);
  if (!joined) {
    const known = (await store.foreign(0)) === undefined ? await store.newest(Number.POSITIVE_INFINITY) : undefined;
    return known === undefined ? store.beforeJournal(restore) : { ...known, isNew: false };
  }
  const foreign = await store.foreign(last);
  if (foreign !== undefined)
    throw new Error(
      `${foreign} has changes that the journal knows nothing of: a master was run without mfsha.cfg. To give them up, move it away; ` +
        `to keep them, stop all nodes, remove ${haFolder} on each, and the images in ${folder} on the others`,
    );
  return { ...((await store.newest(last)) ?? (await store.empty())), isNew: false };
}
