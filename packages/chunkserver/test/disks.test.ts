import { randomBytes } from 'node:crypto';
import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { resolve } from 'node:path';
import { BLOCK_SIZE, crc32, Status } from '@alces/proto';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type ChunkDbEntry, checkChunkDb, encodeChunkDb, openChunkDb, readChunkDb } from '../src/disks/chunkdb.ts';
import { spaceTotals } from '../src/disks/totals.ts';
import { realFiles } from '../src/os/files.ts';
import { chunkBlocks, chunkCrcTable, createChunk, deleteChunk, setVersion } from '../src/store/operations.ts';
import { readBlocks } from '../src/store/readBlocks.ts';
import { writeBlocks } from '../src/store/writeBlocks.ts';
import { startTestServer, type TestServer, type TestServerOptions, temporaryFolder } from './support/server.ts';
import { until } from './support/wait.ts';

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
const servers: TestServer[] = [];

beforeEach(async () => {
  folder = await temporaryFolder();
  for (const name of ['d1', 'd2', 'd3']) mkdirSync(`${folder.path}/${name}`);
});

afterEach(async () => {
  await Promise.all(servers.splice(0).map((running) => running.server.stop()));
  await folder.remove();
});

const disk = (number: number) => `${folder.path}/d${number}`;

async function start(options: Partial<TestServerOptions> = {}): Promise<TestServer> {
  const running = await startTestServer({
    dataPath: folder.path,
    hdd: [disk(1)],
    config: ['HDD_TEST_SPEED = 0', 'HDD_REBALANCE_UTILIZATION = 0'],
    ...options,
  });
  servers.push(running);
  await settled(running);
  return running;
}

function settled(running: TestServer): Promise<boolean> {
  return until('folders in work', () =>
    running.server.store.folders.every((one) => one.phase === 'working' || one.damaged),
  );
}

async function stop(running: TestServer): Promise<void> {
  servers.splice(servers.indexOf(running), 1);
  await running.server.stop();
}

const name = (id: number, version: number) =>
  `chunk_${id.toString(16).toUpperCase().padStart(16, '0')}_${version.toString(16).toUpperCase().padStart(8, '0')}.mfs`;

/** A well-formed chunk file with blocks of zeros. */
function putChunk(number: number, subfolder: string, id: number, version: number, headerBytes = 4096): string {
  const file = Buffer.alloc(headerBytes + 4096 + BLOCK_SIZE);
  file.write('MFSC 1.0', 0);
  file.writeBigUInt64BE(BigInt(id), 8);
  file.writeUInt32BE(version, 16);
  file.writeUInt32BE(0xd7978eeb, headerBytes);
  mkdirSync(`${disk(number)}/${subfolder}`, { recursive: true });
  const path = `${disk(number)}/${subfolder}/${name(id, version)}`;
  writeFileSync(path, file);
  return path;
}

const versionOf = (running: TestServer, id: number) => {
  const { table } = running.server.store;
  const slot = table.find(id);
  return slot < 0 ? undefined : table.version(slot);
};

describe('scanning', () => {
  it('adopts the files of a stock server and reads every block', async () => {
    const fixtures = resolve(import.meta.dirname, '../../../test/fixtures/moosefs-3.0.117/chunks');
    const chunks = readdirSync(fixtures).filter((file) => file.endsWith('.mfs') && file.startsWith('chunk_'));
    mkdirSync(`${disk(1)}/3C`);
    for (const file of chunks) cpSync(`${fixtures}/${file}`, `${disk(1)}/3C/${file}`);
    cpSync(`${fixtures}/chunkserverid.mfs`, `${folder.path}/chunkserverid.mfs`);
    cpSync(`${fixtures}/metaid`, `${disk(1)}/.metaid`);
    const running = await start();
    const { store } = running.server;
    expect(store.table.count).toBe(chunks.length);
    for (const file of chunks) {
      const [id, version] = [Number.parseInt(file.slice(6, 22), 16), Number.parseInt(file.slice(23, 31), 16)];
      const blocks = (await chunkBlocks(store, id, version)).value ?? 0;
      const areas = Array.from({ length: blocks }, () => Buffer.alloc(BLOCK_SIZE));
      expect(await readBlocks(store, id, version, 0, areas, [])).toEqual({ done: blocks, status: Status.OK });
      expect(Buffer.concat(areas)).toEqual(readFileSync(`${fixtures}/${file}`).subarray(8192));
    }
  });

  it('refuses a folder of another instance', async () => {
    const metaId = Buffer.alloc(8, 7);
    writeFileSync(`${disk(1)}/.metaid`, metaId);
    writeFileSync(`${folder.path}/chunkserverid.mfs`, Buffer.from('00010102030405060708', 'hex'));
    await expect(start()).rejects.toThrow();
    const running = await start({ hdd: [disk(1), disk(2)], config: ['ALLOW_STARTING_WITH_INVALID_DISKS = 1'] });
    expect(running.lines.join('\n')).toContain('wrong meta id (mfs instance id)');
    expect(running.server.store.folders.map((one) => one.path)).toEqual([`${disk(2)}/`]);
    expect(readFileSync(`${disk(2)}/.metaid`).toString('hex')).toBe('0102030405060708');
  });

  it('refuses a folder that another process holds', async () => {
    const { spawn } = await import('node:child_process');
    const holder = spawn('python3', [
      '-c',
      `import fcntl,sys;f=open(${JSON.stringify(`${disk(1)}/.lock`)},'w');fcntl.lockf(f,fcntl.LOCK_EX);print('held',flush=True);sys.stdin.read()`,
    ]);
    try {
      await new Promise((done) => holder.stdout.once('data', done));
      await expect(start()).rejects.toThrow();
    } finally {
      holder.kill();
      await new Promise((done) => holder.once('exit', done));
    }
    await start();
  });

  it('ignores what is no chunk, and takes old headers', async () => {
    putChunk(1, '00', 1, 1);
    putChunk(1, 'FF', 2, 1, 1024);
    writeFileSync(`${disk(1)}/00/chunk_000000000000000a_00000001.mfs`, 'lower case');
    writeFileSync(`${disk(1)}/00/chunk_000000000000000A_00000001.mfs.bak`, 'other ending');
    writeFileSync(`${disk(1)}/00/notes`, 'text');
    const running = await start();
    expect(running.server.store.table.count).toBe(2);
    expect(await chunkBlocks(running.server.store, 2, 1)).toEqual({ status: 0, value: 1 });
    const data = randomBytes(BLOCK_SIZE);
    await writeBlocks(running.server.store, 2, 1, [{ block: 0, offset: 0, data, crc: crc32(data) }]);
    expect(readFileSync(`${disk(1)}/FF/${name(2, 1)}`).subarray(1024 + 4096)).toEqual(data);
  });

  it('moves the files of the ancient layout', async () => {
    putChunk(1, '3', 0xabc, 1);
    putChunk(1, 'A', 0x1ff, 2);
    const running = await start();
    expect(readdirSync(`${disk(1)}/BC`)).toEqual([name(0xabc, 1)]);
    expect(readdirSync(`${disk(1)}/FF`)).toEqual([name(0x1ff, 2)]);
    expect(existsSync(`${disk(1)}/3`)).toBe(false);
    expect(running.server.store.table.count).toBe(2);
  });

  it('keeps the newest copy and removes exactly the files that lost, when their time has come', async () => {
    const files = [
      putChunk(1, '00', 1, 3),
      putChunk(2, '05', 1, 4),
      putChunk(1, '10', 2, 7),
      putChunk(1, '20', 2, 6),
      putChunk(1, '21', 2, 8),
    ];
    const running = await start({
      hdd: [disk(1), disk(2)],
      config: ['HDD_KEEP_DUPLICATES_HOURS = 0', 'HDD_TEST_SPEED = 0'],
    });
    expect(versionOf(running, 1)).toBe(4);
    expect(versionOf(running, 2)).toBe(8);
    await until('duplicates removed', () => running.server.store.folders.every((one) => one.duplicates.length === 0));
    await until('files removed', () => !existsSync(files[2]) && !existsSync(files[3]));
    expect(files.map((file) => existsSync(file))).toEqual([false, true, false, false, true]);
    expect((await chunkBlocks(running.server.store, 2, 8)).value).toBe(1);
  });
});

/** Runs steps to their end. */
function allSteps<R>(steps: Generator<void, R>): R {
  for (;;) {
    const step = steps.next();
    if (step.done) return step.value;
  }
}

/** The entries of a file written for this path; undefined when it cannot be trusted in every point. */
function decodeChunkDb(file: Buffer, path: string): ChunkDbEntry[] | undefined {
  const db = openChunkDb(file, path);
  if (!db || !allSteps(checkChunkDb(db))) return undefined;
  const entries: ChunkDbEntry[] = [];
  allSteps(readChunkDb(db, (entry) => entries.push(entry)));
  return entries;
}

describe('the fast start list', () => {
  it('has the stock form', () => {
    const file = encodeChunkDb('/mnt/hd1/', 2, [
      { chunkId: 1, version: 5, subfolder: 0, layout: { blocks: 1, headerBytes: 4096 } },
      { chunkId: 4, version: 1, subfolder: 0, layout: { blocks: 1, headerBytes: 4096 } },
    ]);
    expect(file.toString('hex')).toBe(
      '4d4653204348554e4b444232' +
        '00092f6d6e742f6864312f' +
        '0000000000000001000000050001' +
        '10000000' +
        '0000000000000004000000010001' +
        '10000000' +
        '00'.repeat(18),
    );
    expect(decodeChunkDb(file, '/mnt/hd1/')).toHaveLength(2);
    expect(decodeChunkDb(file, '/mnt/hd2/')).toBeUndefined();
  });

  it('is rejected whole when any byte of its frame is wrong', () => {
    const file = encodeChunkDb('/d/', 1, [{ chunkId: 1, version: 5, subfolder: 3, layout: undefined }]);
    expect(decodeChunkDb(file, '/d/')).toEqual([{ chunkId: 1, version: 5, subfolder: 3, layout: undefined }]);
    for (let length = 0; length < file.length; length++)
      expect(decodeChunkDb(file.subarray(0, length), '/d/')).toBeUndefined();
    const outOfRange = Buffer.from(file);
    outOfRange.writeUInt16BE(256, 17 + 16);
    expect(decodeChunkDb(outOfRange, '/d/')).toBeUndefined();
    const noEnd = Buffer.from(file);
    noEnd[file.length - 1] = 1;
    expect(decodeChunkDb(noEnd, '/d/')).toBeUndefined();
  });

  it('is written at the end and used at the next start, without listing the subfolders', async () => {
    const running = await start();
    await createChunk(running.server.store, 1, 1);
    await createChunk(running.server.store, 2, 6);
    await deleteChunk(running.server.store, 1, 1);
    await stop(running);
    expect(existsSync(`${disk(1)}/.chunkdb`)).toBe(true);
    const listed: string[] = [];
    const list = (path: string) => {
      listed.push(path);
      return realFiles.list(path);
    };
    const files = { ...realFiles, list };
    const again = await start({ files });
    expect(listed).toEqual([]);
    expect(existsSync(`${disk(1)}/.chunkdb`)).toBe(false);
    expect(versionOf(again, 2)).toBe(6);
    expect(again.server.store.table.count).toBe(1);
  });

  it('is not trusted when a subfolder was touched later', async () => {
    const running = await start();
    await createChunk(running.server.store, 1, 1);
    await stop(running);
    putChunk(1, '77', 99, 1);
    const later = Date.now() / 1000 + 10;
    utimesSync(`${disk(1)}/77`, later, later);
    const again = await start();
    expect(again.server.store.table.count).toBe(2);
  });
});

describe('folders', () => {
  it('are taken into use and out of it by a reload', async () => {
    const running = await start();
    const { store } = running.server;
    await createChunk(store, 1, 1);
    await running.reload({ hdd: [disk(1), disk(2)] });
    await settled(running);
    expect(store.folders.map((one) => one.path)).toEqual([`${disk(2)}/`, `${disk(1)}/`]);
    await running.reload({ hdd: [disk(2)] });
    await until('folder gone', () => store.folders.length === 1);
    expect(store.table.count).toBe(0);
    await until('its index', () => existsSync(`${disk(1)}/.chunkdb`));
    await running.reload({ hdd: [disk(2), disk(1)] });
    await settled(running);
    expect(versionOf(running, 1)).toBe(1);
  });

  it('are taken into use once by reloads that overlap', async () => {
    const running = await start();
    await Promise.all([1, 2, 3].map(() => running.reload({ hdd: [disk(1), disk(2), disk(3)] })));
    await settled(running);
    expect(running.server.store.folders).toHaveLength(3);
  });

  it('are filled in proportion to their size and not when marked', async () => {
    const running = await start({ hdd: [disk(1), `*${disk(2)}`, disk(3)] });
    const { store } = running.server;
    for (let id = 1; id <= 40; id++) expect(await createChunk(store, id, 1)).toBe(Status.OK);
    expect(store.folders.map((one) => [one.path.slice(-3), one.chunks])).toEqual([
      ['d3/', 20],
      ['d2/', 0],
      ['d1/', 20],
    ]);
    expect(existsSync(`${disk(2)}/00`)).toBe(false);
    const totals = spaceTotals(store);
    expect(totals.tdTotalSpace).toBe(store.folders[1].space.totalBytes);
    expect(totals.totalSpace).toBe(2 * totals.tdTotalSpace);
  });

  it('with nothing left of their limit take no chunks', async () => {
    const running = await start({ hdd: [`${disk(1)} 1MiB`] });
    const { store } = running.server;
    const data = randomBytes(BLOCK_SIZE);
    let id = 0;
    await until('folder full', async () => {
      const status = await createChunk(store, ++id, 1);
      if (status === Status.NOSPACE) return true;
      await writeBlocks(store, id, 1, [{ block: 0, offset: 0, data, crc: crc32(data) }]);
      return false;
    });
    expect(store.folders[0].space).toMatchObject({ totalBytes: 1024 * 1024, availableBytes: 0 });
  });

  it('are given up after too many serious errors, and come back with a reload', async () => {
    const running = await start({ hdd: [disk(1), disk(2)] });
    const { store } = running.server;
    for (let id = 1; id <= 8; id++) await createChunk(store, id, 1);
    const [second] = store.folders;
    const bad = [...store.table.ofFolder(second.number)].map((slot) => store.table.id(slot));
    for (const id of bad) store.active.forget(id);
    const aside = `${folder.path}/aside`;
    renameSync(`${disk(2)}/00`, aside);
    for (const id of bad.slice(0, 3)) expect((await chunkCrcTable(store, id, 1)).status).toBe(Status.IO);
    await until('folder given up', () => second.damaged);
    expect(store.table.count).toBe(8 - bad.length);
    expect(spaceTotals(store).chunks).toBe(8 - bad.length);
    rmSync(`${disk(2)}/00`, { recursive: true, force: true });
    renameSync(aside, `${disk(2)}/00`);
    await running.reload({});
    await settled(running);
    await until('chunks found again', () => store.table.count === 8);
    expect(second.damaged).toBe(false);
  });

  it('do not count errors of content as serious', async () => {
    const running = await start();
    const { store } = running.server;
    for (let id = 1; id <= 5; id++) {
      await createChunk(store, id, 1);
      store.active.forget(id);
      const path = `${disk(1)}/00/${name(id, 1)}`;
      const file = readFileSync(path);
      file[0] = 0;
      writeFileSync(path, file);
      expect((await chunkCrcTable(store, id, 1)).status).toBe(Status.IO);
    }
    expect(store.folders[0].errors.serious(Date.now() / 1000, 600, false)).toBe(0);
  });

  it('with > and < get and lose all chunks', async () => {
    const config = ['HDD_TEST_SPEED = 0', 'HDD_REBALANCE_UTILIZATION = 100', 'HDD_HIGH_SPEED_REBALANCE_LIMIT = 4'];
    const running = await start({ config });
    const { store } = running.server;
    const contents = new Map<number, Buffer>();
    for (let id = 1; id <= 12; id++) {
      await createChunk(store, id, 1);
      const data = randomBytes(BLOCK_SIZE);
      contents.set(id, data);
      await writeBlocks(store, id, 1, [{ block: 1, offset: 0, data, crc: crc32(data) }]);
    }
    await setVersion(store, 5, 9, 1);
    await running.reload({ hdd: [`<${disk(1)}`, disk(2)], config });
    await until('all chunks moved', () => store.folders.some((one) => one.path === `${disk(2)}/` && one.chunks === 12));
    expect(readdirSync(`${disk(1)}/00`)).toEqual([]);
    for (const [id, data] of contents) {
      const areas = [Buffer.alloc(BLOCK_SIZE), Buffer.alloc(BLOCK_SIZE)];
      expect(await readBlocks(store, id, id === 5 ? 9 : 1, 0, areas, [])).toEqual({ done: 2, status: Status.OK });
      expect(areas).toEqual([Buffer.alloc(BLOCK_SIZE), data]);
    }
    expect(statSync(`${disk(2)}/00/${name(5, 9)}`).size).toBe(8192 + 2 * BLOCK_SIZE);
  });
});

describe('background tests', () => {
  it('find damage that nobody asked for', async () => {
    const running = await start();
    const { store } = running.server;
    for (let id = 1; id <= 3; id++) {
      await createChunk(store, id, 1);
      const data = randomBytes(BLOCK_SIZE);
      await writeBlocks(store, id, 1, [{ block: 0, offset: 0, data, crc: crc32(data) }]);
    }
    await stop(running);
    const path = `${disk(1)}/00/${name(2, 1)}`;
    const file = readFileSync(path);
    file[9000] ^= 255;
    writeFileSync(path, file);
    const again = await start({ config: ['HDD_TEST_SPEED = 100'] });
    await until('damage found', () => {
      const { table } = again.server.store;
      return table.isDamaged(table.find(2));
    });
    expect(again.server.store.table.isDamaged(again.server.store.table.find(1))).toBe(false);
  });
});

describe('a folder that leaves while it is being scanned', () => {
  it('leaves no list behind that is not complete', async () => {
    for (let id = 1; id <= 300; id++) putChunk(1, id.toString(16).toUpperCase().padStart(2, '0').slice(-2), id, 1);
    const running = await start({ hdd: [disk(2)] });
    let lists = 0;
    const { store } = running.server;
    const { list } = store.files;
    store.files.list = async (path) => {
      if (++lists === 40) await running.reload({ hdd: [disk(2)] });
      return list(path);
    };
    await running.reload({ hdd: [disk(2), disk(1)] });
    await until('scan begun', () => lists >= 40);
    await until('folder gone', () => store.folders.length === 1);
    store.files.list = list;
    expect(existsSync(`${disk(1)}/.chunkdb`)).toBe(false);
    await running.reload({ hdd: [disk(2), disk(1)] });
    await settled(running);
    expect(store.table.count).toBe(300);
  });
});
