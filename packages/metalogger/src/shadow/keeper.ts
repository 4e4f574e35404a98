import { ReplayError, type Reporter } from '@alces/journal';
import { ImageError } from '@alces/metadata';
import type { Environment } from '@alces/runtime';
import type { Archive } from '../archive/archive.ts';
import { catchUp, type LoadedShadow, type LoadOptions, loadFromFolder } from './load.ts';
import { type Mismatch, Shadow } from './shadow.ts';

/** Below this distance from the archive the last changes are read while the stream waits. */
const CLOSE_CHANGES = 20_000;

export interface KeeperOptions {
  environment: Environment;
  folder: string;
  archive: Archive;
  report: Reporter;
  /** The stream may go on. */
  settled(): void;
}

/** What is wrong with the files or the disk, as opposed to a defect of ours. */
function isProblemOfFiles(error: unknown): error is Error {
  return error instanceof ImageError || error instanceof ReplayError || (error instanceof Error && 'code' in error);
}

/** Owns the shadow: makes it from the files of the folder, gives it up when it does not fit, makes it anew. */
export class ShadowKeeper {
  readonly #options: KeeperOptions;
  #shadow: Shadow | undefined;
  #loading: Promise<void> | undefined;
  #quiescing = false;
  #stopped = false;
  /** A shadow can only be made from an image newer than this. */
  #needImageAbove = 0;

  constructor(options: KeeperOptions) {
    this.#options = options;
  }

  /** The live shadow. */
  get shadow(): Shadow | undefined {
    return this.#shadow;
  }

  /** Change logs must keep their names. */
  get loading(): boolean {
    return this.#loading !== undefined;
  }

  /** No change may be added to the archive: the last ones are being read. */
  get quiescing(): boolean {
    return this.#quiescing;
  }

  get needImageAbove(): number {
    return this.#needImageAbove;
  }

  /** What the shadow does, in a word. */
  get condition(): 'live' | 'loading' | 'none' {
    if (this.#shadow !== undefined) return 'live';
    return this.loading ? 'loading' : 'none';
  }

  /**
   * Loads before anything is received. Resolves to the last version; undefined when the files do not give a state.
   */
  async loadAtStart(): Promise<number | undefined> {
    const { report } = this.#options;
    try {
      const loaded = await loadFromFolder(this.#loadOptions(report));
      this.#take(loaded);
      return loaded.state.metaversion - 1;
    } catch (error) {
      if (!(error instanceof ImageError) && !(error instanceof ReplayError)) throw error;
      report.warn(`no state can be made from the files in ${this.#options.folder}: ${error.message}`);
      return undefined;
    }
  }

  /** Gives the shadow up, if there is one, and makes a new one from the files while changes go on. */
  reload(): Promise<void> {
    this.drop();
    this.#loading ??= this.#load().finally(() => {
      this.#loading = undefined;
      this.#quiescing = false;
      if (!this.#stopped) this.#options.settled();
    });
    return this.#loading;
  }

  /** Gives the shadow up. */
  drop(): void {
    this.#shadow?.stop();
    this.#shadow = undefined;
  }

  /** No image up to the present version can help. */
  demandNewerImage(): void {
    this.#needImageAbove = this.#options.archive.lastVersion;
  }

  /** Resolves when nothing is loaded any more. The shadow stays as it is. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#loading;
  }

  #loadOptions(report: Reporter): LoadOptions {
    const { environment, folder } = this.#options;
    return { ...environment, folder, report };
  }

  async #load(): Promise<void> {
    const { archive, report } = this.#options;
    // Lines that are being written while the file is read are no news.
    const options = this.#loadOptions({ info() {}, warn() {}, error: (text) => report.error(text) });
    try {
      await archive.flushed();
      const loaded = await loadFromFolder(options);
      while (archive.lastVersion - loaded.state.metaversion > CLOSE_CHANGES && !this.#stopped) {
        await archive.flushed();
        await catchUp(loaded.state, options);
      }
      this.#quiescing = true;
      await archive.flushed();
      await catchUp(loaded.state, options);
      if (!this.#stopped) this.#take(loaded);
    } catch (error) {
      if (!isProblemOfFiles(error)) throw error;
      this.demandNewerImage();
      report.error(
        `no state can be made from the received files: ${error.message} - change logs are still collected; trying again with the next image of the master`,
      );
    }
  }

  #take(loaded: LoadedShadow): void {
    const { environment, report } = this.#options;
    const shadow = new Shadow(loaded, environment.clock, (mismatch) => this.#failed(shadow, mismatch));
    this.#shadow = shadow;
    const { state } = loaded;
    report.info(
      `shadow: metadata version ${state.metaversion} (image ${loaded.imageVersion} and change logs), ${state.nodes.count} inodes, ${state.chunks.count} chunks`,
    );
  }

  #failed(shadow: Shadow, { version, reason }: Mismatch): void {
    if (this.#shadow !== shadow) return;
    this.#shadow = undefined;
    this.#needImageAbove = version;
    this.#options.report.error(
      `change ${version} does not fit the state made from the changes before it: ${reason} - change logs are still collected; the state will be made anew from the master's next image`,
    );
  }
}
