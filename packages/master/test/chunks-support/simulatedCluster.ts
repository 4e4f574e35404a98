import { createState, initializeNewFilesystem, type State, silentObserver } from '@alces/metadata';
import { Status } from '@alces/proto';
import { createLogger, parseConfig, type Random } from '@alces/runtime';
import type { ChunkCluster, ChunkMaster } from '../../src/chunks/chunkMaster.ts';
import { ChunkServerService } from '../../src/chunks/service.ts';
import { type ChunkSettings, chunkSettings } from '../../src/chunks/settings.ts';
import { FileOperations, type Outcome } from './fileOperations.ts';
import { SeededRandom, SimulatedClock } from './simulatedClock.ts';
import { SimulatedNet } from './simulatedNet.ts';
import { type ServerOptions, SimulatedServer } from './simulatedServer.ts';

/** Settings of a cluster whose loop is fast. */
export function quickSettings(changes: Partial<ChunkSettings> = {}): ChunkSettings {
  const settings = chunkSettings(parseConfig('', 'test.cfg'), () => {});
  return { ...settings, replicationsDelayInitSeconds: 1, loopMinSeconds: 2, ...changes };
}

/** A master's chunk side with real metadata, simulated chunkservers, clock and network. */
export class SimulatedCluster extends FileOperations {
  readonly clock = new SimulatedClock();
  readonly random: SeededRandom;
  readonly net: SimulatedNet;
  readonly state: State;
  readonly service: ChunkServerService;
  readonly servers: SimulatedServer[] = [];
  /** Number of INVALIDATE_CHUNK_CACHE. */
  invalidations = 0;
  /** When set, commands to chunkservers wait in here for the journal. */
  heldBack: (() => void)[] | undefined;

  constructor(
    seed = 1,
    settings: ChunkSettings = quickSettings(),
    parts: { state?: State; random?: Random; cluster?: ChunkCluster } = {},
  ) {
    super();
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
      cluster: parts.cluster,
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
