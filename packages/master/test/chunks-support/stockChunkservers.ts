import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createState, initializeNewFilesystem, silentObserver } from '@alces/metadata';
import {
  CLTOCS_READ,
  CLTOCS_WRITE,
  CLTOCS_WRITE_DATA,
  CLTOCS_WRITE_FINISH,
  CSTOCL_READ_STATUS,
  CSTOCL_WRITE_STATUS,
  crc32,
  FrameReader,
  Status,
} from '@alces/proto';
import { createLogger, realEnvironment } from '@alces/runtime';
import { enterNamespace } from '../../../../packages/client/test/support/enterNamespace.ts';
import { checkRequirements, Namespace } from '../../../../test/support/namespace.ts';
import { until } from '../../../../test/support/until.ts';
import { ChunkServerService } from '../../src/chunks/service.ts';
import type { ChunkSettings } from '../../src/chunks/settings.ts';
import { FileOperations, type Outcome } from './fileOperations.ts';
import { quickSettings } from './simulatedCluster.ts';

const net = '10.96.0';
const masterHost = `${net}.1`;

export function serverHost(index: number): string {
  return `${net}.${11 + index}`;
}

/** `10.96.0.11` as a number. */
export function serverIp(index: number): number {
  return ((10 << 24) | (96 << 16) | (11 + index)) >>> 0;
}

/** A stock chunkserver with one folder. */
class StockChunkserver {
  readonly host: string;
  readonly disk: string;
  private readonly folder: string;
  private readonly namespace: Namespace;

  constructor(namespace: Namespace, root: string, index: number) {
    this.namespace = namespace;
    this.host = serverHost(index);
    this.folder = join(root, `cs${index}`);
    this.disk = join(root, `disk${index}`);
    mkdirSync(this.folder);
    mkdirSync(this.disk);
    this.mark(false);
    const lines = {
      WORKING_USER: 'root',
      WORKING_GROUP: 'root',
      NICE_LEVEL: '0',
      DATA_PATH: this.folder,
      HDD_CONF_FILENAME: join(this.folder, 'mfshdd.cfg'),
      HDD_LEAVE_SPACE_DEFAULT: '256MiB',
      MASTER_HOST: masterHost,
      MASTER_RECONNECTION_DELAY: '1',
      BIND_HOST: this.host,
      CSSERV_LISTEN_HOST: this.host,
    };
    const text = Object.entries(lines).map(([key, value]) => `${key} = ${value}\n`);
    writeFileSync(this.configFile, text.join(''));
  }

  private get configFile(): string {
    return join(this.folder, 'mfschunkserver.cfg');
  }

  /** Marks the folder for removal, or no longer; `reload` tells the server. */
  mark(marked: boolean): void {
    writeFileSync(join(this.folder, 'mfshdd.cfg'), `${marked ? '*' : ''}${this.disk}\n`);
  }

  async act(action: 'start' | 'stop' | 'reload'): Promise<void> {
    await this.namespace.must('/usr/sbin/mfschunkserver', '-c', this.configFile, action);
  }

  async kill(): Promise<void> {
    const pid = Number(readFileSync(join(this.folder, '.mfschunkserver.lock'), 'utf8'));
    process.kill(pid, 'SIGKILL');
    await until('the chunkserver to die', 10_000, () => !this.namespace.pids().includes(pid));
  }

  /** Versions of the chunks whose files are in the folder. */
  chunks(): Map<number, number> {
    const found = new Map<number, number>();
    for (const name of readdirSync(this.disk, { recursive: true, encoding: 'utf8' })) {
      const match = /chunk_([0-9A-F]{16})_([0-9A-F]{8})\.mfs$/.exec(name);
      if (match) found.set(Number.parseInt(match[1], 16), Number.parseInt(match[2], 16));
    }
    return found;
  }

  /** The first bytes of a chunk's data. */
  data(chunkId: number, length: number): string {
    const pattern = `chunk_${chunkId.toString(16).toUpperCase().padStart(16, '0')}_`;
    const names = readdirSync(this.disk, { recursive: true, encoding: 'utf8' });
    const file = join(this.disk, names.find((name) => name.includes(pattern))!);
    return readFileSync(file).toString('latin1', chunkHeaderBytes, chunkHeaderBytes + length);
  }

  /** Destroys the data of a chunk, below the chunkserver. */
  spoil(chunkId: number): void {
    const pattern = `chunk_${chunkId.toString(16).toUpperCase().padStart(16, '0')}_`;
    const names = readdirSync(this.disk, { recursive: true, encoding: 'utf8' });
    const file = join(this.disk, names.find((name) => name.includes(pattern))!);
    const bytes = readFileSync(file);
    bytes.write('spoilt', chunkHeaderBytes, 'latin1');
    writeFileSync(file, bytes);
  }
}

const chunkHeaderBytes = 8192;

/** Stock chunkservers around our chunk side, which runs in this process in the network namespace of the servers. */
export class StockCluster extends FileOperations {
  readonly state = createState();
  readonly servers: StockChunkserver[] = [];
  private readonly folder: string;
  private readonly namespace: Namespace;
  private readonly leave: () => void;
  private readonly environment = realEnvironment();
  private service: ChunkServerService;
  private readonly settings: ChunkSettings;

  private constructor(count: number, settings: Partial<ChunkSettings>) {
    super();
    checkRequirements();
    this.settings = quickSettings(settings);
    this.folder = mkdtempSync(join(tmpdir(), 'alces-chunks-'));
    const hosts = Array.from({ length: count }, (_, index) => serverHost(index));
    this.namespace = new Namespace([masterHost, ...hosts]);
    this.leave = enterNamespace(this.namespace.name);
    initializeNewFilesystem(this.state, this.now);
    this.state.metaid = 0x0102030405060708n;
    for (let index = 0; index < count; index++) {
      this.servers.push(new StockChunkserver(this.namespace, this.folder, index));
    }
    this.service = this.makeService();
  }

  /** Servers are registered and offer space, and the first seconds of the master are over. */
  static async start(count: number, settings: Partial<ChunkSettings> = {}): Promise<StockCluster> {
    const cluster = new StockCluster(count, settings);
    try {
      await cluster.service.listen({ host: masterHost, port: 9420 });
      for (const server of cluster.servers) await server.act('start');
      await cluster.settled(count);
      return cluster;
    } catch (error) {
      await cluster.destroy();
      throw error;
    }
  }

  /** A new master on the same metadata. */
  async restartMaster(): Promise<void> {
    await this.service.close();
    this.service = this.makeService();
    await this.service.listen({ host: masterHost, port: 9420 });
  }

  /** That many servers are connected and usable, and nothing is being registered or dropped. */
  settled(count: number): Promise<true> {
    return until(`${count} usable servers`, 60_000, () => {
      const { master } = this;
      if (master.usableServers() !== count || master.countersInProgress() !== 0) return false;
      return master.stable() && (true as const);
    });
  }

  get master() {
    return this.service.master;
  }

  get now(): number {
    return this.environment.clock.unixSeconds();
  }

  /** Writes text at the beginning of the file's first chunk; returns the chunk. */
  async write(inode: number, text: string): Promise<number> {
    const outcome = this.grant(inode);
    await until('a write grant', 20_000, () => outcome.status !== undefined);
    if (outcome.status !== Status.OK) throw new Error(`write grant: status ${outcome.status}`);
    await sendThroughChain(outcome, Buffer.from(text, 'latin1'));
    this.master.unlock(outcome.chunkId);
    return outcome.chunkId;
  }

  /** Indexes of the servers that have the chunk in its present version in their folders. */
  holders(chunkId: number): number[] {
    const version = this.versionOf(chunkId);
    return this.servers.flatMap((server, index) => (server.chunks().get(chunkId) === version ? [index] : []));
  }

  /** Never throws: a failing test must show its own error. */
  async destroy(): Promise<void> {
    await this.service.close();
    this.leave();
    await this.namespace.destroy();
    if (existsSync(this.folder)) rmSync(this.folder, { recursive: true, force: true, maxRetries: 5 });
  }

  private makeService(): ChunkServerService {
    const { clock, random, net: realNet } = this.environment;
    const service = new ChunkServerService({
      state: this.state,
      host: {
        commit: (entry) => this.commit(entry),
        afterCommit: (run) => run(),
        flush: () => {},
        chunkLocationsChanged: () => {},
        metaId: () => this.state.metaid,
        configText: () => '',
      },
      clock,
      random,
      net: realNet,
      log: createLogger({ name: 'test', target: { file: '/dev/null' } }),
      settings: this.settings,
    });
    this.state.observer = { ...silentObserver, ...service.master.observer };
    return service;
  }
}

/** One block through the chain of servers, as a mount writes it. */
function sendThroughChain(outcome: Outcome, data: Buffer): Promise<void> {
  const { chunkId, version } = outcome;
  const [head, ...rest] = outcome.servers;
  const chain = rest.map(({ ip, port }) => ({ ip, port }));
  const host = [24, 16, 8, 0].map((shift) => (head.ip >>> shift) & 255).join('.');
  return new Promise((resolve, reject) => {
    const socket = connect(head.port, host);
    const reader = new FrameReader(100_000);
    socket.once('error', reject);
    socket.once('close', () => reject(new Error('a chunkserver closed the write')));
    socket.on('data', (bytes: Buffer) => {
      reader.push(bytes);
      for (const { type, payload } of reader) {
        if (type !== CSTOCL_WRITE_STATUS.number) continue;
        const { writeId, status } = CSTOCL_WRITE_STATUS.decode(payload);
        if (status !== Status.OK) reject(new Error(`write status ${status}`));
        if (writeId === 0) {
          const block = { chunkId, writeId: 1, block: 0, offset: 0, size: data.length, crc: crc32(data), data };
          socket.write(CLTOCS_WRITE_DATA.encode(block));
        } else {
          resolve();
          socket.end(CLTOCS_WRITE_FINISH.encode({ chunkId, version }));
        }
      }
    });
    socket.write(CLTOCS_WRITE.encode({ layout: 'protocol1', protocolid: 1, chunkId, version, chain }));
  });
}

/** Reads some bytes of a chunk from one server, which must check their block for it, and returns the status at the end. */
export function readFrom(index: number, chunkId: number, version: number): Promise<number> {
  return new Promise((resolve, reject) => {
    const socket = connect(9422, serverHost(index));
    const reader = new FrameReader(100_000);
    socket.once('error', reject);
    socket.once('close', () => reject(new Error('the chunkserver closed the read')));
    socket.on('data', (bytes: Buffer) => {
      reader.push(bytes);
      for (const { type, payload } of reader) {
        if (type !== CSTOCL_READ_STATUS.number) continue;
        resolve(CSTOCL_READ_STATUS.decode(payload).status);
        socket.destroy();
      }
    });
    socket.write(CLTOCS_READ.encode({ protocolid: 1, chunkId, version, offset: 0, size: 100 }));
  });
}
