import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { appendFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { promisify } from 'node:util';
import { temporaryFolder } from './server.ts';
import { until } from './wait.ts';

const run = promisify(execFile);
const NET = '10.93.7';
const MAIN = resolve(import.meta.dirname, '../../src/main.ts');

export type ServerKind = 'ours' | 'stock';

/** A chunkserver of the cluster, number 1, 2, ... at 10.93.7.11, 12, ... */
export interface ClusterServer {
  readonly number: number;
  readonly address: string;
  readonly disk: string;
  readonly dataPath: string;
  kind: ServerKind;
  /** Ends it with this signal and waits until it is gone. */
  stop(signal?: 'SIGTERM' | 'SIGKILL'): Promise<void>;
  /** Starts it again, perhaps as the other kind, and waits until the master has it. */
  start(kind?: ServerKind): Promise<void>;
  /** What our server logged. */
  log(): string;
}

/** A copy of a chunk as `mfsfileinfo` shows it. */
export interface ChunkCopy {
  chunk: number;
  chunkId: number;
  version: number;
  address: string;
  status: string;
}

export interface Cluster {
  readonly mount: string;
  readonly servers: readonly ClusterServer[];
  /** Runs a program in the cluster's network; answers its output. */
  tool(program: string, ...args: string[]): Promise<string>;
  copies(file: string): Promise<ChunkCopy[]>;
  stop(): Promise<void>;
}

const isAlive = (pid: number) => existsSync(`/proc/${pid}`) && !/^State:\s+Z/m.test(statusOf(pid));

function statusOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/status`, 'latin1');
  } catch {
    return '';
  }
}

function commonConfig(dataPath: string): string {
  return `WORKING_USER = root\nWORKING_GROUP = root\nNICE_LEVEL = 0\nDATA_PATH = ${dataPath}\n`;
}

class Server implements ClusterServer {
  readonly number: number;
  readonly address: string;
  readonly disk: string;
  readonly dataPath: string;
  kind: ServerKind;
  readonly #cluster: StockCluster;
  #child: ChildProcess | undefined;

  constructor(cluster: StockCluster, number: number, kind: ServerKind) {
    this.#cluster = cluster;
    this.number = number;
    this.kind = kind;
    this.address = `${NET}.1${number}`;
    this.disk = `${cluster.path}/d${number}`;
    this.dataPath = `${cluster.path}/c${number}`;
    mkdirSync(this.disk);
    mkdirSync(this.dataPath);
    writeFileSync(`${this.dataPath}/mfshdd.cfg`, `${this.disk}\n`);
    writeFileSync(
      this.#config,
      `${commonConfig(this.dataPath)}MASTER_HOST = ${NET}.1\nBIND_HOST = ${this.address}\nCSSERV_LISTEN_HOST = ${this.address}\n` +
        `HDD_CONF_FILENAME = ${this.dataPath}/mfshdd.cfg\nMASTER_RECONNECTION_DELAY = 1\nHDD_LEAVE_SPACE_DEFAULT = 64MiB\n`,
    );
  }

  get #config(): string {
    return `${this.dataPath}/mfschunkserver.cfg`;
  }

  get #pid(): number {
    return Number.parseInt(readFileSync(`${this.dataPath}/.mfschunkserver.lock`, 'latin1'), 10);
  }

  log(): string {
    return readFileSync(`${this.dataPath}/log`, 'utf8');
  }

  async start(kind: ServerKind = this.kind): Promise<void> {
    this.kind = kind;
    if (kind === 'stock') await this.#cluster.tool('mfschunkserver', '-c', this.#config, 'start');
    else this.#startOurs();
    await until(`chunkserver ${this.number} registered`, async () =>
      (await this.#cluster.connected()).includes(this.address),
    );
  }

  async stop(signal: 'SIGTERM' | 'SIGKILL' = 'SIGTERM'): Promise<void> {
    const pid = this.#child?.pid ?? this.#pid;
    process.kill(pid, signal);
    await until(`chunkserver ${this.number} ended`, () => !isAlive(pid));
    this.#child = undefined;
    await until('disconnect noticed', async () => !(await this.#cluster.connected()).includes(this.address));
  }

  #startOurs(): void {
    const child = this.#cluster.spawn(
      process.execPath,
      '--disable-warning=ExperimentalWarning',
      MAIN,
      '-f',
      '-c',
      this.#config,
    );
    const note = (bytes: Buffer) => appendFileSync(`${this.dataPath}/log`, bytes);
    child.stdout?.on('data', note);
    child.stderr?.on('data', note);
    this.#child = child;
  }
}

class StockCluster implements Cluster {
  readonly path: string;
  readonly mount: string;
  servers: Server[] = [];
  readonly #namespace: string;
  readonly #remove: () => Promise<void>;

  constructor(path: string, remove: () => Promise<void>) {
    this.path = path;
    this.mount = `${path}/mnt`;
    this.#remove = remove;
    this.#namespace = `cs-test-${process.pid}`;
  }

  async start(kinds: readonly ServerKind[]): Promise<void> {
    await run('ip', ['netns', 'add', this.#namespace]);
    await run('ip', ['-n', this.#namespace, 'link', 'set', 'lo', 'up']);
    for (const host of [1, ...kinds.map((_, index) => 11 + index)])
      await run('ip', ['-n', this.#namespace, 'addr', 'add', `${NET}.${host}/32`, 'dev', 'lo']);
    await this.#startMaster();
    this.servers = kinds.map((kind, index) => new Server(this, index + 1, kind));
    for (const server of this.servers) await server.start();
    mkdirSync(this.mount);
    await this.tool('mfsmount', this.mount, '-H', `${NET}.1`, '-o', 'mfscachemode=DIRECT');
  }

  async tool(program: string, ...args: string[]): Promise<string> {
    const { stdout } = await run('nsenter', [`--net=/run/netns/${this.#namespace}`, program, ...args]);
    return stdout;
  }

  spawn(program: string, ...args: string[]): ChildProcess {
    return spawn('nsenter', [`--net=/run/netns/${this.#namespace}`, program, ...args], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
  }

  /** Addresses of the chunkservers that the master has at the moment. */
  async connected(): Promise<string[]> {
    const lines = (await this.tool('mfscli', '-H', `${NET}.1`, '-SCS', '-ns;')).split('\n');
    return lines
      .map((line) => line.split(';'))
      .filter((fields) => fields[0] === 'chunk servers:' && fields[5] === '3.0.117' && fields[9] !== '0')
      .map((fields) => fields[1]);
  }

  async copies(file: string): Promise<ChunkCopy[]> {
    const found: ChunkCopy[] = [];
    let chunk = { chunk: -1, chunkId: 0, version: 0 };
    for (const line of (await this.tool('mfsfileinfo', `${this.mount}/${file}`)).split('\n')) {
      const head = /chunk (\d+): \w+ \/ \(id:(\d+) ver:(\d+)\)/.exec(line);
      if (head) chunk = { chunk: Number(head[1]), chunkId: Number(head[2]), version: Number(head[3]) };
      const copy = /copy \d+: ([\d.]+):\d+ \(status:([A-Z ]+)\)/.exec(line);
      if (copy) found.push({ ...chunk, address: copy[1], status: copy[2] });
    }
    return found;
  }

  async stop(): Promise<void> {
    await run('umount', ['-l', this.mount]).catch(() => {});
    const pids = async () => {
      const { stdout } = await run('ip', ['netns', 'pids', this.#namespace]);
      return stdout
        .split('\n')
        .filter((line) => line !== '')
        .map(Number);
    };
    for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
      for (const pid of await pids()) process.kill(pid, signal);
      await until('cluster ended', async () => (await pids()).length === 0, 10_000).catch(() => {});
    }
    await run('ip', ['netns', 'del', this.#namespace]);
    await this.#remove();
  }

  async #startMaster(): Promise<void> {
    const data = `${this.path}/m`;
    mkdirSync(data);
    writeFileSync(`${data}/metadata.mfs`, 'MFSM NEW');
    writeFileSync(`${data}/mfsexports.cfg`, '* / rw,alldirs,admin,maproot=0:0\n* . rw\n');
    writeFileSync(`${data}/mfstopology.cfg`, '');
    const listen = ['MATOML', 'MATOCS', 'MATOCL'].map((link) => `${link}_LISTEN_HOST = ${NET}.1\n`).join('');
    writeFileSync(
      `${data}/mfsmaster.cfg`,
      `${commonConfig(data)}EXPORTS_FILENAME = ${data}/mfsexports.cfg\nTOPOLOGY_FILENAME = ${data}/mfstopology.cfg\n` +
        `${listen}REPLICATIONS_DELAY_INIT = 0\nCS_TEMP_MAINTENANCE_MODE_TIMEOUT = 1\n` +
        'CHUNKS_LOOP_MIN_TIME = 60\n',
    );
    await this.tool('mfsmaster', '-c', `${data}/mfsmaster.cfg`, 'start');
  }
}

/** A stock master with a mount, and chunkservers of both kinds, in a network of their own. Needs root. */
export async function startCluster(kinds: readonly ServerKind[]): Promise<Cluster> {
  const { path, remove } = await temporaryFolder();
  const cluster = new StockCluster(path, remove);
  try {
    await cluster.start(kinds);
  } catch (error) {
    await cluster.stop();
    throw error;
  }
  return cluster;
}
