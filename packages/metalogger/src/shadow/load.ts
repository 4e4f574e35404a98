import {
  checkHistory,
  findChangelogs,
  type History,
  lastVersionOf,
  loadFromDisk,
  type Reporter,
  readHistory,
  replay,
} from '@alces/journal';
import { type CarriedSection, ImageError, type Observer, type State, silentObserver } from '@alces/metadata';
import type { Clock, Disk, Random } from '@alces/runtime';
import { findImages } from '../archive/images.ts';

export interface LoadOptions {
  disk: Disk;
  clock: Clock;
  random: Random;
  folder: string;
  report: Reporter;
}

/** A state made from an image and the change logs behind it. */
export interface LoadedShadow {
  state: State;
  carried: CarriedSection[];
  /** Version of the image that it was made from. */
  imageVersion: number;
  /** The image was that of a new file system: no image at all. */
  isNew: boolean;
}

const FAMILIES = ['changelog_ml', 'changelog_ml_back'] as const;

/** The change logs of a metalogger's folder that go beyond a version. */
export async function historyFrom(
  options: Pick<LoadOptions, 'disk' | 'folder' | 'report'>,
  version: number,
): Promise<History> {
  const { disk, folder, report } = options;
  const paths = await findChangelogs(disk, folder, FAMILIES);
  return readHistory({ disk, paths, version, report });
}

/**
 * The last version to which the change logs lead from an image without a hole; that before the image if they hold nothing new.
 * @throws ReplayError when they have a hole or a damaged end
 */
export async function reachFrom(
  options: Pick<LoadOptions, 'disk' | 'folder' | 'report'>,
  version: number,
): Promise<number> {
  const history = await historyFrom(options, version);
  checkHistory(history, version);
  return Math.max(version - 1, lastVersionOf(history));
}

/** Tells what replay had to put up with (spec 51 §7), each kind once. */
function deviationObserver(report: Reporter): Observer {
  const told = new Set<string>();
  return {
    ...silentObserver,
    deviation(operation, what) {
      if (told.has(operation)) return;
      told.add(operation);
      report.warn(`change log entry ${operation} that a stock master could not replay: ${what} (told once)`);
    },
  };
}

async function loadImageOf(path: string, options: LoadOptions): Promise<Omit<LoadedShadow, 'imageVersion'>> {
  const { disk, clock, random, report } = options;
  const quiet: Reporter = { info() {}, warn: (text) => report.warn(text), error: (text) => report.error(text) };
  const { state, carried, isNew } = await loadFromDisk(path, {
    disk,
    now: clock.unixSeconds(),
    clockMs: () => clock.monotonicMs(),
    ignoreErrors: false,
    report: quiet,
    state: { hashSeed: random.u32(), observer: deviationObserver(report) },
  });
  return { state, carried, isNew };
}

/** Applies what the change logs hold beyond the state. @throws ReplayError */
export async function catchUp(state: State, options: LoadOptions): Promise<void> {
  const history = await historyFrom(options, state.metaversion);
  checkHistory(history, state.metaversion);
  await replay({ disk: options.disk, state, runs: history.runs });
}

/**
 * Loads the newest image of the folder that can be loaded, and applies the change logs.
 * @throws ReplayError of `@alces/journal` when change logs can't be applied; ImageError when there is no image that can be loaded
 */
export async function loadFromFolder(options: LoadOptions): Promise<LoadedShadow> {
  const { report } = options;
  let reason = new ImageError('header', 0, 'there is no image');
  for (const image of await findImages(options.disk, options.folder)) {
    try {
      const loaded = await loadImageOf(image.path, options);
      await catchUp(loaded.state, options);
      return { ...loaded, imageVersion: image.version };
    } catch (error) {
      if (!(error instanceof ImageError)) throw error;
      report.error(`${image.name} can't be loaded: ${error.message}`);
      reason = error;
    }
  }
  throw reason;
}
