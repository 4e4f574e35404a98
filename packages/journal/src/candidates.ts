import type { Disk } from '@alces/runtime';
import { type ChangelogFamily, EMERGENCY_NAME, inFolder, parseChangelogName } from './files.ts';
import { checkImage, type ImageCheck } from './imageFile.ts';

const IMAGE_PREFIX = 'metadata';

/** A file that may be an image. */
export interface Candidate {
  /** Path as it is shown: the bare name in DATA_PATH, the whole path elsewhere. */
  name: string;
  path: string;
  check: ImageCheck;
}

export interface ValidImage {
  name: string;
  path: string;
  version: number;
  /** 0: not known. */
  metaid: bigint;
}

/** The candidate as a valid image, or undefined. */
export function asValid(candidate: Candidate): ValidImage | undefined {
  const { name, path, check } = candidate;
  return check.result === 'ok' ? { name, path, version: check.version, metaid: check.metaid } : undefined;
}

/** Everything in a folder whose name begins like an image's (spec 50 §7.2). */
export async function findCandidates(disk: Disk, folder: string): Promise<Candidate[]> {
  const names = (await disk.list(folder)).filter(
    (name) => name.startsWith(IMAGE_PREFIX) && name.length > IMAGE_PREFIX.length,
  );
  const candidates: Candidate[] = [];
  for (const name of names.sort()) {
    const path = inFolder(folder, name);
    candidates.push({ name, path, check: await checkImage(disk, path) });
  }
  return candidates;
}

/** Valid images at the places where a master stores one when DATA_PATH does not take it (spec 50 §8.3). */
export async function findEmergencyImages(disk: Disk, folders: readonly string[]): Promise<ValidImage[]> {
  const images: ValidImage[] = [];
  for (const folder of folders) {
    const path = inFolder(folder, EMERGENCY_NAME);
    const valid = asValid({ name: path, path, check: await checkImage(disk, path) });
    if (valid !== undefined) images.push(valid);
  }
  return images;
}

/** Version and id of an image as in messages. */
export function describeImage(image: { name: string; version: number; metaid: bigint }): string {
  const id = image.metaid === 0n ? '' : ` ; id: ${image.metaid.toString(16).toUpperCase()}`;
  return `${image.name} (version: ${image.version}${id})`;
}

/** What is said about a candidate with `-xx`, and in the list of files of different file systems. */
export function describeCandidate({ name, check }: Candidate): string {
  switch (check.result) {
    case 'ok':
      return `found valid metadata file: ${describeImage({ name, ...check })}`;
    case 'wrong header':
      return `found invalid metadata file (wrong header): ${name}`;
    case 'wrong ending':
      return `found invalid metadata file (wrong ending): ${describeImage({ name, ...check })}`;
    default:
      return `error reading metadata file: ${name}`;
  }
}

/** Paths of the change logs of some families in a folder, by family and number. */
export async function findChangelogs(
  disk: Disk,
  folder: string,
  families: readonly ChangelogFamily[],
): Promise<string[]> {
  const found = (await disk.list(folder)).flatMap((name) => {
    const parsed = parseChangelogName(name);
    return parsed !== undefined && families.includes(parsed.family) ? [{ name, ...parsed }] : [];
  });
  found.sort((a, b) => families.indexOf(a.family) - families.indexOf(b.family) || a.number - b.number);
  return found.map(({ name }) => inFolder(folder, name));
}
