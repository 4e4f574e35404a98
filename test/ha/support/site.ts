import { execFileSync } from 'node:child_process';
import {
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ask } from '../../../packages/ha/src/control/client.ts';
import type { ControlRequest, NodeReport } from '../../../packages/ha/src/control/types.ts';
import { type Kind, program } from '../../support/cluster.ts';
import { checkRequirements } from '../../support/namespace.ts';
import { until } from '../../support/until.ts';
import { Bridge, type Host } from './bridge.ts';

const BIN = join(import.meta.dirname, '..', '..', '..', 'bin');
const NETWORK = '10.91.0';
const SECRET = 'not so secret, but long enough';

export interface SiteOptions {
  /** Names of the nodes of the journal; `watch/witness` is a witness. */
  nodes: readonly string[];
  chunkservers: readonly Kind[];
  /** More lines for each mfsha.cfg. */
  haConfig?: string;
  /** More lines for mfsmaster.cfg. */
  masterConfig?: string;
  /** keepalived decides who leads (needs `mfsha keepalived-config`); otherwise the nodes do by themselves, or the test. */
  keepalived: boolean;
  /** Options of `mfsha keepalived-config`. */
  keepalivedOptions?: readonly string[];
  /** Changes a node's keepalived.conf before it is used. */
  editKeepalived?: (text: string, node: SiteNode) => string;
  /** Each node's host runs a chunkserver, in place of a host for all of them. */
  chunkserversOnNodes?: boolean;
  /** The configuration files and the empty image are made, nothing is started. */
  startNothing?: boolean;
}

/** One host with a node of the journal, and keepalived beside it. */
export class SiteNode {
  readonly name: string;
  readonly host: Host;
  readonly data: string;

  constructor(name: string, host: Host, data: string) {
    this.name = name;
    this.host = host;
    this.data = data;
    mkdirSync(data, { recursive: true });
  }

  file(name: string): string {
    return join(this.data, name);
  }

  /** Runs `mfsha` on this host. */
  mfsha(...args: string[]) {
    return this.host.run(join(BIN, 'mfsha'), ['-c', this.file('mfsha.cfg'), ...args], 120_000);
  }

  /** Runs a daemon's program with an action. */
  async daemon(name: 'mfsmaster' | 'mfsmetalogger', ...args: string[]): Promise<void> {
    await this.host.must(join(BIN, name), '-c', this.file(`${name}.cfg`), ...args);
  }

  async order(request: ControlRequest, timeoutMs = 30_000): Promise<Record<string, unknown>> {
    const answer = await ask(this.file('.mfsha.sock'), request, timeoutMs);
    if (!answer.ok) throw new Error(`${this.name}: ${answer.error}`);
    return answer;
  }

  /** What the node says about itself; undefined when it does not run, or not answer. */
  async status(): Promise<NodeReport | undefined> {
    try {
      return (await this.order({ command: 'status' }, 300)).node as NodeReport;
    } catch {
      return undefined;
    }
  }

  /** The process of the node, undefined when there is none. */
  pid(): number | undefined {
    try {
      const pid = Number(readFileSync(this.file('.mfsha.lock'), 'utf8'));
      return pid > 0 && existsSync(`/proc/${pid}`) ? pid : undefined;
    } catch {
      return undefined;
    }
  }

  /** Whether keepalived may give the VIP to this host, or has. */
  keepalivedIsReady(): boolean {
    const states = readFileSync(this.file('keepalived.log'), 'utf8').match(/Entering (MASTER|BACKUP|FAULT) STATE/g);
    return states?.at(-1)?.includes('FAULT') === false;
  }

  log(): string {
    return lastMessages(this.name, this.file('log'), NODE_LINES);
  }
}

const NODE_LINES = 60;
const CHUNKSERVER_LINES = 8;

/** The newest messages of a daemon's log, a line each: when, and what. */
function lastMessages(name: string, path: string, count: number): string {
  if (!existsSync(path)) return `--- ${name}: no log`;
  const lines = readFileSync(path, 'utf8').trimEnd().split('\n').slice(-count);
  const shown = lines.map((line) => {
    const { time, msg }: { time?: string; msg?: string } = line.startsWith('{') ? JSON.parse(line) : { msg: line };
    return `${time === undefined ? '' : time.slice(11, 23)} ${msg}`;
  });
  return `--- ${name}\n${shown.join('\n')}`;
}

/** A whole site on one machine: hosts on a bridge with nodes of the journal, chunkservers and clients, and a VIP. */
export class Site {
  readonly folder = mkdtempSync(join(tmpdir(), 'haf-'));
  readonly bridge = new Bridge();
  readonly vip = `${NETWORK}.100`;
  readonly nodes: SiteNode[];
  readonly client: Host;
  readonly #storage: Host;
  readonly #options: SiteOptions;
  readonly #mounts: string[] = [];

  private constructor(options: SiteOptions) {
    this.#options = options;
    this.nodes = options.nodes.map((text, index) => {
      const name = text.split('/')[0];
      return new SiteNode(name, this.bridge.host(name, `${NETWORK}.${index + 1}`), join(this.folder, name));
    });
    this.client = this.bridge.host('client', `${NETWORK}.50`);
    this.#storage = this.bridge.host('storage', `${NETWORK}.20`);
  }

  /** Starts nodes, keepalived and chunkservers, and waits until one node serves with all chunkservers. */
  static async start(options: SiteOptions): Promise<Site> {
    checkRequirements();
    const site = new Site(options);
    try {
      for (const index of site.nodes.keys()) site.#writeConfigs(index);
      if (options.startNothing) return site;
      await Promise.all(site.nodes.map((node) => node.daemon('mfsmetalogger', 'start')));
      // A new journal begins where an operator says; from then on it is keepalived's decision, or the nodes'.
      await site.nodes[0].order({ command: 'promote', waitMs: 20_000 });
      if (options.keepalived) for (const node of site.nodes) if (site.canLead(node)) await site.startKeepalived(node);
      await site.leader();
      await site.startChunkservers();
      return site;
    } catch (error) {
      const logs = site.logs();
      await site.destroy();
      throw new Error(`the site did not start: ${error instanceof Error ? error.message : error}\n${logs}`);
    }
  }

  canLead(node: SiteNode): boolean {
    return !this.#options.nodes.includes(`${node.name}/witness`);
  }

  get #usesVip(): boolean {
    const { keepalived, haConfig } = this.#options;
    return keepalived || haConfig?.includes('MANAGE_VIP = 1') === true;
  }

  /** What all daemons said last, for a failing test. */
  logs(): string {
    const chunkservers = this.#options.chunkservers.map((_, index) =>
      lastMessages(`chunkserver${index}`, join(this.folder, `chunkserver${index}`, 'log'), CHUNKSERVER_LINES),
    );
    return [...this.nodes.map((node) => node.log()), ...chunkservers].join('\n');
  }

  #common(data: string): string {
    return `WORKING_USER = root\nWORKING_GROUP = root\nNICE_LEVEL = 0\nDISABLE_OOM_KILLER = 0\nDATA_PATH = ${data}\nLOG_FILE = ${data}/log\n`;
  }

  #writeConfigs(index: number): void {
    const node = this.nodes[index];
    const { data } = node;
    const nodes = this.#options.nodes.map((text, place) => {
      const [name, witness] = text.split('/');
      return `${name}=${NETWORK}.${place + 1}${witness === undefined ? '' : '/witness'}`;
    });
    const write = (name: string, text: string, mode = 0o644) => writeFileSync(node.file(name), text, { mode });
    write('secret', SECRET, 0o600);
    write('mfsexports.cfg', '* / rw,alldirs,admin,maproot=0:0\n* . rw\n');
    write('mfstopology.cfg', '');
    write(
      'mfsha.cfg',
      `NODES = ${nodes.join(', ')}\nNODE = ${node.name}\nSECRET_FILE = secret\nDATA_PATH = ${data}\nMASTER_CONFIG = ${node.file('mfsmaster.cfg')}\nVIP = ${this.vip}/24\nVIP_INTERFACE = eth0\n${this.#options.haConfig ?? ''}`,
    );
    write(
      'mfsmaster.cfg',
      `${this.#common(data)}EXPORTS_FILENAME = ${data}/mfsexports.cfg\nTOPOLOGY_FILENAME = ${data}/mfstopology.cfg\nREPLICATIONS_DELAY_INIT = 1\n${this.#options.masterConfig ?? ''}`,
    );
    write('mfsmetalogger.cfg', `${this.#common(data)}MASTER_HOST = ${this.vip}\nMASTER_RECONNECTION_DELAY = 1\n`);
    if (index === 0) write('metadata.mfs', 'MFSM NEW');
  }

  async startKeepalived(node: SiteNode): Promise<void> {
    const made = await node.mfsha('keepalived-config', ...(this.#options.keepalivedOptions ?? []));
    if (made.status !== 0) throw new Error(`mfsha keepalived-config: ${made.stderr}`);
    const edit = this.#options.editKeepalived ?? ((text: string) => text);
    writeFileSync(node.file('keepalived.conf'), edit(made.stdout, node));
    const args = ['-n', '-l', '-D', '-G', '-f', 'keepalived.conf', '-p', 'keepalived.pid', '-r', 'vrrp.pid'];
    const log = openSync(node.file('keepalived.log'), 'a');
    const child = node.host.spawn('keepalived', args, { cwd: node.data, stdio: ['ignore', log, log] });
    child.unref();
    closeSync(log);
  }

  /** Starts those that do not run, and waits until the leader has all of them. */
  async startChunkservers(): Promise<void> {
    const { chunkservers } = this.#options;
    await Promise.all(chunkservers.map((_, index) => this.startChunkserver(index)));
    await until('all chunkservers', 40_000, async () => (await this.connectedChunkservers()) === chunkservers.length);
  }

  /** Starts a chunkserver; nothing, if it runs. */
  async startChunkserver(index: number): Promise<void> {
    const onNode = this.#options.chunkserversOnNodes === true;
    const host = onNode ? this.nodes[index].host : this.#storage;
    const address = onNode ? host.address : `${NETWORK}.${21 + index}`;
    const data = join(this.folder, `chunkserver${index}`);
    const disk = join(data, 'disk');
    if (!existsSync(disk)) {
      mkdirSync(disk, { recursive: true });
      if (!onNode) host.addAddress(address);
    }
    writeFileSync(join(data, 'mfshdd.cfg'), `${disk}\n`);
    const config = this.chunkserverConfig(index);
    writeFileSync(
      config,
      `${this.#common(data)}MASTER_HOST = ${this.vip}\nMASTER_RECONNECTION_DELAY = 1\nBIND_HOST = ${address}\nCSSERV_LISTEN_HOST = ${address}\nHDD_CONF_FILENAME = ${data}/mfshdd.cfg\nHDD_LEAVE_SPACE_DEFAULT = 256MiB\n`,
    );
    await host.must(program(this.#options.chunkservers[index], 'mfschunkserver'), '-c', config, 'start');
  }

  chunkserverConfig(index: number): string {
    return join(this.folder, `chunkserver${index}`, 'mfschunkserver.cfg');
  }

  /** How many chunkservers the node with the VIP has, with space. */
  async connectedChunkservers(): Promise<number> {
    const text = (await this.client.run('mfscli', ['-H', this.vip, '-s', '|', '-SCS'])).stdout;
    const rows = text.split('\n').map((line) => line.split('|'));
    return rows.filter((row) => row[0] === 'chunk servers:' && /^\d/.test(row[5] ?? '') && Number(row[10]) > 0).length;
  }

  /** Waits until exactly one node serves, with the VIP, and answers it. */
  leader(timeoutMs = 30_000): Promise<SiteNode> {
    return until('a node that serves', timeoutMs, async () => {
      const statuses = await Promise.all(this.nodes.map((node) => node.status()));
      const serving = this.nodes.filter((_, index) => statuses[index]?.serving === true);
      const isReached = serving[0]?.host.has(this.vip) || !this.#usesVip;
      return serving.length === 1 && isReached ? serving[0] : undefined;
    });
  }

  /** Waits until each node could take over: keepalived on every host says so. */
  keepalivedReady(): Promise<true> {
    return until('keepalived on all hosts', 20_000, () =>
      this.nodes.every((node) => !this.canLead(node) || node.keepalivedIsReady()),
    );
  }

  /** Mounts on the client host and answers the mount point. */
  mount(kind: Kind): Promise<string> {
    return this.mountOn(this.client, kind, this.vip);
  }

  /** Mounts on any host, from any master. */
  async mountOn(host: Host, kind: Kind, master: string): Promise<string> {
    const point = join(this.folder, `mnt${this.#mounts.length}`);
    mkdirSync(point);
    this.#mounts.push(point);
    await host.must(program(kind, 'mfsmount'), point, '-H', master);
    await until('the mount to answer', 20_000, () => statSync(point).ino === 1);
    return point;
  }

  /** Unmounts, ends everything, removes the data. Never throws: a failing test must show its own error. */
  async destroy(): Promise<void> {
    for (const point of this.#mounts) {
      try {
        execFileSync('umount', ['-l', point], { stdio: 'ignore' });
      } catch {
        // Not mounted any more.
      }
    }
    await this.bridge.destroy();
    rmSync(this.folder, { recursive: true, force: true, maxRetries: 5 });
  }
}
