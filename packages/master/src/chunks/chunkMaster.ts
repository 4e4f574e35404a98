import type { Observer, State } from '@alces/metadata';
import { Status } from '@alces/proto';
import type { Clock, Logger, Random } from '@alces/runtime';
import {
  type ChunkFigures,
  type ChunkService,
  type ChunkServiceHost,
  type ClassInfo,
  type CopyState,
  type FileTestInfo,
  type LocateResult,
  type MissingChunk,
  ServerCommand,
  type ServerRow,
  type SpaceInfo,
  type StartResult,
  type TruncateStart,
  type Waiter,
  type WriteStart,
} from './api.ts';
import { Commands } from './commands.ts';
import { CopyState as Copy, isLive, isStale } from './copies.ts';
import { Maintenance, ServerDatabase } from './database.ts';
import { FileTest, fileTestPeriodMs } from './fileTest.ts';
import { classInfo, locate, locations, serverRows, shownCopies, spaceInfo } from './information.ts';
import { InterruptedChanges } from './interrupted.ts';
import { Knowledge } from './knowledge.ts';
import { emptyStats, type LoopContext } from './loop.ts';
import { MaintenanceLoop, ticksPerSecond } from './maintenance.ts';
import { metadataView } from './metadataView.ts';
import { cleanUp, startTruncate, startWrite, unlocked, wakeWaiters } from './operations.ts';
import { PriorityQueues } from './queues.ts';
import { type ReportContext, VanishedSweep } from './reports.ts';
import { visitChunk } from './rules.ts';
import { type ChunkServer, Load, type NewServer, Removal } from './servers.ts';
import type { ChunkSettings } from './settings.ts';
import { Arrivals } from './standby/arrivals.ts';
import type { LocationTable } from './standby/locations.ts';
import { flatTopology, type Topology } from './topology.ts';
import { UnansweredCommands } from './unanswered.ts';
import { adoptVersion } from './versions.ts';
import type { ChunkSlot } from './views.ts';
import { WaitingRequests } from './waiters.ts';
import { ChunkWorld } from './world.ts';

/** Length of a tick of the chunk side. */
export const tickMs = 1000 / ticksPerSecond;
/** Dropping the copies of servers that have gone may take so much of each tick. */
const sweepBudgetMs = 10;
/** Entering copies known from the time of following, too. */
const arrivalBudgetMs = 10;
/** Chunks that are looked at again in a second; the others wait for the loop. */
const maxRetries = 10000;
/** More than these are found by the loop. */
const maxAwaiting = 200_000;
const awaitingPerTick = 1000;
const unusedServersPeriodSeconds = 600;
const unusedServersOffsetSeconds = 300;

export interface ChunkMasterOptions {
  readonly state: State;
  readonly host: ChunkServiceHost;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly settings: ChunkSettings;
  /** Absent: there is only this master. */
  readonly cluster?: ChunkCluster | undefined;
}

/** What Alces chunkservers are told of the journal's nodes. */
export interface ChunkCluster {
  /** Epoch in which this master leads, above 0. */
  readonly epoch: number;
  /** How often master and chunkserver say something, so that silence is noticed. */
  readonly pingMs: number;
  /** The other nodes that may lead, with their ports for chunkservers (STANDBY_PORT). */
  readonly followers: readonly { readonly host: string; readonly port: number }[];
}

const noCluster: ChunkCluster = { epoch: 0, pingMs: 0, followers: [] };

/** What the chunk side must hear of the metadata. */
export type ChunkObserver = Pick<
  Observer,
  'chunkCreated' | 'chunkRemoved' | 'chunkReferencesChanged' | 'chunkArchiveChanged'
>;

/**
 * The chunk side of the master without its sockets: events of chunkservers, calls of the client service and ticks come in, commands
 * and changelog entries go out. Synchronous throughout.
 */
export class ChunkMaster implements ChunkService, LoopContext, ReportContext {
  readonly world: ChunkWorld;
  readonly commands: Commands;
  readonly queues: PriorityQueues;
  readonly waiters = new WaitingRequests();
  readonly placement = { placedSinceReset: 0 };
  readonly log: Logger;
  readonly cluster: ChunkCluster;
  stats = emptyStats();
  deleteLimit: number;
  lastRebalance = 0;
  emptiestFirst: readonly ChunkServer[] = [];
  nearlyFull = false;
  private readonly loop: MaintenanceLoop;
  private readonly files: FileTest;
  private readonly sweep: VanishedSweep;
  private readonly knowledge: Knowledge;
  private readonly arrivals: Arrivals;
  private readonly interrupted: InterruptedChanges;
  readonly unanswered: UnansweredCommands;
  private lastSecond = 0;
  private lastFileTestMs = 0;
  private presentSpace: SpaceInfo;
  private ignoredReports = 0;
  private readonly retries = new Set<ChunkSlot>();
  /** Chunks with fewer copies than they should have, as there are too few servers; a new one is for them first. */
  private readonly awaiting = new Set<ChunkSlot>();
  private serversCame = false;

  /** The metadata must be loaded. */
  constructor(options: ChunkMasterOptions) {
    const { state, host, clock, random, settings } = options;
    this.log = options.log;
    this.cluster = options.cluster ?? noCluster;
    const metadata = metadataView(state);
    const database = new ServerDatabase(metadata.servers, (entry) => host.commit(entry), clock.unixSeconds());
    const world = new ChunkWorld({ metadata, database, settings, topology: flatTopology, clock, random, host });
    this.world = world;
    this.knowledge = new Knowledge(world);
    this.unanswered = new UnansweredCommands(world);
    this.commands = new Commands(world);
    this.queues = new PriorityQueues(world);
    this.deleteLimit = settings.softDeleteLimit;
    this.loop = new MaintenanceLoop(this);
    this.files = new FileTest(this);
    this.sweep = new VanishedSweep(this);
    this.arrivals = new Arrivals(this);
    this.interrupted = new InterruptedChanges(this, state.begunChanges);
    for (let slot = 1; slot < world.table.slotLimit; slot++) if (world.table.id(slot) !== 0) world.recount(slot);
    this.presentSpace = spaceInfo(world);
  }

  /** To be called for every change of the metadata. */
  readonly observer: ChunkObserver = {
    chunkCreated: (slot) => this.world.recount(slot),
    chunkRemoved: (slot) => this.world.forget(slot),
    chunkReferencesChanged: (slot) => this.offerChanged(slot),
    chunkArchiveChanged: (slot) => this.offerChanged(slot),
  };

  private offerChanged(slot: ChunkSlot): void {
    this.world.recount(slot);
    this.queues.offer(slot);
  }

  // --- time --------------------------------------------------------------------------------------------------------

  /** Every 20 ms. */
  tick(): void {
    const { world } = this;
    const nowMs = world.clock.monotonicMs();
    const now = world.now();
    if (now !== this.lastSecond) this.second(now, nowMs);
    if (this.sweep.active) this.sweep.work(nowMs + sweepBudgetMs);
    if (this.arrivals.active) this.arrivals.work(nowMs + arrivalBudgetMs);
    this.interrupted.work();
    if (this.serversCame) this.offerAwaiting();
    if (nowMs - this.lastFileTestMs >= fileTestPeriodMs) {
      this.lastFileTestMs = nowMs;
      this.files.tick();
    }
    if (this.maintains()) this.loop.tick();
  }

  /** The loop would come by, in minutes. */
  private offerAwaiting(): void {
    let budget = awaitingPerTick;
    for (const slot of this.awaiting) {
      if (budget-- === 0) return;
      this.awaiting.delete(slot);
      this.queues.offer(slot);
    }
    this.serversCame = false;
  }

  private second(now: number, nowMs: number): void {
    const { world } = this;
    this.lastSecond = now;
    this.presentSpace = spaceInfo(world);
    this.waiters.expire(nowMs);
    // Locks that ran out wake nobody when it happens.
    for (const chunkId of this.waiters.chunks()) wakeWaiters(this, chunkId);
    for (const slot of this.retries) this.queues.offer(slot);
    this.retries.clear();
    world.database.endMaintenance(now);
    this.refreshMaintenance();
    for (const server of world.servers.all()) {
      if (server.loadState !== Load.unknown && server.loadState !== Load.graceful) continue;
      const grace = world.database.graceSeconds(server, now, world.settings) > 0;
      server.loadState = grace ? Load.graceful : Load.unknown;
    }
    if (now % unusedServersPeriodSeconds === unusedServersOffsetSeconds) {
      world.database.removeUnused(now, world.settings.daysToRemoveUnused);
    }
    if (this.ignoredReports > 0) {
      this.log.warn(`chunkservers reported ${this.ignoredReports} chunks with impossible ids`);
      this.ignoredReports = 0;
    }
  }

  private refreshMaintenance(): void {
    const { database, servers } = this.world;
    for (const server of servers.all()) {
      server.inMaintenance = database.entry(server.ip, server.port).maintenance !== Maintenance.off;
    }
  }

  /** Deletions and replications are allowed (spec 40 §11.1). */
  private maintains(): boolean {
    const { world } = this;
    if (this.countersInProgress() !== 0 || world.table.count === 0) return false;
    if (this.knowledge.secondsSinceStart() < world.settings.replicationsDelayInitSeconds) return false;
    return world.servers.usable().length > 0;
  }

  // --- what is known -----------------------------------------------------------------------------------------------

  stable(): boolean {
    return this.knowledge.stable();
  }

  changing(): boolean {
    return this.knowledge.changing();
  }

  countersInProgress(): number {
    return this.knowledge.inProgress(this.sweep.active);
  }

  allDataKnown(): boolean {
    return this.countersInProgress() === 0 && this.world.database.allConnected();
  }

  copiesWereFound(): void {
    this.knowledge.copiesWereFound();
  }

  copiesWereLost(): void {
    this.knowledge.copiesWereLost();
  }

  repairNow(slot: ChunkSlot): void {
    if (this.maintains()) visitChunk(this, slot, false);
  }

  retryLater(slot: ChunkSlot): void {
    if (this.retries.size < maxRetries) this.retries.add(slot);
  }

  awaitServers(slot: ChunkSlot): void {
    if (this.awaiting.size < maxAwaiting) this.awaiting.add(slot);
  }

  ignored(): void {
    this.ignoredReports++;
  }

  // --- chunkservers ------------------------------------------------------------------------------------------------

  /** A server's BEGIN was accepted by the database; undefined: too many servers. */
  addServer(server: Omit<NewServer, 'doubtful' | 'inMaintenance'>): ChunkServer | undefined {
    const entry = this.world.database.entry(server.ip, server.port);
    return this.world.servers.add({
      ...server,
      inMaintenance: entry.maintenance !== Maintenance.off,
      doubtful: this.unanswered.takeDoubtful(server),
    });
  }

  /**
   * END: the server has told all the chunks it knows. One that has just been started has not scanned its disks yet and tells them in
   * CHUNK_NEW a moment later; maintenance waits for these.
   */
  serverRegistered(server: ChunkServer): void {
    server.registered = true;
    this.serversCame = true;
    this.presentSpace = spaceInfo(this.world);
    this.copiesWereFound();
    if (!this.world.servers.registering()) this.world.host.chunkLocationsChanged();
  }

  /**
   * A server told its chunks while this node followed. Counts as registered when all of them are entered. `settled`: it does not
   * scan its disks any more.
   */
  adopt(server: ChunkServer, locations: LocationTable, damaged: Set<number>, settled: boolean): void {
    this.presentSpace = spaceInfo(this.world);
    this.knowledge.serverAdopted();
    if (!settled) this.copiesWereFound();
    this.arrivals.add(server, locations, damaged, () => {
      server.registered = true;
      this.serversCame = true;
      if (!this.world.servers.registering()) this.world.host.chunkLocationsChanged();
    });
  }

  /** Makes sure that everything known about a chunk is in the tables. */
  settle(chunkId: number): void {
    if (this.arrivals.active) this.arrivals.settle(chunkId);
  }

  /** The connection of a server has ended (spec 40 §2.4). */
  serverGone(server: ChunkServer): void {
    const { world } = this;
    this.arrivals.drop(server);
    const now = world.now();
    this.unanswered.note(server);
    world.servers.remove(server);
    this.commands.forget(server);
    this.files.pause();
    this.sweep.add(server.slot);
    world.database.disconnect(server, now);
    for (const slot of [...world.operations.keys()]) cleanUp(this, slot);
    for (const other of world.servers.all()) other.removal = Removal.unknown;
    world.host.chunkLocationsChanged();
  }

  // --- configuration -----------------------------------------------------------------------------------------------

  get settings(): ChunkSettings {
    return this.world.settings;
  }

  /** New configuration; takes effect at once. */
  reconfigure(settings: ChunkSettings): void {
    const before = this.world.settings;
    this.world.settings = settings;
    if (settings.priorityQueueLength !== before.priorityQueueLength) this.queues.clear();
    this.deleteLimit = Math.min(Math.max(this.deleteLimit, settings.softDeleteLimit), settings.hardDeleteLimit);
  }

  setTopology(topology: Topology): void {
    this.world.topology = topology;
  }

  // --- client service: reading and changing ------------------------------------------------------------------------

  locate(chunkId: number, clientAddress: number): LocateResult {
    this.settle(chunkId);
    return locate(this, chunkId, clientAddress);
  }

  locations(chunkId: number, clientAddress: number): LocateResult {
    this.settle(chunkId);
    return locations(this, chunkId, clientAddress);
  }

  startWrite(request: WriteStart): StartResult {
    this.settle(request.chunkId);
    return startWrite(this, request);
  }

  startTruncate(request: TruncateStart): StartResult {
    this.settle(request.chunkId);
    return startTruncate(this, request);
  }

  abandon(chunkId: number): void {
    const operation = this.world.operations.get(this.world.table.find(chunkId));
    if (operation !== undefined) operation.done = undefined;
  }

  unlock(chunkId: number, committed?: () => void): number {
    this.settle(chunkId);
    const slot = this.world.table.find(chunkId);
    if (slot === 0) return Status.NOCHUNK;
    this.world.host.commit({ op: 'UNLOCK', chunkid: chunkId });
    committed?.();
    unlocked(this, slot);
    return Status.OK;
  }

  rollBack(inode: number, index: number, previousChunkId: number, chunkId: number): void {
    this.settle(chunkId);
    const { host, table } = this.world;
    if (this.holds(inode, index, chunkId)) {
      const prevchunkid = table.find(previousChunkId) === 0 ? 0 : previousChunkId;
      host.commit({ op: 'ROLLBACK', inode, index, prevchunkid, chunkid: chunkId });
    } else if (table.find(chunkId) !== 0) {
      host.commit({ op: 'UNLOCK', chunkid: chunkId });
    }
    const slot = table.find(chunkId);
    if (slot !== 0) unlocked(this, slot);
  }

  /** The file may have been cut or removed while the operation went on. */
  private holds(inode: number, index: number, chunkId: number): boolean {
    const { files } = this.world.metadata;
    const node = files.find(inode);
    return node !== 0 && index < files.chunkCount(node) && files.chunkId(node, index) === chunkId;
  }

  repairVersion(chunkId: number): number {
    this.settle(chunkId);
    const { world } = this;
    const slot = world.table.find(chunkId);
    if (slot === 0) return 0;
    if (world.isLocked(slot)) return -1;
    world.dropVanished(slot);
    let best = 0;
    for (let copy = world.copies.first(slot); copy !== 0; copy = world.copies.next(copy)) {
      const state = world.copies.state(copy);
      if (isLive(state)) return -1;
      if (isStale(state)) best = Math.max(best, world.copies.version(copy));
    }
    if (best > 0) world.noteIssued(slot, world.table.version(slot));
    return best;
  }

  repaired(chunkId: number): void {
    this.settle(chunkId);
    const slot = this.world.table.find(chunkId);
    if (slot === 0) return;
    adoptVersion(this.world, slot, this.world.table.version(slot));
    this.queues.offer(slot);
  }

  park(chunkId: number, status: number, waiter: Waiter): void {
    this.waiters.park(chunkId, status, waiter, this.world.clock.monotonicMs());
  }

  dropWaiters(owner: object): void {
    this.waiters.drop(owner);
  }

  // --- client service: looking -------------------------------------------------------------------------------------

  liveCopies(chunkId: number): number {
    return this.countCopies(chunkId, isLive);
  }

  copyCount(chunkId: number): number {
    return this.countCopies(chunkId, (state) => state !== Copy.deleting);
  }

  private countCopies(chunkId: number, counts: (state: number) => boolean): number {
    this.settle(chunkId);
    const { world } = this;
    const slot = world.table.find(chunkId);
    if (slot === 0) return 0;
    let count = 0;
    for (let copy = world.copies.first(slot); copy !== 0; copy = world.copies.next(copy)) {
      if (world.serverOf(copy) !== undefined && counts(world.copies.state(copy))) count++;
    }
    return count;
  }

  copies(chunkId: number): readonly CopyState[] {
    this.settle(chunkId);
    return shownCopies(this.world, chunkId);
  }

  space(): SpaceInfo {
    return this.presentSpace;
  }

  serversMayReturn(): boolean {
    return !this.stable() && !this.world.database.allConnected();
  }

  figures(): ChunkFigures {
    const { world } = this;
    return {
      queued: this.queues.lengths(),
      waitingRequests: this.waiters.count,
      operations: world.operations.size,
      copies: world.copies.count,
      memoryBytes: world.copies.byteLength + world.marks.byteLength,
      deleteLimit: this.deleteLimit,
    };
  }

  totals() {
    return this.world.status.totals();
  }

  matrix(which: 0 | 1): Uint32Array {
    return this.world.status.matrix(which, this.world.goalOf);
  }

  serverList(): readonly ServerRow[] {
    return serverRows(this.world);
  }

  serverCommand(command: number, ip: number, port: number): number {
    const { database, settings } = this.world;
    const server = { ip, port };
    const status = ((): number => {
      if (command === ServerCommand.remove) return database.remove(server);
      if (command === ServerCommand.backToWork) return database.backToWork(server);
      if (command === ServerCommand.maintenanceOn) return database.maintenanceOn(server, this.world.now(), settings);
      if (command === ServerCommand.maintenanceOff) return database.maintenanceOff(server);
      return Status.EINVAL;
    })();
    this.refreshMaintenance();
    return status;
  }

  usableServers(): number {
    return this.world.servers.usable().length;
  }

  classInfo(classId: number): ClassInfo {
    return classInfo(this.world, classId);
  }

  chunkTest(): readonly number[] {
    return this.loop.report();
  }

  fileTest(): FileTestInfo {
    return this.files.report();
  }

  missingChunks(): readonly MissingChunk[] {
    return this.files.missing();
  }

  get counters() {
    return this.world.counters;
  }
}
