import type { Reporter } from '@alces/journal';
import { createStandbyChunkservers, type MasterOptions, type StandbyChunkservers } from '@alces/master';
import { EpochFile, isPair, ReplicationNode, SegmentLog } from '@alces/replication';
import { type Cancel, type Config, type Environment, type Logger, type Metric, reasonOf } from '@alces/runtime';
import { type HaConfig, journalFolder } from '../config.ts';
import type { HistoryEvent, NodeReport } from '../control/types.ts';
import type { FitnessFacts, HostSide, HostSideOptions } from '../vip/index.ts';
import { HaApplication } from './application.ts';
import { firstState } from './firstState.ts';
import { HistoryFile } from './historyFile.ts';
import { LeadOrders } from './leadOrders.ts';
import { nodeMetrics } from './nodeMetrics.ts';
import { NodeSettings } from './nodeSettings.ts';
import { type Beginning, dataIdOf, StateStore, versionOf } from './stateStore.ts';
import { StockLogs } from './stockLogs.ts';

/** What the node's side towards its host asks and orders. */
export type HostQuestions = Pick<HostSideOptions, 'facts' | 'promote' | 'demote' | 'report'>;

export interface HaNodeOptions {
  environment: Environment;
  config: HaConfig;
  secret: Buffer;
  daemon: NodeReport['daemon'];
  log: Logger;
  /** mfsmaster.cfg as it is now. */
  masterConfig(): Config;
  /** mfsha.cfg as it is now; absent: it never changes. */
  rereadConfig?(): HaConfig;
  /** `-a`: data from before the journal are put together from all that is there. */
  restore: boolean;
  /** Something after which the program can't go on. */
  fail(error: Error): void;
  /** keepalived and the VIP. Absent: only the journal, and who holds this object, give orders. */
  openHost?: (questions: HostQuestions) => Promise<HostSide>;
  /** Runs a function when the present turn of the event loop is over. Default: setImmediate. */
  endOfTurn?: (run: () => void) => void;
}

const TICK_MS = 50;
/** So long an ending leader waits for another node to take the lead. */
const LEAVE_WAIT_MS = 1500;
/** So long an ending node waits for its disk. */
const SETTLE_MS = 2000;
const PING_MS = 100;
/** A master that could not serve may be able to later: so long the node counts as unfit. */
const UNSERVABLE_MS = 30_000;
/** `ON_IO_ERROR = detach`: a leader whose disk takes nothing for so long lets others lead. */
const DETACH_AFTER_MS = 300;
const DEFAULT_BACK_LOGS = 50;

/** A node of the journal: the journal itself, the shadow or master on it, and what they need of this host. */
export class HaNode {
  readonly #options: HaNodeOptions;
  readonly #history: HistoryFile;
  readonly #startedAt: number;
  readonly #haFolder: string;
  readonly #settings: NodeSettings;
  #node: ReplicationNode | undefined;
  #application: HaApplication | undefined;
  #standby: StandbyChunkservers | undefined;
  #host: HostSide | undefined;
  #cancelTick: Cancel | undefined;
  #maintenance = false;
  #keepalivedSpoke = false;
  /** Not to be promoted by keepalived any more. */
  #leaving = false;
  /** Why the master could not serve when this node led last. */
  #unservable: { reason: string; untilMs: number } | undefined;
  #lastLeader: string | undefined;
  #stalledSinceMs: number | undefined;
  readonly #orders: LeadOrders;

  private constructor(options: HaNodeOptions) {
    this.#options = options;
    const { environment, config } = options;
    this.#haFolder = journalFolder(config.dataPath);
    this.#settings = new NodeSettings(options);
    this.#orders = new LeadOrders({
      clock: environment.clock,
      random: environment.random,
      node: () => this.#required,
      isServing: () => this.#application?.isServing,
      obstacle: () => this.#obstacle,
      forgetObstacle: () => {
        this.#unservable = undefined;
      },
      yieldVip: () => this.#host?.yieldVip(),
    });
    this.#history = new HistoryFile(environment.disk, `${this.#haFolder}/history.log`);
    this.#startedAt = environment.clock.wallMs();
  }

  /** Starts a node: a follower, until somebody decides otherwise. Rejects with what is in the way. */
  static async start(options: HaNodeOptions): Promise<HaNode> {
    const node = new HaNode(options);
    try {
      await node.#start();
      return node;
    } catch (error) {
      await node.#closeAll();
      throw error;
    }
  }

  get #maintenanceFile(): string {
    return `${this.#options.config.dataPath}/.mfsha.maintenance`;
  }

  get #self() {
    const { nodes, self } = this.#options.config.replication;
    const found = nodes.find((node) => node.id === self);
    if (found === undefined) throw new Error(`${self} is not among the nodes`);
    return found;
  }

  get #report(): Reporter {
    const { log } = this.#options;
    return {
      info: (text) => log.info(text),
      warn: (text) => log.warn(text),
      error: (text) => log.error(text),
    };
  }

  /** Told to the log and noted in the history. */
  #happened(level: 'info' | 'warn' | 'error', what: string): void {
    this.#options.log[level](what);
    const epoch = this.#node?.status().epoch ?? 0;
    this.#history.add({ timeMs: this.#options.environment.clock.wallMs(), epoch, what });
  }

  async #start(): Promise<void> {
    const { environment, openHost } = this.#options;
    const { disk, clock } = environment;
    await disk.makeFolder(this.#haFolder);
    this.#maintenance = await disk.exists(this.#maintenanceFile);
    const beginning = this.#self.witness ? undefined : await this.#makeApplication();
    await this.#startReplication(beginning);
    if (beginning !== undefined) {
      await this.#openStandby();
      this.#host = await openHost?.({
        facts: () => this.#facts(),
        promote: () => this.#ordered(true),
        demote: () => this.#ordered(false),
        report: (level, text) => this.#happened(level, text),
      });
      await this.#host?.follows();
    }
    this.#cancelTick = clock.interval(TICK_MS, () => this.#tick());
    this.#happened('info', `${this.#options.daemon} started`);
  }

  async #makeApplication(): Promise<Beginning> {
    const { environment, config, endOfTurn = setImmediate } = this.#options;
    const { disk } = environment;
    const folder = config.dataPath;
    const report = this.#report;
    const epochs = new EpochFile(disk, this.#haFolder);
    const settings = this.#settings;
    settings.read();
    const store = new StateStore({
      environment,
      folder,
      haFolder: this.#haFolder,
      keptImages: () => settings.master.number('BACK_META_KEEP_PREVIOUS', 1, { min: 0, max: 99 }),
      history: async () => this.#node?.status().history ?? (await epochs.load()).state.history,
      report,
    });
    await store.clean();
    const { restore } = this.#options;
    const beginning = await firstState({ disk, store, epochs, restore, folder, haFolder: this.#haFolder });
    const backLogs = () => settings.master.number('BACK_LOGS', DEFAULT_BACK_LOGS, { min: 5, max: 1000 });
    const logs = new StockLogs({ environment, folder, backLogs, report });
    this.#application = new HaApplication(
      {
        environment,
        store,
        logs,
        report,
        endOfTurn,
        isComplete: () => config.replication.protocol === 'C' && !isPair(config.replication),
        masterOptions: (epoch) => this.#masterOptions(epoch),
        serving: (epoch, tookMs) => this.#serving(epoch, tookMs),
        notServing: (reason) => this.#notServing(reason),
        cannotServe: (error) => this.#cannotServe(error),
      },
      beginning,
    );
    return beginning;
  }

  async #startReplication(beginning: Beginning | undefined): Promise<void> {
    const { environment, config, secret, fail, endOfTurn } = this.#options;
    const { replication } = config;
    const candidates = replication.nodes.filter((node) => !node.witness);
    const rank = candidates.findIndex((node) => node.id === replication.self);
    const builtin = config.detector === 'builtin' && rank >= 0 && !this.#maintenance;
    this.#node = await ReplicationNode.start({
      environment,
      config: replication,
      cluster: config.cluster,
      secret,
      folder: this.#haFolder,
      entries: new SegmentLog({ disk: environment.disk, folder: this.#haFolder }),
      application: this.#application,
      dataId: beginning === undefined ? '' : dataIdOf(beginning.state),
      mayBegin: beginning?.isNew ?? false,
      listenHost: this.#self.host,
      ...(builtin && { detector: { timeoutMs: config.detectorTimeoutMs, rank } }),
      ...(endOfTurn !== undefined && { endOfTurn }),
      report: (level, text) => this.#happened(level, text),
      fatal: (error) => fail(error instanceof Error ? error : new Error(String(error))),
    });
    if (this.#maintenance) this.#node.setMaintenance(true);
    if (this.#application !== undefined) this.#application.node = this.#node;
  }

  async #openStandby(): Promise<void> {
    const { environment, config, log } = this.#options;
    if (config.standbyPort === 0) return;
    const { clock, net, random } = environment;
    this.#standby = createStandbyChunkservers({
      clock,
      net,
      random,
      log,
      settings: () => this.#settings.chunks,
      metaId: () => this.#application?.state.metaid ?? 0n,
      nextChunkId: () => this.#application?.state.nextchunkid ?? 0,
    });
    await this.#standby.listen({ host: this.#self.host, port: config.standbyPort });
  }

  #facts(): FitnessFacts {
    const status = this.#required.status();
    const stalledBy = this.#obstacle ?? status.stalledBy;
    return { ...status, stalledBy, maintenance: this.#maintenance || this.#leaving };
  }

  /** Why the master could not serve, as long as that counts. */
  get #obstacle(): string | undefined {
    const { clock } = this.#options.environment;
    if (this.#unservable !== undefined && clock.monotonicMs() >= this.#unservable.untilMs) this.#unservable = undefined;
    return this.#unservable?.reason;
  }

  get #required(): ReplicationNode {
    if (this.#node === undefined) throw new Error('the node is not up yet');
    return this.#node;
  }

  /** keepalived decided whether this node shall lead. */
  #ordered(lead: boolean): void {
    this.#keepalivedSpoke = true;
    if (lead) {
      if (!this.#leaving) this.#node?.promote({ standing: true });
      return;
    }
    this.#node?.demote();
    this.#orders.countermand();
  }

  #masterOptions(epoch: number): Omit<MasterOptions, 'environment'> {
    const { config } = this.#options;
    const { nodes, self } = config.replication;
    const followers = nodes
      .filter((node) => !node.witness && node.id !== self)
      .map(({ host }) => ({ host, port: config.standbyPort }));
    return {
      ...this.#settings.masterOptions(),
      cluster: { epoch, pingMs: PING_MS, followers: config.standbyPort === 0 ? [] : followers },
      ...(this.#standby !== undefined && { standby: this.#standby.takeOver() }),
    };
  }

  #serving(epoch: number, tookMs: number): void {
    this.#unservable = undefined;
    this.#happened('info', `serves clients in epoch ${epoch} (its ports were open after ${tookMs.toFixed(1)} ms)`);
    void this.#host?.leads();
  }

  #notServing(reason: string): void {
    this.#standby?.resume();
    this.#happened('info', `serves nobody any more: ${reason}`);
    void this.#host?.follows();
  }

  #cannotServe(error: unknown): void {
    const reason = `the master can't serve: ${reasonOf(error)}`;
    this.#unservable = { reason, untilMs: this.#options.environment.clock.monotonicMs() + UNSERVABLE_MS };
    this.#happened('error', reason);
    this.#required.demote();
  }

  #tick(): void {
    this.#application?.tick();
    const { leader, role, stalledBy, epoch } = this.#required.status();
    const { nodes, self } = this.#options.config.replication;
    this.#watchDisk(role === 'Primary' ? stalledBy : undefined);
    if (leader === this.#lastLeader) return;
    this.#lastLeader = leader;
    this.#happened('info', leader === undefined ? 'no leader is heard' : `the leader is ${leader}`);
    const host = nodes.find(({ id }) => id === leader && id !== self)?.host;
    if (host !== undefined) this.#standby?.leaderIs(epoch, host);
    // One that led before may still have told others where the VIP is.
    this.#host?.announce();
    this.#host?.changed();
  }

  #watchDisk(stalledBy: string | undefined): void {
    const nowMs = this.#options.environment.clock.monotonicMs();
    if (stalledBy === undefined) {
      this.#stalledSinceMs = undefined;
      return;
    }
    if (this.#stalledSinceMs === undefined) {
      this.#stalledSinceMs = nowMs;
      this.#host?.changed();
    }
    if (this.#options.config.onIoError !== 'detach' || nowMs - this.#stalledSinceMs < DETACH_AFTER_MS) return;
    this.#happened('error', `the journal can't be written (${stalledBy}): others may lead`);
    this.#required.demote();
  }

  /** Notes an order of an operator or a script: the cause of what comes behind it in the history. */
  ordered(what: string): void {
    this.#happened('info', `told to ${what}`);
  }

  /** Resolves when this node serves. Rejects with what is in the way. */
  async promote(force: boolean, waitMs: number): Promise<void> {
    if (this.#maintenance && !force) throw new Error("maintenance is on; 'mfsha maintenance off' ends it");
    return this.#orders.promote(force, waitMs);
  }

  /** Resolves when nobody is served any more. */
  async demote(): Promise<void> {
    this.#required.demote();
    this.#orders.countermand();
    await this.#application?.cleared();
    await this.#host?.follows();
  }

  /** A planned switch. Resolves with the new leader. */
  switchTo(wanted: string | undefined): Promise<string> {
    return this.#orders.switchTo(wanted);
  }

  /** The operator's word after a split brain. */
  discardMyData(): void {
    if (!this.#required.status().splitBrain)
      throw new Error('there is no split brain that this node knows of; one shows at the contact with the other node');
    this.#happened('warn', "the operator said: this node's own changes may be discarded");
    this.#required.discardMyData();
    this.#orders.countermand();
  }

  /** Kept over restarts. */
  async setMaintenance(on: boolean): Promise<void> {
    const { disk } = this.#options.environment;
    if (on) await disk.replaceFile(this.#maintenanceFile, Buffer.alloc(0));
    else await disk.remove(this.#maintenanceFile);
    this.#maintenance = on;
    this.#required.setMaintenance(on);
    this.#happened('info', `maintenance ${on ? 'on' : 'off'}`);
    this.#host?.changed();
    const moves = on && this.#options.config.detector === 'builtin' && this.#application?.isServing;
    if (moves) this.switchTo(undefined).catch((error: Error) => this.#happened('warn', `it goes on: ${error.message}`));
  }

  /** For `status`. */
  report(): NodeReport {
    const { config, daemon, environment } = this.#options;
    const { sync, ...status } = this.#required.status();
    const elapsedMs = environment.clock.monotonicMs() - (sync?.startedMs ?? 0);
    return {
      ...status,
      ...(sync !== undefined && { sync: { bytes: sync.bytes, totalBytes: sync.totalBytes, elapsedMs } }),
      problem: this.#obstacle ?? status.problem,
      daemon,
      serving: this.#application?.isServing ?? false,
      maintenance: this.#maintenance,
      vip: this.#host?.vip() ?? null,
      clients: this.#application?.master?.clientConnections ?? 0,
      startedAt: this.#startedAt,
      protocol: config.replication.protocol,
      quorum: config.replication.quorum,
    };
  }

  /** Stands for the lead if nobody is heard of who has it. */
  async leadIfNobodyDoes(waitMs: number): Promise<void> {
    const node = this.#required;
    if (await this.#orders.until(waitMs, () => node.status().leader !== undefined || this.#leaving)) return;
    if (!this.#maintenance) node.promote();
  }

  /** SIGHUP, in each role. */
  async reload(): Promise<void> {
    this.#settings.reload();
    const { master } = this.#application ?? {};
    if (master !== undefined) await master.reload();
    else if (this.#application !== undefined) await this.#settings.check();
  }

  /** Figures of the node, and of the master while it leads. */
  metrics(): Metric[] {
    const master = this.#required.mayAppend ? this.#application?.master : undefined;
    return [...nodeMetrics(this.report()), ...(master?.metrics ?? [])];
  }

  info(): string[] {
    const { role, data, epoch, version, committed, leader } = this.report();
    const own = `${role}, ${data}, epoch ${epoch}, leader ${leader ?? 'unknown'}, version ${version}, committed ${committed}`;
    return [own, ...(this.#required.mayAppend ? (this.#application?.master?.info() ?? []) : [])];
  }

  /** Stores an image now. Answers what was done. */
  async save(): Promise<string> {
    if (this.#application === undefined) throw new Error('a witness has no metadata');
    const { path, metaversion, emergency } = await this.#application.images.saveNow();
    if (emergency) throw new Error(`metadata (version ${metaversion}) stored to an emergency place only: ${path}`);
    return `metadata saved (version: ${metaversion}) in ${path}`;
  }

  /** A leader that is about to end: makes room for another one, if there is one. Never rejects. */
  async leave(): Promise<void> {
    this.#leaving = true;
    if (!this.#application?.isServing) return;
    if (!this.#keepalivedSpoke) {
      await Promise.race([this.switchTo(undefined).catch(() => {}), this.#orders.pause(LEAVE_WAIT_MS)]);
      return;
    }
    // keepalived hears at once that this node is unfit, and orders another one to lead.
    const node = this.#required;
    this.#host?.changed();
    const { self } = node.status();
    await this.#orders.until(LEAVE_WAIT_MS, () => {
      const { leader } = node.status();
      return leader !== undefined && leader !== self;
    });
  }

  /** Stores everything and ends. */
  async stop(): Promise<void> {
    const node = this.#required;
    this.#leaving = true;
    node.demote();
    const application = this.#application;
    if (application !== undefined)
      await this.#orders.until(SETTLE_MS, () => node.imageableVersion >= application.appliedVersion);
    const { imageableVersion } = node;
    await this.#closeAll();
    await application?.end(imageableVersion);
  }

  async #closeAll(): Promise<void> {
    this.#cancelTick?.();
    this.#happened('info', 'ends');
    await this.#host?.close();
    await this.#node?.close();
    await this.#standby?.close();
    await this.#history.settled();
  }

  /** The newest events, oldest first. */
  history(count: number): Promise<HistoryEvent[]> {
    return this.#history.newest(count);
  }

  /** The state in memory and its last change; undefined on a witness. For checks. */
  get state() {
    const state = this.#application?.state;
    return state === undefined ? undefined : { state, version: versionOf(state) };
  }
}
