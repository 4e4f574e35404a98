import { type CarriedSection, imageChunks, type State } from '@alces/metadata';
import { type Clock, type Disk, isMissing, reasonOf } from '@alces/runtime';
import { BACKUP_NAME, CHECKSUM_NAME, EMERGENCY_NAME, IMAGE_NAME, inFolder, TEMPORARY_NAME } from './files.ts';
import { writeImageFile } from './imageFile.ts';
import { noteImageSums } from './imageSums.ts';
import type { Reporter } from './report.ts';

const RETRY_MS = 10_000;

export interface StoreOptions {
  clock: Clock;
  disk: Disk;
  /** DATA_PATH. */
  folder: string;
  /** `BACK_META_KEEP_PREVIOUS`: number of `metadata.mfs.back.N` that are kept. */
  keepPrevious: number;
  /** Where to store when DATA_PATH does not take the image: the user's home first. */
  emergencyFolders: readonly string[];
  carried: readonly CarriedSection[];
  report: Reporter;
}

export interface StoredImage {
  path: string;
  /** Stored at an emergency place only. */
  emergency: boolean;
  metaversion: number;
  lengthBytes: number;
}

/** No place took the image. */
export class StoreError extends Error {
  override readonly name = 'StoreError';
}

async function renameIfThere(disk: Disk, from: string, to: string): Promise<void> {
  try {
    await disk.rename(from, to);
  } catch (error) {
    if (!isMissing(error)) throw error;
  }
}

/** Puts the finished temporary file in the place of `metadata.mfs.back` (spec 50 §8.2). */
async function putInPlace({ disk, folder, keepPrevious }: StoreOptions): Promise<void> {
  const backup = inFolder(folder, BACKUP_NAME);
  for (let number = keepPrevious - 1; number >= 1; number--) {
    await renameIfThere(disk, `${backup}.${number}`, `${backup}.${number + 1}`);
  }
  if (keepPrevious > 0) await renameIfThere(disk, backup, `${backup}.1`);
  await disk.rename(inFolder(folder, TEMPORARY_NAME), backup);
  await disk.remove(inFolder(folder, IMAGE_NAME));
  await disk.syncFolder(folder);
}

async function storeNormally(state: State, options: StoreOptions): Promise<StoredImage> {
  const { disk, folder, carried, clock } = options;
  const temporary = inFolder(folder, TEMPORARY_NAME);
  const saved = await writeImageFile(disk, temporary, imageChunks(state, { now: clock.unixSeconds(), carried }));
  await disk.replaceFile(inFolder(folder, CHECKSUM_NAME), saved.checksums);
  await noteImageSums(disk, folder, temporary, options.keepPrevious);
  await putInPlace(options);
  return {
    path: inFolder(folder, BACKUP_NAME),
    emergency: false,
    metaversion: state.metaversion,
    lengthBytes: saved.lengthBytes,
  };
}

async function storeInEmergency(state: State, options: StoreOptions): Promise<StoredImage> {
  const { disk, folder, carried, clock, report } = options;
  for (const place of [folder, ...options.emergencyFolders]) {
    const path = inFolder(place, EMERGENCY_NAME);
    try {
      const saved = await writeImageFile(disk, path, imageChunks(state, { now: clock.unixSeconds(), carried }));
      await disk.syncFolder(place);
      report.warn(
        `metadata were stored to emergency file: ${path} - please copy this file to your default location as '${IMAGE_NAME}'`,
      );
      return { path, emergency: true, metaversion: state.metaversion, lengthBytes: saved.lengthBytes };
    } catch (error) {
      report.error(`can't store metadata in ${path}: ${reasonOf(error)}`);
      await disk.remove(path).catch(() => undefined);
    }
  }
  throw new StoreError("can't store metadata anywhere");
}

/**
 * Stores the state as `metadata.mfs.back`, the images before it as `metadata.mfs.back.N`, and `metadata.crc`; at an emergency
 * place if that fails. The state must not change until the promise settles: give a snapshot while the master serves.
 * @throws StoreError when no place took it
 */
export async function storeImage(state: State, options: StoreOptions): Promise<StoredImage> {
  try {
    return await storeNormally(state, options);
  } catch (error) {
    options.report.error(`can't store metadata in ${inFolder(options.folder, BACKUP_NAME)}: ${reasonOf(error)}`);
    await options.disk.remove(inFolder(options.folder, TEMPORARY_NAME)).catch(() => undefined);
    return storeInEmergency(state, options);
  }
}

/**
 * Stores the state at the stop of a master, as `metadata.mfs`; tries again every ten seconds until it succeeds (spec 50 §8.5).
 */
export async function storeAtStop(state: State, options: StoreOptions): Promise<StoredImage> {
  const { clock, disk, folder, report } = options;
  for (;;) {
    try {
      const stored = await storeNormally(state, options);
      const path = inFolder(folder, IMAGE_NAME);
      await disk.rename(inFolder(folder, BACKUP_NAME), path);
      await disk.syncFolder(folder);
      return { ...stored, path };
    } catch (error) {
      report.error(
        `can't store metadata - try to make more space on your hdd or change privieleges - retrying after 10 seconds (${reasonOf(error)})`,
      );
      await new Promise<void>((resolve) => {
        clock.timeout(RETRY_MS, resolve);
      });
    }
  }
}
