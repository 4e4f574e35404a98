import { writeFileSync } from 'node:fs';
import { setPriority } from 'node:os';
import { lockMemory, raiseOpenFilesLimit } from '@alces/runtime';
import type { OptionValues } from './settings/options.ts';

/** What the options say about the process itself (spec 60 §5.2). `note` prints remarks. */
export function prepareProcess(options: OptionValues, note: (text: string) => void): void {
  const wanted = options.mfsrlimitnofile;
  if (wanted > 0) {
    const limit = raiseOpenFilesLimit(wanted);
    if (limit !== wanted) {
      note(`can't set open file limit to ${wanted}`);
      if (limit > 0) note(`open file limit set to: ${limit}`);
    }
  }
  attempt(() => setPriority(options.mfsnice));
  if (options.mfsmemlock && !lockMemory()) note("can't lock memory");
  if (!options.mfsallowoomkiller) attempt(() => writeFileSync('/proc/self/oom_score_adj', '-1000'));
}

/** Privileges that are missing do not keep a mount from working. */
function attempt(run: () => void): void {
  try {
    run();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === undefined) throw error;
  }
}
