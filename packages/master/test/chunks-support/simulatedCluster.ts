import {
  apply,
  createState,
  initializeNewFilesystem,
  type Operation,
  type State,
  silentObserver,
  TYPE_FILE,
} from '@alces/metadata';
import { Status } from '@alces/proto';
import { createLogger, parseConfig, type Random } from '@alces/runtime';
import type { ChunkLocation } from '../../src/chunks/api.ts';
import type { ChunkMaster } from '../../src/chunks/chunkMaster.ts';
import { ChunkServerService } from '../../src/chunks/service.ts';
import { type ChunkSettings, chunkSettings } from '../../src/chunks/settings.ts';
import { SeededRandom, SimulatedClock } from './simulatedClock.ts';
import { SimulatedNet } from './simulatedNet.ts';
import { type ServerOptions, SimulatedServer } from './simulatedServer.ts';

export const clientAddress = 0x0a000201;

/** Settings of a cluster whose loop is fast. */
export function quickSettings(changes: Partial<ChunkSettings> = {}): ChunkSettings {
  const settings = chunkSettings(parseConfig('', 'test.cfg'), () => {});
  return { ...settings, replicationsDelayInitSeconds: 1, loopMinSeconds: 2, ...changes };
}

/** A chunk operation as a client sees it. */
export interface Outcome {
  /** Undefined while it waits. */
  status: number | undefined;
  chunkId: number;
  version: number;
  servers: readonly ChunkLocation[];
}

/** A master's chunk side with real metadata, simulated chunkservers, clock and network. */
export class SimulatedCluster {
  readonly clock = new SimulatedClock();
  readonly random: SeededRandom;
  readonly net: SimulatedNet;
  readonly state: State;
  readonly service: ChunkServerService;
  readonly servers: SimulatedServer[] = [];
  /** Entries as committed, for the tests to look at. */
  readonly log: Operation[] = [];
  /** Number of INVALIDATE_CHUNK_CACHE. */
  invalidations = 0;
  /** When set, commands to chunkservers wait in here for the journal. */
  heldBack: (() => void)[] | undefined;
  private nextName = 1;

  constructor(seed = 1, settings: ChunkSettings = quickSettings(), parts: { state?: State; random?: Random } = {}) {
    this.random = new SeededRandom(seed);
    this.net = new SimulatedNet(this.clock);
    this.state = parts.state ?? createState();
    if (parts.state === undefined) initializeNewFilesystem(this.state, this.clock.unixSeconds());
    this.service = new ChunkServerService({
      state: this.state,
      host: {
        commit: (entry) => this.commit(entry),
        afterCommit: (run) => {
          if (this.heldBack === undefined) run();
          else this.heldBack.push(run);
        },
        flush: () => {},
        chunkLocationsChanged: () => {
          this.invalidations++;
        },
        metaId: () => this.state.metaid || 0x1122334455667788n,
        configText: (name) => (name === 'DATA_PATH' ? '/var/lib/mfs' : ''),
      },
      clock: this.clock,
      random: parts.random ?? new SeededRandom(seed + 1),
      log: createLogger({ name: 'test', target: { file: '/dev/null' } }),
      settings,
      net: this.net,
    });
    this.state.observer = { ...silentObserver, ...this.master.observer };
    void this.service.listen({ host: '*', port: 9420 });
  }

  get master(): ChunkMaster {
    return this.service.master;
  }

  get now(): number {
    return this.clock.unixSeconds();
  }

  commit(entry: Operation): void {
    const status = apply(this.state, this.now, entry, 'live');
    if (status !== Status.OK) throw new Error(`${JSON.stringify(entry)}: status ${status}`);
    this.log.push(entry);
  }

  /** Moves the clock on. */
  run(seconds: number): void {
    this.clock.advance(seconds * 1000);
  }

  /** Runs until something is so; fails after `seconds`. */
  runUntil(what: string, condition: () => boolean, seconds = 300): void {
    for (let tick = 0; tick < seconds * 50; tick++) {
      if (condition()) return;
      this.clock.advance(20);
    }
    throw new Error(`not reached in ${seconds} s: ${what}`);
  }

  addServer(options: ServerOptions): SimulatedServer {
    const ip = 0x0a00010a + this.servers.length;
    const server = new SimulatedServer(options, ip, this.clock, this.random, this.net, () => this.servers);
    this.servers.push(server);
    server.connect();
    return server;
  }

  /** Servers that are registered, with the first seconds of the master over. */
  start(count: number, options: Partial<ServerOptions> = {}): void {
    for (let index = 0; index < count; index++) this.addServer({ name: `cs${index}`, ...options });
    this.run(15);
  }

  /** Makes an empty file and returns its inode. */
  createFile(storageClass = 2): number {
    const name = Buffer.from(`file${this.nextName++}`);
    const entry = { op: 'CREATE' as const, parent: 1, name, type: TYPE_FILE, mode: 0o644, cumask: 0 };
    const operation = { ...entry, uid: 0, gid: 0, rdev: 0, inode: 0 };
    this.commit(operation);
    if (storageClass !== 2) this.setClass(operation.inode, 2, storageClass);
    return operation.inode;
  }

  setClass(inode: number, from: number, to: number): void {
    const results = { changed: 0, unchanged: 0, denied: 0 };
    this.commit({ op: 'SETSCLASS', inode, uid: 0, srcClass: from, dstClass: to, smode: 0, ...results });
  }

  setGoal(inode: number, goal: number): void {
    this.setClass(inode, 1, goal);
  }

  /** Removes a file at once, without trash. */
  removeFile(inode: number): void {
    const row = this.state.nodes.find(inode);
    const edge = this.state.nodes.firstEdge.get(row);
    const name = Buffer.from(this.state.edges.name(edge));
    const results = { changed: 0, unchanged: 0, denied: 0 };
    this.commit({ op: 'SETTRASHTIME', inode, uid: 0, seconds: 0, smode: 0, ...results });
    this.commit({ op: 'UNLINK', parent: 1, name, inode: 0 });
  }

  chunkOf(inode: number, index = 0): number {
    const row = this.state.nodes.find(inode);
    return index < this.state.nodes.slots.get(row) ? this.state.nodes.chunkAt(row, index) : 0;
  }

  versionOf(chunkId: number): number {
    return this.state.chunks.version.get(this.state.chunks.find(chunkId));
  }

  /** WRITE_CHUNK as the client service does it. */
  grant(inode: number, index = 0, flags: { continueOperation?: boolean } = {}): Outcome {
    const outcome: Outcome = { status: undefined, chunkId: 0, version: 0, servers: [] };
    const attempt = (): number => {
      const previous = this.chunkOf(inode, index);
      const result = this.master.startWrite({
        chunkId: previous,
        storageClass: this.state.nodes.sclass.get(this.state.nodes.find(inode)),
        clientAddress,
        continueOperation: flags.continueOperation ?? false,
        commit: (opflag, chunkid) => this.commit({ op: 'WRITE', inode, index, opflag, chtime: 0, chunkid }),
        done: (status) => {
          if (status !== Status.OK) this.master.rollBack(inode, index, previous, outcome.chunkId);
          this.finish(outcome, status);
        },
      });
      if (result.kind === 'wait') return result.status;
      if (result.kind === 'refused') outcome.status = result.status;
      else outcome.chunkId = result.chunkId;
      if (result.kind === 'ready') this.finish(outcome, Status.OK);
      return 0;
    };
    this.attempt(this.chunkOf(inode, index), outcome, attempt);
    return outcome;
  }

  /** TRUNCATE that cuts into a chunk. */
  truncate(inode: number, index: number, chunkLengthBytes: number): Outcome {
    const outcome: Outcome = { status: undefined, chunkId: 0, version: 0, servers: [] };
    const attempt = (): number => {
      const previous = this.chunkOf(inode, index);
      const result = this.master.startTruncate({
        chunkId: previous,
        chunkLengthBytes,
        commit: (chunkid) => this.commit({ op: 'TRUNC', inode, index, chunkid }),
        done: (status) => {
          if (status === Status.OK) this.master.unlock(outcome.chunkId);
          else this.master.rollBack(inode, index, previous, outcome.chunkId);
          this.finish(outcome, status);
        },
      });
      if (result.kind === 'wait') return result.status;
      if (result.kind === 'refused') outcome.status = result.status;
      else if (result.kind === 'pending') outcome.chunkId = result.chunkId;
      return 0;
    };
    this.attempt(this.chunkOf(inode, index), outcome, attempt);
    return outcome;
  }

  /** READ_CHUNK, parked if it must wait. */
  read(chunkId: number): Outcome {
    const outcome: Outcome = { status: undefined, chunkId, version: 0, servers: [] };
    this.attempt(chunkId, outcome, () => {
      const located = this.master.locate(chunkId, clientAddress);
      if (located.status === Status.LOCKED || located.status === Status.CHUNKBUSY) return located.status;
      Object.assign(outcome, located);
      return 0;
    });
    return outcome;
  }

  private attempt(chunkId: number, outcome: Outcome, run: () => number): void {
    const status = run();
    if (status === 0) return;
    this.master.park(chunkId, status, {
      owner: outcome,
      run,
      expire: (late) => {
        outcome.status = late;
      },
    });
  }

  private finish(outcome: Outcome, status: number): void {
    outcome.status = status;
    if (status !== Status.OK) return;
    const located = this.master.locations(outcome.chunkId, clientAddress);
    outcome.version = located.version;
    outcome.servers = located.servers;
  }

  /** A whole write of new content; returns the chunk. Fails the test when it does not go through. */
  write(inode: number, content: number, index = 0): number {
    const outcome = this.grant(inode, index);
    this.runUntil('write grant', () => outcome.status !== undefined);
    if (outcome.status !== Status.OK) throw new Error(`write grant: status ${outcome.status}`);
    if (!this.store(outcome, content)) throw new Error('a server refused the data');
    this.master.unlock(outcome.chunkId);
    return outcome.chunkId;
  }

  /** Sends data along the chain; false when a server on the way does not have the chunk in this version. */
  store(outcome: Outcome, content: number): boolean {
    if (outcome.servers.length === 0) return false;
    for (const { ip } of outcome.servers) {
      const server = this.servers.find((candidate) => candidate.ip === ip)!;
      const copy = server.disk.get(outcome.chunkId);
      if (!server.isConnected || copy?.version !== outcome.version) return false;
      copy.content = content;
    }
    return true;
  }

  /** Servers that have a copy of the chunk's present version on their disks. */
  holders(chunkId: number): SimulatedServer[] {
    const version = this.versionOf(chunkId);
    return this.servers.filter((server) => server.disk.get(chunkId)?.version === version);
  }
}
