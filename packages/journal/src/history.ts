import { type Disk, reasonOf } from '@alces/runtime';
import { type LineSums, readLineSums } from './lineSums.ts';
import type { Reporter } from './report.ts';
import { type ChangelogEnds, inspectChangelog, type Run, type ScannedChangelog, scanChangelog } from './scan.ts';

/** The change logs that matter for an image, read through. */
export interface History {
  runs: Run[];
  files: ScannedChangelog[];
}

export interface HistoryOptions {
  disk: Disk;
  paths: readonly string[];
  /** Version of the image: files that end before it are left out. */
  version: number;
  /** Use files whose ends cannot be read, or that end before `version`, too (`-f` of mfsmetarestore). */
  all?: boolean;
  report: Reporter;
  /** Say which files are used and skipped (`-x`). */
  verbose?: boolean;
}

function baseName(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}

function range({ first, last }: { first: number; last: number }): string {
  return `${first === 0 ? '???' : first} - ${last === 0 ? '???' : last}`;
}

async function inspect(disk: Disk, path: string, sums: LineSums, report: Reporter): Promise<ChangelogEnds> {
  try {
    return await inspectChangelog(disk, path, sums);
  } catch (error) {
    report.warn(`can't read change log ${baseName(path)}: ${reasonOf(error)}`);
    return { first: 0, last: 0, sizeBytes: 0, torn: undefined };
  }
}

/** Whether a file may hold changes that the image lacks. A file whose last line cannot be understood may. */
function isOfUse(ends: ChangelogEnds, version: number): boolean {
  if (ends.sizeBytes === 0) return false;
  return ends.last === 0 || ends.last >= version || ends.first >= version;
}

function tellTorn(file: ScannedChangelog, report: Reporter): void {
  if (file.torn === undefined) return;
  const { position, lengthBytes } = file.torn;
  report.warn(`${baseName(file.path)}: unfinished last line (${lengthBytes} bytes at byte ${position}) is left out`);
}

/** Reads the checksums beside change logs, those of each folder once. */
function sumsByFolder(disk: Disk): (path: string) => Promise<LineSums> {
  const known = new Map<string, Promise<LineSums>>();
  return (path) => {
    const folder = path.includes('/') ? path.slice(0, path.lastIndexOf('/')) || '/' : '.';
    const sums = known.get(folder) ?? readLineSums(disk, folder);
    known.set(folder, sums);
    return sums;
  };
}

/** Reads the change logs that go beyond an image, and finds out what they hold. */
export async function readHistory(options: HistoryOptions): Promise<History> {
  const { disk, version, report } = options;
  const history: History = { runs: [], files: [] };
  const sumsOf = sumsByFolder(disk);
  let lastKnown = 0;
  for (const path of options.paths) {
    const sums = await sumsOf(path);
    const ends = await inspect(disk, path, sums, report);
    const used = (options.all === true && ends.sizeBytes > 0) || isOfUse(ends, version);
    if (options.verbose === true) {
      report.info(`${used ? 'using' : 'skipping'} changelog file: ${baseName(path)} (changes: ${range(ends)})`);
    }
    if (!used) continue;
    const file = await scanChangelog(disk, path, sums);
    tellTorn(file, report);
    for (const bad of file.badLines.filter(({ after }) => after + 1 >= version)) {
      report.warn(
        `${baseName(path)}: line at byte ${bad.position} is damaged - left out (last correct id: ${bad.after}); if the file comes from elsewhere, remove the .sum files beside it`,
      );
    }
    history.files.push(file);
    history.runs.push(...file.runs);
    lastKnown = Math.max(lastKnown, sums.lastVersion);
  }
  const last = Math.max(version - 1, lastVersionOf(history));
  if (lastKnown > last)
    report.warn(`changes ${last + 1}-${lastKnown} were written once and are in no change log any more`);
  return history;
}

/** The last version that the history knows of, 0 if none. */
export function lastVersionOf(history: History): number {
  return history.runs.reduce((last, run) => Math.max(last, run.last), 0);
}

/**
 * A damaged line behind the last good version of all files would be lost without a hole to show it: where such a line is.
 */
export function damagedEnd(history: History): { path: string; position: number } | undefined {
  const last = lastVersionOf(history);
  for (const file of history.files) {
    const bad = file.badLines.find(({ after }) => after >= last);
    if (bad !== undefined) return bad;
  }
  return undefined;
}
