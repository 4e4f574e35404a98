import { type Disk, isMissing } from '@alces/runtime';
import { type ChangelogFamily, COMPRESSED_SUFFIX, changelogName, inFolder } from './files.ts';
import { sumsName } from './lineSums.ts';

/**
 * Makes room for a new file 0: renames every change log to the next number, the oldest first; that with number `backLogs` is
 * lost (spec 51 §1). Their checksums go with them (decision 0045). The first failure ends it, so nothing is overwritten that was not moved away.
 */
export async function rotateFiles(
  disk: Disk,
  folder: string,
  family: ChangelogFamily,
  backLogs: number,
): Promise<void> {
  const compressedName = (of: ChangelogFamily, number: number) => changelogName(of, number) + COMPRESSED_SUFFIX;
  for (const nameOf of [changelogName, compressedName, sumsName]) {
    const path = (number: number) => inFolder(folder, nameOf(family, number));
    if (backLogs === 0) await disk.remove(path(0));
    for (let number = backLogs; number >= 1; number--) {
      try {
        await disk.rename(path(number - 1), path(number));
      } catch (error) {
        if (!isMissing(error)) throw error;
      }
    }
  }
  await disk.syncFolder(folder);
}
