import { existsSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Reporter } from '@alces/journal';
import { chunkSettings, createStandbyChunkservers, type MasterOptions, type StandbyChunkservers } from '@alces/master';
import { ReplicationNode, SegmentLog } from '@alces/replication';
import { type Cancel, type Config, type Environment, LockFile, type Logger } from '@alces/runtime';
import { type HaConfig, readSecret } from '../config.ts';
import { openControl } from '../control/server.ts';
import type { ControlRequest, HistoryEvent, NodeReport } from '../control/types.ts';
import { type FitnessFacts, type HostSide, hostFiles, openHostSide } from '../vip/index.ts';
import { HaApplication } from './application.ts';
import { HistoryFile } from './historyFile.ts';
import { type Held, StateStore, versionOf } from './stateStore.ts';
import { StockLogs } from './stockLogs.ts';

export interface HaNodeOptions {
  environment: Environment;
  config: HaConfig;
  daemon: NodeReport['daemon'];
  log: Logger;
  /** mfsmaster.cfg as it is now. */
  masterConfig(): Config;
  /** `-a`: data from before the journal are put together from all that is there. */
  restore: boolean;
  /** Something after which the program can't go on. */
  fail(error: Error): void;
}

const TICK_MS = 50;
const POLL_MS = 10;
const PROMOTE_WAIT_MS = 30_000;
/** An order to lead is repeated that long: its epoch may be lost to another candidate. */
const SWITCH_WAIT_MS = 10_000;
/** So long an ending leader waits for keepalived to hand the lead to another node. */
const LEAVE_WAIT_MS = 1500;
/** keepalived hears of the new leader's weight before the former one lets go of the VIP. */
const YIELD_AFTER_MS = 20;
const DEFAULT_EVENTS = 50;
const PING_MS = 100;

/** The daemon of a journal node: the journal, the shadow or master on it, and what is around them on this host. */
export class HaNode {
  readonly #options: HaNodeOptions;
  readonly #history: HistoryFile;
  readonly #lock: LockFile;
  readonly #startedAt: number;
  #node: ReplicationNode | undefined;
  #application: HaApplication | undefined;
  #standby: StandbyChunkservers | undefined;
  #host: HostSide | undefined;
  #control: { close(): Promise<void> } | undefined;
  #cancelTick: Cancel | undefined;
  #maintenance: boolean;
  /** Why the master could not serve when this node led last. */
  #unservable: string | undefined;
  #lastLeader: string | undefined;

  private constructor(options: HaNodeOptions, lock: LockFile) {
    this.#options = options;
    this.#lock = lock;
    this.#history = new HistoryFile(join(this.#haFolder, 'history.log'));
    this.#startedAt = options.environment.clock.wallMs();
    this.#maintenance = existsSync(this.#maintenanceFile);
  }

  /** Starts a node: a follower, until somebody decides otherwise. Rejects with what is in the way. */
  static async start(options: HaNodeOptions): Promise<HaNode> {
    const { dataPath } = options.config;
    const lock = new LockFile(join(dataPath, '.mfsha.lock'));
    if (!lock.tryTake()) throw new Error(`a node of the journal runs already in ${dataPath} (process ${lock.owner()})`);
    lock.writePid();
    const node = new HaNode(options, lock);
    try {
      await node.#start();
      return node;
    } catch (error) {
      await node.#closeAll();
      throw error;
    }
  }

  get #haFolder(): string {
    return join(this.#options.config.dataPath, 'ha');
  }

  get #maintenanceFile(): string {
    return join(this.#options.config.dataPath, '.mfsha.maintenance');
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
    const { environment, config } = this.#options;
    await environment.disk.makeFolder(this.#haFolder);
    const held = this.#self.witness ? undefined : await this.#makeApplication();
    await this.#startReplication(held);
    if (held !== undefined) await this.#openStandby();
    if (held !== undefined) await this.#openHost();
    this.#control = await openControl(hostFiles(config.dataPath).socket, (request) => this.#answer(request));
    this.#cancelTick = environment.clock.interval(TICK_MS, () => this.#tick());
    this.#happened('info', `${this.#options.daemon} started`);
  }

  async #makeApplication(): Promise<Held> {
    const { environment, config, restore } = this.#options;
    const folder = config.dataPath;
    const report = this.#report;
    const store = new StateStore({ environment, folder, haFolder: this.#haFolder, report });
    await store.clean();
    const names = await environment.disk.list(this.#haFolder);
    const joined = names.some((name) => name.startsWith('journal.'));
    const held = joined
      ? ((await store.newest(Number.POSITIVE_INFINITY)) ?? (await store.empty()))
      : await store.beforeJournal(restore);
    const logs = new StockLogs({ environment, folder, report });
    this.#application = new HaApplication(
      {
        environment,
        store,
        logs,
        report,
        masterOptions: (epoch) => this.#masterOptions(epoch),
        serving: (epoch) => this.#serving(epoch),
        notServing: (reason) => this.#notServing(reason),
        cannotServe: (error) => this.#cannotServe(error),
      },
      held,
    );
    return held;
  }

  async #startReplication(held: Held | undefined): Promise<void> {
    const { environment, config, fail } = this.#options;
    const { replication } = config;
    const candidates = replication.nodes.filter((node) => !node.witness);
    const rank = candidates.findIndex((node) => node.id === replication.self);
    const builtin = config.detector === 'builtin' && rank >= 0 && !this.#maintenance;
    this.#node = await ReplicationNode.start({
      environment,
      config: replication,
      cluster: config.cluster,
      secret: readSecret(config.secretFile),
      folder: this.#haFolder,
      entries: new SegmentLog({ disk: environment.disk, folder: this.#haFolder }),
      application: this.#application,
      dataId: held === undefined ? '' : held.state.metaid.toString(16),
      listenHost: this.#self.host,
      ...(builtin && { detector: { timeoutMs: config.detectorTimeoutMs, rank } }),
      report: (level, text) => this.#happened(level, text),
      fatal: (error) => fail(error instanceof Error ? error : new Error(String(error))),
    });
    if (this.#application !== undefined) this.#application.node = this.#node;
  }

  async #openStandby(): Promise<void> {
    const { environment, config, log } = this.#options;
    if (config.standbyPort === 0) return;
    const { clock, net, random } = environment;
    const settings = chunkSettings(this.#options.masterConfig(), (text) => log.warn(text));
    this.#standby = createStandbyChunkservers({
      clock,
      net,
      random,
      log,
      settings: () => settings,
      metaId: () => this.#application?.state.metaid ?? 0n,
      nextChunkId: () => this.#application?.state.nextchunkid ?? 0,
    });
    await this.#standby.listen({ host: this.#self.host, port: config.standbyPort });
  }

  async #openHost(): Promise<void> {
    const { environment, config } = this.#options;
    this.#host = await openHostSide({
      dataPath: config.dataPath,
      detector: config.detector,
      hangMs: config.hangTimeoutMs,
      vip: config.vip,
      vipInterface: config.vipInterface,
      manageVip: config.manageVip,
      clock: environment.clock,
      facts: () => this.#facts(),
      promote: () => this.#node?.promote(),
      demote: () => this.#node?.demote(),
      report: (level, text) => this.#happened(level, text),
    });
    await this.#host.follows();
  }

  #facts(): FitnessFacts {
    const status = this.#required.status();
    return { ...status, stalledBy: this.#unservable ?? status.stalledBy, maintenance: this.#maintenance };
  }

  get #required(): ReplicationNode {
    if (this.#node === undefined) throw new Error('the node is not up yet');
    return this.#node;
  }

  #masterOptions(epoch: number): Omit<MasterOptions, 'environment'> {
    const { config, log, masterConfig } = this.#options;
    const { nodes, self } = config.replication;
    const followers = nodes
      .filter((node) => !node.witness && node.id !== self)
      .map(({ host }) => ({ host, port: config.standbyPort }));
    return {
      folder: config.dataPath,
      config: masterConfig(),
      rereadConfig: masterConfig,
      log,
      cluster: { epoch, pingMs: PING_MS, followers: config.standbyPort === 0 ? [] : followers },
      ...(this.#standby !== undefined && { standby: this.#standby.takeOver() }),
    };
  }

  #serving(epoch: number): void {
    this.#unservable = undefined;
    this.#happened('info', `serves clients in epoch ${epoch}`);
    void this.#host?.leads();
  }

  #notServing(reason: string): void {
    this.#standby?.resume();
    this.#happened('info', `serves nobody any more: ${reason}`);
    void this.#host?.follows();
  }

  #cannotServe(error: unknown): void {
    this.#unservable = `the master can't serve: ${error instanceof Error ? error.message : String(error)}`;
    this.#happened('error', this.#unservable);
    this.#required.demote();
  }

  #tick(): void {
    this.#application?.tick();
    const { leader } = this.#required.status();
    if (leader === this.#lastLeader) return;
    this.#lastLeader = leader;
    this.#happened('info', leader === undefined ? 'no leader is heard' : `the leader is ${leader}`);
    // One that led before may still have told others where the VIP is.
    this.#host?.announce();
    this.#host?.changed();
  }

  #pause(delayMs: number): Promise<void> {
    return new Promise((resolve) => {
      this.#options.environment.clock.timeout(delayMs, resolve);
    });
  }

  async #until(waitMs: number, probe: () => boolean): Promise<boolean> {
    const { clock } = this.#options.environment;
    const endMs = clock.monotonicMs() + waitMs;
    while (!probe()) {
      if (clock.monotonicMs() >= endMs) return false;
      await this.#pause(POLL_MS);
    }
    return true;
  }

  async #answer(request: ControlRequest): Promise<Record<string, unknown>> {
    switch (request.command) {
      case 'status':
        return { node: this.report() };
      case 'promote':
        await this.promote(request.force === true, request.waitMs ?? PROMOTE_WAIT_MS);
        return {};
      case 'demote':
        await this.demote();
        return {};
      case 'switch':
        return { leader: await this.switchTo(request.to) };
      case 'resolve':
        this.#happened('warn', "the operator said: this node's own changes may be discarded");
        this.#required.discardMyData();
        return {};
      case 'maintenance':
        this.#setMaintenance(request.on);
        return {};
      case 'history':
        return { events: await this.#history.newest(request.count ?? DEFAULT_EVENTS) };
    }
  }

  /** Resolves when this node serves. Rejects with what is in the way. */
  async promote(force: boolean, waitMs: number): Promise<void> {
    const application = this.#application;
    if (application === undefined) throw new Error('a witness never leads');
    this.#unservable = undefined;
    this.#required.promote({ force });
    const served = await this.#until(waitMs, () => application.isServing || this.#unservable !== undefined);
    if (served && this.#unservable === undefined) return;
    const { problem, phase } = this.#required.status();
    throw new Error(this.#unservable ?? (problem || `it did not come to lead within ${waitMs} ms (${phase})`));
  }

  /** Resolves when nobody is served any more. */
  async demote(): Promise<void> {
    this.#required.demote();
    await this.#host?.follows();
  }

  /** A planned switch. Resolves with the new leader. */
  async switchTo(wanted: string | undefined): Promise<string> {
    const node = this.#required;
    const target =
      wanted ??
      node.status().peers.find((peer) => !peer.witness && peer.connection === 'Connected' && peer.data === 'UpToDate')
        ?.id;
    if (target === undefined) throw new Error('no other node is up to date');
    if (target === node.status().self) throw new Error(`${target} is this node; 'mfsha promote' takes the lead`);
    const obstacle = node.switchTo(target);
    if (obstacle !== undefined) throw new Error(obstacle);
    if (!(await this.#until(SWITCH_WAIT_MS, () => node.status().leader === target)))
      throw new Error(`${target} did not come to lead; see 'mfsha status'`);
    await this.#pause(YIELD_AFTER_MS);
    this.#host?.yieldVip();
    return target;
  }

  #setMaintenance(on: boolean): void {
    this.#maintenance = on;
    if (on) writeFileSync(this.#maintenanceFile, '');
    else rmSync(this.#maintenanceFile, { force: true });
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
      problem: this.#unservable ?? status.problem,
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
    if (await this.#until(waitMs, () => node.status().leader !== undefined)) return;
    node.promote();
  }

  reload(): Promise<void> {
    return this.#application?.master?.reload() ?? Promise.resolve();
  }

  info(): string[] {
    const { role, data, epoch, version, committed, leader } = this.report();
    const own = `${role}, ${data}, epoch ${epoch}, leader ${leader ?? 'unknown'}, version ${version}, committed ${committed}`;
    return [own, ...(this.#application?.master?.info() ?? [])];
  }

  /** Stores an image now. Answers what was done. */
  async save(): Promise<string> {
    if (this.#application === undefined) throw new Error('a witness has no metadata');
    await this.#application.saveImage();
    return `metadata saved, changes up to ${versionOf(this.#application.state)}`;
  }

  /** Hands the lead over if it can, stores everything, ends. */
  async stop(): Promise<void> {
    const node = this.#required;
    if (this.#application?.isServing) await this.#leave(node);
    const { imageableVersion } = node;
    await this.#closeAll();
    await this.#application?.end(imageableVersion);
  }

  /** keepalived hears at once that this node is unfit, and orders another one to lead; without keepalived this node chooses. */
  async #leave(node: ReplicationNode): Promise<void> {
    if (this.#options.config.detector === 'builtin') {
      await this.switchTo(undefined).catch(() => {});
      return;
    }
    this.#maintenance = true;
    this.#host?.changed();
    const { self } = node.status();
    await this.#until(LEAVE_WAIT_MS, () => {
      const { leader } = node.status();
      return leader !== undefined && leader !== self;
    });
  }

  async #closeAll(): Promise<void> {
    this.#cancelTick?.();
    this.#happened('info', 'ends');
    await this.#control?.close();
    await this.#host?.close();
    await this.#node?.close();
    await this.#standby?.close();
    await this.#history.settled();
    this.#lock.close();
  }

  /** For tests and the log. */
  history(count: number): Promise<HistoryEvent[]> {
    return this.#history.newest(count);
  }
}
