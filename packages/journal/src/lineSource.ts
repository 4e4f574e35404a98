import type { Disk, DiskFile } from '@alces/runtime';
import { openChangelog } from './compressed.ts';
import type { Run } from './scan.ts';

const NEWLINE = 10;
/** Most lines are shorter: their end is found faster by a loop than by a call that leaves JavaScript. */
const SHORT_LINE_BYTES = 256;
const COLON = 58;
/** Several times the longest line; small enough to stay in the processor's cache until it is parsed. */
const BLOCK_BYTES = 1024 * 1024;

/** Where the newline at or behind `start` is, -1: nowhere before `limit`. */
export function lineEnd(bytes: Buffer, start: number, limit: number): number {
  const soon = Math.min(limit, start + SHORT_LINE_BYTES);
  for (let at = start; at < soon; at++) {
    if (bytes[at] === NEWLINE) return at;
  }
  if (soon === limit) return -1;
  const end = bytes.indexOf(NEWLINE, soon);
  return end < limit ? end : -1;
}

/** Reads the lines of a run one after another. */
export class LineSource {
  readonly run: Run;
  /** Name of the file without its folder. */
  readonly name: string;
  /** Lines that were applied, as the user of this source counts them. */
  used = 0;
  /** Version of the present line. */
  version: number;
  bytes: Buffer = Buffer.alloc(0);
  /** The present line, without its newline. */
  start = 0;
  end = 0;
  readonly #file: DiskFile;
  /** Place in the file of what follows `bytes`. */
  #next: number;

  private constructor(run: Run, file: DiskFile) {
    this.run = run;
    this.name = run.path.slice(run.path.lastIndexOf('/') + 1);
    this.version = run.first;
    this.#file = file;
    this.#next = run.start;
  }

  /** Opens a run and moves to the line with this version. */
  static async open(disk: Disk, run: Run, version: number): Promise<LineSource> {
    const source = new LineSource(run, await openChangelog(disk, run.path));
    try {
      while (!source.locate()) await source.fill();
      while (source.version < version) {
        source.advance();
        while (!source.locate()) await source.fill();
      }
      return source;
    } catch (error) {
      await source.close();
      throw error;
    }
  }

  close(): Promise<void> {
    return this.#file.close();
  }

  /** Finds the end of the present line; false: `fill` first. */
  locate(): boolean {
    if (this.end > this.start) return true;
    const end = lineEnd(this.bytes, this.start, this.bytes.length);
    if (end < 0) return false;
    this.end = end;
    return true;
  }

  /** Goes on to the next line; `locate` tells whether it is there. */
  advance(): void {
    this.start = this.end + 1;
    this.end = this.start;
    this.version++;
  }

  /** Reads more of the file, from the beginning of the present line on. */
  async fill(): Promise<void> {
    const unfinishedBytes = this.bytes.length - this.start;
    const position = this.#next - unfinishedBytes;
    const block = await this.#file.read(position, Math.min(BLOCK_BYTES, this.run.end - position));
    if (block.length <= unfinishedBytes) throw new Error(`${this.run.path} became shorter while it was read`);
    this.#next = position + block.length;
    this.bytes = block;
    this.start = 0;
    this.end = 0;
  }

  /** Whether the present line says the same as that of another source. */
  sameAs(other: LineSource): boolean {
    return this.bytes.compare(other.bytes, other.start, other.end, this.start, this.end) === 0;
  }

  /** The present line without version. */
  text(): string {
    const colon = this.bytes.indexOf(COLON, this.start);
    return this.bytes.toString('latin1', colon + 2, this.end);
  }
}
