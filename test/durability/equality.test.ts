import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { imageBytes, loadImageFrom, type State, stateDigest } from '@alces/metadata';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { WEIGHTS } from '../../packages/metadata/test/support/operations.ts';
import { differences } from '../../packages/metadata/test/support/replay.ts';
import { RANDOM_RUN_START } from '../../packages/metadata/test/support/run.ts';
import { stockDumpOf } from '../../packages/metadata/test/support/stock.ts';
import { TestMetalogger } from '../../packages/metalogger/test/support/folder.ts';
import { LiveMaster } from '../../packages/metalogger/test/support/liveMaster.ts';

const SEED = 1_974;
const LINES = 100_000;
const LINES_PER_FILE = 20_000;
const STEPS = 1000;
/** Lengths of sections and a hint for table sizes. */
const IGNORED = /length: |hashelements|statscount/;
const BIN = join(import.meta.dirname, '..', '..', 'bin');

const digestOf = (state: State) => [...stateDigest(state, RANDOM_RUN_START)];

let master: LiveMaster;
let metalogger: TestMetalogger;
let liveDigest: [string, bigint][];
let liveDump: string[];
const scratch = mkdtempSync(join(tmpdir(), 'alces-equality-'));

beforeAll(async () => {
  master = await new LiveMaster(SEED).start();
  metalogger = await new TestMetalogger(() => master.port).start();
  await metalogger.said('connected to Master');
  let inFile = master.last;
  while (master.last < LINES) {
    master.work(STEPS);
    await new Promise((resolve) => setImmediate(resolve));
    if (master.last - inFile < LINES_PER_FILE) continue;
    inFile = master.last;
    await master.rotate();
  }
  await metalogger.reached(master.last);
  liveDigest = digestOf(master.state);
  liveDump = stockDumpOf(imageBytes(master.state, { now: RANDOM_RUN_START }).image);
}, 120_000);

afterAll(async () => {
  await metalogger?.destroy();
  await master?.stop();
  rmSync(scratch, { recursive: true });
});

/** A copy of the image and the change logs with which the master began. */
function copyOfFiles(name: string): string {
  const folder = join(scratch, name);
  mkdirSync(folder);
  for (const file of readdirSync(master.folder)) {
    if (/^(changelog\.\d+\.mfs|metadata\.mfs\.back)$/.test(file)) cpSync(join(master.folder, file), join(folder, file));
  }
  return folder;
}

function run(command: string, args: string[]): string {
  const result = spawnSync(command, args, { encoding: 'latin1', maxBuffer: 1 << 30 });
  if (result.status !== 0) throw new Error(`${command}: status ${result.status}\n${result.stdout}${result.stderr}`);
  return result.stdout;
}

test('the workload holds every kind of operation', () => {
  const kinds = new Set<string>();
  let lines = 0;
  for (const file of readdirSync(master.folder)) {
    if (!file.startsWith('changelog.')) continue;
    const text = readFileSync(join(master.folder, file), 'latin1');
    for (const [, kind] of text.matchAll(/^\d+: \d+\|([A-Z]+)/gm)) {
      kinds.add(kind!);
      lines++;
    }
  }
  expect(lines).toBeGreaterThanOrEqual(LINES);
  expect(Object.keys(WEIGHTS).filter((kind) => !kinds.has(kind))).toEqual([]);
});

test('the shadow equals the live state', () => {
  const { shadow } = metalogger.running;
  expect(shadow?.state.metaversion).toBe(master.state.metaversion);
  expect(digestOf(shadow!.state)).toEqual(liveDigest);
});

test('saved and loaded, the state is the same', () => {
  const { image } = imageBytes(master.state, { now: RANDOM_RUN_START });
  const { state } = loadImageFrom(image, { now: RANDOM_RUN_START });
  expect(digestOf(state)).toEqual(liveDigest);
});

test('mfsmetarestore makes the same state of the change logs', () => {
  const folder = copyOfFiles('restored');
  const output = join(folder, 'metadata.mfs');
  const logs = readdirSync(folder).filter((file) => file.startsWith('changelog'));
  const inFolder = (file: string) => join(folder, file);
  run(join(BIN, 'mfsmetarestore'), ['-m', inFolder('metadata.mfs.back'), '-o', output, ...logs.map(inFolder)]);
  const { state } = loadImageFrom(readFileSync(output), { now: RANDOM_RUN_START });
  expect(digestOf(state)).toEqual(liveDigest);
  const dump = run(join(BIN, 'mfsmetadump'), [output]).trimEnd().split('\n');
  expect(differences(liveDump, dump, IGNORED)).toEqual([]);
});

test('the stock master (-a) makes an image of the change logs that dumps to the same lines', () => {
  const folder = copyOfFiles('stock');
  const config = join(folder, 'mfsmaster.cfg');
  writeFileSync(config, `WORKING_USER = root\nWORKING_GROUP = root\nNICE_LEVEL = 0\nDATA_PATH = ${folder}\n`);
  run('/usr/sbin/mfsmaster', ['-a', '-c', config, 'restore']);
  const dump = run('/usr/sbin/mfsmetadump', [join(folder, 'metadata.mfs')])
    .trimEnd()
    .split('\n');
  expect(differences(liveDump, dump, IGNORED)).toEqual([]);
  expect(dump.length).toBeGreaterThan(1000);
});
