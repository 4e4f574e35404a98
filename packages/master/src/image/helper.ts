import { constants, setPriority } from 'node:os';
import {
  BACKUP_NAME,
  findChangelogs,
  inFolder,
  loadFromDisk,
  type Reporter,
  readHistory,
  replay,
  storeImage,
} from '@alces/journal';
import { realEnvironment } from '@alces/runtime';
import type { SaveRequest } from './saver.ts';

/** Only what went wrong matters to the master. */
const report: Reporter = {
  info() {},
  warn: (text) => void process.stderr.write(`${text}\n`),
  error: (text) => void process.stderr.write(`${text}\n`),
};

/** Brings the latest image up to the wanted version and stores it in its place. */
async function save({ folder, version, keepPrevious, emergencyFolders }: SaveRequest): Promise<void> {
  const { clock, disk } = realEnvironment();
  const { state, carried } = await loadFromDisk(inFolder(folder, BACKUP_NAME), {
    disk,
    now: clock.unixSeconds(),
    clockMs: () => clock.monotonicMs(),
    ignoreErrors: false,
    report,
  });
  const paths = await findChangelogs(disk, folder, ['changelog']);
  const { runs } = await readHistory({ disk, paths, version: state.metaversion, report: { ...report, warn() {} } });
  await replay({ disk, state, runs, until: version - 1 });
  if (state.metaversion !== version)
    throw new Error(`changelogs lead to version ${state.metaversion} instead of ${version}`);
  const stored = await storeImage(state, { clock, disk, folder, keepPrevious, emergencyFolders, carried, report });
  if (stored.emergency) throw new Error(`metadata were stored to emergency file: ${stored.path}`);
}

setPriority(constants.priority.PRIORITY_BELOW_NORMAL);
save(JSON.parse(process.argv[2] ?? '') as SaveRequest).catch((error: unknown) => {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
});
