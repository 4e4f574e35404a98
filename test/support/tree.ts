import { createHash } from 'node:crypto';
import { lstatSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';

export interface TreeEntry {
  path: string;
  mode: number;
  uid: number;
  gid: number;
  mtimeSeconds: number;
  nlink: number;
  /** Files: length and SHA-256; symbolic links: the target; others: empty. */
  content: string;
}

/** Every object below `root` with its attributes and content, sorted by path. Link counts of directories differ between file systems and count as 0. */
export function describeTree(root: string, below = ''): TreeEntry[] {
  const entries: TreeEntry[] = [];
  for (const name of readdirSync(join(root, below)).sort()) {
    const path = join(below, name);
    const full = join(root, path);
    const stat = lstatSync(full);
    let content = '';
    if (stat.isFile()) content = `${stat.size} ${createHash('sha256').update(readFileSync(full)).digest('hex')}`;
    else if (stat.isSymbolicLink()) content = readlinkSync(full);
    const { mode, uid, gid } = stat;
    entries.push({
      path,
      mode,
      uid,
      gid,
      mtimeSeconds: Math.floor(stat.mtimeMs / 1000),
      nlink: stat.isDirectory() ? 0 : stat.nlink,
      content,
    });
    if (stat.isDirectory()) entries.push(...describeTree(root, path));
  }
  return entries;
}

/** The differences between two trees, a line each, at most 20. */
export function treeDifferences(expected: readonly TreeEntry[], actual: readonly TreeEntry[]): string[] {
  const found = new Map(actual.map((entry) => [entry.path, entry]));
  const lines: string[] = [];
  for (const entry of expected) {
    const other = found.get(entry.path);
    if (!other) lines.push(`${entry.path}: missing`);
    else if (JSON.stringify(entry) !== JSON.stringify(other))
      lines.push(`${entry.path}: ${JSON.stringify(entry)} became ${JSON.stringify(other)}`);
    found.delete(entry.path);
  }
  for (const path of found.keys()) lines.push(`${path}: should not be there`);
  return lines.slice(0, 20);
}
