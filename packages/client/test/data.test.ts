import { createHash, randomBytes } from 'node:crypto';
import {
  closeSync,
  createReadStream,
  ftruncateSync,
  mkdtempSync,
  openSync,
  readSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Client, connect, type FileHandle, ops } from '@alces/client';
import { BLOCK_SIZE, CHUNK_SIZE } from '@alces/proto';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { until } from '../../../test/support/until.ts';
import { type StockCluster, startStock } from './support/stock.ts';

const MIB = 1 << 20;

let stock: StockCluster;
let one: Client;
let two: Client;
let mount: string;
let folder: string;

beforeAll(async () => {
  stock = await startStock();
  folder = mkdtempSync(join(tmpdir(), 'client-data-'));
  mount = await stock.cluster.mount('stock');
  one = await connect({ masters: [stock.master] });
  two = await connect({ masters: [stock.master], writeCacheBytes: 4 * MIB, readCacheBytes: 8 * MIB });
});

afterAll(async () => {
  await one?.close();
  await two?.close();
  await stock?.stop();
  if (folder) rmSync(folder, { recursive: true });
});

async function shaOfFile(path: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const part of createReadStream(path)) hash.update(part as Buffer);
  return hash.digest('hex');
}

async function shaOf(client: Client, path: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const part of client.createReadStream(path)) hash.update(part as Buffer);
  return hash.digest('hex');
}

async function readAt(file: FileHandle, position: number, length: number): Promise<Buffer> {
  return Buffer.concat(await file.readViews(length, position));
}

describe('large files', () => {
  const length = 2 * CHUNK_SIZE + 5 * MIB + 12_345;

  it('are written so that the stock mount and another client read the same', async () => {
    const hash = createHash('sha256');
    const stream = one.createWriteStream('/large');
    for (let written = 0; written < length; ) {
      const part = randomBytes(Math.min(700_000, length - written));
      hash.update(part);
      written += part.length;
      if (!stream.write(part)) await new Promise((resolve) => stream.once('drain', resolve));
    }
    await new Promise<void>((resolve) => stream.end(resolve));
    const expected = hash.digest('hex');
    expect(statSync(join(mount, 'large')).size).toBe(length);
    expect(await shaOfFile(join(mount, 'large'))).toBe(expected);
    expect(await shaOf(two, '/large')).toBe(expected);
    await one.unlink('/large');
  });

  it('of the stock mount are read', async () => {
    writeFileSync(join(mount, 'theirs'), randomBytes(CHUNK_SIZE + 3 * MIB + 1));
    expect(await shaOf(one, '/theirs')).toBe(await shaOfFile(join(mount, 'theirs')));
    await one.unlink('/theirs');
  });

  it('are read in any order and by many at once', async () => {
    const data = randomBytes(20 * MIB + 77);
    await one.writeFile('/shuffled', data);
    const file = await two.open('/shuffled');
    const positions = Array.from({ length: 200 }, () => Math.floor(Math.random() * data.length));
    await Promise.all(
      positions.map(async (position, i) => {
        const part = await readAt(file, position, 1 + i * 997);
        expect(part.equals(data.subarray(position, position + 1 + i * 997))).toBe(true);
      }),
    );
    expect(await readAt(file, data.length, 10)).toHaveLength(0);
    expect(await readAt(file, data.length - 3, 10)).toHaveLength(3);
    await file.close();
    await one.unlink('/shuffled');
  });

  it('are written through a cache much smaller than they are', async () => {
    const data = randomBytes(40 * MIB + 3);
    const file = await two.open('/squeezed', 'w+');
    const steps = Array.from({ length: 41 }, (_, i) => data.subarray(i * MIB, (i + 1) * MIB));
    await Promise.all(steps.map((step, i) => file.write(step, i * MIB)));
    expect((await file.readFile()).equals(data)).toBe(true);
    await file.close();
    await one.unlink('/squeezed');
  });
});

/** Offsets of interest: the beginning, and the two sides of a chunk border. */
const place = fc.oneof(
  fc.nat(3 * BLOCK_SIZE),
  fc.integer({ min: CHUNK_SIZE - 2 * BLOCK_SIZE, max: CHUNK_SIZE + 2 * BLOCK_SIZE }),
);
const amount = fc.oneof(fc.integer({ min: 1, max: 5000 }), fc.integer({ min: 1, max: 3 * BLOCK_SIZE }));
const action = fc.oneof(
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('write' as const), at: place, length: amount }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('read' as const), at: place, length: amount }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('truncate' as const), at: place }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('append' as const), length: amount }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constantFrom('sync' as const, 'reopen' as const, 'other' as const) }) },
);

describe('a file changed at random', () => {
  it('is always what a local file is', async () => {
    let run = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(action, { minLength: 5, maxLength: 25 }), async (steps) => {
        const path = `/random${run++}`;
        const reference = openSync(join(folder, 'reference'), 'w+');
        let file = await one.open(path, 'w+');
        let size = 0;
        let fill = 0;
        const compare = async (through: FileHandle, at: number, length: number): Promise<void> => {
          const expected = Buffer.alloc(length);
          const count = readSync(reference, expected, 0, length, at);
          const found = await readAt(through, at, length);
          expect(found.equals(expected.subarray(0, count))).toBe(true);
        };
        for (const step of steps) {
          if (step.kind === 'write' || step.kind === 'append') {
            const at = step.kind === 'append' ? size : step.at;
            fill = (fill % 255) + 1;
            const data = Buffer.alloc(step.length, fill);
            writeSync(reference, data, 0, data.length, at);
            size = Math.max(size, at + data.length);
            if (step.kind === 'append') {
              await file.sync();
              await one.appendFile(path, data);
            } else await file.write(data, at);
          } else if (step.kind === 'read') await compare(file, step.at, step.length);
          else if (step.kind === 'truncate') {
            ftruncateSync(reference, step.at);
            size = step.at;
            await file.truncate(step.at);
          } else if (step.kind === 'sync') await file.sync();
          else if (step.kind === 'reopen') {
            await file.close();
            file = await one.open(path, 'r+');
          } else {
            await file.sync();
            const other = await two.open(path);
            await compare(other, 0, 3 * BLOCK_SIZE);
            await compare(other, CHUNK_SIZE - BLOCK_SIZE, 2 * BLOCK_SIZE);
            await other.close();
          }
          expect((await file.stat()).size).toBe(size);
        }
        await file.close();
        const other = await two.open(path);
        for (const at of [0, CHUNK_SIZE - 3 * BLOCK_SIZE]) await compare(other, at, 6 * BLOCK_SIZE);
        expect((await other.stat()).size).toBe(size);
        await other.close();
        await one.unlink(path);
        closeSync(reference);
      }),
      { numRuns: 60 },
    );
  });
});

describe('what is read ahead', () => {
  it('does not outlive the write of data that were under way', async () => {
    for (let round = 0; round < 20; round++) {
      const file = await one.open('/ahead', 'w+');
      await file.write(Buffer.alloc(100_000, 7), 200_000);
      await readAt(file, 0, 50_000);
      expect((await readAt(file, 200_000, 100_000)).equals(Buffer.alloc(100_000, 7))).toBe(true);
      await file.close();
    }
    await one.unlink('/ahead');
  });
});

describe('sparse files', () => {
  it('read as zeros where nothing was written, and store nothing there', async () => {
    const file = await one.open('/sparse', 'w+');
    await file.write('end', 3 * CHUNK_SIZE + 1000);
    await file.close();
    const stats = await two.stat('/sparse');
    expect(stats.size).toBe(3 * CHUNK_SIZE + 1003);
    const reader = await two.open('/sparse');
    expect((await readAt(reader, CHUNK_SIZE - 5, 10)).equals(Buffer.alloc(10))).toBe(true);
    expect(String(await readAt(reader, 3 * CHUNK_SIZE + 998, 100))).toBe('\0\0end');
    await reader.close();
    const { chunks } = await import('@alces/client').then(({ ops }) => ops.directoryStatistics(one.session, stats.ino));
    expect(chunks).toBe(1);
    await one.unlink('/sparse');
  });

  it('shrink and grow with zeros behind', async () => {
    await one.writeFile('/cut', randomBytes(300_000));
    await one.truncate('/cut', 100_001);
    await one.truncate('/cut', CHUNK_SIZE + 10);
    const content = await two.readFile('/cut');
    expect(content.length).toBe(CHUNK_SIZE + 10);
    expect(content.subarray(100_001).every((byte) => byte === 0)).toBe(true);
    await one.truncate('/cut', 0);
    expect(await two.readFile('/cut')).toHaveLength(0);
    await one.unlink('/cut');
  });
});

describe('several clients', () => {
  it('write parts of one chunk without disturbing each other', async () => {
    await one.writeFile('/shared', Buffer.alloc(64 * 1000));
    const a = await one.open('/shared', 'r+');
    const b = await two.open('/shared', 'r+');
    const write = async (file: FileHandle, fill: number, parity: number): Promise<void> => {
      for (let i = parity; i < 64; i += 2) {
        await file.write(Buffer.alloc(1000, fill + i), i * 1000);
        if (i % 16 === parity) await file.sync();
      }
      await file.close();
    };
    await Promise.all([write(a, 1, 0), write(b, 101, 1)]);
    const content = await one.readFile('/shared');
    for (let i = 0; i < 64; i++) {
      const expected = (i % 2 === 0 ? 1 : 101) + i;
      expect(content.subarray(i * 1000, (i + 1) * 1000).every((byte) => byte === expected)).toBe(true);
    }
    await one.unlink('/shared');
  });

  it('append records that are all there, whole', async () => {
    await one.writeFile('/log', '');
    const append = async (client: Client, name: string): Promise<void> => {
      const file = await client.open('/log', 'a');
      for (let i = 0; i < 40; i++) await file.write(`${name}${String(i).padStart(3, '0')}\n`);
      await file.close();
    };
    await Promise.all([append(one, 'a'), append(two, 'b'), append(one, 'c')]);
    const lines = (await two.readFile('/log', 'utf8')).split('\n').slice(0, -1);
    const expected = ['a', 'b', 'c'].flatMap((n) =>
      Array.from({ length: 40 }, (_, i) => `${n}${String(i).padStart(3, '0')}`),
    );
    expect(lines.sort()).toEqual(expected);
    await one.unlink('/log');
  });

  it('see in an open file what another one wrote and cut', async () => {
    await one.writeFile('/watched', Buffer.alloc(1000, 1));
    const reader = await two.open('/watched');
    expect((await readAt(reader, 0, 1000))[0]).toBe(1);
    const writer = await one.open('/watched', 'r+');
    await writer.write(Buffer.alloc(1000, 2), 0);
    await writer.sync();
    await until('the new content', 5000, async () => (await readAt(reader, 0, 1000))[999] === 2);
    await writer.truncate(10);
    await until('the new length', 5000, async () => (await readAt(reader, 0, 1000)).length === 10);
    await writer.write(Buffer.alloc(5, 3), 2000);
    await writer.close();
    await until('the longer file', 5000, async () => (await readAt(reader, 2000, 10)).length === 5);
    await reader.close();
    await one.unlink('/watched');
  });

  it('forget what they read ahead when another one writes it', async () => {
    await one.writeFile('/ahead', Buffer.alloc(MIB, 1));
    const reader = await two.open('/ahead');
    await readAt(reader, 0, 4096);
    const writer = await one.open('/ahead', 'r+');
    await writer.write(Buffer.alloc(10, 2), 500_000);
    await writer.sync();
    await until('the new bytes', 5000, async () => (await readAt(reader, 500_000, 10))[9] === 2);
    await writer.close();
    await reader.close();
    await one.unlink('/ahead');
  });

  it('learn the new length when reading beyond the old one', async () => {
    await one.writeFile('/grows', 'old');
    const { ino } = await two.stat('/grows');
    const reader = await two.open('/grows');
    const io = two.data.open({ inode: ino, length: 3 });
    const writer = await one.open('/grows', 'r+');
    await writer.write(' and new', 3);
    await writer.close();
    await until('the new bytes', 5000, async () => Buffer.concat(await io.read(0, 100)).toString() === 'old and new');
    await io.close();
    await reader.close();
    await one.unlink('/grows');
  });

  it('see zeros where another one cut and extended the file', async () => {
    await one.writeFile('/recut', Buffer.alloc(200_000, 5));
    const reader = await two.open('/recut', 'r+');
    await readAt(reader, 0, 10);
    await one.truncate('/recut', 0);
    await one.truncate('/recut', 300_000);
    await until('the zeros', 5000, async () => (await readAt(reader, 0, 300_000)).equals(Buffer.alloc(300_000)));
    await reader.truncate(0);
    await reader.truncate(1000);
    expect((await readAt(reader, 0, 2000)).equals(Buffer.alloc(1000))).toBe(true);
    await reader.close();
    await one.unlink('/recut');
  });

  it('read what was written and closed, also through the stock mount and back', async () => {
    for (let round = 0; round < 5; round++) {
      await one.writeFile('/pingpong', `round ${round} `);
      expect(await two.readFile('/pingpong', 'utf8')).toBe(`round ${round} `);
      writeFileSync(join(mount, 'pingpong'), `mount ${round}`);
      expect(await one.readFile('/pingpong', 'utf8')).toBe(`mount ${round}`);
    }
    await one.unlink('/pingpong');
  });

  it('read an unlinked file that is still open', async () => {
    await one.writeFile('/gone', 'still here');
    const file = await two.open('/gone', 'r+');
    await one.unlink('/gone');
    expect(String(await readAt(file, 0, 20))).toBe('still here');
    await file.write('STILL', 0);
    expect(String(await readAt(file, 0, 20))).toBe('STILL here');
    await file.close();
  });
});

describe('one client with several handles', () => {
  it('cuts after what was written before, and writes after what it cut', async () => {
    for (let round = 0; round < 20; round++) {
      const a = await one.open('/order', 'w+');
      const b = await one.open('/order', 'r+');
      const steps = [
        a.write(Buffer.alloc(100_000, 1), 0),
        b.truncate(50_000),
        a.write(Buffer.alloc(10, 2), 60_000),
        b.truncate(70_000),
      ];
      await Promise.all(steps);
      const expected = Buffer.alloc(70_000);
      expected.fill(1, 0, 50_000);
      expected.fill(2, 60_000, 60_010);
      expect((await readAt(b, 0, 100_000)).equals(expected)).toBe(true);
      await a.close();
      await b.close();
    }
    await one.unlink('/order');
  });
});

describe('errors of writing', () => {
  it('reach every later call of the handle', async () => {
    await one.mkdir('/limited');
    const { ino } = await one.stat('/limited');
    const limits = {
      softInodes: 0,
      softLength: 0,
      softSize: 0,
      softRealsize: 0,
      hardInodes: 0,
      hardSize: 0,
      hardRealsize: 0,
    };
    await ops.setQuota(one.session, { ...limits, grace: 0, inode: ino, qflags: 0x20, hardLength: 1000 });
    const file = await one.open('/limited/file', 'w');
    await file.write(Buffer.alloc(5000));
    await expect(file.sync()).rejects.toMatchObject({ code: 'EDQUOT' });
    await expect(file.write('more')).rejects.toMatchObject({ code: 'EDQUOT', syscall: 'write' });
    await expect(file.close()).rejects.toMatchObject({ code: 'EDQUOT', syscall: 'close' });
    await expect(one.writeFile('/limited/file', Buffer.alloc(2000))).rejects.toMatchObject({ code: 'EDQUOT' });
    await one.writeFile('/limited/file', 'fits');
    expect(await two.readFile('/limited/file', 'utf8')).toBe('fits');
    await one.rm('/limited', { recursive: true });
  });
});
