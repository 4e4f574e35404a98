import { Status } from '@alces/proto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { until } from '../../../test/support/until.ts';
import { clientAddress } from './chunks-support/fileOperations.ts';
import { readFrom, StockCluster, serverIp } from './chunks-support/stockChunkservers.ts';

const minute = 60_000;

describe('stock chunkservers', () => {
  let cluster: StockCluster;

  beforeAll(async () => {
    // Without rebalancing: all folders lie on one disk whose usage changes between the reports of the servers.
    cluster = await StockCluster.start(3, { writeReplicationLimits: [2, 1, 0, 0] });
  });

  afterAll(() => cluster?.destroy());

  /** Exactly these numbers of copies in the right version on the disks, and nothing else of the chunk anywhere. */
  function copies(chunkId: number, count: number): Promise<true> {
    return until(`${count} copies of chunk ${chunkId}`, minute, () => {
      const files = cluster.servers.filter((server) => server.chunks().has(chunkId)).length;
      return cluster.holders(chunkId).length === count && files === count && (true as const);
    });
  }

  test('register, with ids, labels and space', () => {
    const rows = cluster.master.serverList();
    expect(rows.map(({ csid }) => csid).sort()).toEqual([1, 2, 3]);
    expect(rows.map(({ ip }) => ip).sort()).toEqual([serverIp(0), serverIp(1), serverIp(2)]);
    for (const row of rows) {
      expect(row).toMatchObject({ flags: 0, version: 0x000300ea, port: 9422, errors: 0, labelMask: 0 });
      expect(row.totalBytes).toBeGreaterThan(0);
    }
  });

  test('a chunk is created, written and written again', async () => {
    const inode = cluster.createFile();
    const chunkId = await cluster.write(inode, 'first');
    expect(cluster.versionOf(chunkId)).toBe(1);
    await copies(chunkId, 2);
    await cluster.write(inode, 'again');
    expect(cluster.versionOf(chunkId)).toBe(1);
    for (const index of cluster.holders(chunkId)) expect(cluster.servers[index].data(chunkId, 5)).toBe('again');
  });

  test('a raised goal makes copies, a lowered one deletes some', async () => {
    const inode = cluster.createFile();
    const chunkId = await cluster.write(inode, 'goals');
    cluster.setGoal(inode, 3);
    await copies(chunkId, 3);
    expect(cluster.servers.map((server) => server.data(chunkId, 5))).toEqual(['goals', 'goals', 'goals']);
    cluster.setGoal(inode, 1);
    await copies(chunkId, 1);
    expect(cluster.master.liveCopies(chunkId)).toBe(1);
  });

  test('a shared chunk is copied by the servers before it is changed, and cut', async () => {
    const inode = cluster.createFile();
    const chunkId = await cluster.write(inode, 'shared');
    cluster.commit({ op: 'LENGTH', inode, length: 100, chtime: 1 });
    const twin = cluster.createFile();
    cluster.commit({ op: 'APPEND', dst: twin, src: inode, from: 0, to: 0 });
    const copy = await cluster.write(twin, 'CHANGE');
    expect(copy).not.toBe(chunkId);
    await copies(copy, 2);
    const [index] = cluster.holders(copy);
    expect([cluster.servers[index].data(chunkId, 6), cluster.servers[index].data(copy, 6)]).toEqual([
      'shared',
      'CHANGE',
    ]);
    const cut = cluster.truncate(twin, 0, 3);
    await until('the truncate', minute, () => cut.status !== undefined);
    expect(cut.status).toBe(Status.OK);
    expect(cluster.versionOf(copy)).toBe(2);
    await copies(copy, 2);
    expect(cluster.servers[index].data(copy, 6)).toBe('CHA\0\0\0');
  });

  test('the chunks of a removed file are deleted and forgotten', async () => {
    const inode = cluster.createFile();
    const chunkId = await cluster.write(inode, 'gone');
    cluster.removeFile(inode);
    await until('the deletion', minute, () => cluster.state.chunks.find(chunkId) === 0);
    expect(cluster.servers.some((server) => server.chunks().has(chunkId))).toBe(false);
    expect(cluster.log.at(-1)).toEqual({ op: 'CHUNKDEL', chunkid: chunkId, version: 1 });
  });

  test('a server that stopped in order is in maintenance and nothing is copied; copies that missed a write are replaced', async () => {
    const inode = cluster.createFile();
    const chunkId = await cluster.write(inode, 'before');
    const [away] = cluster.holders(chunkId);
    const server = cluster.servers[away];
    const copied = cluster.master.counters.replicationsSent;
    await server.act('stop');
    await until('the stop', minute, () => cluster.master.usableServers() === 2);
    expect(cluster.master.serverList().find(({ ip }) => ip === serverIp(away))?.flags).toBe(7);
    await cluster.write(inode, 'after ');
    expect(cluster.versionOf(chunkId)).toBe(2);
    expect(cluster.master.counters.replicationsSent).toBe(copied);
    expect(server.chunks().get(chunkId)).toBe(1);
    await server.act('start');
    await copies(chunkId, 2);
    for (const index of cluster.holders(chunkId)) expect(cluster.servers[index].data(chunkId, 6)).toBe('after ');
    expect(cluster.master.serverList().map(({ flags }) => flags)).toEqual([0, 0, 0]);
  });

  test('a damaged copy is found, deleted and replaced', async () => {
    const inode = cluster.createFile();
    const chunkId = await cluster.write(inode, 'whole!');
    await copies(chunkId, 2);
    const [spoilt] = cluster.holders(chunkId);
    // A running chunkserver keeps the last block of a chunk in memory.
    await cluster.servers[spoilt].act('stop');
    cluster.servers[spoilt].spoil(chunkId);
    await cluster.servers[spoilt].act('start');
    await cluster.settled(3);
    // Unless the chunkserver's own test of its chunks has found it already.
    expect([Status.CRC, Status.NOCHUNK]).toContain(await readFrom(spoilt, chunkId, 1));
    await until('the replacement', minute, () => {
      const holders = cluster.holders(chunkId);
      return holders.length === 2 && holders.every((index) => cluster.servers[index].data(chunkId, 6) === 'whole!');
    });
    await copies(chunkId, 2);
    const row = cluster.master.serverList().find(({ ip }) => ip === serverIp(spoilt));
    expect(row?.errors).toBeGreaterThan(0);
  });

  test('a disk marked for removal is emptied to other servers', async () => {
    const inode = cluster.createFile();
    const chunkId = await cluster.write(inode, 'moved');
    const [leaving] = cluster.holders(chunkId);
    const server = cluster.servers[leaving];
    server.mark(true);
    await server.act('reload');
    await until('a regular third copy', minute, () => cluster.holders(chunkId).length === 3);
    const row = () => cluster.master.serverList().find(({ ip }) => ip === serverIp(leaving))!;
    await until('the disk to be removable', minute, () => row().removalStatus === 2);
    expect(row().markedChunks).toBeGreaterThan(0);
    server.mark(false);
    await server.act('reload');
    await copies(chunkId, 2);
  });

  test('a restarted master learns all copies from the registrations', async () => {
    const inode = cluster.createFile();
    const chunkId = await cluster.write(inode, 'persistent');
    await copies(chunkId, 2);
    const before = cluster.log.length;
    await cluster.restartMaster();
    expect(cluster.grant(inode).status).toBe(Status.EAGAIN);
    await cluster.settled(3);
    expect(cluster.master.liveCopies(chunkId)).toBe(2);
    await cluster.write(inode, 'PERSISTENT');
    expect(cluster.versionOf(chunkId)).toBe(2);
    expect(cluster.log.slice(before).filter(({ op }) => op === 'CHUNKADD' || op === 'SETVERSION')).toEqual([]);
  });

  test('a server that dies for good: its copies are made anew, and it can be removed', async () => {
    const inodes = Array.from({ length: 8 }, () => cluster.createFile());
    const chunks: number[] = [];
    for (const inode of inodes) chunks.push(await cluster.write(inode, `file ${inode}`));
    await cluster.servers[0].kill();
    await until('new copies', minute, () =>
      chunks.every((chunkId) => cluster.servers.slice(1).every((server) => server.chunks().has(chunkId))),
    );
    for (const [position, chunkId] of chunks.entries()) {
      expect(cluster.master.locations(chunkId, clientAddress).servers).toHaveLength(2);
      const text = `file ${inodes[position]}`;
      expect(cluster.servers[1].data(chunkId, text.length)).toBe(text);
    }
    const { ip, port } = cluster.master.serverList().find((row) => row.flags === 1)!;
    expect(cluster.master.serverCommand(0, ip, port)).toBe(Status.OK);
    expect(cluster.master.serverList()).toHaveLength(2);
  });
});
