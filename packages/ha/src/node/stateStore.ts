import {
  BACKUP_NAME,
  checkImage,
  findCandidates,
  IMAGE_NAME,
  inFolder,
  loadFromDisk,
  noteImageSums,
  type Reporter,
  RequestLedger,
  StartError,
  type StoredImage,
  startMetadata,
  storeImage,
  writeImageFile,
} from '@alces/journal';
import type { LoadedMetadata } from '@alces/master';
import { imageChunks, type State, takeSnapshot } from '@alces/metadata';
import type { EpochRecord, ImageSource } from '@alces/replication';
import { type Disk, type Environment, reasonOf } from '@alces/runtime';
import { packImage, unpackImage } from './imageTransfer.ts';
import { BEFORE_JOURNAL, decodeLedgerFile, encodeLedgerFile, originOf } from './ledgerFile.ts';
import { setAsideInStockFiles } from './setAside.ts';

/** A state of the file system with the answers that belong to it. */
export interface Held extends LoadedMetadata {
  ledger: RequestLedger;
}

/** What a node begins with. */
export interface Beginning extends Held {
  /** The operator put an empty image there: the journal may begin with a new file system. */
  isNew: boolean;
}

export interface StateStoreOptions {
  environment: Environment;
  /** DATA_PATH. */
  folder: string;
  /** The folder of the journal in it. */
  haFolder: string;
  /** `BACK_META_KEEP_PREVIOUS`. */
  keptImages(): number;
  /** The epochs of this node's journal. */
  history(): Promise<readonly EpochRecord[]>;
  report: Reporter;
}

/** Of a new file system every node makes the same state by itself: it must not depend on the time. */
const GENESIS_SECONDS = 0;
const NEW_IMAGE = Buffer.from('MFSM NEW');
interface StockImage {
  path: string;
  metaversion: number;
  dataId: string;
}

const IMAGE_FILE = /^metadata\.mfs(\.back(\.\d+)?)?$/;

/** Where a node's state comes from and goes to: stock images in DATA_PATH, the answers given beside the journal, images for other nodes. */
export class StateStore {
  readonly #options: StateStoreOptions;

  constructor(options: StateStoreOptions) {
    this.#options = options;
  }

  get #disk(): Disk {
    return this.#options.environment.disk;
  }

  #ledgerPath(metaversion: number): string {
    return `${this.#options.haFolder}/ledger.${metaversion}`;
  }

  async #load(path: string, now: number): Promise<LoadedMetadata> {
    const { environment, report } = this.#options;
    const { clock, random } = environment;
    const quiet: Reporter = { ...report, info() {} };
    return loadFromDisk(path, {
      disk: this.#disk,
      now,
      clockMs: () => clock.monotonicMs(),
      ignoreErrors: false,
      report: quiet,
      state: { hashSeed: random.u32() },
    });
  }

  /** The state of a file system in which nothing has happened yet. */
  async empty(): Promise<Held> {
    const path = `${this.#options.haFolder}/new.image`;
    await this.#disk.replaceFile(path, NEW_IMAGE);
    const loaded = await this.#load(path, GENESIS_SECONDS);
    await this.#disk.remove(path);
    return { ...loaded, ledger: new RequestLedger() };
  }

  /** All valid images in DATA_PATH, the newest first. */
  async #images(): Promise<StockImage[]> {
    const { folder } = this.#options;
    const found: StockImage[] = [];
    for (const name of (await this.#disk.list(folder)).sort()) {
      if (!IMAGE_FILE.test(name)) continue;
      const path = inFolder(folder, name);
      const check = await checkImage(this.#disk, path);
      if (check.result === 'ok' && !check.isNew)
        found.push({ path, metaversion: check.version, dataId: dataIdOf(check) });
    }
    return found.sort((a, b) => b.metaversion - a.metaversion);
  }

  /** The newest image on disk of this journal's changes up to `most`; undefined: there is none. */
  async newest(most: number): Promise<Held | undefined> {
    const { report, environment } = this.#options;
    const history = await this.#options.history();
    for (const image of await this.#images()) {
      const { path, metaversion } = image;
      const version = metaversion - 1;
      if (version > most) continue;
      try {
        const ledger = await this.#loadLedger(image, history);
        if (ledger === undefined) {
          report.warn(`${path} (changes up to ${version}) is not of this journal - left out`);
          continue;
        }
        return { ...(await this.#load(path, environment.clock.unixSeconds())), ledger };
      } catch (error) {
        report.error(`${path}: ${reasonOf(error)} - left out`);
      }
    }
    return undefined;
  }

  /** The answers that belong to an image; undefined: the image is not of the journal with these epochs. */
  async #loadLedger(image: StockImage, history: readonly EpochRecord[]): Promise<RequestLedger | undefined> {
    const path = this.#ledgerPath(image.metaversion);
    if (!(await this.#disk.exists(path))) return undefined;
    const file = decodeLedgerFile(await this.#disk.readFile(path));
    const origin = originOf(history, image.metaversion - 1);
    if (file?.origin !== origin) return undefined;
    const [first] = history;
    if (origin === BEFORE_JOURNAL && first?.epoch === 0 && first.id !== image.dataId) return undefined;
    const ledger = new RequestLedger();
    ledger.load(file.answers);
    return ledger;
  }

  /** Path of an image with changes behind `last` that no node of the journal made; undefined: there is none. */
  async foreign(last: number): Promise<string | undefined> {
    for (const { path, metaversion } of await this.#images())
      if (metaversion - 1 > last && !(await this.#disk.exists(this.#ledgerPath(metaversion)))) return path;
    return undefined;
  }

  /**
   * The data that were there before the journal: what a stock master, or a plain one of ours, left; with `restore` also what a metalogger
   * left. The image that is stored of them is where the journal begins. An empty folder gives an empty file system.
   */
  async beforeJournal(restore: boolean): Promise<Beginning> {
    const { folder } = this.#options;
    const image = await checkImage(this.#disk, inFolder(folder, IMAGE_NAME));
    const backup = await checkImage(this.#disk, inFolder(folder, BACKUP_NAME));
    const restorable = restore && (await findCandidates(this.#disk, folder)).some(({ check }) => check.result === 'ok');
    if (image.result === 'ok' && image.isNew) return { ...(await this.empty()), isNew: true };
    if (image.result === 'missing' && backup.result === 'missing' && !restorable)
      return { ...(await this.empty()), isNew: false };
    const held = { ...(await this.#startMetadata(restore)), ledger: new RequestLedger() };
    await this.save(held, async () => {});
    return { ...held, isNew: false };
  }

  async #startMetadata(restore: boolean): Promise<LoadedMetadata> {
    const { environment, folder, report, keptImages } = this.#options;
    const { clock, disk, random } = environment;
    try {
      return await startMetadata({
        clock,
        disk,
        random,
        folder,
        restore,
        ignoreErrors: false,
        verbosity: 0,
        keepPrevious: keptImages(),
        state: { hashSeed: random.u32() },
        report,
      });
    } catch (error) {
      if (!(error instanceof StartError)) throw error;
      const remedy = restore ? '' : `; 'mfsmaster -a start' puts together what is there`;
      throw new Error(
        `${error.message}\n(in ${folder}, before the journal${remedy}; or move the files away: then this node gets everything from the leader)`,
      );
    }
  }

  /**
   * Stores the present state as `metadata.mfs.back`. `ready` is waited for before it becomes the image: the changes in it must be safe.
   */
  async save(held: Held, ready: () => Promise<void>): Promise<StoredImage> {
    const { environment, folder, report, keptImages } = this.#options;
    const snapshot = takeSnapshot(held.state);
    const answers = held.ledger.encode();
    const { metaversion } = snapshot.state;
    // Of now: later the journal may name another epoch's changes by the same numbers.
    const history = this.#options.history();
    try {
      await ready();
      await this.#saveLedger(metaversion, answers, await history);
      const stored = await storeImage(snapshot.state, {
        clock: environment.clock,
        disk: this.#disk,
        folder,
        keepPrevious: keptImages(),
        emergencyFolders: [],
        carried: held.carried,
        report,
      });
      if (!stored.emergency) await this.#removeLedgers();
      return stored;
    } finally {
      snapshot.release();
    }
  }

  async #saveLedger(metaversion: number, answers: Buffer, history: readonly EpochRecord[]): Promise<void> {
    const file = { origin: originOf(history, metaversion - 1), answers };
    await this.#disk.replaceFile(this.#ledgerPath(metaversion), encodeLedgerFile(file));
  }

  /** Removes what belongs to images that are gone. */
  async #removeLedgers(): Promise<void> {
    const { haFolder } = this.#options;
    const used = new Set((await this.#images()).map(({ metaversion }) => `ledger.${metaversion}`));
    for (const name of await this.#disk.list(haFolder))
      if (name.startsWith('ledger.') && !used.has(name)) await this.#disk.remove(`${haFolder}/${name}`);
  }

  /** At an orderly end: the image becomes `metadata.mfs`, on which a stock master starts. */
  async saveAtEnd(held: Held): Promise<void> {
    if ((await this.save(held, async () => {})).emergency) return;
    const { folder } = this.#options;
    await this.#disk.rename(inFolder(folder, BACKUP_NAME), inFolder(folder, IMAGE_NAME));
    await this.#disk.syncFolder(folder);
  }

  /** An image of the present state for another node. `ready` as in `save`. */
  async createImage(held: Held, ready: () => Promise<void>): Promise<ImageSource> {
    const { environment, haFolder } = this.#options;
    const snapshot = takeSnapshot(held.state);
    const answers = held.ledger.encode();
    const version = versionOf(snapshot.state);
    const path = `${haFolder}/image.out.${version}.${environment.random.u32()}`;
    try {
      await ready();
      const now = environment.clock.unixSeconds();
      await writeImageFile(this.#disk, `${path}.raw`, imageChunks(snapshot.state, { now, carried: held.carried }));
      await packImage(this.#disk, `${path}.raw`, answers, path);
    } finally {
      snapshot.release();
      await this.#disk.remove(`${path}.raw`);
    }
    return this.#served(path, version);
  }

  /** The newest image on disk with changes up to `most` as one for another node. Rejects when there is none. */
  async copyOfImage(most: number): Promise<ImageSource> {
    const { environment, haFolder } = this.#options;
    const history = await this.#options.history();
    for (const image of await this.#images()) {
      const version = image.metaversion - 1;
      const ledger = version <= most ? await this.#loadLedger(image, history) : undefined;
      if (ledger === undefined) continue;
      const path = `${haFolder}/image.out.${version}.${environment.random.u32()}`;
      await packImage(this.#disk, image.path, ledger.encode(), path);
      return this.#served(path, version);
    }
    throw new Error('the newest changes are not safe yet, and no image without them is on disk');
  }

  async #served(path: string, version: number): Promise<ImageSource> {
    const file = await this.#disk.open(path, 'read');
    return {
      version,
      lengthBytes: await file.size(),
      read: (offset, length) => file.read(offset, length),
      close: async () => {
        await file.close();
        await this.#disk.remove(path);
      },
    };
  }

  /** Makes an image of another node (`createImage`) this node's own, on disk and in memory. */
  async install(path: string, version: number): Promise<Held> {
    const { folder, environment, keptImages } = this.#options;
    const temporary = inFolder(folder, `${BACKUP_NAME}.new`);
    const backup = inFolder(folder, BACKUP_NAME);
    const answers = await unpackImage(this.#disk, path, temporary);
    const check = await checkImage(this.#disk, temporary);
    if (check.result !== 'ok' || check.version !== version + 1)
      throw new Error(`${path} is not an image of changes up to ${version}`);
    await this.#saveLedger(version + 1, answers, await this.#options.history());
    await noteImageSums(this.#disk, folder, temporary, keptImages());
    await this.#disk.rename(temporary, backup);
    await this.#disk.remove(inFolder(folder, IMAGE_NAME));
    await this.#disk.syncFolder(folder);
    const loaded = await this.#load(backup, environment.clock.unixSeconds());
    const ledger = new RequestLedger();
    ledger.load(answers);
    await this.#removeLedgers();
    return { ...loaded, ledger };
  }

  /** Takes changes that were removed from the journal, which ends with `last` now, out of the stock files. */
  setAside(last: number): Promise<void> {
    const { folder, haFolder, report } = this.#options;
    const moveImages = (first: number) => this.#moveImages(first, last);
    return setAsideInStockFiles({ disk: this.#disk, folder, haFolder, report, moveImages });
  }

  /** Takes images of this node out of DATA_PATH whose changes from `first` on are not in the journal. */
  async #moveImages(first: number, last: number): Promise<void> {
    const { folder, haFolder, report, history } = this.#options;
    for (const image of await this.#images()) {
      const version = image.metaversion - 1;
      if (version < first || !(await this.#disk.exists(this.#ledgerPath(image.metaversion)))) continue;
      if (version <= last && (await this.#loadLedger(image, await history())) !== undefined) continue;
      const target = `${haFolder}/discarded.image.${image.metaversion}`;
      await this.#disk.rename(image.path, target);
      await this.#disk.syncFolder(folder);
      report.warn(`${image.path} holds changes that were set aside: it is ${target} now`);
    }
  }

  /** Removes what a crash left behind of images for other nodes. */
  async clean(): Promise<void> {
    const { haFolder, folder } = this.#options;
    await this.#disk.remove(inFolder(folder, `${BACKUP_NAME}.new`));
    for (const name of await this.#disk.list(haFolder))
      if (name.startsWith('image.out.')) await this.#disk.remove(`${haFolder}/${name}`);
  }
}

/** The last change in a state. */
export function versionOf(state: State): number {
  return state.metaversion - 1;
}

/** Identifies data from before the journal: the file system's id. */
export function dataIdOf({ metaid }: { metaid: bigint }): string {
  return metaid.toString(16);
}
