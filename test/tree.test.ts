import { execFileSync, spawn } from 'node:child_process';
import { mkdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Cluster } from './support/cluster.ts';
import { describeTree, type TreeEntry, treeDifferences } from './support/tree.ts';
import { until } from './support/until.ts';

/** Real trees, taken in this order until there are enough files. */
const SOURCES = [
  '/usr/include',
  '/usr/share/doc',
  '/usr/share/man',
  '/usr/share/zoneinfo',
  '/usr/share/perl',
  '/usr/share/bash-completion',
  '/usr/lib/python3',
  join(import.meta.dirname, '..', 'node_modules'),
];
const ENOUGH = 20_000;
const REGULAR_FILE = 0o10;

describe('a real tree of at least 20 000 files, goal 2', () => {
  let cluster: Cluster;
  let mount: string;
  let sources: string[];
  const expected = new Map<string, TreeEntry[]>();

  const differences = () =>
    sources.flatMap((source) => treeDifferences(expected.get(source) ?? [], describeTree(join(mount, source))));

  beforeAll(async () => {
    let found = 0;
    sources = SOURCES.filter((source) => {
      if (found >= ENOUGH || statSync(source, { throwIfNoEntry: false }) === undefined) return false;
      const entries = describeTree(source);
      expected.set(source, entries);
      found += entries.filter((entry) => entry.mode >> 12 === REGULAR_FILE).length;
      return true;
    });
    expect(found).toBeGreaterThanOrEqual(ENOUGH);
    cluster = await Cluster.start({ master: 'alces', chunkservers: ['alces', 'alces', 'alces'] });
    mount = await cluster.mount('alces');
  }, 300_000);
  afterAll(() => cluster?.destroy());

  it('is copied in and equal in names, attributes and content', () => {
    for (const source of sources) {
      mkdirSync(join(mount, source, '..'), { recursive: true });
      execFileSync('cp', ['-a', source, join(mount, source)]);
    }
    expect(differences()).toEqual([]);
  }, 600_000);

  it('is equal after everything was stopped and started', async () => {
    cluster.unmount(mount);
    for (const index of [0, 1, 2]) await cluster.stopChunkserver(index);
    await cluster.stopMaster();
    await cluster.startMaster();
    for (const index of [0, 1, 2]) await cluster.startChunkserver(index);
    await cluster.chunkserversConnected(3);
    mount = await cluster.mount('alces');
    expect(differences()).toEqual([]);
  }, 300_000);

  it('keeps every finished file when the master is killed in the middle of a copy', async () => {
    const source = '/usr/include';
    const copy = join(mount, 'second');
    // -v prints a file's line before its copy begins: all lines but the last are of finished files.
    const cp = spawn('cp', ['-av', source, copy], { stdio: ['ignore', 'pipe', 'inherit'] });
    let printed = '';
    cp.stdout.on('data', (bytes: Buffer) => {
      printed += bytes;
    });
    const ended = new Promise<number | null>((resolve) => cp.on('close', resolve));
    await until('some files to be copied', 60_000, () => printed.split('\n').length > 300);
    await cluster.killMaster();
    await cluster.startMaster();
    expect(await ended).toBe(0);
    expect(treeDifferences(expected.get(source) ?? describeTree(source), describeTree(copy))).toEqual([]);
  }, 300_000);

  it('has all copies again, made anew elsewhere, after one chunkserver was killed for good', async () => {
    await cluster.replicationSettled(300_000);
    await cluster.killChunkserver(0);
    await cluster.chunkserversConnected(2);
    await cluster.replicationSettled(300_000);
    expect(differences()).toEqual([]);
  }, 900_000);

  it('is served by a stock master from the image that ours saved', async () => {
    cluster.unmount(mount);
    await cluster.stopMaster();
    cluster.switchMaster('stock');
    await cluster.startMaster();
    await cluster.chunkserversConnected(2);
    mount = await cluster.mount('stock');
    expect(differences()).toEqual([]);
  }, 300_000);
});
