import type { Disk } from '@alces/runtime';
import type { Entry } from '../entry.ts';
import { decodeRecord } from './record.ts';

const NAME = /^discarded\.epoch-([0-9]+)\.([0-9]+)-([0-9]+)\.log$/;

/** A file of entries that were removed from a journal because the leader did not have them. */
export interface DiscardedFile {
  path: string;
  epoch: number;
  first: number;
  last: number;
}

/** The files of discarded entries in a journal's folder. */
export async function discardedFiles(disk: Disk, folder: string): Promise<DiscardedFile[]> {
  const names = await disk.list(folder);
  return names.flatMap((name) => {
    const match = NAME.exec(name);
    if (match === null) return [];
    const [, epoch, first, last] = match.map(Number);
    return [{ path: `${folder}/${name}`, epoch, first, last }];
  });
}

/** The entries of such a file, up to the first that is damaged. */
export async function readDiscarded(disk: Disk, file: DiscardedFile): Promise<Entry[]> {
  const bytes = await disk.readFile(file.path);
  const entries: Entry[] = [];
  for (let at = 0, version = file.first; at < bytes.length; version++) {
    const record = decodeRecord(bytes, at, version);
    if (record === undefined || record === 'bad') break;
    entries.push(record.entry);
    at += record.length;
  }
  return entries;
}
