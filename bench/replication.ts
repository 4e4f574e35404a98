import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  CLTOMA_FUSE_CREATE,
  CLTOMA_FUSE_MKDIR,
  CLTOMA_FUSE_REGISTER,
  FrameReader,
  MATOCL_FUSE_CREATE,
  MATOCL_FUSE_MKDIR,
  VERSION,
} from '@alces/proto';

const BIN = join(import.meta.dirname, '..', 'bin');
const FIRST_PORT = 29_450;
const PORTS_PER_SITE = 10;
const NODES = ['alpha', 'beta', 'gamma'];
/** Every site is measured for that long at a time, and that often, in turn: what else the machine does hits all of them. */
const SLICE_MS = 1000;
const ROUNDS = 5;
/** Unit of processor time in /proc. */
const MS_PER_TICK = 10;
const CALLER = { uid: 0, gids: [0] };

/** What is compared: one master with a save mode, or three nodes with a protocol. */
interface Setup {
  title: string;
  program: string;
  /** CHANGELOG_SAVE_MODE of a single master. */
  saveMode?: 0 | 2;
  protocol?: 'A' | 'B' | 'C';
}

const SETUPS: readonly Setup[] = [
  { title: 'stock', program: '/usr/sbin/mfsmaster', saveMode: 0 },
  { title: 'stock sync', program: '/usr/sbin/mfsmaster', saveMode: 2 },
  { title: 'single', program: join(BIN, 'mfsmaster'), saveMode: 0 },
  { title: 'single sync', program: join(BIN, 'mfsmaster'), saveMode: 2 },
  { title: 'A', program: join(BIN, 'mfsmetalogger'), protocol: 'A' },
  { title: 'B', program: join(BIN, 'mfsmetalogger'), protocol: 'B' },
  { title: 'C', program: join(BIN, 'mfsmetalogger'), protocol: 'C' },
];

const LOADS = [
  { name: 'create, 1 client', clients: 1, directories: false },
  { name: 'create, 8 clients', clients: 8, directories: false },
  { name: 'create, 64 clients', clients: 64, directories: false },
  { name: 'mkdir, 8 clients', clients: 8, directories: true },
];

function must(command: string, args: readonly string[]): void {
  const { status, stdout, stderr } = spawnSync(command, args, { encoding: 'latin1' });
  if (status !== 0) throw new Error(`${command} ${args.join(' ')}: status ${status}\n${stdout}${stderr}`);
}

/** A running setup; all its daemons listen on 127.0.0.1. */
class Site {
  readonly setup: Setup;
  readonly clientPort: number;
  readonly #daemons: string[][] = [];
  /** Processes of the daemons, the leader first. */
  readonly #pids: number[] = [];
  readonly #folder: string;
  readonly #port: number;

  constructor(setup: Setup, index: number, folder: string) {
    this.setup = setup;
    this.#port = FIRST_PORT + index * PORTS_PER_SITE;
    this.clientPort = this.#port + 2;
    this.#folder = folder;
    mkdirSync(folder);
  }

  #writeConfigs(name: string): string {
    const data = join(this.#folder, name);
    mkdirSync(data);
    const common = `WORKING_USER = root\nWORKING_GROUP = root\nNICE_LEVEL = 0\nDATA_PATH = ${data}\n`;
    const port = (key: string, offset: number) =>
      `${key}_LISTEN_HOST = 127.0.0.1\n${key}_LISTEN_PORT = ${this.#port + offset}\n`;
    writeFileSync(
      join(data, 'mfsmaster.cfg'),
      `${common}CHANGELOG_SAVE_MODE = ${this.setup.saveMode ?? 0}\nEXPORTS_FILENAME = ${data}/mfsexports.cfg\n` +
        `TOPOLOGY_FILENAME = ${data}/mfstopology.cfg\n${port('MATOML', 0)}${port('MATOCS', 1)}${port('MATOCL', 2)}`,
    );
    writeFileSync(join(data, 'mfsexports.cfg'), '* / rw,alldirs,maproot=0:0\n');
    writeFileSync(join(data, 'mfstopology.cfg'), '');
    writeFileSync(join(data, 'metadata.mfs'), 'MFSM NEW');
    writeFileSync(join(data, 'mfsmetalogger.cfg'), common);
    return data;
  }

  /** Starts it, until clients are served. */
  start(): void {
    const { program, protocol } = this.setup;
    if (protocol === undefined) {
      const config = join(this.#writeConfigs('master'), 'mfsmaster.cfg');
      must(program, ['-c', config, 'start']);
      this.#started([program, '-c', config], join(this.#folder, 'master', '.mfsmaster.lock'));
      return;
    }
    const nodes = NODES.map((name, index) => `${name}=127.0.0.1:${this.#port + 3 + index}`).join(', ');
    for (const name of NODES) {
      const data = this.#writeConfigs(name);
      writeFileSync(join(data, 'secret'), 'a secret of the benchmark', { mode: 0o600 });
      writeFileSync(
        join(data, 'mfsha.cfg'),
        `NODES = ${nodes}\nNODE = ${name}\nSECRET_FILE = secret\nPROTOCOL = ${protocol}\nSTANDBY_PORT = 0\n`,
      );
      const config = join(data, 'mfsmetalogger.cfg');
      must(program, ['-c', config, 'start']);
      this.#started([program, '-c', config], join(data, '.mfsha.lock'));
    }
    must(join(BIN, 'mfsha'), ['-c', join(this.#folder, NODES[0], 'mfsha.cfg'), 'promote']);
  }

  #started(command: string[], lock: string): void {
    this.#daemons.push(command);
    this.#pids.push(Number(readFileSync(lock, 'latin1')));
  }

  stop(): void {
    for (const [program, ...args] of this.#daemons) spawnSync(program, [...args, 'stop'], { stdio: 'ignore' });
  }

  /** Processor time that the daemons have used: of all, and of the leader alone. */
  cpuMs(): { all: number; leader: number } {
    const times = this.#pids.map((pid) => {
      const fields = readFileSync(`/proc/${pid}/stat`, 'latin1').split(') ')[1].split(' ');
      return (Number(fields[11]) + Number(fields[12])) * MS_PER_TICK;
    });
    return { all: times.reduce((sum, time) => sum + time, 0), leader: times[0] };
  }
}

/** A mount on the wire that sends the next request when the last was answered. */
class LoadClient {
  readonly #socket: Socket;
  readonly #reader = new FrameReader(1 << 20);
  #answered: (type: number, payload: Buffer) => void = () => {};

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on('data', (bytes: Buffer) => {
      this.#reader.push(bytes);
      for (const { type, payload } of this.#reader) if (type !== 0) this.#answered(type, payload);
    });
  }

  static async mount(port: number): Promise<LoadClient> {
    const socket = connect({ port, host: '127.0.0.1', noDelay: true });
    const client = new LoadClient(socket);
    const info = Buffer.from('/mnt\0');
    await client.request(
      CLTOMA_FUSE_REGISTER.encode({ layout: 'newSession', version: VERSION, info, path: Buffer.from('/\0') }),
    );
    return client;
  }

  request(frame: Buffer): Promise<{ type: number; payload: Buffer }> {
    return new Promise((resolve, reject) => {
      this.#socket.once('error', reject);
      this.#answered = (type, payload) => {
        this.#socket.removeListener('error', reject);
        resolve({ type, payload });
      };
      this.#socket.write(frame);
    });
  }

  end(): void {
    this.#socket.destroy();
  }
}

/** Changes made by one client until a moment. Throws when the master refuses one. */
async function change(client: LoadClient, prefix: string, directories: boolean, endMs: number): Promise<number> {
  const answer = directories ? MATOCL_FUSE_MKDIR : MATOCL_FUSE_CREATE;
  const request = { msgid: 1, parent: 1, mode: 0o755, umask: 0, ...CALLER };
  let made = 0;
  for (; performance.now() < endMs; made++) {
    const name = Buffer.from(`${prefix} ${made}`);
    const { type, payload } = await client.request(
      directories
        ? CLTOMA_FUSE_MKDIR.encode({ ...request, name, copysgid: 0 })
        : CLTOMA_FUSE_CREATE.encode({ ...request, name }),
    );
    if (type !== answer.number) throw new Error(`message ${type} in place of ${answer.name}`);
    const fields = answer.decode(payload);
    if (fields.layout === 'status') throw new Error(`${answer.name}: status ${fields.status}`);
  }
  return made;
}

let prefixes = 0;

interface Slice {
  perSecond: number;
  /** Processor time of a change, microseconds. */
  allUs: number;
  leaderUs: number;
}

async function measure(site: Site, clients: number, directories: boolean): Promise<Slice> {
  const mounts = await Promise.all(Array.from({ length: clients }, () => LoadClient.mount(site.clientPort)));
  try {
    const before = site.cpuMs();
    const began = performance.now();
    const made = await Promise.all(
      mounts.map((mount) => change(mount, `${prefixes++}`, directories, began + SLICE_MS)),
    );
    const tookMs = performance.now() - began;
    const after = site.cpuMs();
    const changes = made.reduce((sum, count) => sum + count, 0);
    const each = (ms: number) => (ms * 1000) / changes;
    return {
      perSecond: (changes / tookMs) * 1000,
      allUs: each(after.all - before.all),
      leaderUs: each(after.leader - before.leader),
    };
  } finally {
    for (const mount of mounts) mount.end();
  }
}

const median = (values: readonly number[]) => [...values].sort((a, b) => a - b)[values.length >> 1];

function row(name: string, cells: readonly string[]): string {
  return name.padEnd(30) + cells.map((cell) => cell.padStart(12)).join('');
}

/**
 * Changes per second of a single master and of three nodes with each protocol, medians; what C costs; and the processor time of the daemons, which
 * other work on the machine does not touch much.
 */
export async function benchReplication(): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'alces-bench-'));
  const sites = SETUPS.map((setup, index) => new Site(setup, index, join(folder, String(index))));
  try {
    for (const site of sites) site.start();
    const lines = [row('changes per second', [...SETUPS.map(({ title }) => title), 'C/A', 'C/B', 'C/sync'])];
    const costs = [
      row(
        '\nus of processor: all (leader)',
        SETUPS.map(({ title }) => title),
      ),
    ];
    for (const { name, clients, directories } of LOADS) {
      const slices = sites.map((): Slice[] => []);
      for (let round = 0; round < ROUNDS; round++)
        for (const [index, site] of sites.entries()) slices[index].push(await measure(site, clients, directories));
      const of = (index: number, key: keyof Slice) => median(slices[index].map((slice) => slice[key]));
      const named = (title: string) =>
        of(
          SETUPS.findIndex((setup) => setup.title === title),
          'perSecond',
        );
      const ratios = ['A', 'B', 'single sync'].map((title) => (named('C') / named(title)).toFixed(2));
      lines.push(row(name, [...sites.map((_, index) => of(index, 'perSecond').toFixed(0)), ...ratios]));
      costs.push(
        row(
          name,
          sites.map((_, index) => `${of(index, 'allUs').toFixed(0)} (${of(index, 'leaderUs').toFixed(0)})`),
        ),
      );
    }
    return [...lines, ...costs].join('\n');
  } finally {
    for (const site of sites) site.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}
