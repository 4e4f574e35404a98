import type { Disk } from '@alces/runtime';
import { type ChangelogFamily, changelogName, inFolder } from './files.ts';
import { isMissing } from './report.ts';

/**
 * Makes room for a new file 0: renames every change log to the next number, the oldest first; that with number `backLogs` is
 * lost (spec 51 §1). The first failure ends it, so nothing is overwritten that was not moved away.
 */
export async function rotateFiles(
  disk: Disk,
  folder: string,
  family: ChangelogFamily,
  backLogs: number,
): Promise<void> {
  const path = (number: number) => inFolder(folder, changelogName(family, number));
  if (backLogs === 0) {
    await disk.remove(path(0));
  }
  for (let number = backLogs; number >= 1; number--) {
    try {
      await disk.rename(path(number - 1), path(number));
    } catch (error) {
      if (!isMissing(error)) throw error;
    }
  }
  await disk.syncFolder(folder);
}
