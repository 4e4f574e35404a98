import type { ChildProcess } from 'node:child_process';
import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { findChangelogs, loadFromDisk, readHistory, replay } from '@alces/journal';
import { imageBytes } from '@alces/metadata';
import { realEnvironment } from '@alces/runtime';
import { afterEach, describe, expect, test } from 'vitest';
import { Cluster, type Kind } from '../../../test/support/cluster.ts';
import { describeTree } from '../../../test/support/tree.ts';
import { until } from '../../../test/support/until.ts';
import { dumpLines } from '../../metadata/test/support/replay.ts';
import { Report } from './support/folder.ts';

const ROOT = join(import.meta.dirname, '..', '..', '..');
const LOAD = join(import.meta.dirname, 'support', 'load.ts');
const environment = realEnvironment();
/** Counters of sessions are in no change log; the times of a new file system's root neither (spec 51 §5). */
const COUNTERS = /\|c:\[[0-9,]*\]\|l:\[[0-9,]*\]/;
const ROOT_NODE = /^NODE\|k:D\|i: +1\|/;

let cluster: Cluster | undefined;
let load: ChildProcess | undefined;

afterEach(async () => {
  load?.kill('SIGKILL');
  load = undefined;
  await cluster?.destroy();
  cluster = undefined;
}, 60_000);

/** Number of the last whole line that a metalogger has received. */
function lastReceived(folder: string): number {
  for (const name of ['changelog_ml.0.mfs', 'changelog_ml.1.mfs', 'changelog_ml_back.0.mfs']) {
    if (!readdirSync(folder).includes(name)) continue;
    const lines = readFileSync(join(folder, name), 'latin1').split('\n').slice(0, -1);
    const version = Number.parseInt(lines.at(-1) ?? '', 10);
    if (version > 0) return version;
  }
  return 0;
}

function dumpOf(image: Buffer): string[] {
  return dumpLines(image)
    .filter((line) => !line.startsWith('# section header') && !ROOT_NODE.test(line))
    .map((line) => line.replace(COUNTERS, ''))
    .sort();
}

/**
 * What the master's own files give at a version. The stock master's writer is a process of its own: killed, it may lack the last lines that
 * it has sent; these come from `sentTo` then.
 */
async function stateOfMaster(folder: string, version: number, sentTo: string | undefined): Promise<string[]> {
  const { disk, clock } = environment;
  const report = new Report();
  const options = { disk, now: clock.unixSeconds(), clockMs: () => 0, ignoreErrors: false, report };
  const { state } = await loadFromDisk(join(folder, 'metadata.mfs.back'), options);
  const own = await findChangelogs(disk, folder, ['changelog']);
  const rest = sentTo === undefined ? [] : await findChangelogs(disk, sentTo, ['changelog_ml']);
  const { runs } = await readHistory({ disk, paths: [...own, ...rest], version: state.metaversion, report });
  await replay({ disk, state, runs, until: version });
  expect(state.metaversion).toBe(version + 1);
  return dumpOf(imageBytes(state, { now: clock.unixSeconds() }).image);
}

function received(folder: string, version: number): Promise<true> {
  return until(`change ${version}`, 60_000, () => lastReceived(folder) >= version && (true as const));
}

/** `mfsmetarestore -a -d` on a copy of a metalogger's folder. */
async function restore(running: Cluster, name: string): Promise<string> {
  const copy = join(running.folder, name);
  cpSync(running.metaloggerData, copy, { recursive: true });
  rmSync(join(copy, '.mfsmetalogger.lock'), { force: true });
  await running.namespace.must(join(ROOT, 'bin', 'mfsmetarestore'), '-a', '-d', copy);
  return copy;
}

/** Starts a master of a kind on a restored image, and answers the tree that its clients see. */
async function treeUnder(running: Cluster, kind: Kind, image: string): Promise<ReturnType<typeof describeTree>> {
  for (const name of readdirSync(running.masterData).filter((file) => /^(metadata|changelog)/.test(file)))
    rmSync(join(running.masterData, name));
  cpSync(image, join(running.masterData, 'metadata.mfs'));
  running.switchMaster(kind);
  await running.startMaster();
  const point = await running.mount('stock');
  const tree = describeTree(point);
  running.unmount(point);
  await running.stopMaster();
  return tree;
}

async function startWork(running: Cluster, seed: number): Promise<() => Promise<void>> {
  const point = await running.mount('stock', '-o', 'mfsdonotrememberpassword');
  const work = join(point, `work${seed}`);
  mkdirSync(work);
  load = running.namespace.spawn(process.execPath, [LOAD, work, String(seed)], { stdio: 'ignore' });
  const working = load;
  const ended = new Promise((resolve) => working.once('exit', resolve));
  return async () => {
    working.kill('SIGKILL');
    // The operation that it waits for must not be repeated at the next master.
    running.abortMount(point);
    await ended;
  };
}

describe.each<[Kind, Kind]>([
  ['stock', 'alces'],
  ['alces', 'stock'],
  ['alces', 'alces'],
])('a %s master with a metalogger of kind %s', (masterKind, metaloggerKind) => {
  test('restarts of either, a master killed under load, and a restore from what was received', async () => {
    cluster = await Cluster.start({ master: masterKind, chunkservers: [] });
    // From its first stop on a master has an image to hand out; before, a stock metalogger gets nothing that could be restored alone.
    await cluster.stopMaster();
    await cluster.startMaster();
    await cluster.startMetalogger(metaloggerKind);
    const data = cluster.metaloggerData;
    const stopWork = await startWork(cluster, 1);
    await received(data, 300);
    await cluster.metalogger(metaloggerKind, 'restart');
    await received(data, lastReceived(data) + 500);
    await cluster.stopMaster();
    await cluster.startMaster();
    await received(data, lastReceived(data) + 500);
    await cluster.killMaster();
    await stopWork();
    // The stock metalogger writes its file out once a second.
    let last = 0;
    await until('the last changes to be written', 10_000, async () => {
      const before = last;
      last = lastReceived(data);
      await new Promise((resolve) => setTimeout(resolve, 1100));
      return last === before;
    });
    const restored = await restore(cluster, 'restored');
    const expected = await stateOfMaster(cluster.masterData, last, masterKind === 'stock' ? restored : undefined);
    expect(dumpOf(readFileSync(join(restored, 'metadata.mfs')))).toEqual(expected);
    await cluster.metalogger(metaloggerKind, 'stop');
    const again = await restore(cluster, 'restored-after-stop');
    expect(dumpOf(readFileSync(join(again, 'metadata.mfs')))).toEqual(expected);
    const image = join(restored, 'metadata.mfs');
    const underStock = await treeUnder(cluster, 'stock', image);
    expect(underStock.length).toBeGreaterThan(20);
    expect(await treeUnder(cluster, 'alces', image)).toEqual(underStock);
  }, 240_000);
});
