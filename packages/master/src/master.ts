import { join } from 'node:path';
import {
  BACKUP_NAME,
  changelogName,
  EMERGENCY_FOLDERS,
  inFolder,
  type MasterJournal,
  openingChanges,
  type Reporter,
  type RequestLedger,
  type StartedMetadata,
  type StoredImage,
  storeAtStop,
} from '@alces/journal';
import { type State, silentObserver } from '@alces/metadata';
import { type Config, type Environment, type Logger, type Metric, reasonOf } from '@alces/runtime';
import { BackgroundWork } from './background.ts';
import {
  type ChunkCluster,
  ChunkServerService,
  type ChunkSettings,
  chunkSettings,
  type StandbyHandover,
} from './chunks/index.ts';
import { type Client, ClientKind } from './clients/client.ts';
import { DataCacheTable } from './clients/dataCache.ts';
import { chunkLocationsChanged } from './clients/notify.ts';
import { PendingChunkWork } from './clients/pendingChunkWork.ts';
import { Requests } from './clients/requests.ts';
import { ClientService, type ClientTraffic } from './clients/service.ts';
import { clientTable } from './clients/table.ts';
import { journalGate } from './commitGate.ts';
import { type MasterConfig, masterConfig } from './config.ts';
import type { Core } from './core.ts';
import { DataSpace } from './dataSpace.ts';
import type { ExportList } from './exports/load.ts';
import { committer, metaloggerFollower, noter } from './journaling.ts';
import { ServicePort } from './listener.ts';
import { createLocks, type Locks } from './locks/locks.ts';
import { MetaloggerService } from './metaloggers/service.ts';
import { masterMetrics } from './metrics.ts';
import { type ImageSaver, MetadataSaver } from './saving.ts';
import { portOfService } from './services.ts';
import { removeSession } from './sessions/openFiles.ts';
import { SessionRegistry } from './sessions/registry.ts';
import { type ConfigMessages, loadTopology, publicConfigText, reloadExports } from './sideFiles.ts';
import { skippedIds } from './skippedIds.ts';
import { loadStatistics, MasterStatistics, OPERATION_KINDS } from './statistics.ts';

const STATISTICS_FILE = 'stats.mfs';
const STALL_REMINDER_MINUTES = 10;

export interface MasterOptions {
  readonly environment: Environment;
  /** DATA_PATH. */
  readonly folder: string;
  /** mfsmaster.cfg. */
  readonly config: Config;
  readonly log: Logger;
  /** A line for whoever starts the master. Default: the log. */
  readonly say?: (line: string) => void;
  /** Reads mfsmaster.cfg again at a reload; undefined: it can't be read, or never changes. */
  readonly rereadConfig?: () => Config | undefined;
  /** Options `-a`, `-i` and the number of `-x`. */
  readonly restore?: boolean;
  readonly ignoreErrors?: boolean;
  readonly verbosity?: number;
  /** Home of the user the master runs as: first emergency place for images. */
  readonly home?: string;
  /** Absent: there is only this master. */
  readonly cluster?: ChunkCluster | undefined;
  /** What chunkservers told this node while it followed (`StandbyChunkservers.takeOver`). */
  readonly standby?: StandbyHandover | undefined;
}

/** Metadata that were loaded: a state, and what came with it. */
export type LoadedMetadata = Pick<StartedMetadata, 'state' | 'carried' | 'renumberEdges'>;

/** A master that serves. */
export interface RunningMaster {
  readonly ports: { readonly clients: number; readonly chunkservers: number; readonly metaloggers: number };
  readonly clientConnections: number;
  /** SIGHUP: configuration, exports and topology are read again. */
  reload(): Promise<void>;
  /** Lines about the state, for the log. */
  info(): string[];
  /** Figures for monitoring; each is read when it is asked for. */
  readonly metrics: Metric[];
  /** Begins a new changelog and saves an image now, as is done every full hour. Rejects with the reason if that was not possible. */
  saveImage(): Promise<StoredImage>;
  /** Orderly end: when it resolves, the metadata are stored. */
  stop(): Promise<void>;
  /** Ends as a crash would: connections break, nothing is stored beyond what the journal has. */
  kill(): Promise<void>;
}

const freeText = (bytes: number | undefined) => (bytes === undefined ? '?' : `${Math.floor(bytes / 2 ** 20)} MiB`);

/** The services of a master around one state. `serve` opens the ports. */
export class Master implements RunningMaster {
  readonly #options: MasterOptions;
  readonly #core: Core;
  readonly #journal: MasterJournal;
  readonly #started: LoadedMetadata;
  readonly #reporter: Reporter;
  readonly #locks: Locks;
  readonly #pending: PendingChunkWork;
  readonly #chunkservers: ChunkServerService;
  readonly #clients: ClientService;
  readonly #metaloggers: MetaloggerService;
  readonly #statistics: MasterStatistics;
  readonly #saver: ImageSaver;
  readonly #dataSpace: DataSpace;
  readonly #clientPort: ServicePort;
  readonly #metaloggerPort: ServicePort;
  #background: BackgroundWork | undefined;
  #chunkSettings: ChunkSettings;
  #chunkserverPort = 0;
  #stalledMinutes = 0;
  /** The end has begun: connections break without being logged. */
  #ending = false;

  constructor(
    options: MasterOptions,
    parts: {
      config: MasterConfig;
      exports: ExportList;
      settings: ChunkSettings;
      started: LoadedMetadata;
      journal: MasterJournal;
      ledger: RequestLedger;
      images?: ImageSaver;
      reporter: Reporter;
    },
  ) {
    const { environment, log, folder } = options;
    const { clock, random, disk, net } = environment;
    const { journal, started, ledger } = parts;
    const { state } = started;
    this.#options = options;
    this.#journal = journal;
    this.#started = started;
    this.#reporter = parts.reporter;
    this.#chunkSettings = parts.settings;
    ledger.appends.keepOnly((inode) => state.nodes.find(inode) !== 0);
    const gate = journalGate(journal);
    const commit = committer(state, journal, ledger);
    this.#chunkservers = new ChunkServerService({
      state,
      net,
      clock,
      random,
      log,
      settings: parts.settings,
      cluster: options.cluster,
      host: {
        commit: (entry) => commit(entry, clock.unixSeconds()),
        afterCommit: (run) => gate.afterCommit(run),
        flush: () => this.#clients.flush(),
        chunkLocationsChanged: () => chunkLocationsChanged(this.#clients.clients),
        metaId: () => state.metaid,
        configText: (name) => publicConfigText(this.#core.config.file, name),
      },
    });
    const chunks = this.#chunkservers.master;
    const core: Core = {
      state,
      clock,
      random,
      log,
      gate,
      commit,
      ledger,
      note: noter(journal, ledger),
      chunks,
      sessions: new SessionRegistry(state),
      dataCache: new DataCacheTable(),
      reservations: ledger.appends,
      sharesJournal: journal.inherited !== undefined,
      operations: new Float64Array(OPERATION_KINDS),
      config: parts.config,
      exports: parts.exports,
      startedAt: clock.unixSeconds(),
    };
    this.#core = core;
    this.#saver =
      parts.images ??
      new MetadataSaver({
        clock,
        disk,
        log,
        folder,
        state,
        carried: started.carried,
        rotate: () => journal.rotate(),
        stalledBy: () => journal.stalledBy,
        keptImages: () => this.#core.config.keptImages,
        emergencyFolders: () => this.#emergencyFolders,
      });
    this.#dataSpace = new DataSpace(disk, folder, log, () => this.#core.config.dataFreeWarnMib);
    this.#locks = createLocks(core);
    this.#pending = new PendingChunkWork(chunks);
    const traffic: ClientTraffic = { packetsReceived: 0, packetsSent: 0, bytesReceived: 0, bytesSent: 0 };
    this.#statistics = new MasterStatistics(clock, {
      operations: core.operations,
      traffic,
      chunkCounters: chunks.counters,
      space: () => chunks.space(),
    });
    this.#metaloggers = new MetaloggerService({
      clock,
      disk,
      log,
      paths: {
        image: inFolder(folder, BACKUP_NAME),
        changelog0: inFolder(folder, changelogName('changelog', 0)),
        changelog1: inFolder(folder, changelogName('changelog', 1)),
      },
      nextVersion: journal.nextVersion,
      inherited: journal.inherited,
      imageReady: async () => this.#saver.forMetaloggers?.(),
      keepSeconds: () => this.#core.config.changelogPreserveSeconds,
      alces: { state, changelog: (number) => inFolder(folder, changelogName('changelog', number)) },
      configText: (name) => publicConfigText(this.#core.config.file, name),
    });
    journal.follow(metaloggerFollower(this.#metaloggers));
    const table = clientTable({
      requests: new Requests(core, this.#locks),
      pending: this.#pending,
      finish: (client) => this.#clients.finish(client),
      drop: (client) => this.#clients.drop(client),
      removeSession: (session) => removeSession(core, this.#locks, session, clock.unixSeconds()),
      monitor: {
        core,
        clock,
        statistics: this.#statistics,
        metaloggers: () => this.#metaloggers.list(),
        lastStore: () => this.#saver.lastStore,
        configText: (name) => publicConfigText(this.#core.config.file, name),
      },
    });
    this.#clients = new ClientService({
      clock,
      gate,
      table,
      log,
      traffic,
      onClose: (client) => this.#clientGone(client),
    });
    this.#clientPort = new ServicePort(net, log, 'main master server module', (connection) =>
      this.#clients.accept(connection),
    );
    this.#metaloggerPort = new ServicePort(net, log, 'master <-> metaloggers module', (connection) =>
      this.#metaloggers.accept(connection),
    );
    this.#observe(state);
  }

  get ports(): RunningMaster['ports'] {
    return {
      clients: this.#clientPort.port,
      chunkservers: this.#chunkserverPort,
      metaloggers: this.#metaloggerPort.port,
    };
  }

  get clientConnections(): number {
    return this.#clients.clients.size;
  }

  /** Makes the opening changes, loads the statistics, opens the ports, and begins with the background work. */
  async serve(messages: ConfigMessages): Promise<void> {
    const { clock, random, disk } = this.#options.environment;
    const { config, state } = this.#core;
    for (const operation of [
      ...openingChanges(state, this.#started.renumberEdges, clock, random),
      ...skippedIds(state, this.#journal.inherited),
    ])
      this.#core.commit(operation, clock.unixSeconds());
    if (this.#options.standby) this.#chunkservers.takeOver(this.#options.standby);
    // Everything at once: after a failover clients wait for it.
    const { charts } = this.#statistics;
    const [topology, loaded] = await allOf(
      loadTopology(disk, config, messages),
      loadStatistics(disk, this.#statisticsPath, charts, clock.unixSeconds(), this.#options.log),
    );
    if (topology) this.#chunkservers.master.setTopology(topology);
    messages.say(loaded ? 'stats file has been loaded' : 'no charts data file - initializing empty charts');
    const [metaloggers, chunkserverPort, clients] = await allOf(
      this.#metaloggerPort.open(config.metaloggers),
      this.#chunkservers.listen(config.chunkservers),
      this.#clientPort.open(config.clients),
    );
    this.#chunkserverPort = chunkserverPort;
    messages.say(metaloggers);
    messages.say(`master <-> chunkservers module: listen on ${config.chunkservers.host}:${chunkserverPort}`);
    messages.say(clients);
    this.#background = new BackgroundWork(this.#core, this.#locks, {
      minute: () => {
        this.#statistics.sample();
        void this.#dataSpace.look();
        this.#remindOfStall();
      },
      hour: (hours) => this.#hour(hours),
      saveStatistics: () => void this.#saveStatistics(),
      flush: () => this.#clients.flush(),
    });
    void this.#dataSpace.look();
  }

  get metrics(): Metric[] {
    return masterMetrics({
      core: this.#core,
      journal: this.#journal,
      dataSpace: this.#dataSpace,
      saver: this.#saver,
      clientConnections: () => this.clientConnections,
    });
  }

  async reload(): Promise<void> {
    const { environment, log, rereadConfig } = this.#options;
    const messages: ConfigMessages = { say: (line) => log.info(line), warn: (line) => log.warn(line) };
    const before = this.#core.config;
    const file = rereadConfig?.();
    if (file) this.#reconfigure(file, messages);
    const { config } = this.#core;
    const exports = await reloadExports(environment.disk, config, messages);
    if (exports) this.#changeExports(exports);
    const topology = await loadTopology(environment.disk, config, messages);
    if (topology) this.#chunkservers.master.setTopology(topology);
    await this.#metaloggerPort.move(config.metaloggers);
    await this.#clientPort.move(config.clients);
    await this.#moveChunkservers(before, config);
  }

  async #moveChunkservers(before: MasterConfig, { chunkservers: to }: MasterConfig): Promise<void> {
    const { host, port } = before.chunkservers;
    const { log } = this.#options;
    if (host === to.host && port === to.port) {
      log.info(`master <-> chunkservers module: socket address hasn't changed (${host}:${port})`);
      return;
    }
    try {
      await this.#chunkservers.relisten(to);
      this.#chunkserverPort = to.port;
      log.info(`master <-> chunkservers module: socket address has changed, now listen on ${to.host}:${to.port}`);
    } catch (error) {
      log.error(
        { error },
        `master <-> chunkservers module: can't listen on ${to.host}:${to.port} - the old address stays`,
      );
    }
  }

  info(): string[] {
    const { state, sessions } = this.#core;
    const connected = [...sessions.all()].filter(({ connections }) => connections.size > 0).length;
    return [
      `metadata version: ${state.metaversion} ; inodes: ${state.nodes.count} ; chunks: ${state.chunks.count}`,
      `sessions: ${state.sessions.size} (connected: ${connected}) ; client connections: ${this.#clients.clients.size}`,
      `changes waiting for the disk: ${this.#journal.nextVersion - 1 - this.#journal.committedVersion}${this.#journal.stalledBy ? ` (${this.#journal.stalledBy})` : ''}`,
      `free in the data folder: ${freeText(this.#dataSpace.freeBytes)}${this.#dataSpace.isLow ? ' (LOW)' : ''}`,
    ];
  }

  saveImage(): Promise<StoredImage> {
    return this.#saver.saveNow();
  }

  async stop(): Promise<void> {
    const { clock, disk } = this.#options.environment;
    await this.#end();
    this.#statistics.sample();
    await this.#saveStatistics();
    await this.#saver.settled();
    if (this.#core.config.changelogSaveMode > 0) await this.#journal.rotate();
    // All changes are in the image, whatever becomes of the change log.
    await this.#journal.close().catch((error: unknown) => this.#reporter.error(`change log: ${reasonOf(error)}`));
    await storeAtStop(this.#started.state, {
      clock,
      disk,
      folder: this.#options.folder,
      keepPrevious: this.#core.config.keptImages,
      emergencyFolders: this.#emergencyFolders,
      carried: this.#started.carried,
      report: this.#reporter,
    });
  }

  async kill(): Promise<void> {
    const hasServed = this.#background !== undefined;
    this.#ending = true;
    await this.#end();
    if (hasServed) await this.#saveStatistics();
    await this.#journal.close();
  }

  /** Closes all ports and connections and stops everything that happens by itself. */
  async #end(): Promise<void> {
    const killed = this.#ending;
    this.#ending = true;
    this.#background?.stop();
    // What chunkservers were doing for clients is undone in the metadata before these are stored.
    if (!killed) for (const client of this.#clients.clients) this.#pending.abandon(client);
    this.#clients.stop();
    this.#metaloggers.stop();
    // All in this turn: nothing that comes in may change metadata any more.
    await Promise.all([this.#chunkservers.close(), this.#clientPort.close(), this.#metaloggerPort.close()]);
  }

  get #statisticsPath(): string {
    return join(this.#options.folder, STATISTICS_FILE);
  }

  get #emergencyFolders(): string[] {
    const { home } = this.#options;
    return [...(home === undefined ? [] : [home]), ...EMERGENCY_FOLDERS];
  }

  #observe(state: State): void {
    const { dataCache, reservations } = this.#core;
    state.observer = {
      ...silentObserver,
      ...this.#chunkservers.master.observer,
      nodeRemoved: (_row, inode) => {
        dataCache.remove(inode);
        reservations.drop(inode);
      },
    };
  }

  #clientGone(client: Client): void {
    if (this.#ending) return;
    const { sessions, chunks, clock } = this.#core;
    chunks.dropWaiters(client);
    this.#pending.abandon(client);
    const { session } = client;
    if (session && sessions.detach(session, client) && sessions.find(session.id))
      this.#core.commit({ op: 'SESDISCONNECTED', sessionid: session.id }, clock.unixSeconds());
  }

  #reconfigure(file: Config, messages: ConfigMessages): void {
    const config = masterConfig(file, portOfService, messages.warn);
    this.#core.config = config;
    this.#journal.configure({
      saveMode: config.changelogSaveMode,
      backLogs: config.backLogs,
      compressOld: config.compressOldChangelogs,
    });
    this.#chunkSettings = chunkSettings(file, messages.warn, this.#chunkSettings);
    this.#chunkservers.master.reconfigure(this.#chunkSettings);
  }

  /** Mounts that were let in by other exports have to register again (spec 00 §5.1). */
  #changeExports(exports: ExportList): void {
    this.#core.exports = exports;
    for (const client of [...this.#clients.clients]) {
      if (client.kind !== ClientKind.mount || !client.session) continue;
      const { exportscsum } = this.#core.sessions.stored(client.session.id);
      if (exportscsum !== exports.checksum) this.#clients.drop(client);
    }
  }

  /** The journal says once that it is stalled; somebody may look at the end of a log only. */
  #remindOfStall(): void {
    const { stalledBy } = this.#journal;
    this.#stalledMinutes = stalledBy === undefined ? 0 : this.#stalledMinutes + 1;
    if (this.#stalledMinutes % STALL_REMINDER_MINUTES === 1)
      this.#options.log.error(`still no change is acknowledged: ${stalledBy}`);
  }

  #hour(hours: number): void {
    if (this.#metaloggers.list().length === 0) this.#options.log.info('no metaloggers connected !!!');
    void this.#saver.atFullHour(hours % this.#core.config.saveFrequencyHours === 0);
  }

  /** Never rejects: nothing depends on them. */
  async #saveStatistics(): Promise<void> {
    const { disk } = this.#options.environment;
    try {
      await disk.replaceFile(this.#statisticsPath, this.#statistics.charts.toFile());
    } catch (error) {
      this.#options.log.error(`can't save statistics: ${reasonOf(error)}`);
    }
  }
}

/** As Promise.all, but what was begun has ended before it rejects: ports that were opened can be closed. */
async function allOf<T extends unknown[]>(...begun: { [K in keyof T]: Promise<T[K]> }): Promise<T> {
  await Promise.allSettled(begun);
  return Promise.all(begun) as Promise<T>;
}
