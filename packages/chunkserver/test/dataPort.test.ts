import { randomBytes } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import {
  ANTOAN_CONFIG_VALUE,
  ANTOAN_GET_CONFIG,
  ANTOAN_GET_VERSION,
  ANTOAN_NOP,
  ANTOAN_VERSION,
  ANTOCL_CHART,
  ANTOCL_CHART_DATA,
  ANTOCL_MODULE_INFO,
  ANTOCL_MONOTONIC_DATA,
  ANTOCS_GET_CHUNK_BLOCKS,
  ANTOCS_GET_CHUNK_CHECKSUM,
  ANTOCS_GET_CHUNK_CHECKSUM_TAB,
  BLOCK_SIZE,
  CHUNK_SIZE,
  CLTOAN_CHART,
  CLTOAN_CHART_DATA,
  CLTOAN_MODULE_INFO,
  CLTOAN_MONOTONIC_DATA,
  CLTOCS_HDD_LIST,
  CLTOCS_READ,
  CLTOCS_WRITE,
  CLTOCS_WRITE_DATA,
  CLTOCS_WRITE_FINISH,
  CSTOAN_CHUNK_BLOCKS,
  CSTOAN_CHUNK_CHECKSUM,
  CSTOAN_CHUNK_CHECKSUM_TAB,
  CSTOCL_HDD_LIST,
  CSTOCL_READ_DATA,
  CSTOCL_READ_STATUS,
  CSTOCL_WRITE_STATUS,
  crc32,
  encodeFrame,
  Status,
} from '@alces/proto';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createChunk, deleteChunk, setVersion } from '../src/store/operations.ts';
import { readBlocks } from '../src/store/readBlocks.ts';
import { writeBlocks } from '../src/store/writeBlocks.ts';
import { ManualClock } from './support/clock.ts';
import { TestPeer } from './support/peer.ts';
import { startTestServer, type TestServer, temporaryFolder } from './support/server.ts';
import { until } from './support/wait.ts';

const LOOPBACK = 0x7f00_0001;

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let clock: ManualClock;
const servers: TestServer[] = [];
const peers: TestPeer[] = [];

beforeEach(async () => {
  folder = await temporaryFolder();
  clock = new ManualClock();
});

afterEach(async () => {
  for (const peer of peers.splice(0)) peer.destroy();
  await Promise.all(servers.splice(0).map((running) => running.server.stop()));
  await folder.remove();
});

async function start(config: string[] = []): Promise<TestServer> {
  const dataPath = `${folder.path}/s${servers.length}`;
  mkdirSync(`${dataPath}/d`, { recursive: true });
  const running = await startTestServer({
    dataPath,
    hdd: [`${dataPath}/d`],
    config: ['HDD_TEST_SPEED = 0', 'HDD_REBALANCE_UTILIZATION = 0', ...config],
    clock,
  });
  servers.push(running);
  await until('folder in work', () => running.server.store.folders[0].phase === 'working');
  return running;
}

async function open(running: TestServer): Promise<TestPeer> {
  const peer = await TestPeer.open(running.server.port);
  peers.push(peer);
  return peer;
}

/** A chunk with random data on a server. */
async function chunkOn(running: TestServer, chunkId: number, blocks: number): Promise<Buffer> {
  const { store } = running.server;
  await createChunk(store, chunkId, 1);
  const data = randomBytes(blocks * BLOCK_SIZE);
  const writes = Array.from({ length: blocks }, (_, block) => {
    const part = data.subarray(block * BLOCK_SIZE, (block + 1) * BLOCK_SIZE);
    return { block, offset: 0, data: part, crc: crc32(part) };
  });
  expect((await writeBlocks(store, chunkId, 1, writes)).status).toBe(Status.OK);
  return data;
}

const read = (chunkId: number, offset: number, size: number, version = 1) =>
  CLTOCS_READ.encode({ protocolid: 1, chunkId, version, offset, size });

const writeData = (chunkId: number, writeId: number, block: number, offset: number, data: Buffer, crc = crc32(data)) =>
  CLTOCS_WRITE_DATA.encode({ chunkId, writeId, block, offset, crc, data });

const openWrite = (chunkId: number, version: number, chain: TestServer[] = []) =>
  CLTOCS_WRITE.encode({
    layout: 'protocol1',
    protocolid: 1,
    chunkId,
    version,
    chain: chain.map((running) => ({ ip: LOOPBACK, port: running.server.port })),
  });

async function content(running: TestServer, chunkId: number, version: number, block: number): Promise<Buffer> {
  const area = Buffer.alloc(BLOCK_SIZE);
  expect((await readBlocks(running.server.store, chunkId, version, block, [area], [])).status).toBe(Status.OK);
  return area;
}

/** Reads and checks a whole answer. */
async function readAll(peer: TestPeer, chunkId: number, offset: number, size: number): Promise<Buffer> {
  peer.send(read(chunkId, offset, size));
  const parts: Buffer[] = [];
  let at = offset;
  while (at < offset + size) {
    const data = await peer.expect(CSTOCL_READ_DATA);
    expect([data.chunkId, data.block, data.offset]).toEqual([chunkId, Math.floor(at / BLOCK_SIZE), at % BLOCK_SIZE]);
    expect(data.data.length).toBe(Math.min(BLOCK_SIZE - (at % BLOCK_SIZE), offset + size - at));
    expect(data.crc).toBe(crc32(data.data));
    parts.push(data.data);
    at += data.data.length;
  }
  expect(await peer.expect(CSTOCL_READ_STATUS)).toEqual({ chunkId, status: Status.OK });
  return Buffer.concat(parts);
}

describe('READ', () => {
  it('answers any range, split at the blocks', async () => {
    const running = await start();
    const data = await chunkOn(running, 1, 40);
    const peer = await open(running);
    const all = Buffer.concat([data, Buffer.alloc(3 * BLOCK_SIZE)]);
    for (const [offset, size] of [
      [0, data.length],
      [0, 1],
      [BLOCK_SIZE - 1, 2],
      [3 * BLOCK_SIZE + 17, 20 * BLOCK_SIZE],
      [299_008, 102_400],
      [39 * BLOCK_SIZE + 60_000, 3 * BLOCK_SIZE],
      [40 * BLOCK_SIZE, BLOCK_SIZE],
    ] as const)
      expect((await readAll(peer, 1, offset, size)).equals(all.subarray(offset, offset + size))).toBe(true);
  });

  it('answers statuses', async () => {
    const running = await start();
    await chunkOn(running, 1, 1);
    const peer = await open(running);
    for (const [frame, status] of [
      [read(1, 0, 0), Status.OK],
      [read(77, 0, 0), Status.OK],
      [read(1, 0, CHUNK_SIZE + 1), Status.WRONGSIZE],
      [read(1, CHUNK_SIZE, 1), Status.WRONGOFFSET],
      [read(1, CHUNK_SIZE - 1, 2), Status.WRONGOFFSET],
      [read(77, 0, 1), Status.NOCHUNK],
      [read(1, 0, 1, 5), Status.WRONGVERSION],
    ] as const) {
      peer.send(frame);
      expect((await peer.expect(CSTOCL_READ_STATUS)).status).toBe(status);
    }
    peer.send(read(1, 0, 1, 0));
    expect((await peer.expect(CSTOCL_READ_DATA)).data.length).toBe(1);
  });

  it('stops with CRC at a damaged block and reports it', async () => {
    const running = await start();
    await chunkOn(running, 1, 5);
    const path = `${folder.path}/s0/d/00/chunk_0000000000000001_00000001.mfs`;
    const file = readFileSync(path);
    file[8192 + 3 * BLOCK_SIZE] ^= 1;
    writeFileSync(path, file);
    const peer = await open(running);
    peer.send(read(1, 0, 5 * BLOCK_SIZE));
    for (let block = 0; block < 3; block++) expect((await peer.expect(CSTOCL_READ_DATA)).block).toBe(block);
    expect(await peer.expect(CSTOCL_READ_STATUS)).toEqual({ chunkId: 1, status: Status.CRC });
    expect(running.server.store.table.isDamaged(running.server.store.table.find(1))).toBe(true);
  });

  it('closes when something else than a NOP arrives meanwhile', async () => {
    const running = await start();
    await chunkOn(running, 1, 64);
    const peer = await open(running);
    peer.send(Buffer.concat([read(1, 0, 64 * BLOCK_SIZE), ANTOAN_NOP.encode({}), ANTOAN_NOP.encode({})]));
    for (let block = 0; block < 64; block++) await peer.expect(CSTOCL_READ_DATA);
    expect((await peer.expect(CSTOCL_READ_STATUS)).status).toBe(Status.OK);
    peer.send(Buffer.concat([read(1, 0, 64 * BLOCK_SIZE), CLTOCS_HDD_LIST.encode({})]));
    const frames = await peer.closed();
    expect(frames.some((frame) => frame.type === CSTOCL_READ_STATUS.number)).toBe(false);
  });

  it('gives a client up that takes nothing for five seconds', async () => {
    const running = await start();
    await chunkOn(running, 1, 1);
    await running.server.store.clock;
    const peer = await open(running);
    peer.socket.pause();
    // Zeros behind the end cost nothing and fill any socket buffer.
    peer.send(read(1, 0, CHUNK_SIZE));
    await until('client given up', () => {
      clock.advance(1000);
      return running.server.info()[1].includes('jobs: 0');
    });
  });
});

describe('WRITE, one server', () => {
  it('opens, writes in order, finishes, and is idle again', async () => {
    const running = await start();
    await createChunk(running.server.store, 1, 1);
    const peer = await open(running);
    const block = randomBytes(BLOCK_SIZE);
    const piece = randomBytes(100);
    peer.send(openWrite(1, 1), writeData(1, 1, 0, 0, block), writeData(1, 2, 0, 50, piece));
    expect(await peer.expect(CSTOCL_WRITE_STATUS)).toEqual({ chunkId: 1, writeId: 0, status: Status.OK });
    expect(await peer.expect(CSTOCL_WRITE_STATUS)).toEqual({ chunkId: 1, writeId: 1, status: Status.OK });
    expect(await peer.expect(CSTOCL_WRITE_STATUS)).toEqual({ chunkId: 1, writeId: 2, status: Status.OK });
    peer.send(CLTOCS_WRITE_FINISH.encode({ chunkId: 1, version: 1 }));
    piece.copy(block, 50);
    expect(await readAll(peer, 1, 0, BLOCK_SIZE)).toEqual(block);
  });

  it('writes everything before a FINISH that follows at once', async () => {
    const running = await start();
    await createChunk(running.server.store, 1, 1);
    const peer = await open(running);
    const blocks = Array.from({ length: 50 }, () => randomBytes(BLOCK_SIZE));
    const finish = CLTOCS_WRITE_FINISH.encode({ chunkId: 1, version: 1 });
    peer.send(openWrite(1, 1), ...blocks.map((data, block) => writeData(1, block + 1, block, 0, data)), finish);
    for (let id = 0; id <= 50; id++) expect((await peer.expect(CSTOCL_WRITE_STATUS)).writeId).toBe(id);
    expect((await readAll(peer, 1, 0, 50 * BLOCK_SIZE)).equals(Buffer.concat(blocks))).toBe(true);
  });

  it('answers errors, ends the session and stays connected', async () => {
    const running = await start();
    await createChunk(running.server.store, 1, 1);
    const peer = await open(running);
    const data = randomBytes(9);
    const begin = async () => {
      peer.send(openWrite(1, 1));
      expect((await peer.expect(CSTOCL_WRITE_STATUS)).status).toBe(Status.OK);
    };
    for (const [frame, status] of [
      [writeData(1, 5, 0, 0, data, 1), Status.CRC],
      [writeData(1, 5, 1024, 0, data), Status.BNUMTOOBIG],
      [writeData(1, 5, 0, BLOCK_SIZE - 3, data), Status.WRONGOFFSET],
      [writeData(2, 5, 0, 0, data), Status.WRONGCHUNKID],
      [encodeFrame(212, writeData(1, 5, 0, 0, randomBytes(BLOCK_SIZE + 1)).subarray(8)), Status.WRONGSIZE],
    ] as const) {
      await begin();
      peer.send(writeData(1, 4, 0, 0, data), frame);
      expect(await peer.expect(CSTOCL_WRITE_STATUS)).toEqual({ chunkId: 1, writeId: 4, status: Status.OK });
      expect(await peer.expect(CSTOCL_WRITE_STATUS)).toEqual({ chunkId: 1, writeId: 5, status });
    }
    await begin();
    peer.send(writeData(1, 4, 0, 0, data), CLTOCS_WRITE_FINISH.encode({ chunkId: 1, version: 2 }));
    expect((await peer.expect(CSTOCL_WRITE_STATUS)).status).toBe(Status.OK);
    expect(await peer.expect(CSTOCL_WRITE_STATUS)).toEqual({ chunkId: 1, writeId: 4, status: Status.WRONGCHUNKID });
    for (const [chunkId, version, status] of [
      [9, 1, Status.NOCHUNK],
      [1, 2, Status.WRONGVERSION],
    ] as const) {
      peer.send(openWrite(chunkId, version));
      expect(await peer.expect(CSTOCL_WRITE_STATUS)).toEqual({ chunkId, writeId: 0, status });
    }
    expect(await readAll(peer, 1, 0, 9)).toEqual(data);
  });

  it('closes on data behind a failed write, after its status', async () => {
    const running = await start();
    await createChunk(running.server.store, 1, 1);
    const peer = await open(running);
    const data = randomBytes(9);
    peer.send(openWrite(1, 1), writeData(1, 1, 0, 0, data, 7), writeData(1, 2, 0, 0, data));
    const statuses = (await peer.closed()).map((frame) => CSTOCL_WRITE_STATUS.decode(frame.payload));
    expect(statuses).toEqual([
      { chunkId: 1, writeId: 0, status: Status.OK },
      { chunkId: 1, writeId: 1, status: Status.CRC },
    ]);
  });

  it('tells a client whose chunk was changed or deleted under it', async () => {
    const running = await start();
    const { store } = running.server;
    const data = randomBytes(9);
    for (const [change, status] of [
      [() => setVersion(store, 1, 2, 1), Status.WRONGVERSION],
      [() => deleteChunk(store, 1, 0), Status.NOCHUNK],
    ] as const) {
      await createChunk(store, 1, 1);
      const peer = await open(running);
      peer.send(openWrite(1, 1));
      await peer.expect(CSTOCL_WRITE_STATUS);
      await change();
      peer.send(writeData(1, 1, 0, 0, data));
      expect((await peer.expect(CSTOCL_WRITE_STATUS)).status).toBe(status);
      await deleteChunk(store, 1, 0);
    }
  });

  it('echoes NOPs twice a second at most and ends a silent session', async () => {
    const running = await start();
    await createChunk(running.server.store, 1, 1);
    const peer = await open(running);
    peer.send(openWrite(1, 1));
    await peer.expect(CSTOCL_WRITE_STATUS);
    peer.send(ANTOAN_NOP.encode({}), ANTOAN_NOP.encode({}), writeData(1, 1, 0, 0, randomBytes(3)));
    expect((await peer.next())?.type).toBe(ANTOAN_NOP.number);
    expect((await peer.next())?.type).toBe(CSTOCL_WRITE_STATUS.number);
    clock.advance(4900);
    peer.send(ANTOAN_NOP.encode({}));
    expect((await peer.next())?.type).toBe(ANTOAN_NOP.number);
    clock.advance(5200);
    expect(await peer.closed()).toEqual([]);
  });
});

describe('WRITE, a chain', () => {
  async function chain(length: number): Promise<TestServer[]> {
    const members: TestServer[] = [];
    for (let index = 0; index < length; index++) members.push(await start());
    for (const member of members) await createChunk(member.server.store, 1, 1);
    return members;
  }

  it.each([2, 3])('of %i servers writes the same everywhere and answers each write once', async (length) => {
    const [first, ...others] = await chain(length);
    const peer = await open(first);
    for (let session = 0; session < 3; session++) {
      peer.send(openWrite(1, 1, others));
      const blocks = Array.from({ length: 70 }, () => randomBytes(BLOCK_SIZE));
      for (const [block, data] of blocks.entries()) peer.send(writeData(1, block + 1, block, 0, data));
      const piece = randomBytes(1000);
      peer.send(writeData(1, 71, 3, 500, piece));
      piece.copy(blocks[3], 500);
      for (let id = 0; id <= 71; id++)
        expect(await peer.expect(CSTOCL_WRITE_STATUS)).toEqual({ chunkId: 1, writeId: id, status: Status.OK });
      peer.send(CLTOCS_WRITE_FINISH.encode({ chunkId: 1, version: 1 }));
      for (const member of [first, ...others])
        for (const block of [0, 3, 69]) expect(await content(member, 1, 1, block)).toEqual(blocks[block]);
    }
  });

  it('keeps the connection to the next server for the next session, and copes with one that died', async () => {
    const [first, second] = await chain(2);
    const peer = await open(first);
    const session = async (data: Buffer) => {
      peer.send(openWrite(1, 1, [second]), writeData(1, 1, 0, 0, data));
      expect((await peer.expect(CSTOCL_WRITE_STATUS)).status).toBe(Status.OK);
      expect((await peer.expect(CSTOCL_WRITE_STATUS)).status).toBe(Status.OK);
      peer.send(CLTOCS_WRITE_FINISH.encode({ chunkId: 1, version: 1 }));
      expect(await content(second, 1, 1, 0)).toEqual(Buffer.concat([data, Buffer.alloc(BLOCK_SIZE - data.length)]));
    };
    await session(randomBytes(99));
    const connections = () => Number(/connections: (\d+)/.exec(second.server.info()[1])?.[1]);
    await until('cached connection', () => connections() === 1);
    await session(randomBytes(99));
    expect(connections()).toBe(1);
    clock.advance(5500);
    await until('cached connection lost', () => connections() === 0);
    const again = await open(first);
    again.send(openWrite(1, 1, [second]));
    expect((await again.expect(CSTOCL_WRITE_STATUS)).status).toBe(Status.OK);
  });

  it('says CANTCONNECT when the next server is not there', async () => {
    const [first] = await chain(1);
    const peer = await open(first);
    peer.send(
      CLTOCS_WRITE.encode({
        layout: 'protocol1',
        protocolid: 1,
        chunkId: 1,
        version: 1,
        chain: [{ ip: LOOPBACK, port: 1 }],
      }),
    );
    expect(await peer.expect(CSTOCL_WRITE_STATUS)).toEqual({ chunkId: 1, writeId: 0, status: Status.CANTCONNECT });
    peer.send(openWrite(1, 1));
    expect((await peer.expect(CSTOCL_WRITE_STATUS)).status).toBe(Status.OK);
  });

  it('tells its own error, but only closes on one of the next server', async () => {
    const [first, second] = await chain(2);
    await createChunk(second.server.store, 5, 1);
    await createChunk(first.server.store, 6, 1);
    const peer = await open(first);
    peer.send(openWrite(5, 1, [second]));
    expect((await peer.expect(CSTOCL_WRITE_STATUS)).status).toBe(Status.NOCHUNK);
    peer.send(openWrite(6, 1, [second]));
    expect(await peer.closed()).toEqual([]);
  });

  it('closes without a status for data with a wrong CRC, after those before it', async () => {
    const [first, second] = await chain(2);
    const peer = await open(first);
    peer.send(openWrite(1, 1, [second]));
    await peer.expect(CSTOCL_WRITE_STATUS);
    peer.send(writeData(1, 1, 0, 0, randomBytes(5)));
    expect((await peer.expect(CSTOCL_WRITE_STATUS)).writeId).toBe(1);
    peer.send(writeData(1, 2, 0, 0, randomBytes(5), 3));
    expect(await peer.closed()).toEqual([]);
  });

  it('says WRONGCHUNKID and closes for data of another chunk, and for a wrong FINISH', async () => {
    const [first, second] = await chain(2);
    for (const frame of [
      writeData(2, 1, 0, 0, randomBytes(5)),
      CLTOCS_WRITE_FINISH.encode({ chunkId: 1, version: 2 }),
    ]) {
      const peer = await open(first);
      peer.send(openWrite(1, 1, [second]));
      await peer.expect(CSTOCL_WRITE_STATUS);
      peer.send(frame);
      const statuses = (await peer.closed()).map(({ payload }) => CSTOCL_WRITE_STATUS.decode(payload));
      expect(statuses).toEqual([{ chunkId: 1, writeId: 0, status: Status.WRONGCHUNKID }]);
    }
  });

  it('writes what it received although the client goes away', async () => {
    const [first, second] = await chain(2);
    const peer = await open(first);
    const blocks = Array.from({ length: 20 }, () => randomBytes(BLOCK_SIZE));
    peer.send(openWrite(1, 1, [second]));
    await peer.expect(CSTOCL_WRITE_STATUS);
    peer.send(...blocks.map((data, block) => writeData(1, block + 1, block, 0, data)));
    peer.socket.end();
    await peer.closed();
    for (const member of [first, second])
      await until('last block there', async () => (await content(member, 1, 1, 19)).equals(blocks[19]));
  });
});

describe('idle', () => {
  it('sends NOPs, and closes after five seconds without a word', async () => {
    const running = await start();
    const peer = await open(running);
    peer.send(ANTOAN_NOP.encode({}));
    await until('connection accepted', () => running.server.info()[1].includes('connections: 1'));
    clock.advance(1800);
    expect((await peer.next())?.type).toBe(ANTOAN_NOP.number);
    clock.advance(3500);
    expect((await peer.closed()).every((frame) => frame.type === ANTOAN_NOP.number)).toBe(true);
  });

  it('answers queries about chunks', async () => {
    const running = await start();
    const data = await chunkOn(running, 1, 2);
    const peer = await open(running);
    peer.send(ANTOCS_GET_CHUNK_BLOCKS.encode({ chunkId: 1, version: 0 }));
    expect(await peer.expect(CSTOAN_CHUNK_BLOCKS)).toEqual({ chunkId: 1, version: 0, blocks: 2, status: 0 });
    peer.send(ANTOCS_GET_CHUNK_BLOCKS.encode({ chunkId: 1, version: 4 }));
    expect(await peer.expect(CSTOAN_CHUNK_BLOCKS)).toMatchObject({ blocks: 0, status: Status.WRONGVERSION });
    peer.send(ANTOCS_GET_CHUNK_CHECKSUM_TAB.encode({ chunkId: 1, version: 1 }));
    const table = await peer.expect(CSTOAN_CHUNK_CHECKSUM_TAB);
    expect(table.layout === 'data' && table.crcs.readUInt32BE(4)).toBe(crc32(data.subarray(BLOCK_SIZE)));
    peer.send(ANTOCS_GET_CHUNK_CHECKSUM.encode({ chunkId: 1, version: 1 }));
    expect((await peer.expect(CSTOAN_CHUNK_CHECKSUM)).layout).toBe('data');
    peer.send(ANTOCS_GET_CHUNK_CHECKSUM.encode({ chunkId: 8, version: 1 }));
    expect(await peer.expect(CSTOAN_CHUNK_CHECKSUM)).toMatchObject({ layout: 'status', status: Status.NOCHUNK });
  });

  it('answers queries of monitors', async () => {
    const running = await start(['LABELS = A', 'AUTH_CODE = secret']);
    await chunkOn(running, 1, 2);
    clock.advance(61_000);
    const peer = await open(running);
    peer.send(ANTOAN_GET_VERSION.encode({}));
    expect((await peer.expect(ANTOAN_VERSION)).text.toString()).toBe('3.0.117-1');
    peer.send(ANTOAN_GET_VERSION.encode({ msgid: 7 }));
    expect(await peer.expect(ANTOAN_VERSION)).toMatchObject({ layout: 'msgid', msgid: 7, version: 0x000300ea });
    for (const [option, value] of [
      ['LABELS', 'A'],
      ['NOTHING', ''],
      ['AUTH_CODE', ''],
    ] as const) {
      peer.send(ANTOAN_GET_CONFIG.encode({ msgid: 1, option: Buffer.from(option) }));
      expect((await peer.expect(ANTOAN_CONFIG_VALUE)).value.toString()).toBe(value);
    }
    peer.send(CLTOCS_HDD_LIST.encode({}));
    const [disk] = (await peer.expect(CSTOCL_HDD_LIST)).disks;
    expect(disk).toMatchObject({ path: Buffer.from(`${folder.path}/s0/d/`), flags: 0, chunks: 1 });
    expect(disk.lastMinute).toMatchObject({ writeOps: 2, bytesWritten: 2 * BLOCK_SIZE });
    peer.send(CLTOAN_MODULE_INFO.encode({}));
    expect(await peer.expect(ANTOCL_MODULE_INFO)).toMatchObject({ type: 2, id: 0, leaderIp: 0, leaderPort: 0 });
    peer.send(CLTOAN_MONOTONIC_DATA.encode({}));
    const totals = await peer.expect(ANTOCL_MONOTONIC_DATA);
    expect(totals.values).toHaveLength(34);
    expect(totals.values[21]).toBe(1n);
    expect(totals.disks).toHaveLength(1);
    peer.send(CLTOAN_CHART_DATA.encode({ chartId: 210, maxEntries: 3 }));
    expect(await peer.expect(ANTOCL_CHART_DATA)).toMatchObject({
      layout: 'data',
      values: [1n, 2n ** 64n - 1n, 2n ** 64n - 1n],
    });
    peer.send(CLTOAN_CHART_DATA.encode({ chartId: 1000 }));
    expect(await peer.expect(ANTOCL_CHART_DATA)).toEqual({ layout: 'unknown' });
    for (const chartId of [0x54435055, 210, 0x00ffffff]) {
      peer.send(CLTOAN_CHART.encode({ chartId }));
      const { image } = await peer.expect(ANTOCL_CHART);
      expect(image.subarray(0, 8).toString('hex')).toBe('89504e470d0a1a0a');
    }
  });

  it.each([
    ['an unknown message', encodeFrame(4711)],
    ['a message of the master link', encodeFrame(110, Buffer.alloc(12))],
    ['a query with a wrong length', encodeFrame(250, Buffer.alloc(11))],
    ['a READ with a wrong length', encodeFrame(200, Buffer.alloc(22))],
    ['a WRITE with a wrong length', encodeFrame(210, Buffer.alloc(15))],
    ['MODULE_INFO with a msgid', encodeFrame(530, Buffer.alloc(4))],
    ['GET_CONFIG with a wrong name length', encodeFrame(80, Buffer.from('000000010541', 'hex'))],
    ['data without a write', writeData(1, 1, 0, 0, Buffer.alloc(5))],
    ['FINISH without a write', CLTOCS_WRITE_FINISH.encode({ chunkId: 1, version: 1 })],
    ['a packet above the limit', Buffer.from('00000000000186a1', 'hex')],
    ['a length of four gigabytes', Buffer.from('000000c8ffffffff', 'hex')],
  ])('closes on %s without a word', async (_, frame) => {
    const running = await start();
    const peer = await open(running);
    peer.send(frame);
    expect(await peer.closed()).toEqual([]);
  });

  it('survives any rubbish', async () => {
    const running = await start();
    await chunkOn(running, 1, 1);
    for (let round = 0; round < 60; round++) {
      const peer = await open(running);
      const frame = [
        read(1, 0, 100),
        openWrite(1, 1),
        writeData(1, 1, 0, 0, randomBytes(40)),
        CLTOCS_HDD_LIST.encode({}),
      ][round % 4];
      const broken = Buffer.from(frame);
      broken[(round * 7) % broken.length] ^= 1 << (round % 8);
      peer.send(openWrite(1, 1), broken.subarray(0, 1 + (round % broken.length)), randomBytes(round));
      peer.socket.end();
      await peer.closed();
    }
    clock.advance(6000);
    const peer = await open(running);
    peer.send(read(1, 0, 1));
    expect((await peer.expect(CSTOCL_READ_DATA)).data.length).toBe(1);
  });

  it('refuses jobs above WORKERS_MAX', async () => {
    const running = await start(['WORKERS_MAX = 1']);
    await createChunk(running.server.store, 1, 1);
    const holders = [await open(running), await open(running)];
    for (const holder of holders) {
      holder.send(openWrite(1, 1));
      expect((await holder.expect(CSTOCL_WRITE_STATUS)).status).toBe(Status.OK);
    }
    const peer = await open(running);
    peer.send(openWrite(1, 1));
    expect((await peer.expect(CSTOCL_WRITE_STATUS)).status).toBe(Status.NOTDONE);
    peer.send(read(1, 0, 1));
    expect((await peer.expect(CSTOCL_READ_STATUS)).status).toBe(Status.NOTDONE);
    peer.send(ANTOCS_GET_CHUNK_BLOCKS.encode({ chunkId: 1, version: 1 }));
    expect((await peer.expect(CSTOAN_CHUNK_BLOCKS)).status).toBe(Status.NOTDONE);
    holders[0].destroy();
    await until('job over', () => running.server.info()[1].includes('jobs: 1'));
    peer.send(read(1, 0, 1));
    expect((await peer.expect(CSTOCL_READ_DATA)).data.length).toBe(1);
  });
});
