import { createHash } from 'node:crypto';
import {
  closeSync,
  fsyncSync,
  openSync,
  readdirSync,
  readFileSync,
  statSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Cluster } from '../../../test/support/cluster.ts';
import { until } from '../../../test/support/until.ts';

const minute = 60_000;
const mebibyte = 1 << 20;

/** Bytes that differ everywhere. */
function pattern(length: number, seed: number): Buffer {
  const bytes = Buffer.alloc(length);
  for (let at = 0; at + 4 <= length; at += 4) bytes.writeUInt32LE(Math.imul(at + seed, 2654435761) >>> 0, at);
  return bytes;
}

function digest(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex');
}

describe('our master, stock chunkservers and a stock mount', { timeout: 5 * minute }, () => {
  let cluster: Cluster;
  let mount: string;

  beforeAll(async () => {
    cluster = await Cluster.start({
      master: 'alces',
      chunkservers: ['stock', 'stock', 'stock'],
      masterConfig: 'CHUNKS_LOOP_MIN_TIME = 60\n',
    });
    mount = await cluster.mount('stock');
  });

  afterAll(() => cluster?.destroy());

  /** Runs a stock tool where the mount is. */
  function tool(name: string, ...args: string[]): Promise<string> {
    return cluster.namespace.must(name, ...args);
  }

  /** Number of live copies of each chunk of a file, as the stock tool shows them. */
  async function copies(file: string): Promise<number[]> {
    const text = await tool('mfsfileinfo', file);
    const perChunk: number[] = [];
    for (const line of text.split('\n')) {
      if (/^\s+chunk \d+:/.test(line)) perChunk.push(0);
      else if (/^\s+copy \d+:/.test(line) && !/INVALID|WRONG VERSION/i.test(line)) perChunk[perChunk.length - 1]++;
    }
    return perChunk;
  }

  /** Chunk files of a chunkserver. */
  function chunkFiles(index: number): string[] {
    const names = readdirSync(cluster.chunkData(index), { recursive: true, encoding: 'utf8' });
    return names.filter((name) => /chunk_[0-9A-F]{16}_[0-9A-F]{8}\.mfs$/.test(name));
  }

  test('a file of several chunks is written and read', async () => {
    const file = join(mount, 'big');
    const bytes = pattern(150 * mebibyte, 1);
    writeFileSync(file, bytes);
    expect(digest(readFileSync(file))).toBe(digest(bytes));
    expect(await copies(file)).toEqual([2, 2, 2]);
  });

  test('the goal of a file rules its copies', async () => {
    const file = join(mount, 'goals');
    writeFileSync(file, 'x');
    await tool('mfssetgoal', '3', file);
    await until('three copies', minute, async () => (await copies(file))[0] === 3);
    await tool('mfssetgoal', '1', file);
    await until('one copy', minute, async () => (await copies(file))[0] === 1);
    expect(readFileSync(file, 'utf8')).toBe('x');
    await tool('mfssetgoal', '2', file);
    await until('two copies', minute, async () => (await copies(file))[0] === 2);
  });

  test('a chunkserver is killed while a file is written: nothing is lost, and the copies are made anew', async () => {
    const file = join(mount, 'interrupted');
    const fd = openSync(file, 'w');
    const part = pattern(mebibyte, 2);
    const sum = createHash('sha256');
    for (let index = 0; index < 100; index++) {
      if (index === 40) await cluster.killChunkserver(0);
      writeSync(fd, part);
      sum.update(part);
      if (index % 10 === 9) fsyncSync(fd);
    }
    closeSync(fd);
    expect(digest(readFileSync(file))).toBe(sum.digest('hex'));
    await cluster.replicationSettled();
    expect(await copies(file)).toEqual([2, 2]);
  });

  test('copies that missed changes are removed when their chunkserver returns', async () => {
    const file = join(mount, 'big');
    const fd = openSync(file, 'r+');
    writeSync(fd, Buffer.from('changed while a server was away'), 0, 31, 64 * mebibyte + 5);
    closeSync(fd);
    const expected = pattern(150 * mebibyte, 1);
    expected.write('changed while a server was away', 64 * mebibyte + 5);
    await cluster.startChunkserver(0);
    await cluster.chunkserversConnected(3);
    await cluster.replicationSettled();
    await until('no surplus files', 3 * minute, async () => {
      const files = [0, 1, 2].flatMap(chunkFiles);
      const ids = new Set(files.map((name) => name.slice(-34, -13)));
      const goals = await cluster.mfscli('-SIC');
      const wanted = goals
        .split('\n')
        .map((line) => /goal\/copies\/chunks:\|(\d+)\|(\d+)\|(\d+)/.exec(line))
        .reduce((total, match) => total + (match ? Number(match[1]) * Number(match[3]) : 0), 0);
      return ids.size > 0 && files.length === wanted;
    });
    expect(digest(readFileSync(file))).toBe(digest(expected));
  });

  test('snapshots share chunks until one is changed', async () => {
    const file = join(mount, 'original');
    writeFileSync(file, 'original text');
    const copy = join(mount, 'copy');
    await tool('mfsmakesnapshot', file, copy);
    writeFileSync(copy, 'changed', { flag: 'r+' });
    expect(readFileSync(file, 'utf8')).toBe('original text');
    expect(readFileSync(copy, 'utf8')).toBe('changedl text');
  });

  test('the data survive a restart of the master', async () => {
    const file = join(mount, 'big');
    const before = digest(readFileSync(file));
    await cluster.stopMaster();
    await cluster.startMaster();
    await cluster.chunkserversConnected(3);
    await until('the file', minute, () => statSync(file).size === 150 * mebibyte);
    writeFileSync(join(mount, 'after'), 'written after the restart');
    expect(readFileSync(join(mount, 'after'), 'utf8')).toBe('written after the restart');
    expect(digest(readFileSync(file))).toBe(before);
  });

  test('files cut to nothing leave nothing on the disks', async () => {
    for (const name of readdirSync(mount)) truncateSync(join(mount, name));
    await until('empty disks', 3 * minute, () => [0, 1, 2].flatMap(chunkFiles).length === 0);
    await until('no chunks', minute, async () => /chunkclass to be removed:\|0/.test(await cluster.mfscli('-SIC')));
    expect(await cluster.mfscli('-SIN')).toMatch(/master info:\|chunks\|0/);
  });
});
