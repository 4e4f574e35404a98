import { Status } from '@alces/proto';
import { describe, expect, test } from 'vitest';
import { quickSettings, SimulatedCluster } from './chunks-support/simulatedCluster.ts';
import type { SimulatedServer } from './chunks-support/simulatedServer.ts';

const minutes = 60;
const labelA = 1;
const labelB = 2;
const labelC = 4;

function cluster(servers: number, settings = quickSettings()): SimulatedCluster {
  const simulated = new SimulatedCluster(7, settings);
  simulated.start(servers);
  return simulated;
}

/** Commands of one kind that the servers got for a chunk. */
function commands(simulated: SimulatedCluster, name: string, chunkId: number): number {
  return simulated.servers
    .flatMap((server) => server.commands)
    .filter((command) => {
      return command.name === name && command.chunkId === chunkId;
    }).length;
}

function labelClass(simulated: SimulatedCluster, mode: number, labels: readonly number[]): number {
  const masks = labels.flatMap((label) => [label, 0, 0, 0]);
  const id = 10 + simulated.log.filter(({ op }) => op === 'SCSET').length;
  const count = labels.length;
  const counts = { createcnt: count, keepcnt: count, archcnt: count };
  const entry = { op: 'SCSET' as const, name: Buffer.from(`class${id}`), new: 1, ...counts, mode };
  simulated.commit({ ...entry, archdelay: 0, adminonly: 0, masks: [...masks, ...masks, ...masks], id: 0 });
  return id;
}

function labelled(masks: readonly number[]): SimulatedCluster {
  const simulated = new SimulatedCluster(3);
  for (const labelMask of masks) simulated.addServer({ name: `label ${labelMask}`, labelMask });
  simulated.run(15);
  return simulated;
}

function labelsOf(servers: readonly SimulatedServer[]): number[] {
  return servers.map((server) => server.labelMask).sort();
}

describe('number of copies', () => {
  test('a raised goal is served at once, a lowered one too, fullest server first', () => {
    const simulated = cluster(4);
    const inode = simulated.createFile();
    const chunkId = simulated.write(inode, 1);
    simulated.setGoal(inode, 4);
    simulated.runUntil('four copies', () => simulated.holders(chunkId).length === 4, 1);
    simulated.servers[2].ballastBytes = 2 ** 38;
    simulated.run(1);
    simulated.setGoal(inode, 3);
    simulated.runUntil('three copies', () => simulated.holders(chunkId).length === 3, 1);
    expect(simulated.holders(chunkId)).not.toContain(simulated.servers[2]);
    expect(simulated.master.matrix(0)[3 * 11 + 3]).toBe(1);
  });

  test('copies of a server that died are made anew elsewhere, with the version unchanged', () => {
    const simulated = cluster(3);
    const chunks = Array.from({ length: 20 }, () => simulated.write(simulated.createFile(), 1));
    simulated.servers[0].disconnect();
    simulated.run(minutes);
    const alive = simulated.servers.slice(1);
    for (const chunkId of chunks) {
      expect(alive.filter((server) => server.disk.has(chunkId))).toHaveLength(2);
      expect(simulated.versionOf(chunkId)).toBe(1);
    }
    expect(simulated.master.matrix(1)[2 * 11 + 2]).toBe(20);
  });

  test('copies that there was no server for are made when one comes, long before the loop is there', () => {
    const simulated = cluster(2, quickSettings({ loopMinSeconds: 3600 }));
    const [away] = simulated.servers;
    away.disconnect();
    simulated.run(20);
    const chunks = Array.from({ length: 40 }, () => simulated.write(simulated.createFile(), 1));
    // Each was visited, in vain.
    simulated.run(60);
    away.connect();
    const complete = () => chunks.every((chunkId) => away.disk.has(chunkId));
    simulated.runUntil('second copies', complete, 30);
  });

  test('nothing is copied while all that are away are in maintenance', () => {
    const simulated = cluster(3);
    const chunkId = simulated.write(simulated.createFile(), 1);
    simulated.holders(chunkId)[0].stop();
    simulated.run(minutes);
    expect(commands(simulated, 'replicate', chunkId)).toBe(0);
    simulated.run(1800);
    expect(commands(simulated, 'replicate', chunkId)).toBe(1);
  });

  test('copies that missed a write are deleted when their server returns', () => {
    const simulated = cluster(2);
    const inode = simulated.createFile();
    const chunkId = simulated.write(inode, 1);
    const [away, stayed] = simulated.servers;
    away.disconnect();
    simulated.run(1);
    simulated.write(inode, 2);
    expect(simulated.versionOf(chunkId)).toBe(2);
    away.connect();
    simulated.runUntil('new copy', () => away.disk.get(chunkId)?.version === 2, minutes);
    expect(away.disk.get(chunkId)?.content).toBe(2);
    expect(stayed.disk.get(chunkId)?.content).toBe(2);
    expect(commands(simulated, 'delete', chunkId)).toBe(1);
  });

  test('a damaged copy is replaced', () => {
    const simulated = cluster(2);
    const chunkId = simulated.write(simulated.createFile(), 1);
    const [damaged] = simulated.servers;
    damaged.damage(chunkId);
    simulated.run(0.002);
    expect(simulated.master.liveCopies(chunkId)).toBe(1);
    simulated.runUntil('replaced', () => simulated.master.liveCopies(chunkId) === 2, minutes);
    expect(damaged.commands.slice(-2).map(({ name }) => name)).toEqual(['delete', 'replicate']);
  });

  test('a damaged copy that is the last one is left alone', () => {
    const simulated = cluster(1);
    const chunkId = simulated.write(simulated.createFile(1), 1);
    simulated.servers[0].damage(chunkId);
    simulated.run(10 * minutes);
    expect(simulated.servers[0].disk.has(chunkId)).toBe(true);
    expect(simulated.master.repairVersion(chunkId)).toBe(0);
  });

  test('nobody deletes or copies anything while a server registers', () => {
    const simulated = cluster(3);
    const inode = simulated.createFile();
    const chunkId = simulated.write(inode, 1);
    const slow = simulated.addServer({ name: 'slow', listPart: 1 });
    for (let id = 1000; id < 1100; id++) slow.disk.set(id, { version: 1, content: 0, marked: false });
    simulated.setGoal(inode, 3);
    simulated.run(0.002);
    expect(simulated.master.countersInProgress() & 2).toBe(2);
    simulated.runUntil('registered', () => slow.isRegistered, 10);
    expect(commands(simulated, 'replicate', chunkId)).toBe(0);
    simulated.run(5);
    expect(commands(simulated, 'replicate', chunkId)).toBeGreaterThan(0);
  });
});

describe('chunks without files', () => {
  test('are deleted on the servers, and forgotten when all servers are there', () => {
    const simulated = cluster(2);
    const inode = simulated.createFile();
    const chunkId = simulated.write(inode, 1);
    const away = simulated.addServer({ name: 'bystander' });
    simulated.run(5);
    away.disconnect();
    simulated.run(1);
    simulated.removeFile(inode);
    simulated.run(minutes);
    expect(simulated.master.copyCount(chunkId)).toBe(0);
    expect(simulated.state.chunks.find(chunkId)).not.toBe(0);
    away.connect();
    simulated.run(minutes);
    expect(simulated.state.chunks.find(chunkId)).toBe(0);
    expect(simulated.log.at(-1)).toEqual({ op: 'CHUNKDEL', chunkid: chunkId, version: 1 });
    expect(simulated.master.totals()).toEqual({ chunks: 0, copies: 0, regularCopies: 0 });
  });

  test('unknown chunks are kept for seven days', () => {
    const simulated = new SimulatedCluster();
    const server = simulated.addServer({ name: 'old' });
    server.disk.set(7, { version: 3, content: 1, marked: false });
    simulated.run(minutes);
    simulated.clock.setForward(6 * 86400);
    simulated.run(minutes);
    expect(simulated.log).toContainEqual({ op: 'CHUNKADD', chunkid: 7, version: 3, lockedto: expect.any(Number) });
    expect(server.disk.has(7)).toBe(true);
    expect(simulated.state.nextchunkid).toBe(8);
    simulated.clock.setForward(86400);
    simulated.run(minutes);
    expect(server.disk.has(7)).toBe(false);
    expect(server.commands).toEqual([{ name: 'delete', chunkId: 7, version: 3 }]);
    expect(simulated.state.chunks.count).toBe(0);
  });

  test('impossible ids are ignored', () => {
    const simulated = cluster(1);
    const [server] = simulated.servers;
    server.disconnect();
    server.disk.set(2_000_000_000, { version: 1, content: 0, marked: false });
    server.connect();
    simulated.run(5);
    expect(server.isRegistered).toBe(true);
    expect(simulated.state.chunks.count).toBe(0);
  });
});

describe('versions', () => {
  test('if all servers have the version before, the master takes it, and logs it', () => {
    const simulated = cluster(2);
    const inode = simulated.createFile();
    const chunkId = simulated.write(inode, 1);
    for (const server of simulated.servers) server.disconnect();
    simulated.run(1);
    simulated.commit({ op: 'SETVERSION', chunkid: chunkId, version: 2 });
    for (const server of simulated.servers) server.connect();
    simulated.run(10);
    expect(simulated.log.at(-1)).toEqual({ op: 'SETVERSION', chunkid: chunkId, version: 1 });
    expect(simulated.read(chunkId)).toMatchObject({ status: Status.OK, version: 1 });
    simulated.write(inode, 2);
    expect(simulated.versionOf(chunkId)).toBe(3);
  });

  test('an older version is not taken while a server is away that may have the right one', () => {
    const simulated = cluster(2);
    const inode = simulated.createFile(1);
    const chunkId = simulated.write(inode, 1);
    const [current] = simulated.holders(chunkId);
    const behind = simulated.servers.find((server) => server !== current)!;
    behind.disk.set(chunkId, { version: 1, content: 1, marked: false });
    simulated.truncate(inode, 0, 100);
    simulated.run(1);
    expect(simulated.versionOf(chunkId)).toBe(2);
    current.disconnect();
    behind.disconnect();
    simulated.run(2);
    behind.connect();
    simulated.run(minutes);
    expect(simulated.versionOf(chunkId)).toBe(2);
    expect(simulated.read(chunkId)).toMatchObject({ status: Status.OK, servers: [] });
    current.connect();
    simulated.runUntil('the right copy', () => simulated.master.liveCopies(chunkId) === 1, 5);
    expect(simulated.read(chunkId)).toMatchObject({ version: 2, servers: [{ ip: current.ip }] });
  });

  test('a difference of two is left to the operator, and repair takes the best copy', () => {
    const simulated = cluster(2);
    const inode = simulated.createFile();
    const chunkId = simulated.write(inode, 1);
    for (const server of simulated.servers) server.disconnect();
    simulated.run(1);
    simulated.commit({ op: 'SETVERSION', chunkid: chunkId, version: 3 });
    for (const server of simulated.servers) server.connect();
    simulated.run(minutes);
    expect(simulated.read(chunkId).status).toBe(Status.CHUNKLOST);
    const version = simulated.master.repairVersion(chunkId);
    expect(version).toBe(1);
    simulated.commit({ op: 'REPAIR', inode, index: 0, version });
    simulated.master.repaired(chunkId);
    expect(simulated.read(chunkId).servers).toHaveLength(2);
    expect(simulated.master.repairVersion(chunkId)).toBe(-1);
  });
});

describe('disks marked for removal', () => {
  test('their copies are made anew on other disks before they count as removable', () => {
    const simulated = cluster(3);
    const chunkId = simulated.write(simulated.createFile(), 1);
    const [emptied] = simulated.holders(chunkId);
    emptied.mark(chunkId, true);
    simulated.run(1);
    const row = () => simulated.master.serverList().find(({ ip }) => ip === emptied.ip)!;
    expect(row().removalStatus).toBe(1);
    simulated.runUntil('third copy', () => simulated.holders(chunkId).length === 3, minutes);
    simulated.runUntil('removable', () => row().removalStatus === 2, minutes);
    expect(emptied.disk.has(chunkId)).toBe(true);
    expect(simulated.master.matrix(0)[2 * 11 + 3]).toBe(1);
    expect(simulated.master.matrix(1)[2 * 11 + 2]).toBe(1);
  });

  test('with a copy on every server one on a marked disk gives way', () => {
    const simulated = cluster(2);
    const chunkId = simulated.write(simulated.createFile(), 1);
    const [emptied] = simulated.servers;
    emptied.mark(chunkId, true);
    simulated.runUntil('regular copies', () => emptied.disk.get(chunkId)?.marked === false, minutes);
    expect(simulated.master.liveCopies(chunkId)).toBe(2);
  });
});

describe('labels', () => {
  test('a copy goes to the labelled server that comes, and the surplus one is deleted', () => {
    const simulated = labelled([labelA, labelB]);
    const inode = simulated.createFile(labelClass(simulated, 1, [labelA, labelC]));
    const chunkId = simulated.write(inode, 1);
    expect(labelsOf(simulated.holders(chunkId))).toEqual([labelA, labelB]);
    simulated.addServer({ name: 'C', labelMask: labelC });
    simulated.runUntil('labels', () => labelsOf(simulated.holders(chunkId)).join() === '1,4', minutes);
  });

  test('a class whose labels cannot be had is left alone once it has enough copies', () => {
    const simulated = labelled([labelA, labelB, labelB]);
    const inode = simulated.createFile(labelClass(simulated, 1, [labelA, labelC]));
    const chunkId = simulated.write(inode, 1);
    simulated.run(5 * minutes);
    expect(commands(simulated, 'replicate', chunkId)).toBe(0);
    expect(simulated.master.chunkTest()[15]).toBe(1);
    expect(simulated.master.classInfo(10).keep).toEqual({ fulfilled: 0, servers: [1, 0] });
  });

  test('STRICT makes fewer copies, and refuses when no label matches', () => {
    const simulated = labelled([labelA, labelB, labelB]);
    const partly = simulated.createFile(labelClass(simulated, 2, [labelA, labelC]));
    const chunkId = simulated.write(partly, 1);
    expect(labelsOf(simulated.holders(chunkId))).toEqual([labelA]);
    simulated.run(minutes);
    expect(simulated.holders(chunkId)).toHaveLength(1);
    const never = simulated.createFile(labelClass(simulated, 2, [labelC]));
    expect(simulated.grant(never).status).toBe(Status.NOSPACE);
  });

  test('an overloaded labelled server makes STD wait and LOOSE go on', () => {
    const simulated = labelled([labelA, labelB]);
    simulated.servers[0].loadState = 2;
    simulated.run(2);
    const std = simulated.createFile(labelClass(simulated, 1, [labelA]));
    expect(simulated.grant(std).status).toBe(Status.EAGAIN);
    const loose = simulated.createFile(labelClass(simulated, 0, [labelA]));
    expect(labelsOf(simulated.holders(simulated.write(loose, 1)))).toEqual([labelB]);
  });
});

describe('balance', () => {
  test('new chunks go to all servers in proportion to their size', () => {
    const simulated = new SimulatedCluster(5, quickSettings({ acceptableDifference: 0.1 }));
    for (const size of [1, 1, 2]) simulated.addServer({ name: `${size} TiB`, totalBytes: size * 2 ** 40 });
    simulated.run(15);
    for (let index = 0; index < 400; index++) simulated.write(simulated.createFile(1), 1);
    const counts = simulated.servers.map((server) => server.disk.size);
    expect(counts[0]).toBeGreaterThan(70);
    expect(counts[0]).toBeLessThan(130);
    expect(counts[1]).toBeGreaterThan(70);
    expect(counts[1]).toBeLessThan(130);
    expect(counts[2]).toBeGreaterThan(160);
  });

  test('copies move from a full server to an empty one until both are about equally full', () => {
    const simulated = new SimulatedCluster(5);
    simulated.start(2, { totalBytes: 100 * 64 * 2 ** 20 });
    const [first, second] = simulated.servers;
    second.disconnect();
    simulated.run(5);
    simulated.master.serverCommand(0, second.ip, second.port);
    for (let index = 0; index < 40; index++) simulated.write(simulated.createFile(1), 1);
    expect(first.disk.size).toBe(40);
    second.connect();
    simulated.run(10 * minutes);
    expect(first.disk.size + second.disk.size).toBe(40);
    expect(Math.abs(first.disk.size - second.disk.size)).toBeLessThanOrEqual(4);
  });
});

describe('deletion with a doubt', () => {
  test('a copy whose deletion was not answered is never the reason to delete another one', () => {
    const simulated = new SimulatedCluster(7);
    simulated.start(2, { maxDelayMs: 9000 });
    const inode = simulated.createFile();
    const chunkId = simulated.write(inode, 1);
    simulated.setGoal(inode, 1);
    simulated.runUntil('delete command', () => commands(simulated, 'delete', chunkId) === 1, 1);
    const doubtful = simulated.servers.find((server) => server.commands.at(-1)?.name === 'delete')!;
    const sure = simulated.servers.find((server) => server !== doubtful)!;
    sure.ballastBytes = 2 ** 30;
    doubtful.disconnect();
    simulated.run(0.1);
    doubtful.connect();
    simulated.runUntil('both listed', () => simulated.master.liveCopies(chunkId) === 2, 5);
    simulated.runUntil('deletion on the disk', () => !doubtful.disk.has(chunkId), 10);
    simulated.run(minutes);
    const located = simulated.read(chunkId).servers.map(({ ip }) => ip);
    expect(located).toHaveLength(1);
    expect(simulated.holders(chunkId).map(({ ip }) => ip)).toEqual(located);
  });
});
