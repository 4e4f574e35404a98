import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import {
  BLOCK_SIZE,
  CSTOAN_CHUNK_BLOCKS,
  CSTOMA_CHUNK_DAMAGED,
  CSTOMA_CHUNK_LOST,
  CSTOMA_CHUNK_NEW,
  CSTOMA_CHUNKOP,
  CSTOMA_CREATE,
  CSTOMA_CURRENT_LOAD,
  CSTOMA_DELETE,
  CSTOMA_DUPLICATE,
  CSTOMA_DUPTRUNC,
  CSTOMA_ERROR_OCCURRED,
  CSTOMA_LABELS,
  CSTOMA_REGISTER,
  CSTOMA_REPLICATE,
  CSTOMA_SET_VERSION,
  CSTOMA_SPACE,
  CSTOMA_TRUNCATE,
  crc32,
  encodeFrame,
  MATOCS_CHUNKOP,
  MATOCS_CREATE,
  MATOCS_DELETE,
  MATOCS_DUPLICATE,
  MATOCS_DUPTRUNC,
  MATOCS_MASTER_ACK,
  MATOCS_REPLICATE,
  MATOCS_SET_VERSION,
  MATOCS_TRUNCATE,
  Status,
} from '@alces/proto';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { chunkCrcTable, createChunk } from '../src/store/operations.ts';
import { readBlocks } from '../src/store/readBlocks.ts';
import { writeBlocks } from '../src/store/writeBlocks.ts';
import { type MasterSide, TestMaster } from './support/master.ts';
import { startTestServer, type TestServer, type TestServerOptions, temporaryFolder } from './support/server.ts';
import { until } from './support/wait.ts';

const LOOPBACK = 0x7f00_0001;

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let master: TestMaster;
const servers: TestServer[] = [];

beforeEach(async () => {
  folder = await temporaryFolder();
  master = await TestMaster.start();
});

afterEach(async () => {
  await Promise.all(servers.splice(0).map((running) => running.server.stop()));
  await master.stop();
  await folder.remove();
});

const diskOf = (server: number) => `${folder.path}/s${server}/d`;

async function start(options: Partial<TestServerOptions> = {}): Promise<TestServer> {
  const dataPath = `${folder.path}/s${servers.length}`;
  mkdirSync(`${dataPath}/d`, { recursive: true });
  const running = await startTestServer({
    dataPath,
    hdd: [`${dataPath}/d`],
    masterPort: master.port,
    ...options,
    config: ['HDD_TEST_SPEED = 0', 'HDD_REBALANCE_UTILIZATION = 0', ...(options.config ?? [])],
  });
  servers.push(running);
  await until('folder in work', () => running.server.store.folders.every((one) => one.phase === 'working'));
  return running;
}

/** Plays a registration without chunks. */
async function register(side: MasterSide): Promise<void> {
  const begin = await side.expect(CSTOMA_REGISTER);
  expect(begin.layout).toBe('begin');
  side.accept();
  await side.expect(CSTOMA_LABELS);
  for (;;) {
    const stage = await side.expect(CSTOMA_REGISTER);
    if (stage.layout === 'end') return;
    side.send(MATOCS_MASTER_ACK.encode({ layout: 'next' }));
  }
}

async function registered(
  options: Partial<TestServerOptions> = {},
): Promise<{ running: TestServer; side: MasterSide }> {
  const running = await start(options);
  const side = await master.connection();
  await register(side);
  return { running, side };
}

describe('registration', () => {
  it('sends what the stock server sends, byte for byte', async () => {
    await start({ config: ['LABELS = c, A'] });
    const side = await master.connection();
    const begin = await side.next();
    expect(begin.type).toBe(100);
    expect(begin.payload.toString('hex')).toBe(
      `3c000300ea${'7f000001'}24ce00000000${'00'.repeat(8 + 8 + 4 + 8 + 8 + 4)}`,
    );
    side.accept();
    const labels = await side.next();
    expect([labels.type, labels.payload.toString('hex')]).toEqual([109, '00000005']);
    const end = await side.next();
    expect([end.type, end.payload.toString('hex')]).toEqual([100, '3e']);
    const space = await side.expect(CSTOMA_SPACE);
    expect(space.totalSpace).toBeGreaterThan(space.usedSpace);
  });

  it('stores who it is, and tells it at the next connection', async () => {
    const running = await start();
    let side = await master.connection();
    await side.expect(CSTOMA_REGISTER);
    side.accept({ csid: 77 });
    await side.expect(CSTOMA_LABELS);
    await until(
      'id file',
      () => existsSync(`${folder.path}/s0/chunkserverid.mfs`) && existsSync(`${diskOf(0)}/.metaid`),
    );
    await until('id stored', () => readFileSync(`${folder.path}/s0/chunkserverid.mfs`).length === 10);
    expect(readFileSync(`${folder.path}/s0/chunkserverid.mfs`).toString('hex')).toBe('004d1122334455667788');
    await until('meta id stored', () => readFileSync(`${diskOf(0)}/.metaid`).length === 8);
    expect(readFileSync(`${diskOf(0)}/.metaid`).toString('hex')).toBe('1122334455667788');
    side.end();
    side = await master.connection();
    expect(await side.expect(CSTOMA_REGISTER)).toMatchObject({ layout: 'begin', csid: 77 });
    expect(running.foreign).toEqual([]);
    side.accept({ csid: 77, metaId: 5n });
    await until('wrong instance noticed', () => running.foreign.length > 0);
  });

  it('delivers the chunk list in parts, each on demand, with the mark for removal', async () => {
    const running = await start({ config: ['CHUNKS_PER_REGISTER_PACKET = 1000'] });
    const { store } = running.server;
    let side = await master.connection();
    await register(side);
    for (let id = 1; id <= 2500; id++) expect(await createChunk(store, id, id)).toBe(Status.OK);
    await running.reload({ hdd: [`*${diskOf(0)}`] });
    side.end();
    side = await master.connection();
    await side.expect(CSTOMA_REGISTER);
    side.accept();
    await side.expect(CSTOMA_LABELS);
    const seen = new Map<number, number>();
    const sizes: number[] = [];
    for (;;) {
      const part = await side.expect(CSTOMA_REGISTER);
      if (part.layout === 'end') break;
      if (part.layout !== 'chunks') throw new Error(part.layout);
      sizes.push(part.chunks.length);
      for (const { chunkId, version } of part.chunks) seen.set(chunkId, version);
      side.send(MATOCS_MASTER_ACK.encode({ layout: 'next' }));
    }
    expect(sizes).toEqual([1000, 1000, 500]);
    expect(seen.size).toBe(2500);
    expect(seen.get(300)).toBe(0x8000_0000 + 300);
  });

  it('answers a challenge', async () => {
    await start({ config: ['AUTH_CODE = secret'] });
    const side = await master.connection();
    await side.expect(CSTOMA_REGISTER);
    const challenge = Buffer.from(Array.from({ length: 32 }, (_, index) => index));
    side.send(MATOCS_MASTER_ACK.encode({ layout: 'challenge', challenge }));
    const begin = await side.expect(CSTOMA_REGISTER);
    expect(begin.layout === 'beginAuth' && begin.digest.toString('hex')).toBe('71ff807fe71e979e9d3977156664b8f1');
  });

  it('falls back to the older BEGIN once after three silent refusals', async () => {
    await start({ config: ['MASTER_RECONNECTION_DELAY = 1'] });
    const layouts: string[] = [];
    for (let attempt = 0; attempt < 5; attempt++) {
      const side = await master.connection();
      layouts.push((await side.expect(CSTOMA_REGISTER)).layout);
      side.end();
    }
    expect(layouts).toEqual(['begin', 'begin', 'begin', 'begin50', 'begin']);
  }, 30_000);

  it.each([
    ['a message of another link', encodeFrame(200, Buffer.alloc(21))],
    ['an ACK of no known length', encodeFrame(104, Buffer.alloc(3))],
    ['an order with a wrong length', encodeFrame(110, Buffer.alloc(13))],
    ['GET_VERSION', encodeFrame(10)],
    ['a packet above the limit', Buffer.from('0000006800002711', 'hex')],
  ])('closes on %s', async (_, frame) => {
    const { side } = await registered();
    side.send(frame);
    await until('closed', () => side.closed);
  });

  it('ends when the master is silent for the time that it said itself', async () => {
    const running = await start();
    const side = await master.connection();
    await side.expect(CSTOMA_REGISTER);
    side.accept({ timeout: 1 });
    await side.expect(CSTOMA_LABELS);
    await until('closed', () => side.closed);
    expect(running.lines.some((line) => line.includes('connection timed out'))).toBe(true);
  });

  it('takes leave when it stops', async () => {
    const { running, side } = await registered();
    const stopping = running.server.stop();
    servers.splice(0);
    expect((await side.expect(CSTOMA_REGISTER)).layout).toBe('disconnect');
    await stopping;
    await until('closed', () => side.closed);
  });
});

describe('orders', () => {
  it('are carried out and answered', async () => {
    const { running, side } = await registered();
    const none = 0xffff_ffff;
    side.send(MATOCS_CREATE.encode({ chunkId: 4, version: 1 }));
    expect(await side.expect(CSTOMA_CREATE)).toEqual({ chunkId: 4, status: 0 });
    side.send(MATOCS_SET_VERSION.encode({ chunkId: 4, newVersion: 2, version: 1 }));
    expect(await side.expect(CSTOMA_SET_VERSION)).toEqual({ chunkId: 4, status: 0 });
    side.send(MATOCS_TRUNCATE.encode({ chunkId: 4, length: 70_000, newVersion: 3, version: 2 }));
    expect(await side.expect(CSTOMA_TRUNCATE)).toEqual({ chunkId: 4, status: 0 });
    side.send(MATOCS_DUPLICATE.encode({ newChunkId: 5, newVersion: 1, chunkId: 4, version: 3 }));
    expect(await side.expect(CSTOMA_DUPLICATE)).toEqual({ chunkId: 5, status: 0 });
    side.send(MATOCS_DUPTRUNC.encode({ newChunkId: 6, newVersion: 1, chunkId: 4, version: 3, length: 5 }));
    expect(await side.expect(CSTOMA_DUPTRUNC)).toEqual({ chunkId: 6, status: 0 });
    const generic = { chunkId: 6, version: 1, newVersion: 9, copyChunkId: 0, copyVersion: 0, length: none };
    side.send(MATOCS_CHUNKOP.encode(generic));
    expect(await side.expect(CSTOMA_CHUNKOP)).toEqual({ ...generic, status: 0 });
    side.send(MATOCS_DELETE.encode({ chunkId: 4, version: 0 }));
    expect(await side.expect(CSTOMA_DELETE)).toEqual({ chunkId: 4, status: 0 });
    side.send(encodeFrame(250, Buffer.from('000000000000000500000000', 'hex')));
    expect(await side.expect(CSTOAN_CHUNK_BLOCKS)).toMatchObject({ chunkId: 5, blocks: 2, status: 0 });
    expect(running.server.store.table.count).toBe(2);
  });

  it('about unknown chunks are answered NOCHUNK and the chunk is reported lost', async () => {
    const { side } = await registered();
    side.send(MATOCS_SET_VERSION.encode({ chunkId: 0x99, newVersion: 2, version: 1 }));
    const frames = [await side.next(), await side.next()];
    expect(frames.map((frame) => [frame.type, frame.payload.toString('hex')]).sort()).toEqual([
      [105, '0000000000000099'],
      [141, '00000000000000990d'],
    ]);
  });

  it('are refused when there are too many', async () => {
    const { side } = await registered({ config: ['WORKERS_MAX = 2'] });
    side.send(
      Buffer.concat(Array.from({ length: 6 }, (_, id) => MATOCS_CREATE.encode({ chunkId: id + 1, version: 1 }))),
    );
    const statuses: number[] = [];
    for (let id = 1; id <= 6; id++) statuses.push((await side.expect(CSTOMA_CREATE)).status);
    expect(statuses.sort((a, b) => a - b)).toEqual([0, 0, 0, ...Array(3).fill(Status.NOTDONE)]);
  });

  it('replicate a chunk from another server', async () => {
    const source = await registered();
    const target = await registered();
    const { store } = source.running.server;
    await createChunk(store, 8, 3);
    const blocks = Array.from({ length: 45 }, (_, block) =>
      block === 7 ? Buffer.alloc(BLOCK_SIZE) : randomBytes(BLOCK_SIZE),
    );
    const writes = blocks.map((data, block) => ({ block, offset: 0, data, crc: crc32(data) }));
    expect((await writeBlocks(store, 8, 3, writes)).status).toBe(0);
    const order = { layout: 'single', chunkId: 8, version: 3, ip: LOOPBACK, port: source.running.server.port } as const;
    target.side.send(MATOCS_REPLICATE.encode(order));
    expect(await target.side.expect(CSTOMA_REPLICATE)).toEqual({ chunkId: 8, version: 3, status: 0 });
    const areas = blocks.map(() => Buffer.alloc(BLOCK_SIZE));
    expect((await readBlocks(target.running.server.store, 8, 3, 0, areas, [])).status).toBe(0);
    expect(Buffer.concat(areas).equals(Buffer.concat(blocks))).toBe(true);
    target.side.send(MATOCS_REPLICATE.encode(order));
    expect((await target.side.expect(CSTOMA_REPLICATE)).status).toBe(Status.CHUNKEXIST);
    expect(target.running.server.store.table.count).toBe(1);
  });

  it('leave nothing behind when a replication fails', async () => {
    const source = await registered();
    const target = await registered();
    const { store } = source.running.server;
    await createChunk(store, 8, 3);
    const data = randomBytes(BLOCK_SIZE);
    const writes = [0, 1, 2].map((block) => ({ block, offset: 0, data, crc: crc32(data) }));
    await writeBlocks(store, 8, 3, writes);
    const path = `${diskOf(0)}/00/chunk_0000000000000008_00000003.mfs`;
    const file = readFileSync(path);
    file[8192 + 2 * BLOCK_SIZE] ^= 1;
    writeFileSync(path, file);
    const { port } = source.running.server;
    for (const [chunkId, version, sourcePort, status] of [
      [8, 4, port, Status.WRONGVERSION],
      [9, 4, port, Status.NOCHUNK],
      [8, 3, 1, Status.CANTCONNECT],
      [8, 3, port, Status.CRC],
    ] as const) {
      target.side.send(MATOCS_REPLICATE.encode({ layout: 'single', chunkId, version, ip: LOOPBACK, port: sourcePort }));
      expect((await target.side.expect(CSTOMA_REPLICATE)).status).toBe(status);
      expect(target.running.server.store.table.count).toBe(0);
    }
    expect((await source.side.expect(CSTOMA_CHUNK_LOST)).chunkIds).toEqual([9]);
  });

  it('build a chunk from several sources by XOR', async () => {
    const sources = [await registered(), await registered()];
    const target = await registered();
    const parts = sources.map(() => randomBytes(BLOCK_SIZE));
    for (const [index, { running }] of sources.entries()) {
      await createChunk(running.server.store, 20 + index, 1);
      const write = { block: 0, offset: 0, data: parts[index], crc: crc32(parts[index]) };
      await writeBlocks(running.server.store, 20 + index, 1, [write]);
    }
    target.side.send(
      MATOCS_REPLICATE.encode({
        layout: 'several',
        chunkId: 30,
        version: 2,
        mask0: 0x8800_0000,
        mask1: 0x4000_0000,
        mask2: 0x0200_0000,
        mask3: 0x1100_0000,
        sources: sources.map(({ running }, index) => ({
          chunkId: 20 + index,
          version: 1,
          ip: LOOPBACK,
          port: running.server.port,
        })),
      }),
    );
    expect((await target.side.expect(CSTOMA_REPLICATE)).status).toBe(0);
    const area = Buffer.alloc(BLOCK_SIZE);
    await readBlocks(target.running.server.store, 30, 2, 0, [area], []);
    const quarter = (data: Buffer, index: number) => data.subarray(index * 16_384, (index + 1) * 16_384);
    const xor = (a: Buffer, b: Buffer) => Buffer.from(a.map((byte, index) => byte ^ b[index]));
    const [a, b] = parts;
    expect(
      area.equals(
        Buffer.concat([
          xor(quarter(a, 0), quarter(b, 0)),
          quarter(a, 1),
          quarter(b, 2),
          xor(quarter(a, 3), quarter(b, 3)),
        ]),
      ),
    ).toBe(true);
  });
});

describe('reports', () => {
  it('tell of chunks found, damaged and lost, in this order', async () => {
    const { running, side } = await registered();
    const { store } = running.server;
    for (const id of [1, 2, 3]) await createChunk(store, id, 1);
    store.active.forget(2);
    const path = `${diskOf(0)}/00/chunk_0000000000000002_00000001.mfs`;
    writeFileSync(path, 'nonsense');
    expect((await chunkCrcTable(store, 2, 1)).status).toBe(Status.IO);
    await side.expect(CSTOMA_ERROR_OCCURRED);
    expect((await side.expect(CSTOMA_CHUNK_DAMAGED)).chunkIds).toEqual([2]);
    await running.reload({ hdd: [`*${diskOf(0)}`] });
    const found = (await side.expect(CSTOMA_CHUNK_NEW)).chunks;
    expect(found.map(({ chunkId, version }) => [chunkId, version]).sort()).toEqual([
      [1, 0x8000_0001],
      [2, 0x8000_0001],
      [3, 0x8000_0001],
    ]);
    await running.reload({ hdd: [] });
    expect((await side.expect(CSTOMA_CHUNK_LOST)).chunkIds.sort()).toEqual([1, 2, 3]);
    expect(existsSync(path)).toBe(true);
  });

  it('tell of a chunk whose newer copy was found: lost, then new', async () => {
    const { running, side } = await registered();
    const { store } = running.server;
    await createChunk(store, 1, 1);
    const file = readFileSync(`${diskOf(0)}/00/chunk_0000000000000001_00000001.mfs`);
    file.writeUInt32BE(5, 16);
    const other = `${folder.path}/other`;
    mkdirSync(`${other}/07`, { recursive: true });
    writeFileSync(`${other}/07/chunk_0000000000000001_00000005.mfs`, file);
    await until('chunk idle', () => !store.active.isInUse(1));
    await running.reload({ hdd: [diskOf(0), other] });
    expect((await side.expect(CSTOMA_CHUNK_LOST)).chunkIds).toEqual([1]);
    expect((await side.expect(CSTOMA_CHUNK_NEW)).chunks).toEqual([{ chunkId: 1, version: 5 }]);
    rmSync(other, { recursive: true });
  });

  it('wait for the next registration', async () => {
    const { running, side } = await registered();
    side.end();
    expect((await chunkCrcTable(running.server.store, 40, 1)).status).toBe(Status.NOCHUNK);
    const again = await master.connection();
    await register(again);
    expect((await again.expect(CSTOMA_CHUNK_LOST)).chunkIds).toEqual([40]);
  });

  it('tell the load', async () => {
    const { side } = await registered({ config: ['WORKERS_MAX = 3'] });
    expect(await side.expect(CSTOMA_CURRENT_LOAD)).toEqual({ load: 0, status: 1 });
  });

  it('tell new labels after a reload without a new connection, and make one for a new master', async () => {
    const { running, side } = await registered();
    await running.reload({ config: ['LABELS = B'] });
    expect(await side.expect(CSTOMA_LABELS)).toEqual({ labelMask: 2 });
    await running.reload({ config: ['LABELS = B', 'MASTER_HOST = 10.255.255.2'] });
    expect((await side.expect(CSTOMA_REGISTER)).layout).toBe('disconnect');
    await register(await master.connection());
    expect(running.hosts).toEqual(['10.255.255.1', '10.255.255.2']);
  });
});
