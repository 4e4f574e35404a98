import {
  changelogName,
  checkImage,
  inFolder,
  inspectChangelog,
  METALOGGER_BACKUP_NAME,
  ReplayError,
  type Reporter,
} from '@alces/journal';
import type { Clock, Disk } from '@alces/runtime';
import { Archive } from '../archive/archive.ts';
import { findImages } from '../archive/images.ts';
import { IMAGE_TEMPORARY } from '../archive/names.ts';
import { beginRebuild, swapIn } from '../archive/swap.ts';
import { Backpressure } from '../link/backpressure.ts';
import { FetchFailed } from '../link/errors.ts';
import { fetchFile, type Partial } from '../link/fetch.ts';
import type { Pushed } from '../link/inbox.ts';
import type { MasterLink } from '../link/masterLink.ts';
import { HEAD_BYTES, type RemoteFiles } from '../link/remoteFiles.ts';
import type { ImageChecker } from '../shadow/checkImage.ts';
import { reachFrom } from '../shadow/load.ts';

/** An Alces master hands out as many change logs as it has. */
const MOST_CHANGELOGS = 1000;
const FIRST_PAUSE_MS = 1000;
const LONGEST_PAUSE_MS = 300_000;

export interface RebuildOptions {
  disk: Disk;
  clock: Clock;
  /** DATA_PATH. */
  folder: string;
  backLogs: number;
  report: Reporter;
  link: MasterLink;
  files: RemoteFiles;
  /** What is there of an image of an interrupted download. */
  partial: Partial;
  checker: ImageChecker;
}

/** A set of files in the rebuild folder, and the changes that are pushed meanwhile. */
class Rebuild {
  readonly #options: RebuildOptions;
  readonly #folder: string;
  readonly #fresh: Archive;
  #opening: Promise<void> = Promise.resolve();
  #imageVersion = -1;
  /** Beginning of the image that is in the rebuild folder. */
  #imageHead: Buffer | undefined;
  readonly #backpressure: Backpressure;

  constructor(options: RebuildOptions, folder: string) {
    const { disk, clock, backLogs, report } = options;
    this.#options = options;
    this.#folder = folder;
    this.#fresh = new Archive({ disk, clock, folder, backLogs, report });
    this.#backpressure = new Backpressure(clock, options.link, () => this.#fresh.pendingBytes);
  }

  /** Fetches until image, change logs and pushed changes fit together. Resolves to the last version of the set. */
  async complete(): Promise<number> {
    const { link, clock, report } = this.#options;
    link.release((pushed) => this.#take(pushed));
    for (let pauseMs = FIRST_PAUSE_MS; ; pauseMs = Math.min(2 * pauseMs, LONGEST_PAUSE_MS)) {
      try {
        await this.#fetchImage();
        await this.#fetchChangelogs();
        return await this.#reached();
      } catch (error) {
        if (!(error instanceof ReplayError) && !(error instanceof FetchFailed)) throw error;
        report.warn(`download is not complete yet: ${error.message} - trying again in ${pauseMs / 1000} seconds`);
      }
      link.release((pushed) => this.#take(pushed));
      await Promise.race([link.ended, new Promise<void>((resolve) => void clock.timeout(pauseMs, resolve))]);
    }
  }

  /** Stops taking changes; those that come wait at the link. */
  async close(): Promise<void> {
    this.#options.link.hold();
    await this.#opening;
    await this.#fresh.close();
  }

  #take(pushed: Pushed): 'taken' | 'later' {
    const fresh = this.#fresh;
    if (pushed === 'rotated') {
      fresh.rotate();
      return 'taken';
    }
    const { link } = this.#options;
    if (!fresh.isOpen) {
      this.#opening = fresh.open(pushed.version);
      this.#opening.then(
        () => link.release((next) => this.#take(next)),
        (error: unknown) => link.close(`can't write change logs: ${error instanceof Error ? error.message : error}`),
      );
      return 'later';
    }
    if (pushed.version === fresh.lastVersion + 1) fresh.add(pushed.version, pushed.text);
    else link.close(`some changes lost: [${fresh.lastVersion}-${pushed.version - 1}]`);
    this.#backpressure.check();
    return 'taken';
  }

  /** Fetches the master's image if it is another one than we have. */
  async #fetchImage(): Promise<void> {
    const { disk, clock, folder, files, partial, report } = this.#options;
    const image = await files.openImage();
    if (image === undefined) throw new FetchFailed('the master has no image');
    const head = await image.read(0, Math.min(HEAD_BYTES, image.sizeBytes));
    if (this.#imageHead?.equals(head)) return files.close();
    const temporary = inFolder(folder, IMAGE_TEMPORARY);
    const beganMs = clock.monotonicMs();
    await fetchFile(image, { disk, path: temporary, partial });
    files.close();
    partial.doneBytes = 0;
    partial.sizeBytes = -1;
    report.info(`metadata downloaded ${image.sizeBytes}B/${((clock.monotonicMs() - beganMs) / 1000).toFixed(6)}s`);
    const check = await checkImage(disk, temporary);
    if (check.result !== 'ok') throw new FetchFailed(`the master's image is damaged (${check.result})`);
    await this.#checkBeforeReplacing(temporary);
    await disk.rename(temporary, inFolder(this.#folder, METALOGGER_BACKUP_NAME));
    this.#imageVersion = check.version;
    this.#imageHead = head;
    const id = check.metaid.toString(16).padStart(16, '0');
    report.info(`meta data version: ${check.version}, meta data id: 0x${id}`);
  }

  /** An image that can't be loaded must not replace one that can. */
  async #checkBeforeReplacing(path: string): Promise<void> {
    const { disk, folder, checker } = this.#options;
    if ((await findImages(disk, folder)).length === 0) return;
    try {
      await checker(path, 0);
    } catch (error) {
      throw new FetchFailed(`the master's image can't be loaded: ${error instanceof Error ? error.message : error}`);
    }
  }

  /** Fetches the master's change logs back to the image. */
  async #fetchChangelogs(): Promise<void> {
    const { disk, files } = this.#options;
    for (let number = 0; number < MOST_CHANGELOGS; number++) {
      const remote = await files.openChangelog(number);
      if (remote === undefined) {
        if (number > 1) return;
        continue;
      }
      const path = inFolder(this.#folder, changelogName('changelog_ml_back', number));
      await fetchFile(remote, { disk, path });
      files.close();
      const { first } = await inspectChangelog(disk, path);
      if (number > 0 && first > 0 && first <= this.#imageVersion) return;
    }
  }

  /** Up to which version image and change logs lead. @throws ReplayError */
  async #reached(): Promise<number> {
    const { disk, report, link } = this.#options;
    link.hold();
    await this.#opening;
    await this.#fresh.flushed();
    const reached = await reachFrom({ disk, folder: this.#folder, report }, this.#imageVersion);
    if (!this.#fresh.isOpen) return reached;
    const { lastVersion } = this.#fresh;
    if (reached < lastVersion) throw new ReplayError(`changes from ${reached + 1} on are missing`);
    // What a copied change log has beyond is still on its way.
    return lastVersion;
  }
}

/** What a rebuild gave. */
export interface Rebuilt {
  lastVersion: number;
  /** Where the files are that were replaced. */
  discarded: string | undefined;
}

/**
 * Puts together a new set of files: the master's image, its change logs, and what it pushes meanwhile; when they fit together they take the
 * place of the present ones. Afterwards what the master pushes waits at the link. `beforeSwap` is called when the present files are no longer used.
 * @throws LinkLost, ProtocolViolation; then the present files are as they were
 */
export async function rebuild(options: RebuildOptions, beforeSwap: () => Promise<void>): Promise<Rebuilt> {
  const { disk, clock, folder } = options;
  const set = new Rebuild(options, await beginRebuild(disk, folder));
  try {
    const lastVersion = await set.complete();
    await set.close();
    await beforeSwap();
    return { lastVersion, discarded: await swapIn({ disk, folder, now: clock.unixSeconds() }) };
  } finally {
    await set.close();
  }
}
