import { type Change, LineWriter, writeChange } from '@alces/metadata';
import { type Clock, type Disk, reasonOf } from '@alces/runtime';
import type { AnswerFiles, VersionedNote } from './answerFiles.ts';
import { CommitQueue } from './commitQueue.ts';
import { compressChangelog } from './compressed.ts';
import { type ChangelogFamily, changelogName, inFolder } from './files.ts';
import { LineSumsWriter, sumOfLine, sumsName } from './lineSums.ts';
import type { MasterJournal } from './masterJournal.ts';
import type { Reporter } from './report.ts';
import { rotateFiles } from './rotation.ts';
import { inspectChangelog } from './scan.ts';
import { Segment } from './segment.ts';

/**
 * When a change counts as committed: 0 and 1 when it was written to the file (it survives the end of the process), 2 when it
 * was also synced (it survives the loss of power). See docs/decisions/0041.
 */
export type SaveMode = 0 | 1 | 2;

/** What can be changed while the journal is open. */
export interface JournalSettings {
  /** `CHANGELOG_SAVE_MODE`. */
  saveMode: SaveMode;
  /** `BACK_LOGS`: number of old files that are kept. */
  backLogs: number;
  /** `CHANGELOG_COMPRESS_OLD`: keep files from number 2 on compressed. Stock programs do not read them. Default: no. */
  compressOld?: boolean;
}

export interface JournalOptions extends JournalSettings {
  clock: Clock;
  disk: Disk;
  /** DATA_PATH. */
  folder: string;
  /** Default: `changelog`. */
  family?: ChangelogFamily;
  /** Number of the first change that will be appended. */
  nextVersion: number;
  report: Reporter;
  /** Where notes are kept. Default: nowhere. */
  answers?: AnswerFiles;
  /** Runs a function when the present turn of the event loop is over. Default: setImmediate. */
  endOfTurn?: (run: () => void) => void;
}

/** Is told what became safe, in order. */
export interface JournalFollower {
  /** `text` is the line without version and newline; a view, valid during the call. */
  change(version: number, text: Buffer): void;
  /** The last change told so far is the last one of its file. */
  rotated(): void;
  /** The changes of one write were told. */
  flushed(): void;
}

const RETRY_MS = 1000;
/** Stock metaloggers ask for files 0 and 1. */
const OLDEST_PLAIN = 1;
/** Above this a write is not made larger by waiting longer. */
const LARGEST_BATCH_BYTES = 4 * 1024 * 1024;

/** Changes of one write. */
class Batch {
  readonly writer: LineWriter;
  readonly firstVersion: number;
  /** For each change: begin and end of its text in the writer's buffer. */
  readonly textRanges: number[] = [];
  readonly notes: VersionedNote[] = [];

  constructor(writer: LineWriter, firstVersion: number) {
    this.writer = writer;
    this.firstVersion = firstVersion;
  }

  get count(): number {
    return this.textRanges.length / 2;
  }

  get lines(): Buffer {
    return this.writer.bytes.subarray(0, this.writer.length);
  }

  /** Checksums of the lines. */
  sums(): number[] {
    const { bytes } = this.writer;
    const sums: number[] = [];
    let start = 0;
    for (let index = 0; index < this.count; index++) {
      const end = this.textRanges[2 * index + 1]!;
      sums.push(sumOfLine(bytes, start, end));
      start = end + 1;
    }
    return sums;
  }

  text(index: number): Buffer {
    return this.writer.bytes.subarray(this.textRanges[2 * index], this.textRanges[2 * index + 1]);
  }
}

interface Rotation {
  done: () => void;
}

type Work = Batch | Rotation;

/**
 * The durable change log. All changes appended in one turn of the event loop, and all that come while a write is under way, are
 * written (and synced, if so configured) together; then their versions are committed.
 *
 * While the disk does not take a write, nothing is committed: the same lines are tried again every second, the file being cut
 * back to its last whole line before.
 */
export class Journal implements MasterJournal {
  readonly #options: JournalOptions;
  readonly #family: ChangelogFamily;
  readonly #queue: CommitQueue;
  readonly #followers = new Set<JournalFollower>();
  #settings: JournalSettings;
  #segment: Segment;
  #sums: LineSumsWriter;
  #nextVersion: number;
  #work: Work[] = [];
  #spareWriter: LineWriter | undefined = new LineWriter();
  #scheduled = false;
  #running = false;
  #closed = false;
  #stalledBy: string | undefined;
  #idle: (() => void)[] = [];
  #compressing: Promise<void> = Promise.resolve();

  private constructor(options: JournalOptions) {
    this.#options = options;
    this.#family = options.family ?? 'changelog';
    const { saveMode, backLogs, compressOld = false } = options;
    this.#settings = { saveMode, backLogs, compressOld };
    this.#nextVersion = options.nextVersion;
    this.#queue = new CommitQueue(options.nextVersion - 1);
    this.#segment = this.#newSegment();
    this.#sums = this.#newSums();
  }

  /**
   * Opens the journal. A torn line at the end of file 0 is cut off; if file 0 does not end with the change before `nextVersion`,
   * it is rotated away, so that each file holds consecutive versions.
   */
  static async open(options: JournalOptions): Promise<Journal> {
    const journal = new Journal(options);
    const { disk, report } = options;
    const { path } = journal.#segment;
    if (await disk.exists(path)) {
      const { last } = await inspectChangelog(disk, path);
      const torn = await journal.#segment.open();
      if (torn !== undefined) report.warn(`${path}: unfinished last line of ${torn.lengthBytes} bytes cut off`);
      if (!journal.#segment.isEmpty && last !== options.nextVersion - 1) {
        const end = last === 0 ? '???' : last;
        report.info(`${path} ends with change ${end}, the next one is ${options.nextVersion} - starting a new file`);
        await journal.#segment.close();
        await rotateFiles(disk, options.folder, journal.#family, journal.#settings.backLogs);
      }
    }
    return journal;
  }

  #newSegment(): Segment {
    const { disk, folder } = this.#options;
    return new Segment(disk, folder, inFolder(folder, changelogName(this.#family, 0)));
  }

  #newSums(): LineSumsWriter {
    const { disk, folder, report } = this.#options;
    const path = inFolder(folder, sumsName(this.#family, 0));
    return new LineSumsWriter(disk, path, (error) =>
      report.warn(`can't write ${path}: ${reasonOf(error)} - damage of the changes to come would not be noticed`),
    );
  }

  /** Number of the next change. */
  get nextVersion(): number {
    return this.#nextVersion;
  }

  /** The last version that is safe. */
  get committedVersion(): number {
    return this.#queue.committed;
  }

  /** Why the disk takes no changes at present; undefined: it does. */
  get stalledBy(): string | undefined {
    return this.#stalledBy;
  }

  /** Bytes that wait to be written. */
  get pendingBytes(): number {
    return this.#work.reduce((sum, work) => sum + (work instanceof Batch ? work.writer.length : 0), 0);
  }

  /** Settings of a reloaded configuration. */
  configure(settings: JournalSettings): void {
    this.#settings = settings;
  }

  /** Appends a change; `version` must be the next one. */
  append(version: number, change: Change): void {
    const { writer, textRanges } = this.#openBatch(version);
    writer.number(version);
    writer.ascii(': ');
    textRanges.push(writer.length);
    writeChange(writer, change);
    textRanges.push(writer.length);
    writer.byte(10);
  }

  /** Appends a change received as text: its line without version and newline. */
  appendText(version: number, text: Uint8Array): void {
    const { writer, textRanges } = this.#openBatch(version);
    writer.number(version);
    writer.ascii(': ');
    textRanges.push(writer.length);
    writer.raw(text);
    textRanges.push(writer.length);
    writer.byte(10);
  }

  /** Notes are written before the changes are, so that a change that survives a crash of the process has its note. */
  annotate(version: number, note: Buffer): void {
    const batch = this.#work.findLast((work) => work instanceof Batch && work.firstVersion <= version);
    if (!(batch instanceof Batch))
      throw new Error(`a note on change ${version}, which was appended in an earlier turn`);
    if (this.#options.answers !== undefined) batch.notes.push({ version, note });
  }

  /** Runs `run` when everything appended so far is safe: now, if it is. Calls keep their order. */
  afterCommit(run: () => void): void {
    this.committed(this.#nextVersion - 1, run);
  }

  /** Runs `run` when `version` and everything before it is safe: now, if it is. Calls keep their order. */
  committed(version: number, run: () => void): void {
    this.#queue.when(version, run);
  }

  /** Tells a follower everything that becomes safe from now on. Returns the function that ends it. */
  follow(follower: JournalFollower): () => void {
    this.#followers.add(follower);
    return () => this.#followers.delete(follower);
  }

  /** Begins a new file behind the changes appended so far. Resolves when they are in the old file and it is closed. */
  rotate(): Promise<void> {
    return new Promise((resolve) => {
      this.#work.push({ done: resolve });
      this.#schedule();
    });
  }

  /**
   * Writes and syncs what was appended and closes the file; waits as long as the disk takes no writes. With save modes 1 and 2
   * a master's files are rotated too, as the stock master does at its stop.
   */
  async close(): Promise<void> {
    this.#closed = true;
    if (this.#family === 'changelog' && this.#settings.saveMode !== 0) this.#work.push({ done: () => {} });
    if (this.#running || this.#work.length > 0) {
      await new Promise<void>((resolve) => {
        this.#idle.push(resolve);
        this.#schedule();
      });
    }
    await this.#segment.close();
    await this.#sums.close();
    await this.#options.answers?.close();
    await this.#compressing;
  }

  #openBatch(version: number): Batch {
    if (this.#closed) throw new Error(`change ${version} after the journal was closed`);
    if (version !== this.#nextVersion) throw new Error(`change ${version} instead of ${this.#nextVersion}`);
    this.#nextVersion++;
    const last = this.#work.at(-1);
    if (last instanceof Batch && last.writer.length < LARGEST_BATCH_BYTES) return last;
    const batch = new Batch(this.#spareWriter ?? new LineWriter(), version);
    this.#spareWriter = undefined;
    this.#work.push(batch);
    this.#schedule();
    return batch;
  }

  #schedule(): void {
    if (this.#scheduled || this.#running) return;
    this.#scheduled = true;
    const endOfTurn = this.#options.endOfTurn ?? setImmediate;
    endOfTurn(() => {
      this.#scheduled = false;
      if (!this.#running) void this.#run();
    });
  }

  async #run(): Promise<void> {
    this.#running = true;
    for (let work = this.#work.shift(); work !== undefined; work = this.#work.shift()) {
      if (work instanceof Batch) {
        if (work.notes.length > 0) await this.#options.answers?.write(work.notes, this.#settings.saveMode === 2);
        await this.#write(work);
        this.#publish(work);
      } else {
        await this.#rotate();
        for (const follower of this.#followers) follower.rotated();
        work.done();
      }
    }
    this.#running = false;
    const idle = this.#idle;
    this.#idle = [];
    for (const resolve of idle) resolve();
  }

  /** Writes a batch, however long it takes. */
  async #write(batch: Batch): Promise<void> {
    const { lines } = batch;
    for (;;) {
      try {
        await this.#segment.append(lines, this.#settings.saveMode === 2);
        this.#resumed();
        this.#sums.append(batch.firstVersion, batch.sums());
        return;
      } catch (error) {
        await this.#stall(`can't write changes ${batch.firstVersion}-${batch.firstVersion + batch.count - 1}`, error);
      }
    }
  }

  /** Says once why nothing is committed, and waits a while. */
  async #stall(what: string, error: unknown): Promise<void> {
    const reason = `${what} to ${this.#segment.path}: ${reasonOf(error)}`;
    if (this.#stalledBy === undefined) {
      this.#options.report.error(`${reason} - no change is acknowledged until this is over, retrying every second`);
    }
    this.#stalledBy = reason;
    await new Promise<void>((resolve) => {
      this.#options.clock.timeout(RETRY_MS, resolve);
    });
  }

  #resumed(): void {
    if (this.#stalledBy === undefined) return;
    this.#stalledBy = undefined;
    this.#options.report.warn(`${this.#segment.path} can be written again - changes are acknowledged again`);
  }

  #publish(batch: Batch): void {
    for (const follower of this.#followers) {
      for (let i = 0; i < batch.count; i++) follower.change(batch.firstVersion + i, batch.text(i));
      follower.flushed();
    }
    this.#queue.advance(batch.firstVersion + batch.count - 1);
    batch.writer.length = 0;
    this.#spareWriter = batch.writer;
  }

  /** Never rejects: what cannot be compressed stays as it is. */
  async #compress(number: number): Promise<void> {
    const { disk, folder, report } = this.#options;
    const path = inFolder(folder, changelogName(this.#family, number));
    try {
      await compressChangelog(disk, path);
    } catch (error) {
      report.warn(`can't compress ${path}: ${reasonOf(error)}`);
    }
  }

  /** A rotation that fails leaves the present file in use. */
  async #rotate(): Promise<void> {
    const { disk, folder, report } = this.#options;
    try {
      await this.#segment.close();
      await this.#sums.close();
      await this.#compressing;
      await rotateFiles(disk, folder, this.#family, this.#settings.backLogs);
      this.#segment = this.#newSegment();
      this.#sums = this.#newSums();
      if (this.#settings.compressOld === true) this.#compressing = this.#compress(OLDEST_PLAIN + 1);
    } catch (error) {
      report.error(`can't rotate change logs in ${folder}: ${reasonOf(error)} - going on with ${this.#segment.path}`);
    }
  }
}
