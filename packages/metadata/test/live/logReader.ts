import { closeSync, existsSync, fstatSync, openSync, readSync, statSync } from 'node:fs';
import { type NumberedChange, parseChangelogLine } from '../../src/index.ts';

/** A line of a change log and what it says. */
export interface LogLine {
  text: string;
  change: NumberedChange;
}

/** Follows the current change log file of a master, also over its hourly rotation. */
export class LogReader {
  private file: number;
  private readonly path: string;
  private position = 0;
  private rest = '';

  constructor(path: string) {
    this.path = path;
    this.file = openSync(path, 'r');
  }

  /** Complete lines that were added since the last call. */
  read(): LogLine[] {
    let text = this.rest + this.drain();
    if (this.isRotated()) {
      text += this.drain(); // what came between the first look and the rotation
      closeSync(this.file);
      this.file = openSync(this.path, 'r');
      this.position = 0;
      text += this.drain();
    }
    const lines = text.split('\n');
    this.rest = lines.pop() ?? '';
    return lines.map((line) => ({ text: line, change: parseChangelogLine(Buffer.from(line, 'latin1')) }));
  }

  close(): void {
    closeSync(this.file);
  }

  private drain(): string {
    const buffer = Buffer.alloc(Math.max(fstatSync(this.file).size - this.position, 0));
    const bytes = readSync(this.file, buffer, 0, buffer.length, this.position);
    this.position += bytes;
    return buffer.toString('latin1', 0, bytes);
  }

  /** The next file exists as soon as the master has written a line to it. */
  private isRotated(): boolean {
    return existsSync(this.path) && statSync(this.path).ino !== fstatSync(this.file).ino;
  }
}
