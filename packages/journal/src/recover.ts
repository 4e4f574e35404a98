import {
  ImageError,
  type LoadedImage,
  type LoadStage,
  loadImage,
  type State,
  type StateOptions,
} from '@alces/metadata';
import { type Disk, reasonOf } from '@alces/runtime';
import { damagedEnd, type History } from './history.ts';
import { parseImageFile } from './imageFile.ts';
import { findDamage } from './imageSums.ts';
import { checkCoverage, ReplayError, type ReplayOptions, replay } from './replay.ts';
import type { Reporter } from './report.ts';

export interface LoadFromDiskOptions {
  disk: Disk;
  /** Unix time. */
  now: number;
  /** Monotonic time for the durations that are reported, milliseconds. */
  clockMs: () => number;
  /** Leave out or repair damaged records (`-i`). */
  ignoreErrors: boolean;
  /** `QUOTA_DEFAULT_GRACE_PERIOD`. */
  defaultQuotaGrace?: number;
  state?: StateOptions;
  report: Reporter;
}

function stageName(stage: LoadStage): string {
  return typeof stage === 'string' ? stage : `loading ${stage.loading}`;
}

/** Damage that the loader itself could not tell from a change. @throws ImageError */
async function refuseDamage(path: string, { disk, ignoreErrors, report }: LoadFromDiskOptions): Promise<void> {
  const damage = await findDamage(disk, path);
  if (damage === undefined) return;
  const { position, lengthBytes } = damage;
  const text = `the ${lengthBytes} bytes from ${position} on are not as they were written (checksum)`;
  if (!ignoreErrors) throw new ImageError('structure', position, text);
  report.warn(`${path}: ${text} - ignoring`);
}

/** Loads an image and reports each part as the stock master does. */
export async function loadFromDisk(path: string, options: LoadFromDiskOptions): Promise<LoadedImage> {
  const { disk, report, clockMs } = options;
  let began = 0;
  report.info('loading metadata ...');
  await refuseDamage(path, options);
  const loaded = await parseImageFile(disk, path, (input) =>
    loadImage(input, {
      ...options.state,
      now: options.now,
      ignoreErrors: options.ignoreErrors,
      ...(options.defaultQuotaGrace === undefined ? {} : { defaultQuotaGrace: options.defaultQuotaGrace }),
      notice: (text) => report.warn(text),
      stageBegins() {
        began = clockMs();
      },
      stageEnds(stage) {
        const seconds = typeof stage === 'string' ? '' : ` (${((clockMs() - began) / 1000).toFixed(4)})`;
        report.info(`${stageName(stage)} ... ok${seconds}`);
      },
    }),
  );
  tellCounts(loaded.state, report);
  return loaded;
}

function tellCounts({ nodes, storageClasses, chunks }: State, report: Reporter): void {
  const sum = (counts: Float64Array) => counts.reduce((total, count) => total + count, 0);
  report.info(`all inodes: ${nodes.count}`);
  report.info(`directory inodes: ${sum(storageClasses.directories)}`);
  report.info(`file inodes: ${sum(storageClasses.files)}`);
  report.info(`chunks: ${chunks.count}`);
}

/** Tells what a state is made of, and what is in it if that is not what the image said. */
export function tellSources(image: string, { applied, used, loaded }: Recovered, report: Reporter): void {
  const { state } = loaded;
  const from = state.metaversion - applied;
  report.info(`used image ${image} (version ${from})`);
  for (const [name, lines] of used) report.info(`used ${lines} changes of ${name}`);
  if (applied > 0) tellCounts(state, report);
  const changes = applied === 0 ? 'no changes applied' : `changes ${from}-${state.metaversion - 1} applied`;
  report.info(`${changes}, metadata version is now ${state.metaversion}`);
}

export interface Recovered {
  loaded: LoadedImage;
  /** Changes that were applied. */
  applied: number;
  /** Lines used of each file. */
  used: Map<string, number>;
  /** Why not all changes were applied (only with ignoreErrors). */
  problem: string | undefined;
}

/** @throws ReplayError when the history has a hole, or a damaged line at its end */
export function checkHistory(history: History, version: number): void {
  checkCoverage(history.runs, version);
  const damaged = damagedEnd(history);
  if (damaged !== undefined) {
    throw new ReplayError(`${damaged.path}: damaged line at byte ${damaged.position} behind the last change`);
  }
}

/**
 * Loads an image and applies the change logs to it. With `useBest`, a history that cannot be applied wholly is applied as far
 * as possible; else it is refused.
 * @throws ImageError, ReplayError
 */
export async function recover(
  imagePath: string,
  history: History,
  options: LoadFromDiskOptions & Pick<ReplayOptions, 'progress' | 'line' | 'mode'> & { useBest: boolean },
): Promise<Recovered> {
  const loaded = await loadFromDisk(imagePath, options);
  const { state } = loaded;
  try {
    if (!options.useBest) checkHistory(history, state.metaversion);
    const { applied, used } = await replay({ ...options, state, runs: history.runs });
    const problem = problemOf(() => checkHistory(history, state.metaversion - applied));
    return { loaded, applied, used, problem };
  } catch (error) {
    if (!options.useBest || !(error instanceof ReplayError)) throw error;
    // The change that failed may have been done in part: the state before it is made anew.
    const again = await loadFromDisk(imagePath, options);
    const { applied, used } = await replay({
      ...options,
      state: again.state,
      runs: history.runs,
      until: state.metaversion - 1,
    });
    return { loaded: again, applied, used, problem: error.message };
  }
}

function problemOf(check: () => void): string | undefined {
  try {
    check();
    return undefined;
  } catch (error) {
    return reasonOf(error);
  }
}
