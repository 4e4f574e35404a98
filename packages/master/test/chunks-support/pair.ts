import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createLogger, parseConfig, realEnvironment } from '@alces/runtime';
import { until } from '../../../../test/support/until.ts';
import { type Chunkserver, startChunkserver } from '../../../chunkserver/src/chunkserver.ts';
import { tcpStreams } from '../../../chunkserver/src/net/tcp.ts';
import { realFiles } from '../../../chunkserver/src/os/files.ts';
import {
  chunkSettings,
  createStandbyChunkservers,
  type RunningMaster,
  type StandbyChunkservers,
  startMaster,
} from '../../src/index.ts';

/** Addresses of this process alone, so that several tests may run at a time. */
const net = `127.${(process.pid >> 8) & 0x7f}.${process.pid & 0xff}`;
const PING_MS = 500;
const settings = chunkSettings(parseConfig('', 'mfsmaster.cfg'), () => {});

/** A journal node as far as chunkservers see it: leading it is a master, following it takes note of them. */
export class Node {
  readonly host: string;
  readonly folder: string;
  readonly standby: StandbyChunkservers;
  standbyPort = 0;
  master: RunningMaster | undefined;

  constructor(root: string, number: number) {
    this.host = `${net}.${number}`;
    this.folder = join(root, `node${number}`);
    mkdirSync(this.folder);
    this.standby = createStandbyChunkservers({
      ...realEnvironment(),
      log: this.log,
      settings: () => settings,
      metaId: () => 0n,
      nextChunkId: () => 1,
    });
  }

  get log() {
    return createLogger({ name: 'test', target: { file: join(this.folder, 'log') } });
  }
}

/** Two nodes in this process, one of which leads; what the journal would do is done by copying the leader's files. */
export class Pair {
  readonly root = mkdtempSync(join(tmpdir(), 'wch-pair-'));
  readonly nodes: readonly [Node, Node];
  readonly servers: Chunkserver[] = [];
  leader = 0;
  epoch = 0;
  ports = { clients: 0, chunkservers: 0 };

  constructor() {
    this.nodes = [new Node(this.root, 1), new Node(this.root, 2)];
  }

  async start(servers: number, config = ''): Promise<void> {
    for (const node of this.nodes) {
      node.standbyPort = await node.standby.listen({ host: node.host, port: 0 });
      writeFileSync(join(node.folder, 'mfstopology.cfg'), '');
      writeFileSync(join(node.folder, 'mfsexports.cfg'), '* / rw,alldirs,admin,maproot=0:0\n');
    }
    writeFileSync(join(this.nodes[0].folder, 'metadata.mfs'), 'MFSM NEW');
    await this.lead(0, config);
    for (let number = 1; number <= servers; number++) this.servers.push(await this.startServer(number));
    await until('chunkservers registered', 10_000, () => this.servers.every((server) => server.isRegistered));
    await until(
      'chunkservers known to the follower',
      10_000,
      () => this.nodes[1 - this.leader].standby.figures.servers === servers,
    );
  }

  /** The node takes the lead with the files that are in its folder. */
  async lead(index: number, config = ''): Promise<void> {
    const node = this.nodes[index];
    const follower = this.nodes[1 - index];
    const standby = node.standby.takeOver();
    const ports = { MATOCL: this.ports.clients, MATOCS: this.ports.chunkservers, MATOML: 0 };
    const lines = Object.entries(ports).map(
      ([key, port]) => `${key}_LISTEN_HOST=${node.host}\n${key}_LISTEN_PORT=${port}\n`,
    );
    const files = `EXPORTS_FILENAME=${node.folder}/mfsexports.cfg\nTOPOLOGY_FILENAME=${node.folder}/mfstopology.cfg\n`;
    this.leader = index;
    node.master = await startMaster({
      environment: realEnvironment(),
      folder: node.folder,
      config: parseConfig(`${lines.join('')}${files}${config}`, join(node.folder, 'mfsmaster.cfg')),
      log: node.log,
      restore: true,
      cluster: {
        epoch: ++this.epoch,
        pingMs: PING_MS,
        followers: [{ host: follower.host, port: follower.standbyPort }],
      },
      standby,
    });
    this.ports = { clients: node.master.ports.clients, chunkservers: node.master.ports.chunkservers };
  }

  /** The leader dies; the other node leads with everything that was in its journal. */
  async failOver(config = ''): Promise<void> {
    const dead = this.nodes[this.leader];
    const next = 1 - this.leader;
    await dead.master!.kill();
    dead.master = undefined;
    cpSync(dead.folder, this.nodes[next].folder, {
      recursive: true,
      filter: (path) => !/(mfsexports|mfstopology|\/log$|\.lock)/.test(path),
    });
    await this.lead(next, config);
    dead.standby.resume();
  }

  get masters(): string[] {
    return this.nodes.map(({ host }) => `${host}:${this.ports.clients}`);
  }

  private startServer(number: number): Promise<Chunkserver> {
    const dataPath = join(this.root, `cs${number}`);
    mkdirSync(join(dataPath, 'd'), { recursive: true });
    const log = createLogger({ name: 'test', target: { file: join(dataPath, 'log') } });
    const address = `${net}.${10 + number}`;
    const config = parseConfig(
      [
        `MASTER_HOST = ${this.nodes.map(({ host }) => host).join(',')}`,
        `MASTER_PORT = ${this.ports.chunkservers}`,
        `BIND_HOST = ${address}`,
        `CSSERV_LISTEN_HOST = ${address}`,
        'HDD_TEST_SPEED = 0',
      ].join('\n'),
      'mfschunkserver.cfg',
    );
    return startChunkserver({
      ...realEnvironment(),
      config,
      rereadConfig: () => config,
      readHddConfig: () => ({ path: 'mfshdd.cfg', text: `${dataPath}/d\n` }),
      dataPath,
      streams: tcpStreams,
      files: realFiles,
      log: {
        info: (message) => log.info(message),
        warn: (message) => log.warn(message),
        error: (message) => log.error(message),
      },
      defer: setImmediate,
      say: (message) => log.info(message),
      usage: () => ({ userCpu: 0, systemCpu: 0, residentBytes: 1, virtualBytes: 2, zoneSeconds: 0 }),
      maxOpenFiles: 1000,
      foreignInstance: (reason) => log.error(reason),
    });
  }

  async destroy(): Promise<void> {
    await Promise.all(this.servers.map((server) => server.stop()));
    for (const { master, standby } of this.nodes) {
      await master?.kill();
      await standby.close();
    }
    rmSync(this.root, { recursive: true });
  }
}
