import {
  BACKUP_NAME,
  checkImage,
  EMERGENCY_FOLDERS,
  IMAGE_NAME,
  inFolder,
  loadFromDisk,
  type Reporter,
  RequestLedger,
  StartError,
  startMetadata,
  storeImage,
  writeImageFile,
} from '@alces/journal';
import type { LoadedMetadata } from '@alces/master';
import { imageChunks, type State, takeSnapshot } from '@alces/metadata';
import type { ImageSource } from '@alces/replication';
import type { Disk, DiskFile, Environment } from '@alces/runtime';

/** A state of the file system with the answers that belong to it. */
export interface Held extends LoadedMetadata {
  ledger: RequestLedger;
}

export interface StateStoreOptions {
  environment: Environment;
  /** DATA_PATH. */
  folder: string;
  /** The folder of the journal in it. */
  haFolder: string;
  report: Reporter;
}

/** Of a new file system every node makes the same state by itself: it must not depend on the time. */
const GENESIS_SECONDS = 0;
const NEW_IMAGE = Buffer.from('MFSM NEW');
const KEPT_IMAGES = 1;
const MAGIC = Buffer.from('ALCESHA1');
const HEAD_BYTES = MAGIC.length + 8;

/** Where a node's state comes from and goes to: stock images in DATA_PATH, the ledger beside the journal, and images for other nodes. */
export class StateStore {
  readonly #options: StateStoreOptions;

  constructor(options: StateStoreOptions) {
    this.#options = options;
  }

  get #disk(): Disk {
    return this.#options.environment.disk;
  }

  #ledgerPath(version: number): string {
    return `${this.#options.haFolder}/ledger.${version}`;
  }

  async #load(path: string): Promise<Held> {
    const { environment, report } = this.#options;
    const { clock, random } = environment;
    const quiet: Reporter = { info() {}, warn: (text) => report.warn(text), error: (text) => report.error(text) };
    const check = await checkImage(this.#disk, path);
    const isNew = check.result === 'ok' && check.isNew;
    const loaded = await loadFromDisk(path, {
      disk: this.#disk,
      now: isNew ? GENESIS_SECONDS : clock.unixSeconds(),
      clockMs: () => clock.monotonicMs(),
      ignoreErrors: false,
      report: quiet,
      state: { hashSeed: random.u32() },
    });
    return { ...loaded, ledger: await this.#loadLedger(loaded.state.metaversion) };
  }

  /** Without its ledger an image still is one: repeated requests from before it are then taken for new ones. */
  async #loadLedger(version: number): Promise<RequestLedger> {
    const ledger = new RequestLedger();
    const path = this.#ledgerPath(version);
    if (!(await this.#disk.exists(path))) return ledger;
    try {
      ledger.load(await this.#disk.readFile(path));
    } catch (error) {
      this.#options.report.warn(`${path}: ${error instanceof Error ? error.message : String(error)} - left out`);
    }
    return ledger;
  }

  /** The state of a file system in which nothing has happened yet. */
  async empty(): Promise<Held> {
    const path = `${this.#options.haFolder}/new.image`;
    await this.#disk.replaceFile(path, NEW_IMAGE);
    const held = await this.#load(path);
    await this.#disk.remove(path);
    return held;
  }

  /** The newest image on disk of changes up to `most`; undefined: there is none. */
  async newest(most: number): Promise<Held | undefined> {
    const found: { path: string; version: number }[] = [];
    for (const name of [IMAGE_NAME, BACKUP_NAME, `${BACKUP_NAME}.1`]) {
      const path = inFolder(this.#options.folder, name);
      const check = await checkImage(this.#disk, path);
      if (check.result === 'ok' && !check.isNew && check.version - 1 <= most)
        found.push({ path, version: check.version });
    }
    const best = found.reduce<(typeof found)[number] | undefined>(
      (a, b) => (a === undefined || b.version > a.version ? b : a),
      undefined,
    );
    return best === undefined ? undefined : this.#load(best.path);
  }

  /**
   * The data that were there before the journal: what a stock master, or a plain one of ours, left. The image that is stored of them is where
   * the journal begins. An empty folder gives an empty file system.
   */
  async beforeJournal(restore: boolean): Promise<Held> {
    const { environment, folder, report } = this.#options;
    const image = await checkImage(this.#disk, inFolder(folder, IMAGE_NAME));
    const backup = await checkImage(this.#disk, inFolder(folder, BACKUP_NAME));
    if (image.result === 'missing' && backup.result === 'missing') return this.empty();
    if (image.result === 'ok' && image.isNew) {
      await this.#disk.remove(inFolder(folder, IMAGE_NAME));
      return this.empty();
    }
    const { clock, disk, random } = environment;
    try {
      const started = await startMetadata({
        clock,
        disk,
        random,
        folder,
        restore,
        ignoreErrors: false,
        verbosity: 0,
        keepPrevious: KEPT_IMAGES,
        state: { hashSeed: random.u32() },
        report,
      });
      const held = { ...started, ledger: new RequestLedger() };
      await this.save(held);
      return held;
    } catch (error) {
      if (error instanceof StartError) throw new Error(`${error.message}\n(in ${folder})`);
      throw error;
    }
  }

  async #saveLedger(version: number, bytes: Buffer): Promise<void> {
    await this.#disk.replaceFile(this.#ledgerPath(version), bytes);
  }

  async #removeLedgers(except: number): Promise<void> {
    const { haFolder } = this.#options;
    for (const name of await this.#disk.list(haFolder))
      if (name.startsWith('ledger.') && name !== `ledger.${except}`) await this.#disk.remove(`${haFolder}/${name}`);
  }

  /**
   * Stores the present state as `metadata.mfs.back`. `ready` is waited for before it becomes the image: the changes in it must be safe.
   * Resolves with its last change; undefined: it went to an emergency place only.
   */
  async save(held: Held, ready: () => Promise<void> = async () => {}): Promise<number | undefined> {
    const { environment, folder, report } = this.#options;
    const snapshot = takeSnapshot(held.state);
    const answers = held.ledger.encode();
    const { metaversion } = snapshot.state;
    try {
      await ready();
      await this.#saveLedger(metaversion, answers);
      const stored = await storeImage(snapshot.state, {
        clock: environment.clock,
        disk: this.#disk,
        folder,
        keepPrevious: KEPT_IMAGES,
        emergencyFolders: EMERGENCY_FOLDERS,
        carried: held.carried,
        report,
      });
      if (stored.emergency) return undefined;
      await this.#removeLedgers(metaversion);
      return metaversion - 1;
    } finally {
      snapshot.release();
    }
  }

  /** At an orderly end: the image becomes `metadata.mfs`, on which a stock master starts. */
  async saveAtEnd(held: Held): Promise<void> {
    if ((await this.save(held)) === undefined) return;
    const { folder } = this.#options;
    await this.#disk.rename(inFolder(folder, BACKUP_NAME), inFolder(folder, IMAGE_NAME));
    await this.#disk.syncFolder(folder);
  }

  /** An image of the present state for another node: the ledger, then a stock image. `ready` as in `save`. */
  async createImage(held: Held, ready: () => Promise<void>): Promise<ImageSource> {
    const { environment, haFolder } = this.#options;
    const snapshot = takeSnapshot(held.state);
    const answers = held.ledger.encode();
    const version = snapshot.state.metaversion - 1;
    const path = `${haFolder}/image.out.${version}.${environment.random.u32()}`;
    try {
      await ready();
      await writeImageFile(
        this.#disk,
        path,
        imageChunks(snapshot.state, { now: environment.clock.unixSeconds(), carried: held.carried }),
      );
    } finally {
      snapshot.release();
    }
    const file = await this.#disk.open(path, 'read');
    const head = Buffer.concat([MAGIC, Buffer.alloc(8), answers]);
    head.writeBigUInt64BE(BigInt(answers.length), MAGIC.length);
    const lengthBytes = head.length + (await file.size());
    return {
      version,
      lengthBytes,
      read: (offset, length) => readBoth(head, file, offset, length),
      close: async () => {
        await file.close();
        await this.#disk.remove(path);
      },
    };
  }

  /** Makes an image of another node (`createImage`) this node's own, on disk and in memory. */
  async install(path: string, version: number): Promise<Held> {
    const { folder } = this.#options;
    const temporary = inFolder(folder, `${BACKUP_NAME}.new`);
    const answers = await this.#unpack(path, temporary);
    await this.#saveLedger(version + 1, answers);
    for (const name of [IMAGE_NAME, `${BACKUP_NAME}.1`]) await this.#disk.remove(inFolder(folder, name));
    await this.#disk.rename(temporary, inFolder(folder, BACKUP_NAME));
    await this.#disk.syncFolder(folder);
    const held = await this.#load(inFolder(folder, BACKUP_NAME));
    if (held.state.metaversion !== version + 1)
      throw new Error(`an image with changes up to ${held.state.metaversion - 1} instead of ${version}`);
    await this.#removeLedgers(version + 1);
    return held;
  }

  /** Writes the stock image in `path` to `target`, synced; answers the ledger's bytes. */
  async #unpack(path: string, target: string): Promise<Buffer> {
    const from = await this.#disk.open(path, 'read');
    const to = await this.#disk.open(target, 'create');
    try {
      const size = await from.size();
      const head = await from.read(0, Math.min(size, HEAD_BYTES));
      if (head.length < HEAD_BYTES || !head.subarray(0, MAGIC.length).equals(MAGIC))
        throw new Error(`${path} is no image of a node`);
      const answersBytes = Number(head.readBigUInt64BE(MAGIC.length));
      const begin = HEAD_BYTES + answersBytes;
      if (begin > size) throw new Error(`${path} is cut off`);
      const answers = await from.read(HEAD_BYTES, answersBytes);
      await copyFrom(from, begin, size, to);
      await to.datasync();
      return answers;
    } finally {
      await from.close();
      await to.close();
    }
  }

  /** Removes what images for other nodes a crash left behind. */
  async clean(): Promise<void> {
    const { haFolder } = this.#options;
    await this.#disk.makeFolder(haFolder);
    for (const name of await this.#disk.list(haFolder))
      if (name.startsWith('image.out.')) await this.#disk.remove(`${haFolder}/${name}`);
  }
}

async function readBoth(head: Buffer, file: DiskFile, offset: number, length: number): Promise<Buffer> {
  const first = head.subarray(offset, offset + length);
  if (first.length === length) return first;
  const rest = await file.read(Math.max(0, offset - head.length), length - first.length);
  return first.length === 0 ? rest : Buffer.concat([first, rest]);
}

const COPY_BYTES = 4 << 20;

async function copyFrom(from: DiskFile, begin: number, end: number, to: DiskFile): Promise<void> {
  for (let at = begin; at < end; at += COPY_BYTES)
    await to.write(at - begin, [await from.read(at, Math.min(COPY_BYTES, end - at))]);
}

/** The last change in a state. */
export function versionOf(state: State): number {
  return state.metaversion - 1;
}
