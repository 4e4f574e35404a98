/** Names of the files in a master's or metalogger's DATA_PATH (spec 50 §8, 51 §1, 52 §4.3). */

export const IMAGE_NAME = 'metadata.mfs';
export const BACKUP_NAME = 'metadata.mfs.back';
export const TEMPORARY_NAME = 'metadata.mfs.back.tmp';
export const EMERGENCY_NAME = 'metadata.mfs.emergency';
export const CHECKSUM_NAME = 'metadata.crc';
/** Of Alces alone: checksums of the images in the folder (decision 0045). */
export const IMAGE_SUMS_NAME = 'images.sum';
export const METALOGGER_BACKUP_NAME = 'metadata_ml.mfs.back';

/** Families of change logs: the master's own, a metalogger's, and its downloaded copies of the master's. */
export type ChangelogFamily = 'changelog' | 'changelog_ml' | 'changelog_ml_back';

/** Path of a file in a folder. */
export function inFolder(folder: string, name: string): string {
  return folder.endsWith('/') ? folder + name : `${folder}/${name}`;
}

/** Of Alces alone: old change logs can be kept compressed (CHANGELOG_COMPRESS_OLD). */
export const COMPRESSED_SUFFIX = '.lz4';

export function changelogName(family: ChangelogFamily, number: number): string {
  return `${family}.${number}.mfs`;
}

/** Family and number of a change log's name; undefined for any other file. */
export function parseChangelogName(name: string): { family: ChangelogFamily; number: number } | undefined {
  const match = /^(changelog|changelog_ml|changelog_ml_back)\.([0-9]{1,9})\.mfs(?:\.lz4)?$/.exec(name);
  if (match === null) return undefined;
  return { family: match[1] as ChangelogFamily, number: Number(match[2]) };
}

/** Where an image is stored when DATA_PATH does not take it, after DATA_PATH itself and the user's home (spec 50 §8.3). */
export const EMERGENCY_FOLDERS: readonly string[] = [
  '/',
  '/tmp',
  '/var',
  '/usr',
  '/usr/share',
  '/usr/local',
  '/usr/local/var',
  '/usr/local/share',
];
