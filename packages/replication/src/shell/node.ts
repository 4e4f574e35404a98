import type { Cancel, Environment } from '@alces/runtime';
import type { ReplicationConfig } from '../config.ts';
import type { Time } from '../core/context.ts';
import { ORDER, type PromoteOptions, ReplicaCore } from '../core/core.ts';
import type { Effect } from '../core/effects.ts';
import type { Message } from '../core/messages.ts';
import type { Rules } from '../core/rules.ts';
import type { CoreStatus } from '../core/status.ts';
import type { Entry } from '../entry.ts';
import type { NodeId } from '../history.ts';
import { EpochFile } from '../storage/epochFile.ts';
import type { EntryStorage } from '../storage/types.ts';
import type { Application } from './application.ts';
import { FailureDetector } from './detector.ts';
import { ReplyGate } from './gate.ts';
import { ImageFetcher, ImageServer } from './images.ts';
import { Mesh } from './mesh.ts';
import { Pump } from './pump.ts';
import { recoverNode } from './recover.ts';
import { StoreQueue } from './storeQueue.ts';

export interface NodeOptions {
  environment: Environment;
  config: ReplicationConfig;
  /** Names the journal, so that nodes of different ones do not mix even if they share a secret. */
  cluster: string;
  /** Known to all nodes and to nobody else. */
  secret: Buffer;
  /** Where the epoch file and images on their way are kept. */
  folder: string;
  entries: EntryStorage;
  /** Undefined for a witness. */
  application: Application | undefined;
  /** Identifies data that existed before the journal did, such as the file system's id. Nodes take each other's for the same only if it is. */
  dataId?: string;
  /** This node may lead when no node has any data: new ones begin. Default: true. An order with `force` may in any case. */
  mayBegin?: boolean;
  listenHost?: string;
  /** Stand for the lead when no leader was heard for `timeoutMs` (and half as long again for each place in `rank`). */
  detector?: { timeoutMs: number; rank: number };
  rules?: Rules;
  report(level: 'info' | 'warn' | 'error', text: string): void;
  /** Something that cannot happen, or cannot be helped: the program must end. */
  fatal(error: unknown): void;
  /** Runs a function when the present turn of the event loop is over. Default: setImmediate. */
  endOfTurn?: (run: () => void) => void;
}

/** How a witness, which has no images, keeps its journal short: what all others have goes after so many entries. */
const WITNESS_SLACK = 4096;

export interface NodeStatus extends CoreStatus {
  /** Why the journal cannot be written; undefined: it can. */
  stalledBy: string | undefined;
  /** An image that is being fetched. */
  sync: { bytes: number; totalBytes: number; startedMs: number } | undefined;
}

/** A node of the replicated journal: the core with its connections, its files, its application and its clock. */
export class ReplicationNode {
  readonly #options: NodeOptions;
  readonly #core: ReplicaCore;
  readonly #mesh: Mesh;
  readonly #store: StoreQueue;
  readonly #pump: Pump | undefined;
  readonly #gate: ReplyGate;
  readonly #server: ImageServer | undefined;
  readonly #fetcher: ImageFetcher;
  readonly #detector: FailureDetector | undefined;
  readonly #entries: EntryStorage;
  #cancelTick: Cancel | undefined;
  #performing = false;
  #flushScheduled = false;
  #closed = false;

  private constructor(options: NodeOptions, core: ReplicaCore) {
    this.#options = options;
    this.#core = core;
    this.#entries = options.entries;
    const { environment, config, application, report, folder } = options;
    const { clock, disk, random } = environment;
    this.#mesh = new Mesh({
      ...options,
      connected: (peer) => this.#do((time) => core.connected(peer, time)),
      disconnected: (peer, reason) => this.#disconnected(peer, reason),
      message: (peer, message) => this.#message(peer, message),
    });
    this.#fetcher = new ImageFetcher({
      clock,
      disk,
      folder,
      report,
      send: (peer, message) => this.#mesh.send(peer, message),
      fetched: (image) => this.#do((time) => core.imageFetched(image, time)),
      failed: (image) => this.#do((time) => core.imageFailed(image, time)),
    });
    this.#store = new StoreQueue({
      clock,
      entries: options.entries,
      epochs: new EpochFile(disk, folder),
      report,
      installImage: (image, version) => this.#install(image, version),
      removed: async (version) => application?.removed?.(version),
      done: (id) => this.#do((time) => core.stored(id, time)),
    });
    if (application !== undefined) {
      this.#pump = new Pump({
        application,
        entry: (version) => core.entry(version),
        read: (from, maxBytes) => readUpTo(options.entries, from, core.firstInMemory - 1, maxBytes),
        lost: (version) => this.#lost(version),
        failed: options.fatal,
      });
      this.#server = new ImageServer({
        clock,
        random,
        create: () => application.createImage(),
        send: (peer, message) => this.#mesh.send(peer, message),
      });
    }
    this.#gate = new ReplyGate({
      get lastVersion() {
        return core.lastVersion;
      },
      mayRead: () => core.mayRead(this.#time()),
      provedAtMs: () => core.provedAtMs(),
      nowMs: () => clock.monotonicMs(),
      commitProves: config.protocol !== 'A',
    });
    if (options.detector !== undefined) this.#detector = new FailureDetector(options.detector, random);
  }

  /**
   * Starts a node: finds what its disk holds (finishing what a crash interrupted), brings the application up to what is known to be committed,
   * and connects. Rejects when the files are damaged or the port is taken.
   */
  static async start(options: NodeOptions): Promise<ReplicationNode> {
    const { environment, config } = options;
    const recovered = await recoverNode(options);
    const time = { monotonicMs: environment.clock.monotonicMs(), wallMs: environment.clock.wallMs() };
    const begin = { ...recovered, mayBegin: options.mayBegin ?? true };
    const core = new ReplicaCore(config, environment.random, begin, time, options.rules);
    const node = new ReplicationNode(options, core);
    node.#pump?.committed(core.committedVersion);
    await node.#mesh.start();
    node.#cancelTick = environment.clock.interval(config.timings.tickMs, () => node.#tick());
    return node;
  }

  #time(): Time {
    const { clock } = this.#options.environment;
    return { monotonicMs: clock.monotonicMs(), wallMs: clock.wallMs() };
  }

  /** Tells the core something, and performs what it wants done. */
  #do(tell: (time: Time) => void): void {
    if (this.#closed) return;
    tell(this.#time());
    this.#performEffects();
  }

  #performEffects(): void {
    // What an effect causes is performed behind the ones before it, by the loop that is running.
    if (this.#performing) return;
    this.#performing = true;
    try {
      for (let effects = this.#core.takeEffects(); effects.length > 0; effects = this.#core.takeEffects()) {
        for (const effect of effects) this.#perform(effect);
      }
    } finally {
      this.#performing = false;
    }
  }

  #perform(effect: Effect): void {
    switch (effect.kind) {
      case 'send':
        this.#mesh.send(effect.peer, effect.message);
        break;
      case 'store':
        if (effect.operation.kind === 'install') this.#pump?.expectReplacement();
        this.#store.push(effect.id, effect.operation);
        break;
      case 'read':
        this.#read(effect);
        break;
      case 'committed':
        this.#pump?.committed(effect.version);
        break;
      case 'acknowledged':
        this.#gate.acknowledged(effect.version);
        break;
      case 'confirmed':
        this.#gate.confirmed();
        break;
      case 'lead':
        this.#gate.open(effect.version);
        this.#pump?.lead(effect.epoch, effect.version);
        break;
      case 'follow':
        this.#gate.abandon();
        this.#pump?.follow(effect.reason);
        break;
      case 'freeze':
        this.#options.application?.freeze(effect.frozen);
        break;
      case 'rewind':
        this.#server?.forget();
        this.#pump?.rewind(effect.version);
        break;
      case 'makeImage':
        this.#makeImage(effect.peer);
        break;
      case 'fetchImage':
        this.#fetcher.start(effect.peer, effect.offer);
        break;
      case 'report':
        this.#options.report(effect.level, effect.text);
        break;
    }
  }

  #disconnected(peer: NodeId, reason: string): void {
    this.#options.report('info', `connection to ${peer} lost: ${reason}`);
    this.#fetcher.lost(peer);
    this.#do((time) => this.#core.disconnected(peer, time));
  }

  #message(peer: NodeId, message: Message): void {
    switch (message.kind) {
      case 'imageGet':
        this.#server?.serve(peer, message).catch((error: unknown) => this.#mesh.drop(peer, String(error)));
        break;
      case 'imageData':
      case 'imageGone':
        this.#fetcher.data(peer, message);
        break;
      default:
        this.#do((time) => this.#core.receive(peer, message, time));
    }
  }

  #read({ id, from, to, maxBytes }: Extract<Effect, { kind: 'read' }>): void {
    readUpTo(this.#entries, from, to, maxBytes).then(
      (entries) => this.#do((time) => this.#core.readDone(id, entries, time)),
      (error: unknown) => {
        this.#options.report('error', `can't read change ${from} from the journal: ${error}`);
        this.#do((time) => this.#core.readDone(id, undefined, time));
      },
    );
  }

  #makeImage(peer: NodeId): void {
    this.#server?.offer(this.#core.baseVersion).then(
      (offer) => this.#do((time) => this.#core.imageMade(peer, offer, time)),
      (error: unknown) => {
        this.#options.report('warn', `can't make an image for ${peer}: ${error}`);
        this.#do((time) => this.#core.imageMade(peer, undefined, time));
      },
    );
  }

  async #install(image: number, version: number): Promise<void> {
    const { application, environment } = this.#options;
    if (application === undefined || this.#pump === undefined) return;
    const path = this.#fetcher.installPath(image);
    this.#server?.forget();
    await this.#pump.replace(() => (image === 0 ? application.rewind(0) : application.installImage(path, version)));
    if (image !== 0) await environment.disk.remove(path);
  }

  #lost(version: number): void {
    this.#options.report('error', `change ${version} is not in the journal and not in the state: beginning anew`);
    this.#do((time) => this.#core.forget(time));
  }

  #tick(): void {
    const core = this.#core;
    this.#do((time) => {
      core.tick(time);
      if (this.#detector?.isDue(time.monotonicMs, core.status(time))) core.suggest(time);
      if (this.#pump === undefined && core.retainVersion > core.baseVersion + WITNESS_SLACK)
        core.pruned(core.retainVersion, time);
    });
    this.#gate.confirmed();
    this.#server?.expire();
  }

  /** True when `append` may be called. */
  get mayAppend(): boolean {
    return this.#core.mayAppend() && this.#pump?.isLeading === true;
  }

  /** The last version in the journal, committed or not. */
  get lastVersion(): number {
    return this.#core.lastVersion;
  }

  get committedVersion(): number {
    return this.#core.committedVersion;
  }

  /** An image of the state behind a version up to this one may be kept: the entries in it are committed and on this node's disk. */
  get imageableVersion(): number {
    return Math.min(this.#core.committedVersion, this.#core.storedVersion);
  }

  /** False while the application's state has entries that were removed from the journal: no image of it may be kept or sent. */
  get stateIsCurrent(): boolean {
    return this.#pump?.isCurrent ?? true;
  }

  /** Appends the next version. What is appended in one turn of the event loop is written and sent together. */
  append(entry: Entry): void {
    this.#core.append([entry], this.#time());
    if (this.#flushScheduled) return;
    this.#flushScheduled = true;
    (this.#options.endOfTurn ?? setImmediate)(() => {
      this.#flushScheduled = false;
      this.#do((time) => this.#core.flush(time));
    });
  }

  /** The newest entries, from a version on; undefined: some are not in memory. */
  newestEntries(from: number): Entry[] | undefined {
    const core = this.#core;
    const entries: Entry[] = [];
    for (let version = from; version <= core.lastVersion; version++) {
      const entry = core.entry(version);
      if (entry === undefined) return undefined;
      entries.push(entry);
    }
    return entries;
  }

  /** Puts a note on an entry that was appended in this turn of the event loop. */
  annotate(version: number, note: Buffer): void {
    this.#core.annotate(version, note);
  }

  /**
   * Runs `run` as soon as an answer made now may leave: everything appended so far is as safe as the protocol demands, and this node
   * was the leader when the answer was made. Calls keep their order. Never, when the node stops to lead before.
   */
  afterCommit(run: () => void): void {
    this.#gate.after(run);
  }

  /** Entries up to `version` are in an image of the application that survives the loss of power; the journal may forget them. */
  pruned(version: number): void {
    this.#do((time) => this.#core.pruned(version, time));
  }

  /** Entries up to this version are on the disk of every node with a state machine. */
  get retainVersion(): number {
    return this.#core.retainVersion;
  }

  promote(options: Partial<PromoteOptions> = {}): void {
    this.#do((time) => this.#core.promote(time, { ...ORDER, ...options }));
  }

  demote(): void {
    this.#do((time) => this.#core.demote(time));
  }

  /** A planned switch. Returns why it is not possible; undefined: it is under way. */
  switchTo(peer: NodeId): string | undefined {
    let obstacle: string | undefined;
    this.#do((time) => {
      obstacle = this.#core.switchTo(peer, time);
    });
    return obstacle;
  }

  /** Whether the operator does not want this node to lead: others do not hand the lead over to it. */
  setMaintenance(on: boolean): void {
    this.#do((time) => this.#core.setMaintenance(on, time));
  }

  discardMyData(): void {
    this.#do((time) => this.#core.discardMyData(time));
  }

  status(): NodeStatus {
    return { ...this.#core.status(this.#time()), stalledBy: this.#store.stalledBy, sync: this.#fetcher.progress };
  }

  /** Resigns if it leads, writes what there is, and closes everything. */
  async close(): Promise<void> {
    this.#do((time) => {
      this.#core.demote(time);
      this.#core.flush(time);
    });
    this.#closed = true;
    this.#cancelTick?.();
    this.#fetcher.stop();
    await this.#mesh.close();
    await this.#store.close();
    await this.#server?.close();
    await this.#entries.close();
  }
}

/** Reads entries of the files, none after `to`: behind it the files may not be what the core takes them for yet. */
async function readUpTo(
  storage: EntryStorage,
  from: number,
  to: number,
  maxBytes: number,
): Promise<Entry[] | undefined> {
  const entries = (await storage.read(from, maxBytes))?.filter((entry) => entry.version <= to);
  return entries === undefined || entries.length === 0 ? undefined : entries;
}
