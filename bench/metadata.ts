import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CLTOMA_FUSE_CREATE, CLTOMA_FUSE_GETATTR } from '@alces/proto';
import { createFiles, emptyState, Recorder, writeImage } from '../packages/journal/bench/generate.ts';
import { WireClient } from '../packages/master/test/support/wireClient.ts';
import type { Figure } from './table.ts';

const FILES = 1_000_000;
const LINES = 1_000_000;
const LINES_PER_FILE = 5;
/** Starts and restores are measured so often, and the shortest time counts: other work on the machine only makes them longer. */
const ROUNDS = 3;
const LOAD_MS = 8000;
const FIRST_PORT = 29_419;
const BIN = join(import.meta.dirname, '..', 'bin');
const MASTER_PROGRAM = join(import.meta.dirname, '..', 'packages', 'master', 'src', 'main.ts');
const PROGRAMS = { stock: '/usr/sbin/mfsmaster', alces: join(BIN, 'mfsmaster') };
export type Kind = keyof typeof PROGRAMS;

/** An image of a million files and a change log of a million lines behind it, for `benchMetadata`. */
export function prepareMetadata(): string {
  const folder = mkdtempSync(join(tmpdir(), 'alces-bench-'));
  const state = emptyState();
  createFiles(new Recorder(state), 'd', FILES, false);
  writeImage(state, join(folder, 'image'));
  const recorder = new Recorder(state, join(folder, 'changelog'));
  createFiles(recorder, 'e', Math.ceil(LINES / LINES_PER_FILE), true);
  recorder.close();
  return folder;
}

/** A data folder with a configuration for a master on ports of its own. */
function dataFolder(root: string, name: string): string {
  const folder = join(root, name);
  mkdirSync(folder);
  const port = (key: string, offset: number) =>
    `${key}_LISTEN_HOST=127.0.0.1\n${key}_LISTEN_PORT=${FIRST_PORT + offset}\n`;
  writeFileSync(
    join(folder, 'mfsmaster.cfg'),
    `WORKING_USER=root\nWORKING_GROUP=root\nNICE_LEVEL=0\nDATA_PATH=${folder}\nEXPORTS_FILENAME=${folder}/mfsexports.cfg\n` +
      `TOPOLOGY_FILENAME=${folder}/mfstopology.cfg\n${port('MATOML', 0)}${port('MATOCS', 1)}${port('MATOCL', 2)}`,
  );
  writeFileSync(join(folder, 'mfsexports.cfg'), '* / rw,alldirs,maproot=0:0\n');
  writeFileSync(join(folder, 'mfstopology.cfg'), '');
  return folder;
}

function timed(command: string, args: readonly string[]): number {
  const began = performance.now();
  const { status, stderr } = spawnSync(command, args, { encoding: 'latin1', maxBuffer: 1 << 28 });
  if (status !== 0) throw new Error(`${command} ${args.join(' ')}: status ${status}\n${stderr}`);
  return (performance.now() - began) / 1000;
}

const pidOf = (folder: string) => Number(readFileSync(join(folder, '.mfsmaster.lock'), 'latin1'));

function residentBytes(pid: number): number {
  const [, kilobytes] = /^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1')) ?? [];
  return Number(kilobytes) * 1024;
}

/** Starts and stops a master on an image; the seconds until it served, and its memory then. */
function start(kind: Kind, folder: string): { seconds: number; bytes: number } {
  const config = ['-c', join(folder, 'mfsmaster.cfg')];
  let seconds = Number.POSITIVE_INFINITY;
  let bytes = 0;
  for (let round = 0; round < ROUNDS; round++) {
    seconds = Math.min(seconds, timed(PROGRAMS[kind], [...config, 'start']));
    bytes = residentBytes(pidOf(folder));
    timed(PROGRAMS[kind], [...config, 'stop']);
  }
  return { seconds, bytes };
}

function benchReplay(kind: Kind, root: string): number {
  return Math.min(...Array.from({ length: ROUNDS }, () => restore(kind, root)));
}

function restore(kind: Kind, root: string): number {
  const folder = dataFolder(root, `${kind}-replay`);
  copyFileSync(join(root, 'image'), join(folder, 'metadata.mfs.back'));
  copyFileSync(join(root, 'changelog'), join(folder, 'changelog.0.mfs'));
  const seconds =
    kind === 'stock'
      ? timed(PROGRAMS.stock, ['-a', '-c', join(folder, 'mfsmaster.cfg'), 'restore'])
      : timed(join(BIN, 'mfsmetarestore'), ['-a', '-d', folder]);
  rmSync(folder, { recursive: true });
  return seconds;
}

interface Waits {
  requests: number;
  longestMs: number;
}

/** One client that creates files and asks for attributes, one request after the other, until it is told to stop. */
async function load(seed: number, isOver: () => boolean): Promise<Waits> {
  const client = await WireClient.mount(FIRST_PORT + 2);
  const waits: Waits = { requests: 0, longestMs: 0 };
  const who = { msgid: 1, uid: 0, gids: [0] };
  for (; !isOver(); waits.requests++) {
    const name = Buffer.from(`bench ${seed} ${waits.requests}`);
    const create = waits.requests % 2 === 0;
    const frame = create
      ? CLTOMA_FUSE_CREATE.encode({ ...who, parent: 1, name, mode: 0o644, umask: 0 })
      : CLTOMA_FUSE_GETATTR.encode({ ...who, gid: 0, inode: 2 + ((waits.requests * 7919) % FILES), opened: 0 });
    const began = performance.now();
    client.sendRaw(frame);
    await client.frame();
    waits.longestMs = Math.max(waits.longestMs, performance.now() - began);
  }
  client.end();
  return waits;
}

/** The longest pauses of our master's garbage collector, and the longest waits of clients, without and with a save. */
async function benchUnderLoad(root: string): Promise<Figure[]> {
  const folder = dataFolder(root, 'alces-load');
  copyFileSync(join(root, 'image'), join(folder, 'metadata.mfs'));
  const config = ['-c', join(folder, 'mfsmaster.cfg')];
  const master = spawn(process.execPath, ['--trace-gc', MASTER_PROGRAM, ...config, '-f', 'start'], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const pauses: number[] = [];
  master.stdout?.on('data', (bytes: Buffer) => {
    for (const [, ms] of bytes.toString().matchAll(/MB, (?:pooled: \S+ MB, )?([0-9.]+) \/ [0-9.]+ ms/g))
      pauses.push(Number(ms));
  });
  await serving(master);
  const afterLoading = pauses.length;
  try {
    const quiet = await loadFor(LOAD_MS);
    let over = false;
    const running = Promise.all([0, 1, 2, 3].map((seed) => load(100 + seed, () => over)));
    const saved = await finished(spawn(PROGRAMS.alces, [...config, 'save'], { stdio: 'ignore' }));
    if (saved !== 0) throw new Error(`mfsmaster save: status ${saved}`);
    over = true;
    const saving = await running;
    const longest = (waits: readonly Waits[]) => Math.max(...waits.map(({ longestMs }) => longestMs));
    return [
      { name: 'longest wait of a request, 1M files', unit: 'ms', value: longest(quiet), lowerIsBetter: true },
      { name: 'the same while an image is saved', unit: 'ms', value: longest(saving), lowerIsBetter: true },
      {
        name: 'longest garbage collector pause under load',
        unit: 'ms',
        value: Math.max(0, ...pauses.slice(afterLoading)),
        lowerIsBetter: true,
      },
    ];
  } finally {
    master.kill('SIGKILL');
    await finished(master);
  }
}

async function loadFor(ms: number): Promise<Waits[]> {
  const end = performance.now() + ms;
  return Promise.all([0, 1, 2, 3].map((seed) => load(seed, () => performance.now() > end)));
}

function serving(master: ChildProcess): Promise<void> {
  return new Promise((resolve, reject) => {
    let said = '';
    master.stderr?.on('data', (bytes: Buffer) => {
      said += bytes;
      if (said.includes('initialized properly')) resolve();
    });
    master.once('exit', (status) => reject(new Error(`mfsmaster: status ${status}\n${said}`)));
  });
}

function finished(child: ChildProcess): Promise<number | null> {
  if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve(child.exitCode);
  return new Promise((resolve) => child.once('exit', resolve));
}

/** Start, memory and replay of a master at a million files; for ours also what clients feel. `root`: from `prepareMetadata`. */
export async function benchMetadata(kind: Kind, root: string): Promise<Figure[]> {
  const empty = dataFolder(root, `${kind}-empty`);
  writeFileSync(join(empty, 'metadata.mfs'), 'MFSM NEW');
  const without = start(kind, empty);
  const full = dataFolder(root, `${kind}-full`);
  copyFileSync(join(root, 'image'), join(full, 'metadata.mfs'));
  const withFiles = start(kind, full);
  for (const folder of [empty, full]) rmSync(folder, { recursive: true });
  const figures: Figure[] = [
    { name: 'start of a master on 1M files', unit: 's', value: withFiles.seconds, lowerIsBetter: true },
    {
      name: 'resident memory of a file',
      unit: 'bytes',
      value: (withFiles.bytes - without.bytes) / FILES,
      lowerIsBetter: true,
    },
    { name: 'restore: 1M files, 1M changes, store', unit: 's', value: benchReplay(kind, root), lowerIsBetter: true },
  ];
  return kind === 'stock' ? figures : [...figures, ...(await benchUnderLoad(root))];
}
