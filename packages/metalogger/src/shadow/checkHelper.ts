import { constants, setPriority } from 'node:os';
import { loadFromDisk, type Reporter } from '@alces/journal';
import { stateDigest } from '@alces/metadata';
import { realEnvironment, reasonOf } from '@alces/runtime';

/** Only what went wrong matters to the metalogger. */
const report: Reporter = {
  info() {},
  warn() {},
  error: (text) => void process.stderr.write(`${text}\n`),
};

/** Loads an image as a master would and prints its digest: `{table: hexadecimal}`. */
async function check(path: string, time: number): Promise<void> {
  const { clock, disk } = realEnvironment();
  const { state } = await loadFromDisk(path, {
    disk,
    now: clock.unixSeconds(),
    clockMs: () => clock.monotonicMs(),
    ignoreErrors: false,
    report,
  });
  const digest = [...stateDigest(state, time)].map(([table, hash]) => [table, hash.toString(16)]);
  process.stdout.write(JSON.stringify(Object.fromEntries(digest)));
}

setPriority(constants.priority.PRIORITY_BELOW_NORMAL);
check(process.argv[2] ?? '', Number(process.argv[3])).catch((error: unknown) => {
  process.stderr.write(`${reasonOf(error)}\n`);
  process.exitCode = 1;
});
