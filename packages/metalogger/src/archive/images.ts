import { checkImage, inFolder, METALOGGER_BACKUP_NAME, writeImageFile } from '@alces/journal';
import { type CarriedSection, imageChunks, type State } from '@alces/metadata';
import type { Disk } from '@alces/runtime';
import { IMAGE_TEMPORARY } from './names.ts';

/** A valid image of a metalogger. */
export interface OwnImage {
  name: string;
  path: string;
  version: number;
  metaid: bigint;
}

async function renameIfThere(disk: Disk, from: string, to: string): Promise<void> {
  if (await disk.exists(from)) await disk.rename(from, to);
}

/** The valid images of a folder, the one with the highest version first. */
export async function findImages(disk: Disk, folder: string): Promise<OwnImage[]> {
  const images: OwnImage[] = [];
  for (const name of await disk.list(folder)) {
    if (name !== METALOGGER_BACKUP_NAME && !/^metadata_ml\.mfs\.back\.\d{1,2}$/.test(name)) continue;
    const path = inFolder(folder, name);
    const check = await checkImage(disk, path);
    if (check.result === 'ok') images.push({ name, path, version: check.version, metaid: check.metaid });
  }
  return images.sort((a, b) => b.version - a.version || a.name.localeCompare(b.name));
}

/** Makes a complete file the newest image; older ones become `metadata_ml.mfs.back.N` (spec 52 §4.2 step 5). */
export async function putImageInPlace(disk: Disk, folder: string, from: string, kept: number): Promise<void> {
  const newest = inFolder(folder, METALOGGER_BACKUP_NAME);
  for (let number = kept - 1; number >= 1; number--)
    await renameIfThere(disk, `${newest}.${number}`, `${newest}.${number + 1}`);
  if (kept > 0) await renameIfThere(disk, newest, `${newest}.1`);
  await disk.rename(from, newest);
  await disk.syncFolder(folder);
}

export interface WriteImageOptions {
  disk: Disk;
  folder: string;
  kept: number;
  /** Unix time. */
  now: number;
  carried: readonly CarriedSection[];
}

/** Writes an image of a state that does not change meanwhile. */
export async function writeOwnImage(state: State, options: WriteImageOptions): Promise<void> {
  const { disk, folder, kept, now, carried } = options;
  const temporary = inFolder(folder, IMAGE_TEMPORARY);
  try {
    await writeImageFile(disk, temporary, imageChunks(state, { now, carried }));
    await putImageInPlace(disk, folder, temporary, kept);
  } catch (error) {
    await disk.remove(temporary).catch(() => undefined);
    throw error;
  }
}
