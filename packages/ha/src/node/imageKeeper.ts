import type { Reporter, StoredImage } from '@alces/journal';
import type { ImageSaver } from '@alces/master';
import type { ReplicationNode } from '@alces/replication';
import { type Clock, reasonOf } from '@alces/runtime';
import { type Held, type StateStore, versionOf } from './stateStore.ts';
import type { StockLogs } from './stockLogs.ts';

export interface ImageKeeperOptions {
  clock: Clock;
  store: StateStore;
  logs: StockLogs;
  report: Reporter;
  held(): Held;
  node(): ReplicationNode | undefined;
  /** False while the state has changes that were removed from the journal. */
  isCurrent(): boolean;
}

const POLL_MS = 10;
/** Changes behind an image after which another one is made, so that a restart has little to replay and the journal can forget. */
const IMAGE_EVERY = 200_000;
const HOUR_SECONDS = 3600;
const RETRY_MS = 60_000;
/** Behind a promotion: not while the clients come back. */
const SOON_MS = 30_000;
/** At most so many changes are kept in the journal for nodes that are away; one that is away longer gets an image. */
const KEPT_FOR_OTHERS = 2_000_000;

/** When images are stored, of a leader and a follower alike, and what the journal may forget behind them. */
export class ImageKeeper implements ImageSaver {
  readonly #options: ImageKeeperOptions;
  readonly lastStore = { time: 0, durationMs: 0, status: 0 };
  /** The last change in the newest image. */
  #version: number;
  /** The last change in `metadata.mfs.back`, if this node has written that since its start. */
  #backVersion = -1;
  /** What stock change logs of this time as leader begin behind. */
  #leadsFrom = 0;
  #hour: number;
  #notBeforeMs = Number.NEGATIVE_INFINITY;
  #dueMs = Number.POSITIVE_INFINITY;
  #saving: Promise<StoredImage> | undefined;
  /** Counts what may make the changes in an image others than the journal's. */
  #generation = 0;

  constructor(options: ImageKeeperOptions) {
    this.#options = options;
    this.#version = versionOf(options.held().state);
    this.#hour = this.#hourNow();
  }

  #hourNow(): number {
    return Math.floor(this.#options.clock.unixSeconds() / HOUR_SECONDS);
  }

  /** The state is another one from now on, or is about to be: images that are being made of it are given up. */
  invalidate(): void {
    this.#generation++;
  }

  /** The state is that of an image on disk. */
  replaced(): void {
    this.invalidate();
    this.#version = versionOf(this.#options.held().state);
  }

  /**
   * Resolves when every change in the present state may be in an image: committed, and on this node's disk. Rejects when one of them was
   * set aside: other changes with the same numbers come to be committed then.
   */
  async imageable(): Promise<void> {
    const { clock, node, held, isCurrent } = this.#options;
    const version = versionOf(held().state);
    const generation = this.#generation;
    for (;;) {
      if (this.#generation !== generation || !isCurrent())
        throw new Error('changes in the state were set aside, and it is being made anew');
      if ((node()?.imageableVersion ?? version) >= version) return;
      await new Promise<void>((resolve) => {
        clock.timeout(POLL_MS, resolve);
      });
    }
  }

  /** An image is wanted that goes with the stock change logs of this node's time as leader. */
  soon(): void {
    this.#dueMs = this.#options.clock.monotonicMs() + SOON_MS;
  }

  /** The node leads: its stock change logs begin behind this version. */
  leadsFrom(version: number): void {
    this.#leadsFrom = version;
  }

  /** Resolves when the image that stock metaloggers download and the change logs that they get beside it have no gap between them. */
  async forMetaloggers(): Promise<void> {
    if (this.#backVersion < this.#leadsFrom) await this.saveNow();
  }

  /** To be called now and then. */
  tick(): void {
    const { clock, held, isCurrent } = this.#options;
    const nowMs = clock.monotonicMs();
    if (this.#saving !== undefined || !isCurrent() || nowMs < this.#notBeforeMs) return;
    const hour = this.#hourNow();
    const grown = versionOf(held().state) - this.#version;
    if (grown === 0 || (hour === this.#hour && grown < IMAGE_EVERY && nowMs < this.#dueMs)) return;
    this.#hour = hour;
    this.#dueMs = Number.POSITIVE_INFINITY;
    this.saveNow().catch(() => {
      this.#notBeforeMs = clock.monotonicMs() + RETRY_MS;
    });
  }

  /** The full hour of a master; `tick` has its own. */
  async atFullHour(): Promise<void> {}

  saveNow(): Promise<StoredImage> {
    this.#saving ??= this.#save().finally(() => {
      this.#saving = undefined;
    });
    return this.#saving;
  }

  async settled(): Promise<void> {
    await this.#saving?.catch(() => {});
  }

  async #save(): Promise<StoredImage> {
    const { clock, store, logs, report, held, node, isCurrent } = this.#options;
    const beganMs = clock.monotonicMs();
    try {
      const stored = await store.save(held(), () => this.imageable());
      if (stored.emergency) return stored;
      if (!isCurrent()) throw new Error('changes in it were set aside meanwhile');
      this.#version = stored.metaversion - 1;
      this.#backVersion = this.#version;
      this.lastStore.time = clock.unixSeconds();
      this.lastStore.durationMs = Math.round(clock.monotonicMs() - beganMs);
      logs.rotate();
      const journal = node();
      journal?.pruned(Math.min(this.#version, Math.max(journal.retainVersion, this.#version - KEPT_FOR_OTHERS)));
      report.info(`metadata saved, changes up to ${this.#version}, in ${stored.path}`);
      return stored;
    } catch (error) {
      report.error(`can't save metadata: ${reasonOf(error)}`);
      throw error;
    }
  }
}
