import type { Disk, DiskFile } from '@alces/runtime';
import { openChangelog } from './compressed.ts';
import { lineEnd } from './lineSource.ts';
import { type LineSums, sumOfLine } from './lineSums.ts';
import { findTornTail, type TornTail } from './segment.ts';

const NEWLINE = 10;
const COLON = 58;
const DIGIT_0 = 48;
const HEAD_BYTES = 50;
const LONGEST_LINE_BYTES = 200_100;
const BLOCK_BYTES = 1024 * 1024;
const LONGEST_VERSION_DIGITS = 16;

/** What the ends of a change log say (spec 51 §6.1): 0 = unknown. */
export interface ChangelogEnds {
  first: number;
  /** Version of the last whole line. */
  last: number;
  sizeBytes: number;
  torn: TornTail | undefined;
}

/** The number in front of the colon at `start`, 0 if there is none. */
export function versionAt(bytes: Buffer, start: number, end: number): number {
  const limit = Math.min(end, start + LONGEST_VERSION_DIGITS + 1);
  let version = 0;
  for (let at = start; at < limit; at++) {
    const byte = bytes[at];
    if (byte === COLON) return at > start && Number.isSafeInteger(version) ? version : 0;
    if (byte < DIGIT_0 || byte > DIGIT_0 + 9) return 0;
    version = version * 10 + byte - DIGIT_0;
  }
  return 0;
}

async function lastVersion(file: DiskFile, end: number, sums: LineSums | undefined): Promise<number> {
  if (end === 0) return 0;
  const start = Math.max(0, end - LONGEST_LINE_BYTES);
  const bytes = await file.read(start, end - start);
  const before = bytes.lastIndexOf(NEWLINE, bytes.length - 2);
  if (before < 0 && start > 0) return 0;
  const version = versionAt(bytes, before + 1, bytes.length);
  const isDamaged = sums?.matches(version, sumOfLine(bytes, before + 1, bytes.length - 1)) === false;
  return isDamaged ? 0 : version;
}

async function withFile<T>(disk: Disk, path: string, use: (file: DiskFile) => Promise<T>): Promise<T> {
  const file = await openChangelog(disk, path);
  try {
    return await use(file);
  } finally {
    await file.close();
  }
}

/** Reads first and last version of a change log without reading all of it. A last line that does not match its checksum has none. */
export function inspectChangelog(disk: Disk, path: string, sums?: LineSums): Promise<ChangelogEnds> {
  return withFile(disk, path, async (file) => {
    const sizeBytes = await file.size();
    const head = await file.read(0, Math.min(HEAD_BYTES, sizeBytes));
    const torn = await findTornTail(file, sizeBytes);
    const first = versionAt(head, 0, head.length);
    return { first, last: await lastVersion(file, torn?.position ?? sizeBytes, sums), sizeBytes, torn };
  });
}

/** Consecutive lines of a change log whose versions grow by one. */
export interface Run {
  path: string;
  first: number;
  last: number;
  /** Where the first line begins and the last one ends (behind its newline). */
  start: number;
  end: number;
}

/** A line that has no version, is too long, or does not match its checksum. */
export interface BadLine {
  path: string;
  position: number;
  /** Version of the line before it, 0 if there is none. */
  after: number;
}

export interface ScannedChangelog {
  path: string;
  runs: Run[];
  badLines: BadLine[];
  torn: TornTail | undefined;
}

/**
 * Reads a change log and finds its runs. A file written by a master that went back in time has several. Lines that do not match `sums` are
 * damaged; of those that `sums` does not know nothing can be told.
 */
export function scanChangelog(disk: Disk, path: string, sums?: LineSums): Promise<ScannedChangelog> {
  return withFile(disk, path, async (file) => {
    const scanner = new Scanner(path, sums);
    const size = await file.size();
    for (let end = 0; end < size; ) {
      const block = await file.read(scanner.position, BLOCK_BYTES);
      if (scanner.position + block.length <= end) break;
      end = scanner.position + block.length;
      scanner.push(block);
    }
    return scanner.end();
  });
}

class Scanner {
  readonly #result: ScannedChangelog;
  readonly #sums: LineSums | undefined;
  /** Bytes of a line whose end has not come yet, and their place in the file: what is pushed next begins there. */
  #rest: Buffer = Buffer.alloc(0);
  position = 0;
  /** Such a line was longer than a line may be; this many bytes of it were dropped. */
  #droppedBytes = 0;

  constructor(path: string, sums: LineSums | undefined) {
    this.#sums = sums;
    this.#result = { path, runs: [], badLines: [], torn: undefined };
  }

  push(block: Buffer): void {
    const used = this.#scan(block);
    this.position += used;
    this.#rest = block.subarray(used);
    if (this.#rest.length > LONGEST_LINE_BYTES) {
      this.#droppedBytes += this.#rest.length;
      this.position += this.#rest.length;
      this.#rest = Buffer.alloc(0);
    }
  }

  end(): ScannedChangelog {
    const lengthBytes = this.#droppedBytes + this.#rest.length;
    const { length } = this.#rest;
    // A whole line whose newline alone is damaged was written, and perhaps acknowledged; a torn one was not.
    if (length > 1 && this.#sums?.matches(versionAt(this.#rest, 0, length), sumOfLine(this.#rest, 0, length - 1)))
      this.#line(0, this.position, this.position + length);
    else if (lengthBytes > 0) this.#result.torn = { position: this.position - this.#droppedBytes, lengthBytes };
    return this.#result;
  }

  /** Takes the whole lines of a block into the result. Returns how many bytes they are. */
  #scan(bytes: Buffer): number {
    let start = 0;
    const { length } = bytes;
    for (let end = lineEnd(bytes, 0, length); end >= 0; end = lineEnd(bytes, start, length)) {
      const tooLong = end - start + this.#droppedBytes > LONGEST_LINE_BYTES;
      const version = tooLong ? 0 : this.#checkedVersion(bytes, start, end);
      this.#line(version, this.position + start, this.position + end + 1);
      start = end + 1;
    }
    return start;
  }

  /** The version of a line, 0 if it is damaged. */
  #checkedVersion(bytes: Buffer, start: number, end: number): number {
    const version = versionAt(bytes, start, end);
    const sums = this.#sums;
    if (version === 0 || sums === undefined || !sums.knows(version)) return version;
    return sums.matches(version, sumOfLine(bytes, start, end)) === false ? 0 : version;
  }

  #line(version: number, start: number, end: number): void {
    const { path, runs, badLines } = this.#result;
    const run = runs[runs.length - 1];
    if (version === 0) {
      badLines.push({ path, position: start - this.#droppedBytes, after: run?.last ?? 0 });
    } else if (run !== undefined && version === run.last + 1 && start === run.end) {
      run.last = version;
      run.end = end;
    } else {
      runs.push({ path, first: version, last: version, start, end });
    }
    this.#droppedBytes = 0;
  }
}
