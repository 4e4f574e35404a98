import { type ChangelogFamily, Journal, type Reporter } from '@alces/journal';
import type { Entry } from '@alces/replication';
import type { Environment } from '@alces/runtime';

const BACK_LOGS = 50;
/** `CHANGELOG_SAVE_MODE` 0: written, not synced. The journal is what survives; these are for stock tools and people. */
const UNSYNCED = 0;

export interface StockLogsOptions {
  environment: Environment;
  /** DATA_PATH. */
  folder: string;
  report: Reporter;
}

/**
 * The committed changes as stock change log files: `changelog.N.mfs` from the time as leader, `changelog_ml.N.mfs` from that as follower.
 * Written in the background; nobody waits for them.
 */
export class StockLogs {
  readonly #options: StockLogsOptions;
  #family: ChangelogFamily | undefined;
  #file: Journal | undefined;
  #waiting: Entry[] = [];
  #opening = false;
  #last: Promise<void> = Promise.resolve();

  constructor(options: StockLogsOptions) {
    this.#options = options;
  }

  /** A committed change, of a leader or a follower. */
  write(family: ChangelogFamily, entry: Entry): void {
    if (family !== this.#family) this.#turnTo(family);
    if (this.#file === undefined) {
      this.#waiting.push(entry);
      this.#open(family);
    } else {
      this.#file.appendText(entry.version, entry.data);
    }
  }

  /** What follows is not the next change, or of another role. */
  #turnTo(family: ChangelogFamily): void {
    this.#end();
    this.#family = family;
  }

  #end(): void {
    const file = this.#file;
    this.#file = undefined;
    this.#waiting = [];
    if (file !== undefined) this.#last = this.#last.then(() => file.close()).catch(() => {});
  }

  #open(family: ChangelogFamily): void {
    if (this.#opening) return;
    this.#opening = true;
    const { environment, folder, report } = this.#options;
    const { clock, disk } = environment;
    this.#last = this.#last
      .then(async () => {
        const [first] = this.#waiting;
        if (first === undefined || this.#family !== family) return;
        const file = await Journal.open({
          clock,
          disk,
          folder,
          family,
          nextVersion: first.version,
          saveMode: UNSYNCED,
          backLogs: BACK_LOGS,
          report,
        });
        const waiting = this.#waiting;
        this.#waiting = [];
        if (this.#family !== family || waiting[0]?.version !== first.version) return file.close();
        for (const { version, data } of waiting) file.appendText(version, data);
        this.#file = file;
      })
      .catch((error: unknown) => report.error(`change logs in the stock format: ${String(error)}`))
      .finally(() => {
        this.#opening = false;
      });
  }

  /** Begins a new file with the next change: at an image, or when changes are left out. */
  rotate(): void {
    const file = this.#file;
    if (file !== undefined) this.#last = this.#last.then(() => file.rotate()).catch(() => {});
  }

  /** The state was replaced: the next change does not follow the last one written. */
  restart(): void {
    this.#end();
    this.#family = undefined;
  }

  async close(): Promise<void> {
    this.restart();
    await this.#last;
  }
}
