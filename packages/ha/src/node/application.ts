import { decodeNote, type Reporter } from '@alces/journal';
import { type MasterOptions, type RunningMaster, serveOn } from '@alces/master';
import { apply, continueAccounting, parseChange, type State, silentObserver } from '@alces/metadata';
import { Status, statusText } from '@alces/proto';
import type { Application, Entry, ImageSource, ReplicationNode } from '@alces/replication';
import type { Environment } from '@alces/runtime';
import { type Compartment, createCompartment } from './compartment.ts';
import { HaJournal } from './haJournal.ts';
import { ImageKeeper } from './imageKeeper.ts';
import { type Held, type StateStore, versionOf } from './stateStore.ts';
import type { StockLogs } from './stockLogs.ts';

export interface HaApplicationOptions {
  environment: Environment;
  store: StateStore;
  logs: StockLogs;
  report: Reporter;
  /** Whether a journal of which this node leads an epoch can lack something that was acknowledged. */
  isComplete(): boolean;
  endOfTurn: (run: () => void) => void;
  /** What a master is told, but for its environment. Read anew for each time that the node leads. */
  masterOptions(epoch: number): Omit<MasterOptions, 'environment'>;
  /** The master serves in this epoch, so many milliseconds after the journal said that the node leads. */
  serving(epoch: number, tookMs: number): void;
  /** Nobody is served any more. */
  notServing(reason: string): void;
  /** The master can't serve: the node must not lead. */
  cannotServe(error: unknown): void;
}

const ACCOUNTED_ROWS = 2000;
/** Changes that a quorum takes are safe within milliseconds. */
const SAFE_WITHIN_MS = 1000;

interface Leading {
  epoch: number;
  beganMs: number;
  compartment: Compartment;
  journal: HaJournal;
  master: RunningMaster | undefined;
}

/** What stands on the journal of a node that is no witness: the live shadow, and the master while the node leads. */
export class HaApplication implements Application {
  readonly #options: HaApplicationOptions;
  readonly images: ImageKeeper;
  #held: Held;
  /** Set right behind the construction of both. */
  node: ReplicationNode | undefined;
  #leading: Leading | undefined;
  /** The state is about to be replaced: what is in it may have been removed from the journal. */
  #replacing = false;
  /** The last master is being cleared away; the next one needs its ports. */
  #clearing: Promise<void> = Promise.resolve();

  constructor(options: HaApplicationOptions, held: Held) {
    this.#options = options;
    this.#held = held;
    const { environment, store, logs, report } = options;
    const { clock } = environment;
    this.images = new ImageKeeper({
      clock,
      store,
      logs,
      report,
      held: () => this.#held,
      node: () => this.node,
      isCurrent: () => this.isCurrent,
    });
  }

  /** The state is the journal's: false from the moment that changes in it are set aside until a state without them is there. */
  get isCurrent(): boolean {
    return !this.#replacing && (this.node?.stateIsCurrent ?? true);
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
    return this.master !== undefined;
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
    const { environment, logs, endOfTurn } = this.#options;
    const journal = new HaJournal({
      node,
      imageable: () => this.images.imageable(),
      committed: (entry) => logs.write('changelog', entry),
      isComplete: this.#options.isComplete(),
      endOfTurn,
    });
    this.images.leadsFrom(node.lastVersion);
    const beganMs = environment.clock.monotonicMs();
    const compartment = createCompartment(environment);
    const leading: Leading = { epoch, beganMs, compartment, journal, master: undefined };
    this.#leading = leading;
    this.#serve(leading).catch((error: unknown) => {
      if (this.#leading === leading) this.#options.cannotServe(error);
    });
  }

  async #serve(leading: Leading): Promise<void> {
    await this.#clearing;
    if (this.#leading !== leading) return;
    const { masterOptions, serving, environment } = this.#options;
    const { state, carried, renumberEdges, ledger } = this.#held;
    const { compartment, journal, epoch, beganMs } = leading;
    const master = await serveOn(
      { ...masterOptions(epoch), environment: compartment.environment },
      { started: { state, carried, renumberEdges }, journal, ledger, images: this.images },
    );
    if (this.#leading !== leading) {
      this.#clear(leading, master);
      return;
    }
    leading.master = master;
    this.images.soon();
    serving(epoch, environment.clock.monotonicMs() - beganMs);
  }

  follow(reason: string): void {
    const leading = this.#leading;
    if (leading === undefined) return;
    this.#leading = undefined;
    leading.journal.end();
    leading.compartment.end();
    this.#held.state.observer = silentObserver;
    this.images.invalidate();
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

  /** Resolves when the ports of a master that ended are free. */
  cleared(): Promise<void> {
    return this.#clearing;
  }

  freeze(frozen: boolean): void {
    this.#leading?.compartment.freeze(frozen);
  }

  async rewind(version: number): Promise<void> {
    const { store, report } = this.#options;
    await this.#replace(async () => (version > 0 ? await store.newest(version) : undefined) ?? (await store.empty()));
    // Those with the changes that were set aside are no images of this file system any more.
    this.images.soon();
    report.info(`went back to the state behind change ${this.appliedVersion}`);
  }

  /** Discarded changes leave the stock files of this node, too. Never rejects: at the next start it is tried again. */
  async removed(version: number): Promise<void> {
    const { logs, store, report } = this.#options;
    await logs
      .exclusively(() => store.setAside(version))
      .catch((error: unknown) => report.error(`stock files may hold changes that were set aside: ${String(error)}`));
  }

  /** Whoever needs the image may be needed to make the newest changes safe: then it is one that is on disk. */
  async createImage(): Promise<ImageSource> {
    const { store } = this.#options;
    const imageable = this.images.imageable();
    if (await this.#within(SAFE_WITHIN_MS, imageable))
      return store.createImage(this.#held, () => this.images.imageable());
    return store.copyOfImage(this.node?.imageableVersion ?? 0);
  }

  /** Resolves to whether something succeeds in this time; rejects when it fails. */
  #within(limitMs: number, work: Promise<void>): Promise<boolean> {
    return new Promise((resolve, reject) => {
      const cancel = this.#options.environment.clock.timeout(limitMs, () => resolve(false));
      work.then(() => resolve(true), reject).finally(cancel);
    });
  }

  async installImage(path: string, version: number): Promise<void> {
    const { store, report } = this.#options;
    await this.#replace(() => store.install(path, version));
    report.info(`got an image of the state behind change ${version}`);
  }

  async #replace(make: () => Promise<Held>): Promise<void> {
    this.#replacing = true;
    this.images.invalidate();
    await this.images.settled();
    this.#options.logs.restart();
    this.#held = await make();
    this.#replacing = false;
    this.images.replaced();
  }

  /** To be called now and then: sums of folders, and images. */
  tick(): void {
    const { state } = this.#held;
    if (this.#leading === undefined && state.accounting.active) continueAccounting(state, ACCOUNTED_ROWS);
    this.images.tick();
  }

  /** At an orderly end, behind the journal's: stores what is safe as a stock master would. */
  async end(imageable: number): Promise<void> {
    this.images.invalidate();
    await this.#clearing;
    await this.images.settled();
    if (this.isCurrent && this.appliedVersion <= imageable) await this.#options.store.saveAtEnd(this.#held);
    await this.#options.logs.close();
  }
}
