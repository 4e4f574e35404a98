import type { Entry } from '../entry.ts';
import type { Application } from './application.ts';

const READ_BYTES = 1 << 20;

export interface PumpOptions {
  application: Application;
  /** An entry that is in memory. */
  entry(version: number): Entry | undefined;
  /** Entries from the journal's files. */
  read(from: number, maxBytes: number): Promise<Entry[] | undefined>;
  /** The application's state cannot be continued: the next entry is not in the journal any more. */
  lost(version: number): void;
  /** Reading, or going back, failed in a way that nothing can be done about. */
  failed(error: unknown): void;
}

/** Brings committed entries to the application of a node that does not lead, in order; and tells it when it leads and when not. */
export class Pump {
  readonly #options: PumpOptions;
  #committed = 0;
  #leading = false;
  #leadAt: { epoch: number; version: number } | undefined;
  /** Reads and replacements of the state that are under way. */
  #busy = 0;
  #rewindTo: number | undefined;
  #rewinding = false;
  /** The journal is another one already, and the state that it continues from is still to be put in place. */
  #expected = 0;
  /** Counts what makes a read that is under way useless. */
  #generation = 0;

  constructor(options: PumpOptions) {
    this.#options = options;
  }

  get isLeading(): boolean {
    return this.#leading;
  }

  /** False while the application's state has entries that were removed from the journal. */
  get isCurrent(): boolean {
    if (this.#rewinding || this.#expected > 0) return false;
    return this.#rewindTo === undefined || this.#options.application.appliedVersion <= this.#rewindTo;
  }

  /** Entries up to `version` are committed. */
  committed(version: number): void {
    this.#committed = Math.max(this.#committed, version);
    this.#run();
  }

  /** The node leads; the application is told once it has everything up to `version`. */
  lead(epoch: number, version: number): void {
    this.#leadAt = { epoch, version };
    this.#run();
  }

  follow(reason: string): void {
    this.#leadAt = undefined;
    if (!this.#leading) return;
    this.#leading = false;
    this.#options.application.follow(reason);
    this.#run();
  }

  /** Entries after `version` are gone. */
  rewind(version: number): void {
    this.#generation++;
    this.#committed = Math.min(this.#committed, version);
    this.#rewindTo = Math.min(this.#rewindTo ?? version, version);
    this.#run();
  }

  /** The journal does not continue the application's state any more: nothing is applied before a `replace` for it succeeded. */
  expectReplacement(): void {
    this.#generation++;
    this.#expected++;
  }

  /** Runs something that replaces the application's state, as was expected. */
  async replace(action: () => Promise<void>): Promise<void> {
    this.#generation++;
    this.#busy++;
    try {
      await action();
      this.#rewindTo = undefined;
      this.#expected--;
    } finally {
      this.#busy--;
    }
    this.#run();
  }

  #run(): void {
    if (this.#busy > 0 || this.#leading || this.#expected > 0) return;
    const { application } = this.#options;
    if (this.#rewindTo !== undefined) {
      const version = this.#rewindTo;
      this.#rewindTo = undefined;
      if (application.appliedVersion > version) {
        this.#rewinding = true;
        const rewound = application.rewind(version).then(() => {
          this.#rewinding = false;
        });
        this.#background(rewound);
        return;
      }
    }
    while (application.appliedVersion < this.#committed) {
      const entry = this.#options.entry(application.appliedVersion + 1);
      if (entry === undefined) {
        this.#background(this.#applyFromDisk(application.appliedVersion + 1));
        return;
      }
      application.apply(entry);
    }
    this.#maybeLead();
  }

  #maybeLead(): void {
    const { application } = this.#options;
    if (this.#leadAt === undefined || application.appliedVersion < this.#leadAt.version) return;
    const { epoch } = this.#leadAt;
    this.#leadAt = undefined;
    this.#leading = true;
    application.lead(epoch);
  }

  #background(work: Promise<void>): void {
    this.#busy++;
    work.then(
      () => {
        this.#busy--;
        this.#run();
      },
      (error: unknown) => this.#options.failed(error),
    );
  }

  async #applyFromDisk(from: number): Promise<void> {
    const generation = this.#generation;
    const entries = await this.#options.read(from, READ_BYTES);
    if (generation !== this.#generation || this.#leading) return;
    const { application } = this.#options;
    if (entries === undefined) {
      // What was committed is not of the journal that begins anew.
      this.#committed = 0;
      this.#options.lost(from);
      return;
    }
    for (const entry of entries) {
      if (entry.version === application.appliedVersion + 1 && entry.version <= this.#committed)
        application.apply(entry);
    }
  }
}
