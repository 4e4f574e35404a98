import type { ChildProcess } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { type CommandResult, Namespace } from '../../../../test/support/namespace.ts';
import { until } from '../../../../test/support/until.ts';
import { ask } from '../../src/control/client.ts';
import type { ControlRequest, NodeReport } from '../../src/control/types.ts';

const BIN = join(import.meta.dirname, '..', '..', '..', '..', 'bin');
const SECRET = 'long enough for a test of nodes';

/** Runs a stock master on what is in a folder, which puts together what it finds there, and answers the names in its root. */
export async function restoredNames(site: TestNodes, folder: string): Promise<string[]> {
  const copy = mkdtempSync(join(site.folder, 'stock-'));
  cpSync(folder, copy, { recursive: true });
  writeFileSync(join(copy, 'exports'), '* / rw,alldirs,maproot=0:0\n');
  const files = `DATA_PATH = ${copy}\nEXPORTS_FILENAME = ${copy}/exports\nTOPOLOGY_FILENAME = ${copy}/topology\n`;
  const listen = ['MATOML', 'MATOCS', 'MATOCL'].map((key) => `${key}_LISTEN_HOST = ${OTHER_ADDRESS}\n`).join('');
  writeFileSync(join(copy, 'stock.cfg'), `WORKING_USER = root\nWORKING_GROUP = root\n${files}${listen}`);
  await site.namespace.must('/usr/sbin/mfsmaster', '-c', join(copy, 'stock.cfg'), '-a', 'start');
  const client = await site.clientOf([OTHER_ADDRESS]);
  const names = await client.names();
  client.end();
  await site.namespace.must('/usr/sbin/mfsmaster', '-c', join(copy, 'stock.cfg'), 'kill');
  return names;
}

/** Of programs that belong to no node. */
const OTHER_ADDRESS = '10.90.0.99';
/** What a VIP would be: programs of whoever leads listen there. */
export const SHARED_ADDRESS = '10.90.0.100';

type Daemon = 'mfsmaster' | 'mfsmetalogger';

/** Gone, or waiting for its parent to notice. */
function isDead(pid: number): boolean {
  try {
    return readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1].startsWith('Z');
  } catch {
    return true;
  }
}

/** A node of the journal with a folder and an address of its own. */
export class TestNode {
  readonly name: string;
  readonly address: string;
  readonly folder: string;
  readonly #namespace: Namespace;

  constructor(name: string, address: string, folder: string, namespace: Namespace) {
    this.name = name;
    this.address = address;
    this.folder = folder;
    this.#namespace = namespace;
  }

  file(...names: string[]): string {
    return join(this.folder, ...names);
  }

  /** Runs a daemon's program with its configuration. */
  program(daemon: Daemon, ...args: string[]): Promise<CommandResult> {
    return this.#namespace.run(join(BIN, daemon), ['-c', this.file(`${daemon}.cfg`), ...args], { timeoutMs: 60_000 });
  }

  async must(daemon: Daemon, ...args: string[]): Promise<string> {
    const { status, stdout, stderr } = await this.program(daemon, ...args);
    if (status !== 0) throw new Error(`${this.name}: ${daemon} ${args.join(' ')}: ${status}\n${stdout}${stderr}`);
    return stdout + stderr;
  }

  /** Gives an order. Rejects with the node's refusal. */
  async order(request: ControlRequest, timeoutMs = 20_000): Promise<Record<string, unknown>> {
    const answer = await ask(this.file('.mfsha.sock'), request, timeoutMs);
    if (!answer.ok) throw new Error(answer.error);
    return answer;
  }

  async status(): Promise<NodeReport> {
    return (await this.order({ command: 'status' }, 3000)).node as NodeReport;
  }

  /** Waits until the node says something of itself. */
  until(what: string, probe: (status: NodeReport) => boolean, timeoutMs = 15_000): Promise<NodeReport> {
    return until(`${this.name}: ${what}`, timeoutMs, async () => {
      const status = await this.status().catch(() => undefined);
      return status !== undefined && probe(status) ? status : undefined;
    });
  }

  async history(): Promise<string[]> {
    const { events } = (await this.order({ command: 'history', count: 100 })) as { events?: { what: string }[] };
    return (events ?? []).map(({ what }) => what);
  }

  get pid(): number {
    return Number(readFileSync(this.file('.mfsha.lock'), 'utf8'));
  }

  async signal(signal: NodeJS.Signals): Promise<void> {
    const { pid } = this;
    process.kill(pid, signal);
    if (signal === 'SIGKILL') await until(`${this.name} to die`, 5000, () => isDead(pid));
  }

  /** Names in the folder of the journal. */
  journalFiles(): string[] {
    return readdirSync(this.file('ha'));
  }

  log(): string {
    return existsSync(this.file('log')) ? readFileSync(this.file('log'), 'utf8').slice(-3000) : '';
  }
}

/** A client of the tests. */
export class TestClient {
  readonly #child: ChildProcess;
  readonly #waiting = new Map<number, (answer: { result?: unknown; error?: string }) => void>();
  #id = 1;

  constructor(child: ChildProcess) {
    this.#child = child;
    if (child.stdout === null) throw new Error('no output');
    createInterface({ input: child.stdout }).on('line', (line) => {
      const answer: { id: number; result?: unknown; error?: string } = JSON.parse(line);
      this.#waiting.get(answer.id)?.(answer);
      this.#waiting.delete(answer.id);
    });
  }

  ready(): Promise<unknown> {
    return this.#answer(0);
  }

  #answer(id: number): Promise<unknown> {
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, ({ result, error }) => (error === undefined ? resolve(result) : reject(new Error(error))));
    });
  }

  call(call: string, ...args: string[]): Promise<unknown> {
    const id = this.#id++;
    const answer = this.#answer(id);
    this.#child.stdin?.write(`${JSON.stringify({ id, call, args })}\n`);
    return answer;
  }

  /** Names in the root folder. */
  async names(): Promise<string[]> {
    return ((await this.call('readdir')) as string[]).filter((name) => name !== '.' && name !== '..').sort();
  }

  /** Makes folders one after the other until `stop` is called, which resolves with the names of those that were acknowledged. */
  makeFolders(prefix: string): { stop(): Promise<string[]> } {
    const made: string[] = [];
    let stopped = false;
    const running = (async () => {
      while (!stopped) {
        const name = `${prefix}${made.length}`;
        await this.call('mkdir', name);
        made.push(name);
      }
    })();
    // Whoever stops it hears of the error.
    running.catch(() => {});
    return {
      async stop() {
        stopped = true;
        await running;
        return made;
      },
    };
  }

  end(): void {
    this.#child.stdin?.end();
  }
}

/** Nodes of one journal in a network namespace, and clients. */
export class TestNodes {
  readonly folder = mkdtempSync(join(tmpdir(), 'han-'));
  readonly namespace: Namespace;
  readonly nodes: TestNode[];
  readonly #names: readonly string[];
  readonly #more: string;
  readonly #shared: string | undefined;

  /**
   * `names`: `watch/witness` is a witness. `more`: lines for each mfsha.cfg. `shared`: the address at which whoever leads listens, as stock
   * programs meet it behind a VIP. `others`: more addresses.
   */
  constructor(names: readonly string[], more = '', shared?: string, others: readonly string[] = []) {
    this.#names = names;
    this.#more = more;
    this.#shared = shared;
    const addresses = names.map((_, index) => `10.90.0.${index + 1}`);
    this.namespace = new Namespace([...addresses, OTHER_ADDRESS, SHARED_ADDRESS, ...others]);
    this.nodes = names.map((name, index) => {
      const id = name.replace('/witness', '');
      return new TestNode(id, addresses[index], join(this.folder, id), this.namespace);
    });
    for (const node of this.nodes) this.#write(node);
  }

  #write(node: TestNode): void {
    const { folder, address, name } = node;
    mkdirSync(folder, { recursive: true });
    const nodes = this.#names.map((text, index) => `${text.replace('/', `=10.90.0.${index + 1}/`)}`);
    const list = nodes.map((text, index) => (text.includes('=') ? text : `${text}=10.90.0.${index + 1}`)).join(', ');
    const common = `WORKING_USER = root\nWORKING_GROUP = root\nNICE_LEVEL = 0\nDISABLE_OOM_KILLER = 0\nDATA_PATH = ${folder}\nLOG_FILE = ${folder}/log\n`;
    const listen = ['MATOML', 'MATOCS', 'MATOCL']
      .map((key) => `${key}_LISTEN_HOST = ${this.#shared ?? address}\n`)
      .join('');
    const write = (file: string, text: string, mode = 0o644) => writeFileSync(node.file(file), text, { mode });
    write('secret', SECRET, 0o600);
    write('mfsexports.cfg', '* / rw,alldirs,admin,maproot=0:0\n* . rw\n');
    write('mfstopology.cfg', '');
    write('mfsha.cfg', `NODES = ${list}\nNODE = ${name}\nSECRET_FILE = secret\n${this.#more}`);
    write(
      'mfsmaster.cfg',
      `${common}${listen}EXPORTS_FILENAME = ${folder}/mfsexports.cfg\nTOPOLOGY_FILENAME = ${folder}/mfstopology.cfg\n`,
    );
    write('mfsmetalogger.cfg', common);
  }

  /** Puts the empty image of a new file system there, as the stock package has it. */
  putEmptyImage(node: TestNode): void {
    writeFileSync(node.file('metadata.mfs'), 'MFSM NEW');
  }

  async startAll(daemon: Daemon = 'mfsmetalogger'): Promise<void> {
    await Promise.all(this.nodes.map((node) => node.must(daemon, 'start')));
  }

  /** A new file system, led by the first node. */
  async begin(): Promise<void> {
    this.putEmptyImage(this.nodes[0]);
    await this.startAll();
    await this.nodes[0].order({ command: 'promote' });
  }

  /** A client that knows all nodes that can lead, or only some. */
  client(nodes: readonly TestNode[] = this.nodes): Promise<TestClient> {
    return this.clientOf(nodes.map((node) => node.address));
  }

  async clientOf(masters: readonly string[]): Promise<TestClient> {
    const child = this.namespace.spawn(
      process.execPath,
      ['--disable-warning=ExperimentalWarning', join(import.meta.dirname, 'clientProgram.ts'), masters.join(',')],
      { stdio: ['pipe', 'pipe', 'inherit'] },
    );
    const client = new TestClient(child);
    await client.ready();
    return client;
  }

  logs(): string {
    return this.nodes.map((node) => `--- ${node.name}\n${node.log()}`).join('\n');
  }

  async destroy(): Promise<void> {
    for (const pid of this.namespace.pids()) process.kill(pid, 'SIGKILL');
    await this.namespace.destroy();
    rmSync(this.folder, { recursive: true, force: true });
  }
}
