import { type Reporter, type StoredImage, storeImage } from '@alces/journal';
import { type CarriedSection, type State, takeSnapshot } from '@alces/metadata';
import { type Cancel, type Clock, type Disk, type Logger, reasonOf } from '@alces/runtime';
import type { LastStore } from './clients/monitor/sources.ts';

const STALL_POLL_MS = 200;

export interface MetadataSaverOptions {
  readonly clock: Clock;
  readonly disk: Disk;
  readonly log: Logger;
  /** DATA_PATH. */
  readonly folder: string;
  readonly state: State;
  readonly carried: readonly CarriedSection[];
  /** Begins a new changelog file behind the changes made so far; resolves when they are in the old one. */
  rotate(): Promise<void>;
  /** Why the change log takes nothing at present; undefined: it does. */
  stalledBy(): string | undefined;
  /** `BACK_META_KEEP_PREVIOUS`. */
  keptImages(): number;
  /** Where to store when DATA_PATH does not take the image. */
  emergencyFolders(): readonly string[];
}

/** Who makes images for a master. */
export interface ImageSaver {
  /** The last image that was made in its place. */
  readonly lastStore: LastStore;
  /** A full hour: a new changelog file is due and, with `save`, an image. Never rejects. */
  atFullHour(save: boolean): Promise<void>;
  /** Makes an image of the present state. Rejects with the reason if it was not made. */
  saveNow(): Promise<StoredImage>;
  /** Resolves when nothing is being made. */
  settled(): Promise<void>;
  /** Resolves when the image in DATA_PATH and change logs 0 and 1 belong together. Absent: they always do. */
  forMetaloggers?(): Promise<void>;
}

/**
 * Begins new changelog files and makes images of a state that goes on changing: a snapshot shares the state's memory, and what changes
 * while the image is written is copied piece by piece (decision 0072).
 */
export class MetadataSaver implements ImageSaver {
  readonly #options: MetadataSaverOptions;
  #running: Promise<StoredImage | undefined> | undefined;
  #lastStore: LastStore = { time: 0, durationMs: 0, status: 0 };

  constructor(options: MetadataSaverOptions) {
    this.#options = options;
  }

  /** The last image that was made in its place. */
  get lastStore(): LastStore {
    return this.#lastStore;
  }

  /** A new file or an image is being made. */
  get isBusy(): boolean {
    return this.#running !== undefined;
  }

  /** Begins a new changelog file and, with `save`, makes an image of all before it, unless that is going on already. Never rejects. */
  async atFullHour(save: boolean): Promise<void> {
    if (this.#running) {
      this.#options.log.warn('the last metadata save is still running - this one is left out');
      return;
    }
    await this.#begin(save).catch(() => undefined);
  }

  /** Makes an image of the present state; when one is being made, another one after it. Rejects with the reason if it was not made. */
  async saveNow(): Promise<StoredImage> {
    await this.settled();
    const stored = await this.#begin(true);
    if (!stored) throw new Error('no image was made');
    return stored;
  }

  /** Resolves when nothing is being made. */
  async settled(): Promise<void> {
    while (this.#running) await this.#running.catch(() => undefined);
  }

  #begin(save: boolean): Promise<StoredImage | undefined> {
    const running = this.#rotateAndSave(save).finally(() => {
      this.#running = undefined;
    });
    this.#running = running;
    return running;
  }

  async #rotateAndSave(save: boolean): Promise<StoredImage | undefined> {
    const { state, log, clock, rotate } = this.#options;
    const beganMs = clock.monotonicMs();
    // In one turn: the image is of exactly the changes in the files before the new one.
    const snapshot = save ? takeSnapshot(state) : undefined;
    const rotated = this.#options.stalledBy() === undefined ? rotate() : Promise.resolve();
    try {
      await (snapshot ? this.#unlessStalled(rotated) : rotated);
      if (!snapshot) return undefined;
      const stored = await this.#store(snapshot.state);
      if (!stored.emergency) this.#note(beganMs);
      log.info(`metadata saved (version: ${stored.metaversion}) in ${stored.path}`);
      return stored;
    } catch (error) {
      log.error(`can't save metadata: ${reasonOf(error)}`);
      throw error;
    } finally {
      snapshot?.release();
    }
  }

  /**
   * Resolves when changes are in the old file, or the disk takes none: then an image, at an emergency place perhaps, is what helps. That it
   * has changes which are in no change log is no harm.
   */
  async #unlessStalled(rotated: Promise<void>): Promise<void> {
    const { clock, log, stalledBy } = this.#options;
    let cancel: Cancel = () => {};
    const stalled = new Promise<void>((resolve) => {
      cancel = clock.interval(STALL_POLL_MS, () => {
        if (stalledBy() !== undefined) resolve();
      });
    });
    try {
      await Promise.race([rotated, stalled]);
    } finally {
      cancel();
    }
    const reason = stalledBy();
    if (reason !== undefined) log.warn(`${reason} - saving an image without waiting for that`);
  }

  #store(state: State): Promise<StoredImage> {
    const { clock, disk, folder, carried, log, keptImages, emergencyFolders } = this.#options;
    const report: Reporter = {
      info: (text) => log.info(text),
      warn: (text) => log.warn(text),
      error: (text) => log.error(text),
    };
    return storeImage(state, {
      clock,
      disk,
      folder,
      keepPrevious: keptImages(),
      emergencyFolders: emergencyFolders(),
      carried,
      report,
    });
  }

  #note(beganMs: number): void {
    const { clock } = this.#options;
    this.#lastStore = { time: clock.unixSeconds(), durationMs: Math.round(clock.monotonicMs() - beganMs), status: 0 };
  }
}
