import { execFileSync } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Cluster } from './support/cluster.ts';
import { describeTree, type TreeEntry, treeDifferences } from './support/tree.ts';
import { until } from './support/until.ts';

const SAMPLE = '/usr/share/perl';
const FUZZER = '10.90.0.99';
const STRANGER = '10.90.0.98';
const SEND = join(import.meta.dirname, 'support', 'fuzzSender.ts');

/** All chunk files below a chunkserver's folder. */
function chunkFiles(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => /chunk_[0-9A-F_]+\.mfs$/.test(name))
    .map((name) => join(folder, name));
}

/** Nothing, if the chunkserver has just renamed or removed the file. */
function contentOf(path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return Buffer.alloc(0);
    throw error;
  }
}

describe('bad input on a live cluster', () => {
  let cluster: Cluster;
  let mount: string;
  let expected: TreeEntry[];

  beforeAll(async () => {
    cluster = await Cluster.start({
      master: 'alces',
      chunkservers: ['alces', 'alces', 'alces'],
      // The fuzzer may look but not touch, so whatever it manages to send must leave the tree as it is.
      exports: `${FUZZER} / ro\n10.90.0.1 / rw,alldirs,admin,maproot=0:0,password=secret\n10.90.0.5 / rw,maproot=0:0\n`,
      masterConfig: 'AUTH_CODE = for chunkservers only\n',
      chunkserverConfig: 'AUTH_CODE = for chunkservers only\n',
    });
    for (const address of [FUZZER, STRANGER]) {
      execFileSync('ip', ['-n', cluster.namespace.name, 'addr', 'add', `${address}/32`, 'dev', 'lo']);
    }
    mount = await cluster.mount('alces', '-o', 'mfspassword=secret');
    execFileSync('cp', ['-a', SAMPLE, join(mount, 'tree')]);
    expected = describeTree(SAMPLE);
  }, 180_000);
  afterAll(() => cluster?.destroy());

  const unharmed = async () => {
    const fresh = await cluster.mount('alces', '-o', 'mfspassword=secret');
    expect(treeDifferences(expected, describeTree(join(fresh, 'tree')))).toEqual([]);
    cluster.unmount(fresh);
  };
  const fuzz = async (host: string, port: number, link: string, seed: number) => {
    const output = await cluster.namespace.must(
      process.execPath,
      SEND,
      host,
      String(port),
      link,
      String(seed),
      '400',
      FUZZER,
    );
    expect(output).toMatch(/400 connections, \d+ closed/);
  };

  it('the master lives through mutated frames on its three ports', async () => {
    const pid = cluster.masterPid();
    await fuzz(cluster.masterHost, 9421, 'client-master', 1);
    await fuzz(cluster.masterHost, 9420, 'chunkserver-master', 2);
    await fuzz(cluster.masterHost, 9419, 'metalogger-master', 3);
    expect(cluster.namespace.pids()).toContain(pid);
    await unharmed();
  }, 240_000);

  it('a wrong password and a refused address are told so', async () => {
    const point = join(cluster.folder, 'nowhere');
    mkdirSync(point);
    const wrong = await cluster.tryMount('alces', point, '-o', 'mfspassword=wrong');
    expect(wrong.status).not.toBe(0);
    expect(wrong.stderr + wrong.stdout).toMatch(/[Pp]assword/);
    const refused = await cluster.tryMount('alces', point, '-o', `mfsbind=${STRANGER}`);
    expect(refused.status).not.toBe(0);
    expect(refused.stderr + refused.stdout).toMatch(/denied|not permitted|EACCES/i);
  });

  it('a corrupt block on disk: the reader gets the good copy, the bad one is replaced', async () => {
    await cluster.replicationSettled();
    const content = Buffer.alloc(200_000, 'precious ');
    writeFileSync(join(mount, 'precious'), content);
    await cluster.replicationSettled();
    const holds = (path: string) => contentOf(path).includes('precious precious');
    const copies = [0, 1, 2].flatMap((index) => chunkFiles(cluster.chunkData(index))).filter(holds);
    expect(copies).toHaveLength(2);
    const [victim] = copies;
    if (!victim) throw new Error('no copy');
    const bytes = readFileSync(victim);
    const at = bytes.indexOf('precious precious') + 70_000;
    bytes.write('PRECIOUS', at);
    // In place, as a dying disk does it; the chunkserver may hold the file open.
    writeFileSync(victim, bytes);
    const server = [0, 1, 2].find((index) => victim.startsWith(cluster.chunkData(index))) ?? 0;
    await cluster.stopChunkserver(server);
    await cluster.startChunkserver(server);
    await cluster.chunkserversConnected(3);
    const corruptIsGone = () => {
      const found = [0, 1, 2].flatMap((index) => chunkFiles(cluster.chunkData(index))).filter(holds);
      return found.length === 2 && found.every((path) => !contentOf(path).includes('PRECIOUS'));
    };
    // Readers ask either copy; each must get the good bytes, and one that met the bad copy has it replaced.
    await until('the bad copy to be replaced', 120_000, async () => {
      const fresh = await cluster.mount('alces', '-o', 'mfspassword=secret');
      expect(readFileSync(join(fresh, 'precious')).equals(content)).toBe(true);
      cluster.unmount(fresh);
      return corruptIsGone();
    });
  }, 240_000);

  it('chunkservers live through mutated frames on the data port', async () => {
    await fuzz(cluster.chunkserverHost(0), 9422, 'client-chunkserver', 4);
    await cluster.chunkserversConnected(3);
    writeFileSync(join(mount, 'after'), 'still writing');
    expect(readFileSync(join(mount, 'after'), 'utf8')).toBe('still writing');
  }, 240_000);

  it('refuses a truncated or damaged image and a damaged changelog, and changes nothing', async () => {
    cluster.unmount(mount);
    await cluster.stopMaster();
    const data = cluster.masterData;
    const image = join(data, 'metadata.mfs');
    const safe = join(cluster.folder, 'safe');
    cpSync(data, safe, { recursive: true });
    const snapshot = () =>
      readdirSync(data)
        .filter((name) => /^(metadata|changelog)/.test(name))
        .sort()
        .map((name) => [name, statSync(join(data, name)).size]);

    truncateSync(image, Math.floor(statSync(image).size / 2));
    const before = snapshot();
    const truncated = await cluster.master('start');
    expect(truncated.status).toBe(1);
    expect(truncated.stderr).toContain('metadata.mfs');
    expect(snapshot()).toEqual(before);

    cpSync(join(safe, 'metadata.mfs'), image);
    const bytes = readFileSync(image);
    bytes.write('XXXX', bytes.indexOf('EDGE'));
    writeFileSync(image, bytes);
    const damaged = await cluster.master('start');
    expect(damaged.status).toBe(1);
    expect(damaged.stderr).toContain('metadata.mfs');

    cpSync(join(safe, 'metadata.mfs'), image);
    await cluster.startMaster();
    await cluster.chunkserversConnected(3);
    mount = await cluster.mount('alces', '-o', 'mfspassword=secret');
    mkdirSync(join(mount, 'later'));
    for (let index = 0; index < 50; index++) writeFileSync(join(mount, 'later', `${index}`), '');
    await cluster.killMaster();
    const log = join(data, 'changelog.0.mfs');
    const lines = readFileSync(log, 'latin1').split('\n');
    // Near the end: the image holds what the first lines did.
    lines[lines.length - 20] = 'garbage';
    writeFileSync(log, lines.join('\n'), 'latin1');
    const garbled = await cluster.master('start');
    expect(garbled.status).toBe(1);
    expect(garbled.stderr).toContain('changelog.0.mfs');
    expect(existsSync(join(data, 'metadata.mfs.back'))).toBe(true);
  }, 240_000);

  it('a bad configuration line is named and left out', async () => {
    const data = cluster.masterData;
    cpSync(join(cluster.folder, 'safe'), data, { recursive: true });
    execFileSync('sh', [
      '-c',
      `rm -f ${data}/changelog*; cp ${join(cluster.folder, 'safe')}/changelog* ${data}/; rm -f ${data}/metadata.mfs.back`,
    ]);
    writeFileSync(
      join(data, 'mfsmaster.cfg'),
      `${readFileSync(join(data, 'mfsmaster.cfg'), 'utf8')}this is ! not a line\n`,
    );
    const started = await cluster.master('start');
    expect(started.stderr).toContain('bad definition in config file');
    expect(started.status).toBe(0);
  });
});
