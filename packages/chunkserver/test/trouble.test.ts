import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdirSync, readdirSync } from 'node:fs';
import {
  ANTOCS_GET_CHUNK_BLOCKS,
  BLOCK_SIZE,
  CLTOCS_READ,
  CSTOAN_CHUNK_BLOCKS,
  CSTOCL_READ_DATA,
  CSTOCL_READ_STATUS,
  crc32,
  Status,
} from '@alces/proto';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type ChunkFiles, realFiles } from '../src/os/files.ts';
import { createChunk, deleteChunk, setVersion } from '../src/store/operations.ts';
import { readBlocks } from '../src/store/readBlocks.ts';
import { writeBlocks } from '../src/store/writeBlocks.ts';
import { ManualClock } from './support/clock.ts';
import { TestPeer } from './support/peer.ts';
import { startTestServer, type TestServer, type TestServerOptions, temporaryFolder } from './support/server.ts';
import { until } from './support/wait.ts';

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
const servers: TestServer[] = [];
const mounts: string[] = [];

beforeEach(async () => {
  folder = await temporaryFolder();
});

afterEach(async () => {
  await Promise.all(servers.splice(0).map((running) => running.server.stop()));
  for (const mount of mounts.splice(0)) execFileSync('umount', ['-l', mount]);
  await folder.remove();
});

function disk(name: string): string {
  const path = `${folder.path}/${name}`;
  mkdirSync(path);
  return path;
}

function smallVolume(name: string, options: string): string {
  const path = disk(name);
  execFileSync('mount', ['-t', 'tmpfs', '-o', options, 'none', path]);
  mounts.push(path);
  return path;
}

async function start(hdd: string[], options: Partial<TestServerOptions> = {}): Promise<TestServer> {
  const running = await startTestServer({
    dataPath: folder.path,
    hdd,
    ...options,
    config: [
      'HDD_TEST_SPEED = 0',
      'HDD_REBALANCE_UTILIZATION = 0',
      'HDD_LEAVE_SPACE_DEFAULT = 0',
      ...(options.config ?? []),
    ],
  });
  servers.push(running);
  await until('folders in work', () => running.server.store.folders.every((one) => one.phase === 'working'));
  return running;
}

function write(running: TestServer, chunkId: number, block: number, data = randomBytes(BLOCK_SIZE), offset = 0) {
  return writeBlocks(running.server.store, chunkId, 1, [{ block, offset, data, crc: crc32(data) }]);
}

function checkFiles(path: string): void {
  for (const name of readdirSync(path, { recursive: true, encoding: 'utf8' }))
    if (name.endsWith('.mfs')) execFileSync('mfschunktool', ['-x', `${path}/${name}`]);
}

describe('a full disk', () => {
  it('refuses new blocks, keeps the old ones, and goes on when there is room again', async () => {
    const path = smallVolume('small', 'size=6m');
    const running = await start([path]);
    const { store } = running.server;
    await createChunk(store, 1, 1);
    await createChunk(store, 2, 1);
    const blocks: Buffer[] = [];
    for (;;) {
      const data = randomBytes(BLOCK_SIZE);
      const { status } = await write(running, 1, blocks.length, data);
      if (status !== Status.OK) {
        expect(status).toBe(Status.IO);
        break;
      }
      blocks.push(data);
    }
    expect(blocks.length).toBeGreaterThan(60);
    expect(store.table.isDamaged(store.table.find(1))).toBe(false);
    expect(store.table.blocks(store.table.find(1))).toBe(blocks.length);
    const areas = blocks.map(() => Buffer.alloc(BLOCK_SIZE));
    expect((await readBlocks(store, 1, 1, 0, areas, [])).status).toBe(Status.OK);
    expect(Buffer.concat(areas).equals(Buffer.concat(blocks))).toBe(true);
    checkFiles(path);
    expect(await write(running, 1, 5)).toEqual({ done: 1, status: Status.OK });
    expect(await write(running, 1, 6, Buffer.from('piece'), 77)).toEqual({ done: 1, status: Status.OK });
    let id = 3;
    while ((await createChunk(store, id, 1)) === Status.OK) id++;
    expect(await createChunk(store, id, 1)).toBe(Status.NOSPACE);
    await until('folder known to be full', () => store.folders[0].space.availableBytes < 8192);
    expect(await deleteChunk(store, 1, 1)).toBe(Status.OK);
    expect(await write(running, 2, 0)).toEqual({ done: 1, status: Status.OK });
    checkFiles(path);
  });

  it('is one without inodes', async () => {
    const path = smallVolume('few', 'size=64m,nr_inodes=300');
    const running = await start([path]);
    const { store } = running.server;
    const statuses = new Set<number>();
    for (let id = 1; id <= 60; id++) statuses.add(await createChunk(store, id, 1));
    expect([...statuses].sort()).toEqual([Status.OK, Status.NOSPACE]);
    expect(store.folders[0].space.availableBytes).toBeLessThan(64 * 1024 * 1024);
  });
});

describe('a read-only disk', () => {
  it('is served when it is marked for removal, and only read', async () => {
    const path = smallVolume('ro', 'size=6m');
    const first = await start([path]);
    await createChunk(first.server.store, 1, 1);
    const data = randomBytes(BLOCK_SIZE);
    await write(first, 1, 0, data);
    servers.splice(0);
    await first.server.stop();
    execFileSync('mount', ['-o', 'remount,ro', path]);
    await expect(start([path])).rejects.toThrow();
    const running = await start([`*${path}`]);
    const { store } = running.server;
    const area = Buffer.alloc(BLOCK_SIZE);
    expect((await readBlocks(store, 1, 1, 0, [area], [])).status).toBe(Status.OK);
    expect(area.equals(data)).toBe(true);
    expect((await write(running, 1, 0)).status).toBe(Status.IO);
    expect(await setVersion(store, 1, 2, 1)).toBe(Status.IO);
    expect(await deleteChunk(store, 1, 1)).toBe(Status.IO);
    expect((await readBlocks(store, 1, 1, 0, [area], [])).status).toBe(Status.OK);
    expect(area.equals(data)).toBe(true);
    expect(store.folders[0].damaged).toBe(false);
  });
});

/** Files of which those of one disk can be made to hang. */
function hangingFiles(path: string): { files: ChunkFiles; hang(): void; release(): void } {
  const fds = new Set<number>();
  let hanging = false;
  let waiting: (() => void)[] = [];
  const held = async <T>(affected: boolean, operation: () => Promise<T>): Promise<T> => {
    if (affected && hanging) await new Promise<void>((resolve) => waiting.push(resolve));
    return operation();
  };
  const files: ChunkFiles = {
    ...realFiles,
    async open(name, mode) {
      const fd = await held(name.startsWith(path), () => realFiles.open(name, mode));
      if (name.startsWith(path)) fds.add(fd);
      else fds.delete(fd);
      return fd;
    },
    read: (fd, into, position) => held(fds.has(fd), () => realFiles.read(fd, into, position)),
    rename: (from, to) => held(from.startsWith(path), () => realFiles.rename(from, to)),
    volume: (name) => held(name.startsWith(path), () => realFiles.volume(name)),
  };
  return {
    files,
    hang: () => {
      hanging = true;
    },
    release: () => {
      hanging = false;
      for (const resolve of waiting) resolve();
      waiting = [];
    },
  };
}

describe('a disk that hangs', () => {
  it('holds up its own chunks only; clients are kept informed, others refused after ten seconds', async () => {
    const [bad, good] = [disk('bad'), disk('good')];
    const { files, hang, release } = hangingFiles(bad);
    const clock = new ManualClock();
    const running = await start([bad, good], { files, clock });
    const { store } = running.server;
    for (let id = 1; id <= 12; id++) await createChunk(store, id, 1);
    const onDisk = (path: string) => {
      const number = store.folders.find((one) => one.path === `${path}/`)?.number ?? -1;
      return [...store.table.ofFolder(number)].map((slot) => store.table.id(slot));
    };
    const [stuck] = onDisk(bad);
    const [free] = onDisk(good);
    for (const id of [stuck, free]) await write(running, id, 0);
    hang();
    const peers = await Promise.all([1, 2].map(() => TestPeer.open(running.server.port)));
    const request = (chunkId: number) =>
      CLTOCS_READ.encode({ protocolid: 1, chunkId, version: 1, offset: 0, size: BLOCK_SIZE });
    peers[0].send(request(stuck));
    await until('read begun', () => running.server.info()[1].includes('jobs: 1'));
    const changing = setVersion(store, stuck, 2, 1);
    const blocked = write(running, stuck, 0);
    for (let second = 0; second < 3; second++) {
      clock.advance(1100);
      expect((await peers[0].next())?.type).toBe(0);
    }
    peers[1].send(request(free));
    expect((await peers[1].expect(CSTOCL_READ_DATA)).data.length).toBe(BLOCK_SIZE);
    expect(await write(running, free, 1)).toEqual({ done: 1, status: Status.OK });
    for (let second = 0; second < 8; second++) {
      clock.advance(1100);
      expect((await peers[0].next())?.type).toBe(0);
    }
    expect(await changing).toBe(Status.NOTDONE);
    expect(await blocked).toEqual({ done: 0, status: Status.NOTDONE });
    peers.push(await TestPeer.open(running.server.port));
    peers[2].send(ANTOCS_GET_CHUNK_BLOCKS.encode({ chunkId: free, version: 1 }));
    expect((await peers[2].expect(CSTOAN_CHUNK_BLOCKS)).blocks).toBe(2);
    release();
    expect((await peers[0].expect(CSTOCL_READ_DATA)).data.length).toBe(BLOCK_SIZE);
    expect((await peers[0].expect(CSTOCL_READ_STATUS)).status).toBe(Status.OK);
    expect(await setVersion(store, stuck, 2, 1)).toBe(Status.OK);
    for (const peer of peers) peer.destroy();
  });
});

describe('files in use', () => {
  it('are closed when nobody needs them, and never too many', async () => {
    const path = disk('d');
    const opened = new Set<number>();
    let most = 0;
    const files: ChunkFiles = {
      ...realFiles,
      async open(name, mode) {
        const fd = await realFiles.open(name, mode);
        opened.add(fd);
        most = Math.max(most, opened.size);
        return fd;
      },
      async close(fd) {
        opened.delete(fd);
        await realFiles.close(fd);
      },
    };
    const clock = new ManualClock();
    const running = await start([path], { files, clock });
    for (let id = 1; id <= 1500; id++) expect(await createChunk(running.server.store, id, 1)).toBe(Status.OK);
    expect(most).toBeLessThanOrEqual(1010);
    clock.advance(2000);
    await until('all closed', () => opened.size === 0);
    expect(running.server.store.active.count).toBe(1500);
    clock.advance(101_000);
    expect(running.server.store.active.count).toBe(0);
  });

  it('are synced before they are closed if that is configured', async () => {
    const synced: number[] = [];
    const files: ChunkFiles = {
      ...realFiles,
      async sync(fd) {
        synced.push(fd);
        await realFiles.sync(fd);
      },
    };
    const clock = new ManualClock();
    const running = await start([disk('d')], { files, clock, config: ['HDD_FSYNC_BEFORE_CLOSE = 1'] });
    await createChunk(running.server.store, 1, 1);
    clock.advance(2000);
    await createChunk(running.server.store, 2, 1);
    await write(running, 2, 0);
    clock.advance(2000);
    await until('written file synced', () => synced.length > 0);
    await until('files closed', () => running.server.store.active.openFiles === 0);
    expect(synced).toHaveLength(1);
  });
});
