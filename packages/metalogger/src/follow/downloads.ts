import { changelogName, checkImage, inFolder, type Reporter } from '@alces/journal';
import { differingTables, type StateDigest } from '@alces/metadata';
import type { Disk } from '@alces/runtime';
import { findImages, putImageInPlace } from '../archive/images.ts';
import { CHANGELOG_TEMPORARY, IMAGE_TEMPORARY, REFUSED_IMAGE } from '../archive/names.ts';
import { FetchFailed } from '../link/errors.ts';
import { fetchFile, type Partial } from '../link/fetch.ts';
import { peek, type RemoteFiles } from '../link/remoteFiles.ts';
import type { ImageChecker } from '../shadow/checkImage.ts';

/** What an image of a stock master may lack although all is well (spec 51 §5, §7). */
const VOLATILE_TABLES = new Set(['root times', 'sessions', 'open files', 'flocks', 'POSIX locks']);

/** What a download of the master's image gave. */
export type DownloadResult =
  /** It is in place. `differs`: the shadow was different at this version. */
  | { result: 'placed'; version: number; differs: boolean }
  /** The master's image is not newer than what is there. */
  | { result: 'nothing new' }
  /** The image belongs to another file system. */
  | { result: 'foreign' };

export interface DownloadOptions {
  disk: Disk;
  folder: string;
  keptImages: number;
  report: Reporter;
  files: RemoteFiles;
  partial: Partial;
  checker: ImageChecker;
  /** Images up to this version are of no use. */
  above: number;
  /** The shadow's digest at a version at which the master rotated its change logs, and the time that was used. */
  digestAt(version: number): { digest: Promise<StateDigest | undefined>; time: number } | undefined;
}

async function fetchChangelogs({ disk, folder, files }: DownloadOptions): Promise<void> {
  const temporary = inFolder(folder, CHANGELOG_TEMPORARY);
  for (const number of [0, 1]) {
    const remote = await files.openChangelog(number);
    if (remote === undefined) continue;
    await fetchFile(remote, { disk, path: temporary });
    files.close();
    await disk.rename(temporary, inFolder(folder, changelogName('changelog_ml_back', number)));
  }
}

/** Loads the image elsewhere; answers whether it differs from the shadow in what can't differ. */
async function verify(path: string, version: number, options: DownloadOptions): Promise<boolean> {
  const { disk, folder, report, checker } = options;
  const known = options.digestAt(version);
  let theirs: StateDigest;
  try {
    theirs = await checker(path, known?.time ?? 0);
  } catch (error) {
    await disk.rename(path, inFolder(folder, REFUSED_IMAGE));
    throw new FetchFailed(
      `the master's image can't be loaded (kept as ${REFUSED_IMAGE}): ${error instanceof Error ? error.message : error}`,
    );
  }
  const ours = await known?.digest;
  if (ours === undefined) return false;
  const differing = differingTables(ours, theirs);
  const serious = differing.filter((table) => !VOLATILE_TABLES.has(table));
  if (serious.length > 0) {
    report.error(`STATE DIFFERS FROM THE MASTER'S IMAGE of version ${version}, in: ${serious.join(', ')}`);
    return true;
  }
  const besides = differing.length === 0 ? '' : ` (but for ${differing.join(', ')}, as stock masters do)`;
  report.info(`state equals the master's image of version ${version}${besides}`);
  return false;
}

/**
 * Fetches the master's image, and its change logs 0 and 1, if it is newer than what is there; it is loaded by a process of its own before it takes
 * its place (spec 52 §4.2).
 * @throws FetchFailed, LinkLost, ProtocolViolation
 */
export async function downloadImage(options: DownloadOptions): Promise<DownloadResult> {
  const { disk, folder, keptImages, report, files, partial, above } = options;
  const image = await files.openImage();
  if (image === undefined) throw new FetchFailed('download start error');
  const identity = await peek(image);
  const newest = (await findImages(disk, folder))[0];
  if (identity !== undefined && newest !== undefined) {
    if (identity.metaid !== 0n && newest.metaid !== 0n && identity.metaid !== newest.metaid)
      return { result: 'foreign' };
    if (identity.version <= Math.max(newest.version, above)) {
      files.close();
      return { result: 'nothing new' };
    }
  }
  const temporary = inFolder(folder, IMAGE_TEMPORARY);
  await fetchFile(image, { disk, path: temporary, partial });
  files.close();
  Object.assign(partial, { sizeBytes: -1, doneBytes: 0 });
  const check = await checkImage(disk, temporary);
  if (check.result !== 'ok') throw new FetchFailed(`the master's image is damaged (${check.result})`);
  if (check.version <= Math.max(newest?.version ?? 0, above)) {
    await disk.remove(temporary);
    return { result: 'nothing new' };
  }
  const differs = await verify(temporary, check.version, options);
  await putImageInPlace(disk, folder, temporary, keptImages);
  report.info(`metadata downloaded: ${image.sizeBytes} bytes, version ${check.version}`);
  await fetchChangelogs(options);
  return { result: 'placed', version: check.version, differs };
}
