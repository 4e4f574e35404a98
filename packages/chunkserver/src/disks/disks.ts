import type { Store } from '../store/context.ts';
import { errorCode } from '../store/failures.ts';
import { checkFolder } from './check.ts';
import { type Folder, makeFolder } from './folder.ts';
import { type HddLine, parseHddConfig } from './hddConfig.ts';
import { writeMetaId } from './identity.ts';
import { type ClaimedFolder, claimFolder, rootOf, UnusableFolder } from './openFolder.ts';
import { dropIdleChunks, markDamaged, saveFolder, tryRemoveFolder } from './retire.ts';
import { scanFolder } from './scan.ts';

/** One configured path, usable or not, as the disk list shows it. */
export interface DiskEntry {
  path: string;
  /** Undefined: the line could not be used. */
  folder: Folder | undefined;
}

export interface DisksOptions {
  dataPath: string;
  /** Metadata id known from `chunkserverid.mfs`; 0 = not known. */
  metaId: bigint;
  /** A line for the operator. */
  say(line: string): void;
}

/** The folders of this server: opening, scanning, checking every second, reload, orderly end. */
export class Disks {
  readonly #store: Store;
  readonly #dataPath: string;
  readonly #say: (line: string) => void;
  #verifiedMetaId: bigint;
  #collectedMetaId = 0n;
  #entries: DiskEntry[] = [];
  #stopping = false;
  readonly #work = new Set<Promise<void>>();
  #started = false;

  constructor(store: Store, options: DisksOptions) {
    this.#store = store;
    this.#dataPath = options.dataPath;
    this.#say = options.say;
    this.#verifiedMetaId = options.metaId;
  }

  /** All configured paths, the last line of the file first. */
  get entries(): readonly DiskEntry[] {
    return this.#entries;
  }

  /** The metadata id that the folders say they belong to; 0 = they do not say. */
  get collectedMetaId(): bigint {
    return this.#collectedMetaId;
  }

  /**
   * Applies the text of `mfshdd.cfg`: takes new folders into use, updates known ones, begins to remove those not named any
   * more. Answers the reasons why lines could not be used.
   */
  async apply(text: string): Promise<string[]> {
    const warn = (message: string) => this.#store.log.warn(message);
    const lines = parseHddConfig(text, (message) => warn(`hdd space manager: ${message}`)).reverse();
    const entries: DiskEntry[] = [];
    const problems: string[] = [];
    for (const line of lines) {
      try {
        entries.push({ path: line.path, folder: await this.#use(line, entries) });
      } catch (error) {
        if (!(error instanceof UnusableFolder)) throw error;
        problems.push(error.message);
        entries.push({ path: line.path, folder: undefined });
      }
    }
    for (const folder of this.#store.folders)
      if (!entries.some((entry) => entry.folder === folder)) folder.removing = true;
    this.#entries = entries;
    const order = entries.flatMap((entry) => entry.folder ?? []);
    this.#store.folders = [...order, ...this.#store.folders.filter((folder) => !order.includes(folder))];
    return problems;
  }

  /** Begins to scan; called once, when the server is up. */
  start(): void {
    this.#started = true;
    this.#scanNewFolders();
  }

  /** To be called every second. */
  tick(): void {
    for (const folder of this.#store.folders) {
      if (folder.removing) this.#run(tryRemoveFolder(this.#store, folder));
      else if (folder.damaged && !folder.readOnly) dropIdleChunks(this.#store, folder);
      this.#run(checkFolder(this.#store, folder));
    }
    if (this.#started) this.#scanNewFolders();
  }

  /** The master told which instance this server belongs to. */
  async setMetaId(metaId: bigint): Promise<void> {
    this.#verifiedMetaId = metaId;
    for (const folder of this.#store.folders) if (!folder.readOnly) await this.#writeMetaId(folder, metaId);
  }

  /**
   * Waits for scans, closes all files and writes the fast-start lists; not if operations are still `busy`, because what they
   * do to a folder in the same second would go unnoticed at the next start.
   */
  async stop(busy: boolean): Promise<void> {
    this.#stopping = true;
    await Promise.all(this.#work);
    await this.#store.active.closeAll();
    for (const folder of this.#store.folders) {
      if (!busy) await saveFolder(this.#store, folder);
      folder.lock.release();
    }
  }

  async #use(line: HddLine, taken: readonly DiskEntry[]): Promise<Folder> {
    const root = rootOf(line, this.#dataPath);
    const known = this.#store.folders.find((folder) => folder.root === root);
    if (known) return this.#update(known, line, taken);
    const claimed = await claimFolder(
      {
        files: this.#store.files,
        dataPath: this.#dataPath,
        expectedMetaId: this.#verifiedMetaId || this.#collectedMetaId,
        inUse: this.#store.folders,
        warn: (message) => this.#store.log.warn(message),
      },
      line,
    );
    return this.#add(line, claimed);
  }

  async #add(line: HddLine, claimed: ClaimedFolder): Promise<Folder> {
    const { store, number } = { store: this.#store, number: this.#freeNumber() };
    if (claimed.metaId && this.#collectedMetaId === 0n) this.#collectedMetaId = claimed.metaId;
    const folder = makeFolder({ ...claimed, number, line, nowSeconds: store.clock.unixSeconds() });
    store.folders = [...store.folders, folder];
    if (this.#verifiedMetaId !== 0n && claimed.metaId === undefined && !folder.readOnly)
      await this.#writeMetaId(folder, this.#verifiedMetaId);
    this.#say(`hdd space manager: path to scan: ${folder.path}`);
    return folder;
  }

  #update(folder: Folder, line: HddLine, taken: readonly DiskEntry[]): Folder {
    if (folder.removing) throw new UnusableFolder(`folder '${line.path}' is still being removed`);
    if (taken.some((entry) => entry.folder === folder))
      throw new UnusableFolder(`data folders '${line.path}' and '${line.path} have the same lockfile !!!`);
    const markChanged = folder.line.marked !== line.marked;
    folder.line = line;
    folder.spaceIsStale = true;
    folder.duplicatesSinceSeconds = this.#store.clock.unixSeconds();
    if (folder.damaged) this.#revive(folder);
    else if (markChanged)
      for (const slot of this.#store.table.ofFolder(folder.number))
        this.#store.reports.found(this.#store.table.id(slot));
    return folder;
  }

  /** A damaged folder that is still configured gets a new chance. */
  #revive(folder: Folder): void {
    if (folder.readOnly && folder.chunks > 0) {
      folder.damaged = false;
      return;
    }
    if (folder.chunks > 0 || folder.phase === 'scanning') return;
    folder.damaged = false;
    folder.errors.clear();
    folder.duplicates = [];
    folder.volume = undefined;
    folder.subfolderChunks.fill(0);
    folder.currentSubfolder = 0;
    folder.phase = 'toScan';
  }

  #scanNewFolders(): void {
    for (const folder of this.#store.folders)
      if (folder.phase === 'toScan' && !folder.removing) this.#run(this.#scan(folder));
  }

  async #scan(folder: Folder): Promise<void> {
    folder.phase = 'scanning';
    folder.scanPercent = 0;
    const startMs = this.#store.clock.monotonicMs();
    const isStopped = () => this.#stopping || folder.removing;
    try {
      await scanFolder(this.#store, folder, isStopped);
    } catch (error) {
      if (errorCode(error) === '') throw error;
      markDamaged(this.#store, folder, `scanning failed: ${String(error)}`);
    }
    // A scan cut short must not look complete: its chunks would be taken for all there are.
    folder.phase = isStopped() ? 'toScan' : 'scanned';
    folder.spaceIsStale = true;
    const seconds = ((this.#store.clock.monotonicMs() - startMs) / 1000).toFixed(1);
    this.#store.log.info(`hdd space manager: ${folder.path}: ${folder.chunks} chunks found in ${seconds} s`);
    // Without waiting for the next second: until then the folder takes no new chunks.
    if (!isStopped()) await checkFolder(this.#store, folder);
  }

  async #writeMetaId(folder: Folder, metaId: bigint): Promise<void> {
    try {
      await writeMetaId(this.#store.files, folder.root, metaId);
    } catch (error) {
      this.#store.log.warn(`hdd space manager: can't write '${folder.path}.metaid': ${String(error)}`);
    }
  }

  #freeNumber(): number {
    let number = 0;
    while (this.#store.folders.some((folder) => folder.number === number)) number++;
    return number;
  }

  #run(work: Promise<void>): void {
    const tracked = work.finally(() => this.#work.delete(tracked));
    this.#work.add(tracked);
  }
}
