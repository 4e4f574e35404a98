import { closeSync, openSync, readSync, statSync } from 'node:fs';
import { type NumberedChange, parseChangelogLine } from '../../src/index.ts';

/** A line of a change log and what it says. */
export interface LogLine {
  text: string;
  change: NumberedChange;
}

/** Follows a change log file that a master writes. */
export class LogReader {
  private readonly file: number;
  private readonly path: string;
  private position = 0;
  private rest = '';

  constructor(path: string) {
    this.path = path;
    this.file = openSync(path, 'r');
  }

  /** Complete lines that were added since the last call. */
  read(): LogLine[] {
    const buffer = Buffer.alloc(statSync(this.path).size - this.position);
    this.position += readSync(this.file, buffer, 0, buffer.length, this.position);
    const lines = (this.rest + buffer.toString('latin1')).split('\n');
    this.rest = lines.pop() ?? '';
    return lines.map((text) => ({ text, change: parseChangelogLine(Buffer.from(text, 'latin1')) }));
  }

  close(): void {
    closeSync(this.file);
  }
}
