import { ImageError, type LoadedImage, type StateOptions } from '@alces/metadata';
import type { Clock, Disk, Random } from '@alces/runtime';
import {
  asValid,
  type Candidate,
  describeCandidate,
  describeImage,
  findCandidates,
  findChangelogs,
  findEmergencyImages,
  type ValidImage,
} from './candidates.ts';
import { BACKUP_NAME, EMERGENCY_FOLDERS, IMAGE_NAME, inFolder, parseChangelogName, TEMPORARY_NAME } from './files.ts';
import { type History, lastVersionOf, readHistory } from './history.ts';
import { checkImage, type ImageCheck } from './imageFile.ts';
import { type LoadFromDiskOptions, loadFromDisk, type Recovered, recover, tellSources } from './recover.ts';
import { ReplayError } from './replay.ts';
import type { Reporter } from './report.ts';
import { storeImage } from './store.ts';

/** The master cannot start from what is in its folder. The message says why; nothing was changed. */
export class StartError extends Error {
  override readonly name = 'StartError';
}

export interface StartOptions {
  clock: Clock;
  disk: Disk;
  random: Random;
  /** DATA_PATH. */
  folder: string;
  /** Home of the user the daemon runs as, the first emergency place; undefined: none. */
  home?: string;
  /** Emergency places behind the home. */
  emergencyFolders?: readonly string[];
  /** `-a`: choose the best image and apply all change logs. */
  restore: boolean;
  /** `-i`: accept damage. */
  ignoreErrors: boolean;
  /** Number of `-x`. */
  verbosity: number;
  /** `BACK_META_KEEP_PREVIOUS`, for the image that `-a` stores when it used files of other origin. */
  keepPrevious: number;
  defaultQuotaGrace?: number;
  state?: StateOptions;
  report: Reporter;
  /** Progress of applying change logs. */
  progress?: (version: number, first: number, last: number) => void;
}

export interface StartedMetadata extends LoadedImage {
  /** Name of the image that was loaded. */
  source: string;
  /** Changes that were applied to it. */
  applied: number;
}

const SAME_MACHINE_FAMILIES = ['changelog'] as const;
const ALL_FAMILIES = ['changelog', 'changelog_ml', 'changelog_ml_back'] as const;
const TRY_RESTORE = " - try using option '-a'";
const BRING_CHANGES =
  " - put the change logs that have them (a metalogger's changelog_ml files, say) into the folder and use option '-a'";
const NAME_LETTERS = 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789';

function loadOptions(options: StartOptions): LoadFromDiskOptions {
  return {
    disk: options.disk,
    now: options.clock.unixSeconds(),
    clockMs: () => options.clock.monotonicMs(),
    ignoreErrors: options.ignoreErrors,
    report: options.report,
    ...(options.defaultQuotaGrace === undefined ? {} : { defaultQuotaGrace: options.defaultQuotaGrace }),
    ...(options.state === undefined ? {} : { state: options.state }),
  };
}

function recoverOptions(options: StartOptions, useBest: boolean): Parameters<typeof recover>[2] {
  return {
    ...loadOptions(options),
    useBest,
    ...(options.progress === undefined ? {} : { progress: options.progress }),
    ...(options.verbosity > 0
      ? { line: (path: string, version: number, text: string) => options.report.info(`${path}: ${version}: ${text}`) }
      : {}),
  };
}

function imageProblem(name: string, check: ImageCheck): string {
  switch (check.result) {
    case 'ok':
      return `${name} is in order`;
    case 'missing':
      return `can't find ${name}`;
    case 'unreadable':
      return `error reading ${name} (${check.reason})`;
    default:
      return `${name} has ${check.result}`;
  }
}

function emergencyPlaces(options: StartOptions): string[] {
  const others = options.emergencyFolders ?? EMERGENCY_FOLDERS;
  return options.home === undefined ? [...others] : [options.home, ...others];
}

async function historyBehind(
  options: StartOptions,
  families: readonly ('changelog' | 'changelog_ml' | 'changelog_ml_back')[],
  version: number,
): Promise<History> {
  const { disk, folder, report, verbosity } = options;
  const paths = await findChangelogs(disk, folder, families);
  return readHistory({ disk, paths, version, report, verbose: verbosity > 0 });
}

/** The orderly start: `metadata.mfs` holds everything (spec 50 §7.1). */
async function startFromImage(options: StartOptions, image: ValidImage): Promise<StartedMetadata> {
  const { disk, folder } = options;
  await refuseNewerBackup(options, image);
  await refuseLaterChanges(options, image);
  let loaded: LoadedImage;
  try {
    loaded = await loadFromDisk(image.path, loadOptions(options));
  } catch (error) {
    if (!(error instanceof ImageError)) throw error;
    throw new StartError(`error loading ${IMAGE_NAME} (${error.message})${TRY_RESTORE}`);
  }
  await disk.rename(image.path, inFolder(folder, BACKUP_NAME));
  await cleanUp(options);
  return { ...loaded, source: image.name, applied: 0 };
}

/** The stock master looks only for a newer backup of another file system, and overwrites a newer one of the same. */
async function refuseNewerBackup(options: StartOptions, image: ValidImage): Promise<void> {
  const backup = await checkImage(options.disk, inFolder(options.folder, BACKUP_NAME));
  if (backup.result !== 'ok' || backup.version <= image.version || options.ignoreErrors) return;
  throw new StartError(`backup file is newer than current file - please check it manually${TRY_RESTORE}`);
}

/** Changes behind the image would be lost, and their numbers given to other changes. */
async function refuseLaterChanges(options: StartOptions, image: ValidImage): Promise<void> {
  if (options.ignoreErrors) return;
  const history = await historyBehind({ ...options, verbosity: 0 }, SAME_MACHINE_FAMILIES, image.version);
  const last = lastVersionOf(history);
  if (last < image.version) return;
  throw new StartError(
    `${IMAGE_NAME} has version ${image.version}, but the change logs go on to change ${last}: use option '-a' to apply them,` +
      ' or move the change logs away to go back to the state of the image',
  );
}

/**
 * After a crash: `metadata.mfs.back` and the master's own change logs, if they are all there is and hold every change (see
 * docs/decisions/0042). Otherwise the operator has to decide.
 */
async function recoverByItself(options: StartOptions): Promise<StartedMetadata> {
  const missing = `can't find ${IMAGE_NAME}`;
  const refuse = (reason: string, hint = TRY_RESTORE) => new StartError(`${missing}, and ${reason}${hint}`);
  const { disk, folder, report } = options;
  const image = await newestBackup(disk, folder);
  if (image === undefined) throw await withoutImage(options, missing);
  const { path } = image;
  report.warn(
    `${IMAGE_NAME} is missing: the master was not stopped in order - recovering from ${image.name} and change logs`,
  );
  const history = await historyBehind(options, SAME_MACHINE_FAMILIES, image.version);
  const reached = Math.max(image.version, lastVersionOf(history) + 1);
  const newer = await findNewerSource(options, image, reached);
  if (newer !== undefined) throw refuse(newer);
  try {
    const recovered = await recover(path, history, recoverOptions({ ...options, ignoreErrors: false }, false));
    const { loaded, applied } = recovered;
    if (image.name === TEMPORARY_NAME) await disk.rename(path, inFolder(folder, BACKUP_NAME));
    await cleanUp(options);
    tellSources(image.name, recovered, report);
    return { ...loaded, source: image.name, applied };
  } catch (error) {
    if (error instanceof ImageError) throw refuse(`recovery failed: ${image.name}: ${error.message}`);
    if (error instanceof ReplayError) throw refuse(`recovery failed: ${error.message}`, BRING_CHANGES);
    throw error;
  }
}

/** What is wrong when there is no image to start from. */
async function withoutImage({ disk, folder }: StartOptions, missing: string): Promise<StartError> {
  const backup = await checkImage(disk, inFolder(folder, BACKUP_NAME));
  if (backup.result !== 'missing')
    return new StartError(`${missing}, and ${imageProblem(BACKUP_NAME, backup)}${TRY_RESTORE}`);
  const isBare = (await findCandidates(disk, folder)).length === 0 && (await hasNoChangelogs(disk, folder));
  const hint = isBare ? "; a new file system begins with a copy of metadata.mfs.empty (8 bytes: 'MFSM NEW')" : '';
  return new StartError(`${missing}${TRY_RESTORE}${hint}`);
}

async function hasNoChangelogs(disk: Disk, folder: string): Promise<boolean> {
  return (await findChangelogs(disk, folder, ALL_FAMILIES)).length === 0;
}

/** The backup; while a new one takes its place there is none for a moment, but the finished new one and the one before. */
async function newestBackup(disk: Disk, folder: string): Promise<ValidImage | undefined> {
  for (const name of [BACKUP_NAME, TEMPORARY_NAME, `${BACKUP_NAME}.1`]) {
    const path = inFolder(folder, name);
    const image = asValid({ name, path, check: await checkImage(disk, path) });
    if (image !== undefined) return image;
    if (name === BACKUP_NAME && (await disk.exists(path))) return undefined;
  }
  return undefined;
}

/** Something that knows more than backup and change logs do, or belongs to another file system. */
async function findNewerSource(options: StartOptions, image: ValidImage, reached: number): Promise<string | undefined> {
  const { disk, folder } = options;
  const images = (await findCandidates(disk, folder)).flatMap((candidate) => asValid(candidate) ?? []);
  const emergency = await findEmergencyImages(disk, emergencyPlaces(options));
  const related = [...images, ...emergency.filter(({ metaid }) => metaid === image.metaid)];
  const newer = related.find(({ version }) => version > reached);
  if (newer !== undefined) return `${describeImage(newer)} is newer than what ${image.name} and its change logs give`;
  const metalogger = await historyBehind({ ...options, verbosity: 0 }, ['changelog_ml', 'changelog_ml_back'], reached);
  const last = lastVersionOf(metalogger);
  return last >= reached
    ? `a metalogger's change logs here go on to change ${last}, the master's end at ${reached - 1}`
    : undefined;
}

/** `-a`: the images that may be used, the one with the highest version first (spec 50 §7.2 steps 1-3). */
async function chooseImages(options: StartOptions): Promise<ValidImage[]> {
  const { disk, folder, report, verbosity } = options;
  const candidates = await findCandidates(disk, folder);
  if (verbosity > 1) for (const candidate of candidates) report.info(describeCandidate(candidate));
  const valid = candidates.flatMap((candidate) => asValid(candidate) ?? []);
  checkSameFileSystem(options, candidates, valid);
  const metaid = valid.find((image) => image.metaid !== 0n)?.metaid ?? 0n;
  const emergency = await findEmergencyImages(disk, emergencyPlaces(options));
  const related = emergency.filter((image) => metaid !== 0n && image.metaid === metaid);
  const images = [...valid, ...related].sort((a, b) => b.version - a.version);
  if (images.length === 0) throw new StartError(`can't find valid metadata file${whatIsThere(candidates, emergency)}`);
  if (verbosity > 0) report.info(`chosen most recent metadata file: ${describeImage(images[0])}`);
  return images;
}

/** A line for each file that might have been one to start from. */
function whatIsThere(candidates: readonly Candidate[], emergency: readonly ValidImage[]): string {
  const others = emergency.map(
    (image) => `${describeImage(image)} may be of another file system - copy it into the folder if it is the right one`,
  );
  return [...candidates.map(describeCandidate), ...others].map((line) => `\n - ${line}`).join('');
}

function checkSameFileSystem(
  options: StartOptions,
  candidates: readonly Candidate[],
  valid: readonly ValidImage[],
): void {
  const ids = new Set(valid.map(({ metaid }) => metaid).filter((metaid) => metaid !== 0n));
  if (ids.size <= 1) return;
  const found = 'found metadata file with different id number';
  if (options.ignoreErrors) {
    options.report.warn(`${found} - ignoring`);
    return;
  }
  const list = candidates.map((candidate) => `\n - ${describeCandidate(candidate)}`).join('');
  throw new StartError(
    `${found} - cleanup your working directory or use '-i' flag (might be dangerous without cleaning)${list}`,
  );
}

/** `-a` and `restore` (spec 50 §7.2, §7.4). */
async function restoreBest(options: StartOptions): Promise<StartedMetadata> {
  const { report } = options;
  const { image, history, recovered } = await recoverBest(options);
  const { loaded, applied, problem } = recovered;
  if (problem !== undefined) {
    report.error(`${problem}\nerror applying changelogs - ignoring (using best possible metadata version)`);
    const { metaversion } = loaded.state;
    const last = lastVersionOf(history);
    if (last >= metaversion)
      report.error(`changes ${metaversion}-${last} are NOT in this state; the files that have them are kept`);
  }
  await moveImageAway(options);
  await cleanUp(options);
  tellSources(image.name, recovered, report);
  if (!isOwnHistory(image, recovered)) await storeNow(options, loaded);
  return { ...loaded, source: image.name, applied };
}

/**
 * The state from the newest image that can be loaded. An older one than the newest there is must reach at least the same state with
 * the change logs.
 */
async function recoverBest(
  options: StartOptions,
): Promise<{ image: ValidImage; history: History; recovered: Recovered }> {
  const { report, ignoreErrors } = options;
  const [best, ...older] = await chooseImages(options);
  const failures: string[] = [];
  for (const image of [best, ...older]) {
    const history = await historyBehind(options, ALL_FAMILIES, image.version);
    try {
      const recovered = await recover(image.path, history, recoverOptions(options, ignoreErrors));
      const reached = recovered.loaded.state.metaversion;
      if (reached >= best.version) return { image, history, recovered };
      failures.push(`${image.name} and the change logs give version ${reached} only, ${best.name} had ${best.version}`);
    } catch (error) {
      if (error instanceof ImageError) failures.push(`error loading metadata file (${image.name}): ${error.message}`);
      else if (!(error instanceof ReplayError)) throw error;
      else if (image === best)
        throw new StartError(`${error.message}\nerror applying changelogs - fix changelogs manually or use '-i' flag`);
      else failures.push(`${image.name}: ${error.message}`);
    }
    if (image !== older.at(-1)) report.error(`${failures.at(-1)} - trying an older image`);
  }
  throw new StartError(
    `${failures.join('\n')}\nno image can be used - bring a better one, or accept damage with '-i' flag`,
  );
}

/** Whether backup and the master's own change logs give this state again, should the master crash now. */
function isOwnHistory(image: ValidImage, { used, problem }: Recovered): boolean {
  const own = [...used.keys()].every((name) => parseChangelogName(name)?.family === 'changelog');
  return own && image.name === BACKUP_NAME && problem === undefined;
}

/** A state that was put together from files of other origin is stored at once. */
async function storeNow(options: StartOptions, loaded: LoadedImage): Promise<void> {
  const { clock, disk, folder, report, keepPrevious } = options;
  const { path } = await storeImage(loaded.state, {
    clock,
    disk,
    folder,
    keepPrevious,
    emergencyFolders: emergencyPlaces(options),
    carried: loaded.carried,
    report,
  });
  report.info(`store metadata into file: ${path}`);
}

async function isEmpty(disk: Disk, path: string): Promise<boolean> {
  const file = await disk.open(path, 'read');
  try {
    return (await file.size()) === 0;
  } finally {
    await file.close();
  }
}

/** A `metadata.mfs` must not exist while the master runs (spec 50 §7.2 step 6). */
async function moveImageAway({ disk, folder, random }: StartOptions): Promise<void> {
  const path = inFolder(folder, IMAGE_NAME);
  if (!(await disk.exists(path))) return;
  const backup = inFolder(folder, BACKUP_NAME);
  if (await isEmpty(disk, path)) {
    await disk.remove(path);
  } else if (!(await disk.exists(backup))) {
    await disk.rename(path, backup);
  } else {
    const suffix = Array.from({ length: 6 }, () => NAME_LETTERS[random.below(NAME_LETTERS.length)]).join('');
    await disk.rename(path, `${path}.${suffix}`);
  }
}

async function cleanUp({ disk, folder }: StartOptions): Promise<void> {
  await disk.remove(inFolder(folder, TEMPORARY_NAME));
  await disk.syncFolder(folder);
}

/**
 * Loads the metadata of a master that starts, as its folder and options demand. Files are renamed only when everything went
 * well; whatever is refused is left as it was.
 * @throws StartError with the message for the operator
 */
export async function startMetadata(options: StartOptions): Promise<StartedMetadata> {
  if (options.restore) return restoreBest(options);
  const path = inFolder(options.folder, IMAGE_NAME);
  const check = await checkImage(options.disk, path);
  if (check.result === 'missing') return recoverByItself(options);
  const image = asValid({ name: IMAGE_NAME, path, check });
  if (image === undefined) throw new StartError(`${imageProblem(IMAGE_NAME, check)}${TRY_RESTORE}`);
  return startFromImage(options, image);
}
