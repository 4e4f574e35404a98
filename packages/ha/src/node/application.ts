import { decodeNote, type Reporter } from '@alces/journal';
import { type MasterOptions, type RunningMaster, serveOn } from '@alces/master';
import { apply, continueAccounting, parseChange, type State, silentObserver } from '@alces/metadata';
import { Status, statusText } from '@alces/proto';
import type { Application, Entry, ImageSource, ReplicationNode } from '@alces/replication';
import type { Environment } from '@alces/runtime';
import { type Compartment, createCompartment } from './compartment.ts';
import { HaJournal } from './haJournal.ts';
import { type Held, type StateStore, versionOf } from './stateStore.ts';
import type { StockLogs } from './stockLogs.ts';

export interface HaApplicationOptions {
  environment: Environment;
  store: StateStore;
  logs: StockLogs;
  report: Reporter;
  /** What a master is told, but for its environment. Read anew for each time that the node leads. */
  masterOptions(epoch: number): Omit<MasterOptions, 'environment'>;
  /** The master serves in this epoch. */
  serving(epoch: number): void;
  /** Nobody is served any more. */
  notServing(reason: string): void;
  /** The master can't serve: the node must not lead. */
  cannotServe(error: unknown): void;
}

const ACCOUNTED_ROWS = 2000;
const IMAGEABLE_POLL_MS = 10;
/** Metadata changes after which an image is made, so that a restart has little to replay and the journal can forget. */
const IMAGE_EVERY = 200_000;
const IMAGE_EVERY_MS = 3_600_000;

interface Leading {
  epoch: number;
  compartment: Compartment;
  journal: HaJournal;
  master: RunningMaster | undefined;
}

/** What stands on the journal of a node that is no witness: the live shadow, and the master while the node leads. */
export class HaApplication implements Application {
  readonly #options: HaApplicationOptions;
  #held: Held;
  /** Set right behind the construction of both. */
  node: ReplicationNode | undefined;
  #leading: Leading | undefined;
  /** The last master is being cleared away; the next one needs its ports. */
  #clearing: Promise<void> = Promise.resolve();
  #imageVersion: number;
  #imageAtMs: number;
  #saving: Promise<void> | undefined;

  constructor(options: HaApplicationOptions, held: Held) {
    this.#options = options;
    this.#held = held;
    this.#imageVersion = versionOf(held.state);
    this.#imageAtMs = options.environment.clock.monotonicMs();
  }

  get appliedVersion(): number {
    return versionOf(this.#held.state);
  }

  get state(): State {
    return this.#held.state;
  }

  /** The master, while clients are served. */
  get master(): RunningMaster | undefined {
    return this.#leading?.master;
  }

  get isServing(): boolean {
    return this.#leading?.master !== undefined;
  }

  apply(entry: Entry): void {
    const { state, ledger } = this.#held;
    const { timestamp, operation } = parseChange(entry.data);
    const status = apply(state, timestamp, operation, 'replay');
    if (status !== Status.OK)
      throw new Error(`change ${entry.version} (${entry.data.toString('latin1')}) does not fit: ${statusText(status)}`);
    ledger.applied(operation, entry.note === undefined ? undefined : decodeNote(entry.note));
    this.#options.logs.write('changelog_ml', entry);
  }

  lead(epoch: number): void {
    const { node } = this;
    if (node === undefined) throw new Error('the node leads before it is there');
    const { environment, logs } = this.#options;
    const journal = new HaJournal({
      node,
      imageable: () => this.#imageable(),
      committed: (entry) => logs.write('changelog', entry),
    });
    const leading: Leading = { epoch, compartment: createCompartment(environment), journal, master: undefined };
    this.#leading = leading;
    this.#serve(leading).catch((error: unknown) => {
      if (this.#leading === leading) this.#options.cannotServe(error);
    });
  }

  async #serve(leading: Leading): Promise<void> {
    await this.#clearing;
    if (this.#leading !== leading) return;
    const { masterOptions, serving } = this.#options;
    const { state, carried, renumberEdges, ledger } = this.#held;
    const { compartment, journal, epoch } = leading;
    const master = await serveOn(
      { ...masterOptions(epoch), environment: compartment.environment },
      { started: { state, carried, renumberEdges }, journal, ledger },
    );
    if (this.#leading !== leading) {
      this.#clear(leading, master);
      return;
    }
    leading.master = master;
    serving(epoch);
  }

  follow(reason: string): void {
    const leading = this.#leading;
    if (leading === undefined) return;
    this.#leading = undefined;
    leading.journal.end();
    leading.compartment.end();
    this.#held.state.observer = silentObserver;
    if (leading.master !== undefined) this.#clear(leading, leading.master);
    else this.#clearing = this.#clearing.then(() => leading.compartment.ended());
    this.#options.notServing(reason);
  }

  /** Nothing of a master that ended may stay behind: it is killed although nothing in it runs any more. */
  #clear(leading: Leading, master: RunningMaster): void {
    const { report } = this.#options;
    this.#clearing = Promise.all([this.#clearing, leading.compartment.ended(), master.kill()]).then(
      () => {},
      (error: unknown) => report.error(`clearing the master away: ${String(error)}`),
    );
  }

  freeze(frozen: boolean): void {
    this.#leading?.compartment.freeze(frozen);
  }

  async rewind(version: number): Promise<void> {
    const { store, logs, report } = this.#options;
    await this.#saving;
    logs.restart();
    this.#held = (version > 0 ? await store.newest(version) : undefined) ?? (await store.empty());
    this.#imageVersion = this.appliedVersion;
    report.info(`went back to the state behind change ${this.appliedVersion}`);
  }

  createImage(): Promise<ImageSource> {
    return this.#options.store.createImage(this.#held, () => this.#imageable());
  }

  async installImage(path: string, version: number): Promise<void> {
    const { store, logs, report } = this.#options;
    await this.#saving;
    logs.restart();
    this.#held = await store.install(path, version);
    this.#imageVersion = version;
    report.info(`got an image of the state behind change ${version}`);
  }

  /** Resolves when what was applied so far is committed and on this node's disk. Rejects when that never comes. */
  async #imageable(): Promise<void> {
    const { clock } = this.#options.environment;
    const { node } = this;
    const version = this.appliedVersion;
    const leading = this.#leading;
    while (node !== undefined && node.imageableVersion < version) {
      if (this.#leading !== leading) throw new Error('the node does not lead any more');
      await new Promise<void>((resolve) => {
        clock.timeout(IMAGEABLE_POLL_MS, resolve);
      });
    }
  }

  /** To be called now and then: sums of folders, and images. */
  tick(): void {
    const { state } = this.#held;
    if (this.#leading === undefined && state.accounting.active) continueAccounting(state, ACCOUNTED_ROWS);
    const nowMs = this.#options.environment.clock.monotonicMs();
    const grown = this.appliedVersion - this.#imageVersion;
    const isOld = grown > 0 && nowMs - this.#imageAtMs >= IMAGE_EVERY_MS;
    if (grown >= IMAGE_EVERY || isOld) void this.saveImage();
  }

  /** Stores an image and lets the journal forget what no node needs any more. Never rejects. */
  saveImage(): Promise<void> {
    const { environment, store, logs, report } = this.#options;
    this.#saving ??= (async () => {
      try {
        const saved = await store.save(this.#held, () => this.#imageable());
        if (saved === undefined) return;
        this.#imageVersion = saved;
        logs.rotate();
        const { node } = this;
        node?.pruned(Math.min(saved, node.retainVersion));
      } catch (error) {
        report.error(`can't save an image: ${error instanceof Error ? error.message : String(error)}`);
      } finally {
        this.#imageAtMs = environment.clock.monotonicMs();
        this.#saving = undefined;
      }
    })();
    return this.#saving;
  }

  /** At an orderly end, behind the journal's: stores what is safe as a stock master would. */
  async end(imageable: number): Promise<void> {
    await this.#clearing;
    await this.#saving;
    if (this.appliedVersion <= imageable) await this.#options.store.saveAtEnd(this.#held);
    await this.#options.logs.close();
  }
}
