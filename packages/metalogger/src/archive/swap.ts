/**
 * A set of files that is put together in a folder of its own and then takes the place of the one in DATA_PATH. At every moment, also after
 * a crash, one complete set can be found (docs/decisions/0100).
 */
import { inFolder, parseChangelogName } from '@alces/journal';
import type { Disk } from '@alces/runtime';
import { DISCARDED_PREFIX, REBUILD_FOLDER } from './names.ts';

/** Marks the set in the rebuild folder as complete: the old one is being moved away. */
const COMPLETE = 'complete';
/** The old one is away, the new one is being moved in. */
const PLACING = 'placing';
/** File with the time at which a set was replaced. */
const REPLACED = 'replaced';
/** So many sets that were replaced are kept. */
const KEPT_SETS = 3;

export interface SwapOptions {
  disk: Disk;
  /** DATA_PATH. */
  folder: string;
  /** Unix time. */
  now: number;
}

/** Whether a file belongs to a metalogger's set. */
function belongsToSet(name: string): boolean {
  // Checksums go with the lines that they are of.
  const family = parseChangelogName(name.replace(/\.sum$/, '.mfs'))?.family;
  return (
    family === 'changelog_ml' || family === 'changelog_ml_back' || /^metadata_ml\.mfs\.back(\.\d{1,2})?$/.test(name)
  );
}

async function listIfThere(disk: Disk, folder: string): Promise<string[]> {
  return (await disk.exists(folder)) ? disk.list(folder) : [];
}

async function moveSet(disk: Disk, from: string, to: string): Promise<void> {
  for (const name of (await disk.list(from)).filter(belongsToSet))
    await disk.rename(inFolder(from, name), inFolder(to, name));
  await disk.syncFolder(to);
  await disk.syncFolder(from);
}

/** Removes the files of a folder; the folder itself stays. */
async function empty(disk: Disk, folder: string): Promise<void> {
  for (const name of await listIfThere(disk, folder)) await disk.remove(inFolder(folder, name));
}

/** An empty folder for a new set. */
export async function beginRebuild(disk: Disk, folder: string): Promise<string> {
  const rebuild = inFolder(folder, REBUILD_FOLDER);
  await disk.makeFolder(rebuild);
  await empty(disk, rebuild);
  return rebuild;
}

/** When the set in a folder was replaced; 0: there is none. */
async function replacedAt(disk: Disk, folder: string): Promise<number> {
  const mark = inFolder(folder, REPLACED);
  return (await disk.exists(mark)) ? Number((await disk.readFile(mark)).toString('latin1')) || 0 : 0;
}

/** A folder for the set that is replaced now: a free one, or that of the oldest set, which is lost. */
async function folderForOldSet(disk: Disk, folder: string, now: number): Promise<string> {
  let oldest = '';
  let oldestTime = Number.POSITIVE_INFINITY;
  for (let number = 1; number <= KEPT_SETS && oldestTime > 0; number++) {
    const candidate = inFolder(folder, `${DISCARDED_PREFIX}${number}`);
    const time = await replacedAt(disk, candidate);
    if (time >= oldestTime) continue;
    oldest = candidate;
    oldestTime = time;
  }
  await disk.makeFolder(oldest);
  await empty(disk, oldest);
  await disk.replaceFile(inFolder(oldest, REPLACED), Buffer.from(`${now}\n`));
  return oldest;
}

/**
 * Puts the complete set of the rebuild folder in the place of the present one, which is moved to a folder `ml_discarded.N`. Resolves to the
 * path of that folder, undefined if there was nothing to move.
 */
export async function swapIn({ disk, folder, now }: SwapOptions): Promise<string | undefined> {
  const rebuild = inFolder(folder, REBUILD_FOLDER);
  await disk.syncFolder(rebuild);
  const replacesSomething = (await disk.list(folder)).some(belongsToSet);
  const discarded = replacesSomething ? await folderForOldSet(disk, folder, now) : '';
  await disk.replaceFile(inFolder(rebuild, COMPLETE), Buffer.from(discarded));
  await finishSwap(disk, folder);
  return discarded === '' ? undefined : discarded;
}

/** Finishes what a crash interrupted. Does nothing if no set waits to be put in its place. */
export async function finishSwap(disk: Disk, folder: string): Promise<void> {
  const rebuild = inFolder(folder, REBUILD_FOLDER);
  const marks = await listIfThere(disk, rebuild);
  if (marks.includes(COMPLETE)) {
    const mark = inFolder(rebuild, COMPLETE);
    const discarded = (await disk.readFile(mark)).toString();
    if (discarded !== '') await moveSet(disk, folder, discarded);
    await disk.rename(mark, inFolder(rebuild, PLACING));
    await disk.syncFolder(rebuild);
  } else if (!marks.includes(PLACING)) {
    return;
  }
  await moveSet(disk, rebuild, folder);
  await disk.remove(inFolder(rebuild, PLACING));
}
