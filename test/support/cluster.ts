import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type CommandResult, checkRequirements, Namespace } from './namespace.ts';
import { until } from './until.ts';

export type Kind = 'stock' | 'alces';

const BIN = join(import.meta.dirname, '..', '..', 'bin');
const STOCK = {
  mfsmaster: '/usr/sbin/mfsmaster',
  mfschunkserver: '/usr/sbin/mfschunkserver',
  mfsmetalogger: '/usr/sbin/mfsmetalogger',
  mfsmount: '/usr/bin/mfsmount',
};
const NET = '10.90.0';

/** Path of a daemon or of the mount program, ours or Debian's. */
export function program(kind: Kind, name: keyof typeof STOCK): string {
  return kind === 'stock' ? STOCK[name] : join(BIN, name);
}

export interface ClusterOptions {
  master: Kind;
  chunkservers: Kind[];
  /** More lines for mfsmaster.cfg. */
  masterConfig?: string;
  exports?: string;
  /** Lines for each mfschunkserver.cfg. */
  chunkserverConfig?: string;
}

/** A cluster of real daemons, ours and stock ones mixed at will, in a network namespace and a temporary folder of its own. */
export class Cluster {
  readonly folder: string;
  readonly namespace: Namespace;
  readonly masterHost = `${NET}.1`;
  #masterKind: Kind;
  readonly #chunkserverKinds: Kind[];
  readonly #options: ClusterOptions;
  readonly #mounts: string[] = [];

  constructor(options: ClusterOptions) {
    checkRequirements();
    this.#options = options;
    this.#masterKind = options.master;
    this.#chunkserverKinds = [...options.chunkservers];
    this.folder = mkdtempSync(join(tmpdir(), 'alces-cluster-'));
    const servers = options.chunkservers.map((_, index) => this.chunkserverHost(index));
    this.namespace = new Namespace([this.masterHost, `${NET}.5`, ...servers]);
  }

  /** Starts everything and waits until all chunkservers are registered. */
  static async start(options: ClusterOptions): Promise<Cluster> {
    const cluster = new Cluster(options);
    try {
      cluster.#writeMasterConfig();
      await cluster.startMaster();
      for (const index of options.chunkservers.keys()) await cluster.startChunkserver(index);
      await cluster.chunkserversConnected(options.chunkservers.length);
      return cluster;
    } catch (error) {
      const log = cluster.masterLog();
      await cluster.destroy();
      throw new Error(`cluster did not start: ${error instanceof Error ? error.message : error}\n${log}`);
    }
  }

  chunkserverHost(index: number): string {
    return `${NET}.${11 + index}`;
  }

  get masterData(): string {
    return join(this.folder, 'master');
  }

  /** The folder in which a chunkserver keeps its chunks. */
  chunkData(index: number): string {
    return join(this.folder, `disk${index}`);
  }

  get #masterConfigFile(): string {
    return join(this.masterData, 'mfsmaster.cfg');
  }

  #common(path: string): string {
    return `WORKING_USER = root\nWORKING_GROUP = root\nNICE_LEVEL = 0\nDISABLE_OOM_KILLER = 0\nDATA_PATH = ${path}\nLOG_FILE = ${path}/log\n`;
  }

  #writeMasterConfig(): void {
    const data = this.masterData;
    mkdirSync(data, { recursive: true });
    writeFileSync(join(data, 'metadata.mfs'), 'MFSM NEW');
    this.writeExports(this.#options.exports ?? '* / rw,alldirs,admin,maproot=0:0\n* . rw\n');
    writeFileSync(join(data, 'mfstopology.cfg'), '');
    const listen = ['MATOML', 'MATOCS', 'MATOCL'].map((key) => `${key}_LISTEN_HOST = ${this.masterHost}\n`).join('');
    writeFileSync(
      this.#masterConfigFile,
      `${this.#common(data)}EXPORTS_FILENAME = ${data}/mfsexports.cfg\nTOPOLOGY_FILENAME = ${data}/mfstopology.cfg\nREPLICATIONS_DELAY_INIT = 1\n${listen}${this.#options.masterConfig ?? ''}`,
    );
  }

  writeExports(text: string): void {
    writeFileSync(join(this.masterData, 'mfsexports.cfg'), text);
  }

  /** Runs the master program with an action and options (`start`, `-a start`, `stop`, `reload` ...). */
  master(...args: string[]): Promise<CommandResult> {
    return this.namespace.run(program(this.#masterKind, 'mfsmaster'), ['-c', this.#masterConfigFile, ...args], {
      timeoutMs: 120_000,
    });
  }

  async startMaster(...args: string[]): Promise<void> {
    const result = await this.master(...args, 'start');
    if (result.status !== 0)
      throw new Error(`master did not start (${result.status}):\n${result.stdout}${result.stderr}`);
  }

  async stopMaster(): Promise<void> {
    const result = await this.master('stop');
    if (result.status !== 0) throw new Error(`master did not stop (${result.status}):\n${result.stderr}`);
  }

  /** From now on the master on this data is ours or the stock one. The running one must be stopped first. */
  switchMaster(kind: Kind): void {
    this.#masterKind = kind;
  }

  masterPid(): number {
    return Number(readFileSync(join(this.masterData, '.mfsmaster.lock'), 'utf8'));
  }

  masterLog(): string {
    try {
      return readFileSync(join(this.masterData, 'log'), 'utf8').slice(-4000);
    } catch {
      return '';
    }
  }

  async killMaster(): Promise<void> {
    const pid = this.masterPid();
    process.kill(pid, 'SIGKILL');
    await until('the master to die', 10_000, () => !this.namespace.pids().includes(pid));
  }

  #chunkserverFolder(index: number): string {
    return join(this.folder, `chunkserver${index}`);
  }

  async startChunkserver(index: number): Promise<void> {
    const folder = this.#chunkserverFolder(index);
    mkdirSync(folder, { recursive: true });
    mkdirSync(this.chunkData(index), { recursive: true });
    writeFileSync(join(folder, 'mfshdd.cfg'), `${this.chunkData(index)}\n`);
    const host = this.chunkserverHost(index);
    const config = join(folder, 'mfschunkserver.cfg');
    writeFileSync(
      config,
      `${this.#common(folder)}MASTER_HOST = ${this.masterHost}\nBIND_HOST = ${host}\nCSSERV_LISTEN_HOST = ${host}\nHDD_CONF_FILENAME = ${folder}/mfshdd.cfg\nHDD_LEAVE_SPACE_DEFAULT = 256MiB\nMASTER_RECONNECTION_DELAY = 1\n${this.#options.chunkserverConfig ?? ''}`,
    );
    const result = await this.namespace.run(program(this.#chunkserverKinds[index] ?? 'alces', 'mfschunkserver'), [
      '-c',
      config,
      'start',
    ]);
    if (result.status !== 0)
      throw new Error(`chunkserver ${index} did not start (${result.status}):\n${result.stdout}${result.stderr}`);
  }

  async stopChunkserver(index: number): Promise<void> {
    const config = join(this.#chunkserverFolder(index), 'mfschunkserver.cfg');
    const result = await this.namespace.run(program(this.#chunkserverKinds[index] ?? 'alces', 'mfschunkserver'), [
      '-c',
      config,
      'stop',
    ]);
    if (result.status !== 0) throw new Error(`chunkserver ${index} did not stop (${result.status}):\n${result.stderr}`);
  }

  async killChunkserver(index: number): Promise<void> {
    const pid = Number(readFileSync(join(this.#chunkserverFolder(index), '.mfschunkserver.lock'), 'utf8'));
    process.kill(pid, 'SIGKILL');
    await until('the chunkserver to die', 10_000, () => !this.namespace.pids().includes(pid));
  }

  /** The folder in which a metalogger keeps its files. */
  get metaloggerData(): string {
    return join(this.folder, 'metalogger');
  }

  /** Starts our or the stock metalogger; `config` are more lines for mfsmetalogger.cfg. */
  async startMetalogger(kind: Kind, config = ''): Promise<void> {
    const data = this.metaloggerData;
    mkdirSync(data, { recursive: true });
    writeFileSync(
      join(data, 'mfsmetalogger.cfg'),
      `${this.#common(data)}MASTER_HOST = ${this.masterHost}\nMASTER_RECONNECTION_DELAY = 1\n${config}`,
    );
    await this.metalogger(kind, 'start');
  }

  /** Runs the metalogger program with an action (`stop`, `restart`, `reload` ...). */
  async metalogger(kind: Kind, action: string): Promise<void> {
    const config = join(this.metaloggerData, 'mfsmetalogger.cfg');
    const result = await this.namespace.run(program(kind, 'mfsmetalogger'), ['-c', config, action]);
    if (result.status !== 0)
      throw new Error(`metalogger: ${action} failed (${result.status}):\n${result.stdout}${result.stderr}`);
  }

  /** Output of the stock monitoring client, one section. */
  async mfscli(...args: string[]): Promise<string> {
    return (await this.namespace.run('mfscli', ['-H', this.masterHost, '-s', '|', ...args])).stdout;
  }

  /** How many chunkservers are connected and offer space. */
  async #usableChunkservers(): Promise<number> {
    const rows = (await this.mfscli('-SCS')).split('\n').map((line) => line.split('|'));
    return rows.filter((row) => row[0] === 'chunk servers:' && /^\d/.test(row[5] ?? '') && Number(row[10]) > 0).length;
  }

  /** Waits until exactly that many chunkservers are connected and offer space. */
  chunkserversConnected(count: number): Promise<true> {
    return until(
      `${count} chunkservers to be connected`,
      40_000,
      async () => (await this.#usableChunkservers()) === count,
    );
  }

  /** Waits until every chunk has exactly the copies that its goal demands. */
  replicationSettled(timeoutMs = 120_000): Promise<true> {
    return until(
      'replication to settle',
      timeoutMs,
      async () => chunksAreStable(await this.mfscli('-SIC')) && (true as const),
    );
  }

  /** Mounts with our or the stock mfsmount and returns the mount point. */
  async mount(kind: Kind, ...options: string[]): Promise<string> {
    const point = join(this.folder, `mnt${this.#mounts.length}`);
    mkdirSync(point);
    this.#mounts.push(point);
    const result = await this.tryMount(kind, point, ...options);
    if (result.status !== 0)
      throw new Error(`mfsmount (${kind}) failed (${result.status}):\n${result.stdout}${result.stderr}`);
    await until('the mount to answer', 20_000, () => statSync(point).ino === 1 && (true as const));
    return point;
  }

  /** Runs our or the stock mfsmount on a folder, whatever comes of it. */
  tryMount(kind: Kind, point: string, ...options: string[]): Promise<CommandResult> {
    return this.namespace.run(program(kind, 'mfsmount'), [point, '-H', this.masterHost, ...options]);
  }

  unmount(point: string): void {
    execFileSync('umount', [point]);
    this.#mounts[this.#mounts.indexOf(point)] = '';
  }

  /** Ends a mount and whatever waits for an answer through it. */
  abortMount(point: string): void {
    execFileSync('umount', ['-f', '-l', point]);
    this.#mounts[this.#mounts.indexOf(point)] = '';
  }

  /** Unmounts, ends everything, removes the data. Never throws: a failing test must show its own error. */
  async destroy(): Promise<void> {
    for (const point of this.#mounts.filter(Boolean)) {
      try {
        execFileSync('umount', ['-l', point], { stdio: 'ignore' });
      } catch {
        // Not mounted any more.
      }
    }
    await this.namespace.destroy();
    rmSync(this.folder, { recursive: true, force: true, maxRetries: 5 });
  }
}

/** Whether mfscli's chunk classes (`-SIC`) show only stable chunks. */
export function chunksAreStable(text: string): boolean {
  const counts = new Map<string, number>();
  for (const line of text.split('\n')) {
    const [table, key, value] = line.split('|').map((field) => field.trim());
    if (table === 'all chunks matrix:' && key?.startsWith('chunkclass '))
      counts.set(key.slice('chunkclass '.length).replace(':', ''), Number(value));
  }
  if (!counts.has('stable')) return false;
  for (const [name, count] of counts) if (name !== 'stable' && count > 0) return false;
  return true;
}
