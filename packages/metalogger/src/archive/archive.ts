import { changelogName, inFolder, Journal, type Reporter } from '@alces/journal';
import type { Clock, Disk } from '@alces/runtime';
import { wholeLines } from './lines.ts';
import { RecentLines } from './recentLines.ts';

export interface ArchiveOptions {
  disk: Disk;
  clock: Clock;
  /** DATA_PATH, or the folder of a rebuild. */
  folder: string;
  backLogs: number;
  report: Reporter;
}

/** This much of the last file tells which lines were received before a start. */
const TAIL_BYTES = 256 * 1024;
const FAMILY = 'changelog_ml';
/** Where the last lines are; what was copied from the master counts as received. */
const REMEMBERED = [
  ['changelog_ml_back', 1],
  ['changelog_ml_back', 0],
  [FAMILY, 1],
  [FAMILY, 0],
] as const;

/** The change logs that a metalogger writes: what it received, line by line, in `changelog_ml.N.mfs`. */
export class Archive {
  readonly #options: ArchiveOptions;
  readonly #recent = new RecentLines();
  #journal: Journal | undefined;
  #rotated: Promise<void> = Promise.resolve();

  constructor(options: ArchiveOptions) {
    this.#options = options;
  }

  get folder(): string {
    return this.#options.folder;
  }

  /** Whether it is known which change is the next one. */
  get isOpen(): boolean {
    return this.#journal !== undefined;
  }

  /** Number of the last change; 0 if there is none. */
  get lastVersion(): number {
    return this.#journal === undefined ? 0 : this.#journal.nextVersion - 1;
  }

  /** Bytes that wait for the disk. */
  get pendingBytes(): number {
    return this.#journal?.pendingBytes ?? 0;
  }

  /** Why the disk takes nothing at present. */
  get stalledBy(): string | undefined {
    return this.#journal?.stalledBy;
  }

  /** Opens the file that continues with this change. Lines of it that were received before are known again. */
  async open(nextVersion: number): Promise<void> {
    const { disk, clock, folder, backLogs, report } = this.#options;
    for (const [family, number] of REMEMBERED) {
      const path = inFolder(folder, changelogName(family, number));
      if (await disk.exists(path)) await this.#remember(path, nextVersion);
    }
    this.#journal = await Journal.open({
      clock,
      disk,
      folder,
      family: FAMILY,
      nextVersion,
      saveMode: 0,
      backLogs,
      report,
    });
  }

  /** Adds the next change. */
  add(version: number, text: Buffer): void {
    const journal = this.#journal;
    if (journal === undefined) throw new Error(`change ${version} for an archive that is not open`);
    journal.appendText(version, text);
    this.#recent.add(version, text);
  }

  /** Whether the change with this version was this one; undefined: not known any more. */
  matches(version: number, text: Buffer): boolean | undefined {
    return this.#recent.matches(version, text);
  }

  /** Begins a new file behind the changes added so far. */
  rotate(): void {
    if (this.#journal !== undefined) this.#rotated = this.#journal.rotate();
  }

  /** Resolves when everything added so far is in its file, and rotations are done. */
  async flushed(): Promise<void> {
    const journal = this.#journal;
    if (journal === undefined) return;
    await this.#rotated;
    await new Promise<void>((resolve) => {
      journal.committed(journal.nextVersion - 1, resolve);
    });
  }

  configure(backLogs: number): void {
    this.#options.backLogs = backLogs;
    this.#journal?.configure({ saveMode: 0, backLogs });
  }

  async close(): Promise<void> {
    const journal = this.#journal;
    this.#journal = undefined;
    await journal?.close();
  }

  async #remember(path: string, nextVersion: number): Promise<void> {
    const file = await this.#options.disk.open(path, 'read');
    try {
      const size = await file.size();
      const start = Math.max(0, size - TAIL_BYTES);
      const tail = await file.read(start, size - start);
      const whole = start === 0 ? tail : tail.subarray(tail.indexOf(10) + 1);
      for (const { version, text } of wholeLines(whole)) if (version < nextVersion) this.#recent.add(version, text);
    } finally {
      await file.close();
    }
  }
}
