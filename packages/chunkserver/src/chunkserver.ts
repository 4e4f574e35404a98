import type { Cancel, Clock, Config, Net, Random } from '@alces/runtime';
import { Charts } from './charts/charts.ts';
import { type ChunkserverConfig, readChunkserverConfig } from './config.ts';
import { makeCounters } from './counters.ts';
import { ConnectionCache } from './data/connectionCache.ts';
import type { DataContext } from './data/context.ts';
import { answerInfoQuery } from './data/infoQueries.ts';
import { DataServer } from './data/server.ts';
import { Disks } from './disks/disks.ts';
import { type Identity, loadIdentity, storeIdentity } from './disks/identity.ts';
import { Rebalancer } from './disks/rebalance.ts';
import { Scrubber } from './disks/scrubber.ts';
import { Jobs } from './jobs.ts';
import { MasterLink } from './link/masterLink.ts';
import { ReportHub } from './link/reportHub.ts';
import type { Streams } from './net/stream.ts';
import type { ChunkFiles } from './os/files.ts';
import { replicate } from './replicate/replicate.ts';
import { type ProcessUsage, Statistics } from './statistics.ts';
import type { Store, StoreLog } from './store/context.ts';
import { errorCode, systemErrorText } from './store/failures.ts';
import { makeStore } from './store/store.ts';

/** Everything a chunkserver needs from outside. */
export interface ChunkserverOptions {
  config: Config;
  /** The configuration read again; undefined when it cannot be read. */
  rereadConfig(): Config | undefined;
  /** The text of `mfshdd.cfg`, given the path from the configuration. Throws when it cannot be read. */
  readHddConfig(path: string | undefined): { path: string; text: string };
  /** Absolute, without a slash at the end. */
  dataPath: string;
  clock: Clock;
  random: Random;
  net: Net;
  streams: Streams;
  files: ChunkFiles;
  log: StoreLog;
  /** Runs something at the end of this turn of the event loop, after everything that has arrived. */
  defer(run: () => void): void;
  /** A line for the operator who started the server. */
  say(line: string): void;
  usage(): ProcessUsage;
  /** Chunk files that may be open at a time. */
  maxOpenFiles: number;
  /** The disks belong to another instance than the master: the server must end, orderly and with status 0. */
  foreignInstance(reason: string): void;
}

/** A running chunkserver. */
export interface Chunkserver {
  readonly port: number;
  readonly store: Store;
  readonly isRegistered: boolean;
  reload(): Promise<void>;
  info(): string[];
  /** Orderly end; further calls answer the same. */
  stop(): Promise<void>;
}

const STATS_FILE = 'csstats.mfs';
const SECOND_MS = 1000;
const HOUSEKEEPING_MS = 100;
const JOBS_PATIENCE_MS = 30_000;

class RunningChunkserver implements Chunkserver {
  readonly #options: ChunkserverOptions;
  #config: ChunkserverConfig;
  #fileConfig: Config;
  readonly #reports = new ReportHub();
  readonly #jobs: Jobs;
  readonly store: Store;
  readonly #disks: Disks;
  readonly #data: DataServer;
  readonly #link: MasterLink;
  readonly #scrubber: Scrubber;
  readonly #rebalancer: Rebalancer;
  readonly #charts: Charts;
  /** A server that could not start must not write empty charts over those of its past. */
  #chartsLoaded = false;
  readonly #statistics: Statistics;
  #identity: Identity;
  #timers: Cancel[] = [];
  #stopped: Promise<void> | undefined;
  #reloading: Promise<void> = Promise.resolve();
  /** Files being written in the background, one after the other. */
  #saving: Promise<void> = Promise.resolve();

  constructor(options: ChunkserverOptions, identity: Identity) {
    const { clock, random, log, files, streams } = options;
    this.#options = options;
    this.#fileConfig = options.config;
    this.#config = readChunkserverConfig(options.config, (message) => log.warn(message));
    this.#identity = identity;
    this.#jobs = new Jobs(this.#config.workersMax, () => this.#link.reportLoad());
    this.store = makeStore({
      files,
      clock,
      random,
      log,
      reports: this.#reports,
      counters: makeCounters(),
      settings: this.#config.store,
      maxOpenFiles: options.maxOpenFiles,
    });
    this.#disks = new Disks(this.store, { dataPath: options.dataPath, metaId: identity.metaId, say: options.say });
    this.#charts = new Charts(clock.unixSeconds() + options.usage().zoneSeconds);
    this.#data = new DataServer(this.#dataContext(streams));
    this.#link = this.#makeLink();
    this.#scrubber = new Scrubber(this.store);
    this.#rebalancer = new Rebalancer(this.store, () => this.#link.reportLoad());
    this.#statistics = new Statistics(this.store, this.#jobs, this.#charts, options.usage, () => this.#saveCharts());
  }

  get port(): number {
    return this.#data.port;
  }

  get isRegistered(): boolean {
    return this.#link.isRegistered;
  }

  /** Takes disks, port and master connection into use, in the order of the stock server. */
  async start(): Promise<void> {
    const { clock, say } = this.#options;
    await this.#startDisks();
    const { listenHost, listenPort } = this.#config;
    try {
      await this.#data.listen(listenHost, listenPort);
    } catch (error) {
      throw new Error(`main server module: can't listen on socket: ${systemErrorText(error)}`);
    }
    say(`main server module: listen on ${listenHost}:${this.port}`);
    await this.#link.start();
    await this.#loadCharts();
    this.#disks.start();
    this.#rebalancer.start();
    this.#timers = [
      clock.interval(SECOND_MS, () => this.#everySecond()),
      clock.interval(HOUSEKEEPING_MS, () => this.store.active.houseKeeping(clock.monotonicMs())),
    ];
  }

  reload(): Promise<void> {
    const reloaded = this.#reloading.then(() => this.#reload());
    // The next one waits for this one, however it ends.
    this.#reloading = reloaded.catch(() => {});
    return reloaded;
  }

  async #reload(): Promise<void> {
    const { log, rereadConfig } = this.#options;
    const fileConfig = rereadConfig();
    if (!fileConfig) return;
    const before = this.#config;
    this.#fileConfig = fileConfig;
    this.#config = readChunkserverConfig(fileConfig, (message) => log.warn(message), before);
    await this.#reloadPort(before);
    this.#link.reload(this.#config);
    this.#jobs.setLimit(this.#config.workersMax);
    this.store.settings = this.#config.store;
    await this.#reloadDisks();
  }

  info(): string[] {
    const { active, table, folders } = this.store;
    return [
      `open chunk files: ${active.openFiles}, chunks in memory: ${active.count}`,
      `chunks: ${table.count}, folders: ${folders.length}, connections: ${this.#data.connections}, jobs: ${this.#jobs.active}`,
    ];
  }

  stop(): Promise<void> {
    this.#stopped ??= this.#stop();
    return this.#stopped;
  }

  async #stop(): Promise<void> {
    for (const cancel of this.#timers) cancel();
    this.#link.stop();
    await this.#data.stop();
    await Promise.all([this.#scrubber.stop(), this.#rebalancer.stop()]);
    await this.#jobsDone();
    if (this.#chartsLoaded) {
      this.#statistics.sample();
      this.#saveCharts();
    }
    await this.#saving;
    await this.#disks.stop(this.#jobs.active > 0);
  }

  #dataContext(streams: Streams): DataContext {
    const sources = {
      // The secret of the master link is nobody's business, although the stock server tells it to everybody who asks.
      option: (name: string) => (name === 'AUTH_CODE' ? undefined : this.#fileConfig.raw(name)),
      disks: () => this.#disks.entries,
      identity: () => this.#identity,
      master: () => this.#link.master,
      charts: this.#charts,
    };
    return {
      store: this.store,
      clock: this.#options.clock,
      jobs: this.#jobs,
      streams,
      cache: new ConnectionCache(),
      defer: this.#options.defer,
      query: (type, payload) => answerInfoQuery(sources, type, payload),
    };
  }

  #makeLink(): MasterLink {
    const { clock, random, net, log, streams } = this.#options;
    return new MasterLink(
      {
        clock,
        random,
        net,
        log,
        store: this.store,
        jobs: this.#jobs,
        reports: this.#reports,
        identity: () => this.#identity,
        rebalanceStatus: () => this.#rebalancer.loadStatus,
        identified: (chunkserverId, metaId) => this.#identified(chunkserverId, metaId),
        replicate: (order) => replicate({ store: this.store, clock, streams }, order),
      },
      this.#config,
    );
  }

  async #startDisks(): Promise<void> {
    const { say, readHddConfig } = this.#options;
    const { allowInvalidDisks, hddConfigFile } = this.#config;
    let file: { path: string; text: string };
    try {
      file = readHddConfig(hddConfigFile);
    } catch (error) {
      if (!allowInvalidDisks || errorCode(error) === '') throw error;
      say(String(error));
      return;
    }
    const problems = await this.#disks.apply(file.text);
    for (const problem of problems) say(problem);
    if (problems.length > 0 && !allowInvalidDisks) throw new Error('init: hdd space manager failed !!!');
    if (this.#disks.entries.length === 0) say(`hdd space manager: no hdd space defined in ${file.path} file`);
    say('hdd space manager: start background hdd scanning (searching for available chunks)');
  }

  async #reloadPort(before: ChunkserverConfig): Promise<void> {
    const { listenHost, listenPort } = this.#config;
    if (listenHost === before.listenHost && listenPort === before.listenPort) return;
    try {
      await this.#data.listen(listenHost, listenPort);
      this.#options.log.info(
        `main server module: socket address has changed, now listen on ${listenHost}:${listenPort}`,
      );
    } catch (error) {
      this.#options.log.warn(`main server module: can't listen on socket: ${systemErrorText(error)}`);
      this.#config = { ...this.#config, listenHost: before.listenHost, listenPort: before.listenPort };
    }
  }

  async #reloadDisks(): Promise<void> {
    const { log, readHddConfig } = this.#options;
    let text: string;
    try {
      ({ text } = readHddConfig(this.#config.hddConfigFile));
    } catch (error) {
      log.warn(`hdd space manager: ${String(error)} - old disks stay`);
      return;
    }
    for (const problem of await this.#disks.apply(text)) log.warn(problem);
  }

  #everySecond(): void {
    this.#disks.tick();
    this.#scrubber.tick();
    this.#statistics.tick();
  }

  /** The master told who we are. False: it belongs to another instance. */
  #identified(chunkserverId: number, metaId: bigint): boolean {
    const expected = this.#identity.metaId || this.#disks.collectedMetaId;
    if (metaId !== 0n && expected !== 0n && metaId !== expected) {
      this.#options.foreignInstance(
        `wrong meta id (mfs instance id): master has 0x${metaId.toString(16)}, this server 0x${expected.toString(16)}`,
      );
      return false;
    }
    const identity = {
      chunkserverId: chunkserverId || this.#identity.chunkserverId,
      metaId: metaId || this.#identity.metaId,
    };
    const { chunkserverId: idBefore, metaId: metaBefore } = this.#identity;
    if (identity.chunkserverId === idBefore && identity.metaId === metaBefore) return true;
    this.#identity = identity;
    this.#save(async () => {
      await storeIdentity(this.#options.files, this.#options.dataPath, identity);
      if (identity.metaId !== 0n) await this.#disks.setMetaId(identity.metaId);
    });
    return true;
  }

  #saveCharts(): void {
    const { files, dataPath } = this.#options;
    const path = `${dataPath}/${STATS_FILE}`;
    const content = this.#charts.encode();
    this.#save(async () => {
      try {
        await files.writeFile(`${path}.tmp`, content);
      } catch (error) {
        await files.unlink(`${path}.tmp`).catch(() => undefined);
        throw error;
      }
      await files.rename(`${path}.tmp`, path);
    });
  }

  #save(work: () => Promise<void>): void {
    this.#saving = this.#saving.then(work).catch((error: unknown) => {
      if (errorCode(error) === '') throw error;
      this.#options.log.error(`can't write to ${this.#options.dataPath}: ${String(error)}`);
    });
  }

  async #loadCharts(): Promise<void> {
    const { files, dataPath, clock, usage, say } = this.#options;
    try {
      const file = await files.readFile(`${dataPath}/${STATS_FILE}`);
      const known = this.#charts.decode(file, clock.unixSeconds() + usage().zoneSeconds);
      say(known ? 'stats file has been loaded' : 'unrecognized charts data file - initializing empty charts');
    } catch (error) {
      if (errorCode(error) === '') throw error;
      say('no charts data file - initializing empty charts');
    }
    this.#chartsLoaded = true;
  }

  /** Waits until what is being done is done, but not for ever. */
  async #jobsDone(): Promise<void> {
    let cancel: Cancel = () => {};
    const patience = new Promise<void>((resolve) => {
      cancel = this.#options.clock.timeout(JOBS_PATIENCE_MS, resolve);
    });
    await Promise.race([this.#jobs.whenIdle(), patience]);
    cancel();
  }
}

/** Starts a chunkserver. Rejects with a message for the operator when it cannot serve with this configuration. */
export async function startChunkserver(options: ChunkserverOptions): Promise<Chunkserver> {
  const identity = await loadIdentity(options.files, options.dataPath);
  const server = new RunningChunkserver(options, identity);
  try {
    await server.start();
  } catch (error) {
    await server.stop();
    throw error;
  }
  return server;
}
