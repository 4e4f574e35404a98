import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { open, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { BLOCK_SIZE, CHUNK_SIZE } from '@alces/proto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Cluster, type ClusterServer, startCluster } from './support/cluster.ts';
import { until } from './support/wait.ts';

/** Our chunkserver beside stock ones, under a stock master, used through a stock mount. */

let cluster: Cluster;

beforeAll(async () => {
  cluster = await startCluster(['ours', 'ours', 'stock']);
});

afterAll(async () => {
  await cluster?.stop();
});

const path = (name: string) => `${cluster.mount}/${name}`;

async function newFile(name: string, goal: number, content: Buffer): Promise<void> {
  await writeFile(path(name), '');
  await cluster.tool('mfssetgoal', String(goal), path(name));
  await writeFile(path(name), content);
}

async function expectContent(name: string, expected: Buffer): Promise<void> {
  const found = await readFile(path(name));
  expect(found.length).toBe(expected.length);
  expect(found.equals(expected)).toBe(true);
}

async function valid(name: string): Promise<string[]> {
  return (await cluster.copies(name)).filter((copy) => copy.status === 'VALID').map((copy) => copy.address);
}

function chunkFiles(server: ClusterServer): string[] {
  return readdirSync(server.disk, { recursive: true, encoding: 'utf8' }).filter((name) => /chunk_.*\.mfs$/.test(name));
}

/** Every complete chunk file of a server must satisfy the stock tool; the master may delete or replace some meanwhile. */
function checkFiles(server: ClusterServer): void {
  for (const name of chunkFiles(server).filter((file) => !file.endsWith('_00000000.mfs'))) {
    const file = `${server.disk}/${name}`;
    const { status, stderr } = spawnSync('mfschunktool', ['-x', file], { encoding: 'utf8' });
    if (existsSync(file)) expect([stderr, status]).toEqual(['', 0]);
  }
}

/** The file of the only chunk of a small file; undefined when the server does not have it at the moment. */
async function fileOf(server: ClusterServer, name: string): Promise<string | undefined> {
  const copy = (await cluster.copies(name)).find((one) => one.address === server.address);
  if (!copy) return undefined;
  const hex = (value: number, digits: number) => value.toString(16).toUpperCase().padStart(digits, '0');
  const file = `chunk_${hex(copy.chunkId, 16)}_${hex(copy.version, 8)}.mfs`;
  const found = chunkFiles(server).find((candidate) => candidate.endsWith(file));
  return found && `${server.disk}/${found}`;
}

describe('with the stock master and mount', () => {
  it('files of all sizes survive: one copy here, one there', async () => {
    const sizes = [0, 1, 17, BLOCK_SIZE - 1, BLOCK_SIZE, BLOCK_SIZE + 1, 1_000_000, CHUNK_SIZE + 12_345];
    for (const goal of [2, 3])
      for (const size of sizes) {
        const content = randomBytes(size);
        await newFile(`size-${goal}-${size}`, goal, content);
        await expectContent(`size-${goal}-${size}`, content);
      }
  });

  it('overwrites, appends, holes and truncations give what a local file gives', async () => {
    const local = `${cluster.mount}-local`;
    const size = 5_000_000;
    const content = randomBytes(size);
    await newFile('edited', 3, content);
    await writeFile(local, content);
    const handles = [await open(path('edited'), 'r+'), await open(local, 'r+')];
    let seed = 12_345;
    const random = (limit: number) => {
      seed = (Math.imul(seed, 1_103_515_245) + 12_345) >>> 0;
      return seed % limit;
    };
    for (let step = 0; step < 60; step++) {
      const data = randomBytes(1 + random(step % 3 === 0 ? 300_000 : 5000));
      const at = random(size + 400_000);
      for (const handle of handles) await handle.write(data, 0, data.length, at);
      if (step % 12 !== 11) continue;
      const length = random(size + 500_000);
      for (const handle of handles) await handle.truncate(length);
    }
    for (const handle of handles) await handle.close();
    await expectContent('edited', await readFile(local));
    await truncate(path('edited'), 1_234_567);
    await truncate(local, 1_234_567);
    await truncate(path('edited'), CHUNK_SIZE + 5);
    await truncate(local, CHUNK_SIZE + 5);
    await expectContent('edited', await readFile(local));
    await rm(local);
  });

  it('snapshots are copied on write, and cut', async () => {
    const content = randomBytes(300_000);
    await newFile('original', 3, content);
    for (const copy of ['written', 'cut']) await cluster.tool('mfsmakesnapshot', path('original'), path(copy));
    const handle = await open(path('written'), 'r+');
    const piece = randomBytes(100);
    await handle.write(piece, 0, piece.length, 70_000);
    await handle.close();
    await truncate(path('cut'), 100_001);
    const written = Buffer.from(content);
    piece.copy(written, 70_000);
    await expectContent('original', content);
    await expectContent('written', written);
    await expectContent('cut', content.subarray(0, 100_001));
  });

  it('raising the goal replicates from ours to stock and from stock to ours', async () => {
    const content = randomBytes(CHUNK_SIZE + 3_000_000);
    const sources = new Set<string>();
    for (let attempt = 0; attempt < 12 && sources.size < 3; attempt++) {
      await newFile(`spread-${attempt}`, 1, content.subarray(0, 200_000 + attempt));
      for (const address of await valid(`spread-${attempt}`)) sources.add(address);
      await cluster.tool('mfssetgoal', '3', path(`spread-${attempt}`));
      await until('three copies', async () => (await valid(`spread-${attempt}`)).length === 3, 60_000);
      await expectContent(`spread-${attempt}`, content.subarray(0, 200_000 + attempt));
    }
    expect(sources.size).toBe(3);
    await newFile('large', 2, content);
    await cluster.tool('mfssetgoal', '3', path('large'));
    await until('three copies of both chunks', async () => (await valid('large')).length === 6, 60_000);
    for (const server of cluster.servers) checkFiles(server);
  }, 180_000);

  it('equal copies are equal files', async () => {
    const names = await Promise.all(cluster.servers.map((server) => fileOf(server, 'spread-0')));
    const files = names.map((name) => readFileSync(name ?? ''));
    for (const file of files.slice(1)) expect(file.equals(files[0])).toBe(true);
  });

  it('a damaged block is read from another copy, reported, and repaired', async () => {
    const content = randomBytes(10 * BLOCK_SIZE);
    await newFile('damaged', 3, content);
    const [ours] = cluster.servers;
    await ours.stop();
    const file = await fileOfStopped(ours, 'damaged');
    const bytes = readFileSync(file);
    bytes[8192 + 4 * BLOCK_SIZE + 1000] ^= 4;
    writeFileSync(file, bytes);
    await ours.start();
    await until('all copies known', async () => (await valid('damaged')).length === 3, 60_000);
    await until('damage noticed', async () => {
      await expectContent('damaged', content);
      return ours.log().includes('wrong CRC');
    });
    await until(
      'copy repaired',
      async () => {
        if ((await valid('damaged')).length !== 3) return false;
        const replaced = await fileOf(ours, 'damaged');
        return replaced !== undefined && readFileSync(replaced).subarray(8192).equals(content);
      },
      90_000,
    );
    checkFiles(ours);
  }, 180_000);

  it('comes back with its chunks after an orderly end and after a kill', async () => {
    const content = randomBytes(2_000_000);
    await newFile('stays', 3, content);
    const [ours, other, stock] = cluster.servers;
    await ours.stop('SIGTERM');
    expect(existsSync(`${ours.disk}/.chunkdb`)).toBe(true);
    await ours.start();
    await other.stop('SIGKILL');
    await other.start();
    await until('three copies', async () => (await valid('stays')).length === 3, 60_000);
    await stock.stop();
    await ours.stop();
    await expectContent('stays', content);
    await ours.start();
    await stock.start();
  }, 180_000);

  it('a kill in the middle of writing costs no answered byte', async () => {
    const [ours] = cluster.servers;
    const content = randomBytes(30_000_000);
    await writeFile(path('killed'), '');
    await cluster.tool('mfssetgoal', '3', path('killed'));
    const writing = writeFile(path('killed'), content);
    await until('chunk begun', async () => (await cluster.copies('killed')).length > 0);
    await ours.stop('SIGKILL');
    await writing;
    await expectContent('killed', content);
    await ours.start();
    await until('three copies', async () => (await valid('killed')).length === 3, 90_000);
    await expectContent('killed', content);
    for (const server of cluster.servers) checkFiles(server);
  }, 180_000);

  it('disks go over to the stock server and back', async () => {
    const content = randomBytes(3_000_000);
    await newFile('adopted', 3, content);
    const [ours, other, stock] = cluster.servers;
    await ours.stop();
    await ours.start('stock');
    await stock.stop();
    await stock.start('ours');
    await until('three copies', async () => (await valid('adopted')).length === 3, 60_000);
    await other.stop();
    await expectContent('adopted', content);
    await truncate(path('adopted'), 1_000_001);
    await other.start();
    await ours.stop();
    await ours.start('ours');
    await stock.stop();
    await stock.start('stock');
    await expectContent('adopted', content.subarray(0, 1_000_001));
  }, 180_000);

  it('deleted files disappear from the disks', async () => {
    const [ours] = cluster.servers;
    for (const name of readdirSync(cluster.mount)) await truncate(path(name), 0);
    await until('chunk files gone', () => chunkFiles(ours).length === 0, 200_000);
    expect(ours.log()).not.toMatch(/internal error|unknown message/);
  }, 240_000);
});

async function fileOfStopped(server: ClusterServer, name: string): Promise<string> {
  const [copy] = await cluster.copies(name);
  const id = copy.chunkId.toString(16).toUpperCase().padStart(16, '0');
  const found = chunkFiles(server).find((candidate) => candidate.includes(`chunk_${id}_`));
  if (!found) throw new Error(`chunk ${id} is not on server ${server.number}`);
  return `${server.disk}/${found}`;
}
