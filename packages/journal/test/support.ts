import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Journal, type JournalOptions, type Reporter, type StartOptions } from '@alces/journal';
import { type Change, dumpImage, imageBytes, parseWhole, type State } from '@alces/metadata';
import { realEnvironment } from '@alces/runtime';

const FIXTURES = fileURLToPath(new URL('../../../test/fixtures/moosefs-3.0.117/', import.meta.url));

export const environment = realEnvironment();

export function fixturePath(name: string): string {
  return join(FIXTURES, name);
}

export function fixture(name: string): Buffer {
  return readFileSync(fixturePath(name));
}

/** Collects what is reported. */
export class Report implements Reporter {
  readonly lines: string[] = [];
  info(text: string): void {
    this.lines.push(text);
  }
  warn(text: string): void {
    this.lines.push(`warning: ${text}`);
  }
  error(text: string): void {
    this.lines.push(`error: ${text}`);
  }
  get text(): string {
    return this.lines.join('\n');
  }
}

/** A data path on the real disk. */
export class Folder {
  readonly path: string;

  constructor(path = mkdtempSync(join(tmpdir(), 'alces-journal-'))) {
    this.path = path;
  }

  file(name: string): string {
    return join(this.path, name);
  }

  write(name: string, content: string | Buffer): this {
    writeFileSync(this.file(name), content);
    return this;
  }

  copy(from: string, name: string): this {
    cpSync(fixturePath(from), this.file(name));
    return this;
  }

  read(name: string): string {
    return readFileSync(this.file(name), 'latin1');
  }

  bytes(name: string): Buffer {
    return readFileSync(this.file(name));
  }

  /** Names of all files but those with checksums, which stand beside the others. */
  list(): string[] {
    return readdirSync(this.path)
      .filter((name) => !name.endsWith('.sum'))
      .sort();
  }

  /** All files and what they hold, to see that nothing was changed. */
  contents(): Record<string, string> {
    return Object.fromEntries(this.list().map((name) => [name, this.read(name)]));
  }

  remove(): void {
    rmSync(this.path, { recursive: true, force: true });
  }
}

/** Runs a test in a folder of its own. */
export async function inFolder(use: (folder: Folder) => Promise<void>): Promise<void> {
  const folder = new Folder();
  try {
    await use(folder);
  } finally {
    folder.remove();
  }
}

export function openJournal(folder: Folder, options: Partial<JournalOptions> = {}): Promise<Journal> {
  return Journal.open({
    clock: environment.clock,
    disk: environment.disk,
    folder: folder.path,
    nextVersion: 1,
    saveMode: 0,
    backLogs: 5,
    report: new Report(),
    ...options,
  });
}

export function access(inode: number): Change {
  return { timestamp: 1_795_211_200, operation: { op: 'ACCESS', inode } };
}

/** The line that `access` gives in a file. */
export function accessLine(version: number, inode: number): string {
  return `${version}: 1795211200|ACCESS(${inode})\n`;
}

/** Resolves when a version is safe. */
export function safe(journal: Journal, version: number): Promise<void> {
  return new Promise((resolve) => {
    journal.committed(version, resolve);
  });
}

export function startOptions(folder: Folder, options: Partial<StartOptions> = {}): StartOptions {
  return {
    ...environment,
    folder: folder.path,
    emergencyFolders: [],
    restore: false,
    ignoreErrors: false,
    verbosity: 0,
    keepPrevious: 1,
    report: new Report(),
    ...options,
  };
}

/** Records of a state as text, without what a replay cannot know (counters of sessions), in an order of their own. */
export function recordsOf(state: State): string[] {
  return dumpLines(imageBytes(state, { now: 4_000_000_000 }).image);
}

export function dumpLines(image: Buffer): string[] {
  const lines: string[] = [];
  parseWhole(image, (input) =>
    dumpImage(input, {
      line: (text) => lines.push(text),
      error: (text) => {
        throw new Error(text);
      },
    }),
  );
  return lines
    .filter((line) => !line.startsWith('# section header'))
    .map((line) => line.replace(/\|c:\[[0-9,]*\]\|l:\[[0-9,]*\]/, ''))
    .sort();
}
