import type { Archive } from '../archive/archive.ts';
import { type Line, wholeLines } from '../archive/lines.ts';
import { PIECE_BYTES, type RemoteFile, type RemoteFiles } from '../link/remoteFiles.ts';

/** The end of a change log is enough, most times. */
const FIRST_PIECE_BYTES = 64 * 1024;
/** What is missing is collected in memory; more than this is rather fetched as an image. */
const MOST_BYTES = 256 << 20;
/** No line is that long: what has no newline in so many bytes is no change log. */
const LONGEST_LINE_BYTES = 200_100;
/** An Alces master hands out all of its change logs. */
const MOST_FILES = 1000;
const NEWLINE = 10;

/** How the master's history goes on from where we are. */
export type Comparison =
  /** As ours, as far as is known; `missing` are the changes behind our last one that the master's files hold. */
  | { result: 'continues'; missing: Line[] }
  /** Another change than ours has this number there. */
  | { result: 'diverged'; version: number }
  /** The master has another file system. */
  | { result: 'foreign' }
  /** Changes from this one on can't be had any more. */
  | { result: 'hole'; version: number };

/** Reads a change log from its end back to a line not above `version`. Answers its lines, ascending; undefined: they are too many. */
async function linesBack(remote: RemoteFile, version: number): Promise<Line[] | undefined> {
  const blocks: Line[][] = [];
  let beginning: Buffer = Buffer.alloc(0);
  let sizeBytes = 0;
  for (let end = remote.sizeBytes, length = FIRST_PIECE_BYTES; end > 0; length = PIECE_BYTES) {
    const start = Math.max(0, end - length);
    const bytes = Buffer.concat([await remote.read(start, end - start), beginning]);
    const cut = start === 0 ? 0 : bytes.indexOf(NEWLINE) + 1;
    if (start > 0 && (cut === 0 || cut > LONGEST_LINE_BYTES) && bytes.length > LONGEST_LINE_BYTES) break;
    beginning = cut === 0 && start > 0 ? bytes : bytes.subarray(0, cut);
    const lines = cut === 0 && start > 0 ? [] : wholeLines(bytes.subarray(cut));
    blocks.push(lines);
    sizeBytes += bytes.length - beginning.length;
    if (sizeBytes > MOST_BYTES) return undefined;
    if (lines.length > 0 && lines[0].version <= version) break;
    end = start;
  }
  return blocks.reverse().flat();
}

/** The end of the master's history, back to a change not above `version` if its files reach so far; undefined: too much. */
async function endOfHistory(files: RemoteFiles, version: number): Promise<Line[] | undefined> {
  let lines: Line[] = [];
  for (let number = 0; number < MOST_FILES; number++) {
    const remote = await files.openChangelog(number);
    if (remote === undefined) {
      if (number > 0) break;
      continue;
    }
    const found = await linesBack(remote, version);
    files.close();
    if (found === undefined) return undefined;
    lines = [...found, ...lines];
    if (lines.length > 0 && lines[0].version <= version) break;
  }
  return lines;
}

/** The lines of versions from `first` to `last`, as far as they follow each other. */
function consecutive(lines: readonly Line[], first: number, last: number): Line[] {
  const found: Line[] = [];
  for (const line of lines) if (line.version === first + found.length && line.version <= last) found.push(line);
  return found;
}

/**
 * Compares the master's change logs with what was received, and finds in them what was missed. To be called when the metalogger has
 * registered; `heldVersion` answers the first change that was pushed since. `metaid`: identity of our file system, 0 if unknown.
 *
 * A master may have lost changes that a metalogger received (killed before its own file had them, or set back by its operator) and have given
 * their numbers to others; the stock metalogger mixes both histories then.
 */
export async function compareHistory(
  files: RemoteFiles,
  archive: Archive,
  metaid: bigint,
  heldVersion: () => number | undefined,
): Promise<Comparison> {
  const last = archive.lastVersion;
  const theirs = (await files.fix())?.metaid ?? 0n;
  if (metaid !== 0n && theirs !== 0n && metaid !== theirs) return { result: 'foreign' };
  const lines = await endOfHistory(files, last);
  if (lines === undefined) return { result: 'hole', version: last + 1 };
  const other = lines.find(({ version, text }) => version <= last && archive.matches(version, text) === false);
  if (other !== undefined) return { result: 'diverged', version: other.version };
  const held = heldVersion();
  if (held !== undefined && held <= last) return { result: 'diverged', version: held };
  const known = held === undefined ? lines.reduce((most, { version }) => Math.max(most, version), 0) : held - 1;
  const missing = consecutive(lines, last + 1, known);
  const reached = last + missing.length;
  return known > reached ? { result: 'hole', version: reached + 1 } : { result: 'continues', missing };
}
