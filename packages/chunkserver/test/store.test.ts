import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { BLOCK_SIZE, CHUNK_SIZE, crc32, Status } from '@alces/proto';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Store } from '../src/store/context.ts';
import {
  chunkBlocks,
  chunkChecksum,
  chunkCrcTable,
  createChunk,
  deleteChunk,
  duplicateChunk,
  genericOperation,
  setVersion,
  testChunkForMaster,
  truncateChunk,
} from '../src/store/operations.ts';
import { readBlocks } from '../src/store/readBlocks.ts';
import { withoutZeroEnds, writeBlocks } from '../src/store/writeBlocks.ts';
import { startTestServer, type TestServer, temporaryFolder } from './support/server.ts';
import { until } from './support/wait.ts';

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let running: TestServer;
let store: Store;
let disk: string;

beforeEach(async () => {
  folder = await temporaryFolder();
  disk = `${folder.path}/d1`;
  mkdirSync(disk);
  running = await startTestServer({ dataPath: folder.path, hdd: [disk], config: ['HDD_TEST_SPEED = 0'] });
  store = running.server.store;
  await until('folder in work', () => store.folders[0].phase === 'working');
});

afterEach(async () => {
  await running.server.stop();
  await folder.remove();
});

function files(): string[] {
  return readdirSync(`${disk}/00`);
}

function path(name: string): string {
  return `${disk}/00/${name}`;
}

/** What the stock tool says about a chunk file; it exits with 0 only when everything is right. */
function stockCheck(name: string): string {
  return execFileSync('mfschunktool', ['-e', '-x', path(name)], { encoding: 'utf8' });
}

function write(chunkId: number, version: number, block: number, offset: number, data: Buffer) {
  return writeBlocks(store, chunkId, version, [{ block, offset, data, crc: crc32(data) }]);
}

async function read(chunkId: number, version: number, first: number, count: number): Promise<Buffer> {
  const areas = Array.from({ length: count }, () => Buffer.alloc(BLOCK_SIZE, 1));
  const crcs: number[] = [];
  const { status } = await readBlocks(store, chunkId, version, first, areas, crcs);
  expect(status).toBe(Status.OK);
  for (const [index, area] of areas.entries()) expect(crc32(area)).toBe(crcs[index]);
  return Buffer.concat(areas);
}

describe('create, write, read', () => {
  it('makes a file as the stock server does', async () => {
    expect(await createChunk(store, 0xa5, 2)).toBe(Status.OK);
    expect(files()).toEqual(['chunk_00000000000000A5_00000002.mfs']);
    const file = readFileSync(path(files()[0]));
    expect(file.length).toBe(8192);
    expect(file.toString('latin1', 0, 8)).toBe('MFSC 1.0');
    expect(file.readBigUInt64BE(8)).toBe(0xa5n);
    expect(file.readUInt32BE(16)).toBe(2);
    expect(file.subarray(20).every((byte) => byte === 0)).toBe(true);
    expect(statSync(path(files()[0])).mode & 0o777).toBe(0o666 & ~process.umask());
  });

  it('refuses to create what exists, whatever the version', async () => {
    await createChunk(store, 1, 1);
    expect(await createChunk(store, 1, 2)).toBe(Status.CHUNKEXIST);
  });

  it('does not touch an unknown file of the same name', async () => {
    writeFileSync(path('chunk_0000000000000001_00000001.mfs'), 'precious');
    expect(await createChunk(store, 1, 1)).toBe(Status.IO);
    expect(readFileSync(path('chunk_0000000000000001_00000001.mfs'), 'utf8')).toBe('precious');
    expect(await chunkBlocks(store, 1, 0)).toEqual({ status: Status.NOCHUNK });
  });

  it('writes whole and partial blocks so that the stock tool agrees with every CRC', async () => {
    await createChunk(store, 1, 1);
    const expected = Buffer.alloc(6 * BLOCK_SIZE);
    const put = async (at: number, data: Buffer) => {
      data.copy(expected, at);
      expect(await write(1, 1, Math.floor(at / BLOCK_SIZE), at % BLOCK_SIZE, data)).toEqual({ done: 1, status: 0 });
    };
    await put(0, randomBytes(BLOCK_SIZE));
    await put(BLOCK_SIZE + 1000, randomBytes(3));
    await put(BLOCK_SIZE + 999, randomBytes(2000));
    await put(5 * BLOCK_SIZE + 65_000, randomBytes(536));
    await put(3 * BLOCK_SIZE, randomBytes(1));
    await put(17, randomBytes(40_000));
    expect(await read(1, 1, 0, 6)).toEqual(expected);
    expect(await chunkBlocks(store, 1, 1)).toEqual({ status: Status.OK, value: 6 });
    expect(stockCheck(files()[0])).toContain('OK');
  });

  it('writes neighbouring blocks of one call together with parts and jumps', async () => {
    await createChunk(store, 1, 1);
    const pieces = [
      { block: 0, offset: 0, data: randomBytes(BLOCK_SIZE) },
      { block: 1, offset: 0, data: randomBytes(BLOCK_SIZE) },
      { block: 1, offset: 5, data: randomBytes(50) },
      { block: 2, offset: 0, data: randomBytes(100) },
      { block: 2, offset: 100, data: randomBytes(100) },
      { block: 9, offset: 1, data: randomBytes(7) },
      { block: 4, offset: 0, data: randomBytes(BLOCK_SIZE) },
      { block: 0, offset: 0, data: randomBytes(BLOCK_SIZE) },
      { block: 9, offset: 0, data: Buffer.alloc(0) },
      { block: 2, offset: 50, data: randomBytes(100) },
    ];
    const expected = Buffer.alloc(10 * BLOCK_SIZE);
    for (const { block, offset, data } of pieces) data.copy(expected, block * BLOCK_SIZE + offset);
    const result = await writeBlocks(
      store,
      1,
      1,
      pieces.map((piece) => ({ ...piece, crc: crc32(piece.data) })),
    );
    expect(result).toEqual({ done: pieces.length, status: Status.OK });
    expect(await read(1, 1, 0, 10)).toEqual(expected);
    expect(stockCheck(files()[0])).toContain('OK');
  });

  it('leaves holes where new blocks are zero', async () => {
    await createChunk(store, 1, 1);
    await write(1, 1, 0, 0, Buffer.alloc(BLOCK_SIZE));
    const almost = Buffer.alloc(BLOCK_SIZE);
    almost[40_000] = 1;
    await write(1, 1, 1, 0, almost);
    const info = statSync(path(files()[0]));
    expect(info.size).toBe(8192 + 2 * BLOCK_SIZE);
    expect(info.blocks * 512).toBeLessThan(BLOCK_SIZE);
    expect(await read(1, 1, 0, 2)).toEqual(Buffer.concat([Buffer.alloc(BLOCK_SIZE), almost]));
    await write(1, 1, 1, 40_000, Buffer.from([0]));
    expect(await read(1, 1, 0, 2)).toEqual(Buffer.alloc(2 * BLOCK_SIZE));
    expect(stockCheck(files()[0])).toContain('OK');
  });

  it('gives zeros behind the end of the chunk', async () => {
    await createChunk(store, 1, 1);
    expect(await read(1, 1, 1000, 3)).toEqual(Buffer.alloc(3 * BLOCK_SIZE));
  });

  it('has the table in the file when a write is answered', async () => {
    await createChunk(store, 1, 1);
    const data = randomBytes(BLOCK_SIZE);
    await write(1, 1, 3, 0, data);
    const file = readFileSync(path(files()[0]));
    expect(file.readUInt32BE(4096 + 3 * 4)).toBe(crc32(data));
    expect(file.readUInt32BE(4096)).toBe(0xd7978eeb);
    expect(file.length).toBe(8192 + 4 * BLOCK_SIZE);
  });

  it('refuses writes in the order of the checks and keeps what went before', async () => {
    await createChunk(store, 1, 1);
    const data = randomBytes(10);
    const good = { block: 0, offset: 0, data, crc: crc32(data) };
    const attempts = [
      [{ ...good, block: 1024, crc: 0 }, Status.BNUMTOOBIG],
      [{ ...good, data: Buffer.alloc(BLOCK_SIZE + 1) }, Status.WRONGSIZE],
      [{ ...good, offset: BLOCK_SIZE - 9 }, Status.WRONGOFFSET],
      [{ ...good, crc: 1 }, Status.CRC],
    ] as const;
    for (const [attempt, status] of attempts)
      expect(await writeBlocks(store, 1, 1, [good, attempt, good])).toEqual({ done: 1, status });
    expect(await writeBlocks(store, 1, 7, [good])).toEqual({ done: 0, status: Status.WRONGVERSION });
    expect(await writeBlocks(store, 2, 0, [good])).toEqual({ done: 0, status: Status.NOCHUNK });
    expect((await read(1, 0, 0, 1)).subarray(0, 10)).toEqual(data);
  });
});

describe('damage', () => {
  async function damagedChunk(): Promise<void> {
    await createChunk(store, 1, 1);
    await write(1, 1, 0, 0, randomBytes(BLOCK_SIZE));
    await write(1, 1, 1, 0, randomBytes(BLOCK_SIZE));
    const file = readFileSync(path(files()[0]));
    file[8192 + BLOCK_SIZE + 5] ^= 1;
    writeFileSync(path(files()[0]), file);
  }

  it('is noticed by reads', async () => {
    await damagedChunk();
    const areas = [Buffer.alloc(BLOCK_SIZE), Buffer.alloc(BLOCK_SIZE)];
    expect(await readBlocks(store, 1, 1, 0, areas, [])).toEqual({ done: 1, status: Status.CRC });
    expect(store.table.isDamaged(store.table.find(1))).toBe(true);
    expect(store.folders[0].errors.newest).toMatchObject({ chunkId: 1, code: '' });
  });

  it('is noticed by partial writes, which then write nothing', async () => {
    await damagedChunk();
    const before = readFileSync(path(files()[0]));
    expect(await write(1, 1, 1, 100, randomBytes(5))).toEqual({ done: 0, status: Status.CRC });
    expect(readFileSync(path(files()[0]))).toEqual(before);
  });

  it('is healed by a write of the whole block', async () => {
    await damagedChunk();
    await write(1, 1, 1, 0, randomBytes(BLOCK_SIZE));
    expect(stockCheck(files()[0])).toContain('OK');
  });

  it('is not covered up by a truncation into the block', async () => {
    await damagedChunk();
    expect(await truncateChunk(store, 1, BLOCK_SIZE + 3, 2, 1)).toBe(Status.CRC);
    expect(files()).toEqual(['chunk_0000000000000001_00000001.mfs']);
  });

  it('stays recognizable in copies', async () => {
    await damagedChunk();
    await duplicateChunk(store, { sourceId: 1, sourceVersion: 1, copyId: 2, copyVersion: 1 });
    await duplicateChunk(store, {
      sourceId: 1,
      sourceVersion: 1,
      copyId: 3,
      copyVersion: 1,
      lengthBytes: BLOCK_SIZE + 9,
    });
    for (const copy of [2, 3]) {
      const areas = [Buffer.alloc(BLOCK_SIZE), Buffer.alloc(BLOCK_SIZE)];
      expect(await readBlocks(store, copy, 1, 0, areas, [])).toEqual({ done: 1, status: Status.CRC });
    }
  });

  it('is found by a test once, and only then', async () => {
    await damagedChunk();
    expect(await testChunkForMaster(store, 1, 1)).toBe(Status.OK);
    store.table.setLastUse(store.table.find(1), 0);
    expect(await testChunkForMaster(store, 1, 1)).toBe(Status.CRC);
    expect(await testChunkForMaster(store, 1, 1)).toBe(Status.OK);
  });

  it('of the header makes the chunk unusable', async () => {
    await createChunk(store, 1, 1);
    store.active.forget(1);
    const file = readFileSync(path(files()[0]));
    file[16] = 9;
    writeFileSync(path(files()[0]), file);
    expect(await chunkCrcTable(store, 1, 1)).toEqual({ status: Status.IO });
    expect(await deleteChunk(store, 1, 1)).toBe(Status.OK);
  });
});

describe('operations', () => {
  const content = randomBytes(3 * BLOCK_SIZE);

  beforeEach(async () => {
    await createChunk(store, 1, 1);
    for (let block = 0; block < 3; block++)
      await write(1, 1, block, 0, content.subarray(block * BLOCK_SIZE, (block + 1) * BLOCK_SIZE));
  });

  it('sets versions: name and header', async () => {
    expect(await setVersion(store, 1, 5, 1)).toBe(Status.OK);
    expect(files()).toEqual(['chunk_0000000000000001_00000005.mfs']);
    expect(await setVersion(store, 1, 6, 1)).toBe(Status.WRONGVERSION);
    expect(await setVersion(store, 1, 0, 5)).toBe(Status.EINVAL);
    expect(await setVersion(store, 1, 2, 0)).toBe(Status.OK);
    expect(stockCheck(files()[0])).toContain('OK');
    expect(await setVersion(store, 99, 2, 1)).toBe(Status.NOCHUNK);
  });

  it.each([0, 1, BLOCK_SIZE - 1, BLOCK_SIZE, 2 * BLOCK_SIZE + 77, 3 * BLOCK_SIZE, 4 * BLOCK_SIZE + 1, CHUNK_SIZE])(
    'truncates to %i bytes',
    async (length) => {
      expect(await truncateChunk(store, 1, length, 2, 1)).toBe(Status.OK);
      const blocks = Math.ceil(length / BLOCK_SIZE);
      expect(await chunkBlocks(store, 1, 2)).toEqual({ status: Status.OK, value: blocks });
      const kept = Math.min(length, content.length);
      const expected = Buffer.alloc(4 * BLOCK_SIZE);
      content.copy(expected, 0, 0, kept);
      expect(await read(1, 2, 0, 4)).toEqual(expected);
      expect(stockCheck(files()[0])).toContain('OK');
    },
  );

  it('refuses impossible truncations', async () => {
    expect(await truncateChunk(store, 1, CHUNK_SIZE + 1, 2, 1)).toBe(Status.EINVAL);
    expect(await truncateChunk(store, 1, 0xffff_ffff, 2, 1)).toBe(Status.EINVAL);
    expect(await truncateChunk(store, 1, 1, 0, 1)).toBe(Status.EINVAL);
    expect(await truncateChunk(store, 1, 1, 2, 4)).toBe(Status.WRONGVERSION);
  });

  it.each([undefined, 0, 5, BLOCK_SIZE, BLOCK_SIZE + 9, 3 * BLOCK_SIZE, 5 * BLOCK_SIZE + 5])(
    'duplicates (length %s)',
    async (length) => {
      const order = { sourceId: 1, sourceVersion: 1, copyId: 7, copyVersion: 3 };
      expect(await duplicateChunk(store, length === undefined ? order : { ...order, lengthBytes: length })).toBe(
        Status.OK,
      );
      const kept = Math.min(length ?? content.length, content.length);
      const expected = Buffer.alloc(6 * BLOCK_SIZE);
      content.copy(expected, 0, 0, kept);
      expect(await read(7, 3, 0, 6)).toEqual(expected);
      expect((await read(1, 1, 0, 3)).equals(content)).toBe(true);
      for (const name of files()) expect(stockCheck(name)).toContain('OK');
      const blocks = Math.ceil((length ?? content.length) / BLOCK_SIZE);
      expect(await chunkBlocks(store, 7, 3)).toEqual({ status: Status.OK, value: blocks });
    },
  );

  it('refuses impossible copies', async () => {
    const order = { sourceId: 1, sourceVersion: 1, copyId: 7, copyVersion: 3 };
    expect(await duplicateChunk(store, { ...order, sourceVersion: 0 })).toBe(Status.EINVAL);
    expect(await duplicateChunk(store, { ...order, copyId: 0 })).toBe(Status.EINVAL);
    expect(await duplicateChunk(store, { ...order, copyId: 1 })).toBe(Status.CHUNKEXIST);
    expect(await duplicateChunk(store, { ...order, sourceVersion: 2 })).toBe(Status.WRONGVERSION);
    expect(await duplicateChunk(store, { ...order, lengthBytes: CHUNK_SIZE + 1 })).toBe(Status.EINVAL);
    expect(await duplicateChunk(store, { ...order, sourceId: 5 })).toBe(Status.NOCHUNK);
    expect(files()).toHaveLength(1);
  });

  it('deletes, also when the file is gone', async () => {
    expect(await deleteChunk(store, 1, 9)).toBe(Status.WRONGVERSION);
    expect(await deleteChunk(store, 1, 1)).toBe(Status.OK);
    expect(files()).toEqual([]);
    expect(await deleteChunk(store, 1, 1)).toBe(Status.NOCHUNK);
    expect(store.folders[0].chunks).toBe(0);
  });

  it('understands the generic operation', async () => {
    const none = { version: 0, newVersion: 0, copyId: 0, copyVersion: 0, length: 0xffff_ffff };
    const run = (fields: Partial<typeof none> & { chunkId: number }) => genericOperation(store, { ...none, ...fields });
    expect(await run({ chunkId: 1, version: 1, newVersion: 2 })).toBe(Status.OK);
    expect(await run({ chunkId: 1, version: 2, newVersion: 3, length: 10 })).toBe(Status.OK);
    expect(await run({ chunkId: 1, version: 3, newVersion: 4, copyId: 20 })).toBe(Status.OK);
    expect(await run({ chunkId: 1, version: 4, newVersion: 4, copyId: 21, copyVersion: 9, length: 3 })).toBe(Status.OK);
    expect(await run({ chunkId: 30, version: 6, length: 1 })).toBe(Status.OK);
    expect(await run({ chunkId: 30, version: 6, length: 2 })).toBe(Status.OK);
    expect(await run({ chunkId: 30, version: 6, length: 0 })).toBe(Status.OK);
    expect(await run({ chunkId: 1, version: 4, length: 5 })).toBe(Status.EINVAL);
    expect(await run({ chunkId: 1, version: 4, newVersion: 5, length: CHUNK_SIZE + 1 })).toBe(Status.EINVAL);
    expect(files().sort()).toEqual([
      'chunk_0000000000000001_00000004.mfs',
      'chunk_0000000000000014_00000004.mfs',
      'chunk_0000000000000015_00000009.mfs',
    ]);
  });

  it('computes the checksum of the table', async () => {
    await createChunk(store, 50, 1);
    expect(await chunkChecksum(store, 50, 1)).toEqual({ status: Status.OK, value: 0x4a00b401 });
  });

  it('runs operations on one chunk one after the other', async () => {
    const results = await Promise.all([
      setVersion(store, 1, 2, 1),
      truncateChunk(store, 1, 100, 3, 2),
      duplicateChunk(store, { sourceId: 1, sourceVersion: 3, copyId: 2, copyVersion: 1 }),
      deleteChunk(store, 1, 3),
      setVersion(store, 1, 4, 3),
    ]);
    expect(results).toEqual([0, 0, 0, 0, Status.NOCHUNK]);
    expect(files()).toEqual(['chunk_0000000000000002_00000001.mfs']);
  });
});

describe('zeros at the ends of new blocks', () => {
  it('are cut in units of 512 bytes', () => {
    const data = Buffer.alloc(2000);
    expect(withoutZeroEnds(data)).toBeUndefined();
    data[600] = 1;
    expect(withoutZeroEnds(data)).toEqual({ skip: 512, piece: data.subarray(512, 1024) });
    data[1999] = 1;
    expect(withoutZeroEnds(data)).toEqual({ skip: 512, piece: data.subarray(512) });
    data[0] = 1;
    expect(withoutZeroEnds(data)).toEqual({ skip: 0, piece: data });
  });
});
