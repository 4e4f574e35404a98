import { type ChangelogFamily, Journal, type Reporter } from '@alces/journal';
import type { Entry } from '@alces/replication';
import type { Environment } from '@alces/runtime';

/** `CHANGELOG_SAVE_MODE` 0: written, not synced. The journal is what survives; these are for stock tools and people. */
const UNSYNCED = 0;
/** Changes of so much time are written together: a write for each turn of the event loop costs a tenth of a busy leader's processor time. */
const GATHER_MS = 10;
/** While the disk takes nothing no more than this waits for it; what comes then is left out. */
const MOST_WAITING_BYTES = 16 << 20;
const MOST_WAITING_ENTRIES = 65_536;

export interface StockLogsOptions {
  environment: Environment;
  /** DATA_PATH. */
  folder: string;
  /** `BACK_LOGS`. */
  backLogs(): number;
  report: Reporter;
}

/**
 * The committed changes as stock change log files: `changelog.N.mfs` from the time as leader, `changelog_ml.N.mfs` from that as follower.
 * Written in the background; nobody waits for them. Each file holds consecutive changes; from one to the next some may be missing
 * (the journal has them all).
 */
export class StockLogs {
  readonly #options: StockLogsOptions;
  #family: ChangelogFamily | undefined;
  #file: Journal | undefined;
  /** What comes while the file is opened. */
  #waiting: Entry[] = [];
  #nextVersion = 0;
  #opening = false;
  #last: Promise<void> = Promise.resolve();

  constructor(options: StockLogsOptions) {
    this.#options = options;
  }

  /** A committed change, of a leader or a follower. */
  write(family: ChangelogFamily, entry: Entry): void {
    if (family !== this.#family || entry.version !== this.#nextVersion) {
      this.restart();
      this.#family = family;
    }
    if (this.#file === undefined) {
      if (this.#waiting.length >= MOST_WAITING_ENTRIES) return;
      this.#waiting.push(entry);
      this.#open(family);
    } else {
      if (this.#file.stalledBy !== undefined && this.#file.pendingBytes > MOST_WAITING_BYTES) return;
      this.#file.appendText(entry.version, entry.data);
    }
    this.#nextVersion = entry.version + 1;
  }

  #open(family: ChangelogFamily): void {
    if (this.#opening) return;
    this.#opening = true;
    const { report } = this.#options;
    this.#last = this.#last
      .then(() => this.#openFile(family))
      .catch((error: unknown) => report.error(`change logs in the stock format: ${String(error)}`))
      .finally(() => {
        this.#opening = false;
      });
  }

  async #openFile(family: ChangelogFamily): Promise<void> {
    const { environment, folder, report, backLogs } = this.#options;
    const { clock, disk } = environment;
    const [first] = this.#waiting;
    if (first === undefined || this.#family !== family) return;
    const file = await Journal.open({
      clock,
      disk,
      folder,
      family,
      nextVersion: first.version,
      saveMode: UNSYNCED,
      backLogs: backLogs(),
      report,
      endOfTurn: (run) => clock.timeout(GATHER_MS, run),
    });
    const waiting = this.#waiting;
    this.#waiting = [];
    if (this.#family !== family || waiting[0]?.version !== first.version) return file.close();
    for (const { version, data } of waiting) file.appendText(version, data);
    this.#file = file;
  }

  /** Begins a new file with the next change: at an image. */
  rotate(): void {
    const file = this.#file;
    if (file === undefined) return;
    file.configure({ saveMode: UNSYNCED, backLogs: this.#options.backLogs() });
    void file.rotate();
  }

  /** The next change need not follow the last one written. */
  restart(): void {
    const file = this.#file;
    this.#file = undefined;
    this.#waiting = [];
    this.#family = undefined;
    if (file !== undefined) this.#last = this.#last.then(() => closeUnlessStalled(file));
  }

  /** Runs something that changes the files, while none is open; what is written meanwhile comes into a new one. */
  exclusively(run: () => Promise<void>): Promise<void> {
    this.restart();
    const done = this.#last.then(run);
    this.#last = done.catch(() => {});
    return done;
  }

  /** Resolves when everything is written that the disk takes now. */
  async close(): Promise<void> {
    this.restart();
    await this.#last;
  }
}

/** Closing waits for the disk; a disk that takes nothing now is not waited for. */
async function closeUnlessStalled(file: Journal): Promise<void> {
  const closed = file.close().catch(() => {});
  if (file.stalledBy === undefined) await closed;
}
