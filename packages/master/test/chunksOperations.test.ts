import { Status } from '@alces/proto';
import { describe, expect, test } from 'vitest';
import { SimulatedCluster } from './chunks-support/simulatedCluster.ts';

function cluster(servers: number): SimulatedCluster {
  const simulated = new SimulatedCluster();
  simulated.start(servers);
  return simulated;
}

/** The entries since a point, as short text. */
function entries(simulated: SimulatedCluster, from: number): string[] {
  return simulated.log.slice(from).map((entry) => {
    const { op, ...fields } = entry;
    return `${op}(${Object.values(fields).join(',')})`;
  });
}

describe('writing', () => {
  test('a new chunk is created on as many servers as its goal', () => {
    const simulated = cluster(3);
    const inode = simulated.createFile();
    const before = simulated.log.length;
    const chunkId = simulated.write(inode, 1);
    expect(chunkId).toBe(1);
    expect(simulated.versionOf(chunkId)).toBe(1);
    expect(simulated.holders(chunkId)).toHaveLength(2);
    expect(entries(simulated, before)).toEqual([`WRITE(${inode},0,1,0,1)`, 'UNLOCK(1)']);
  });

  test('a second write keeps the version and asks no server', () => {
    const simulated = cluster(2);
    const inode = simulated.createFile();
    const chunkId = simulated.write(inode, 1);
    const commands = simulated.servers.map((server) => server.commands.length);
    const grant = simulated.grant(inode);
    expect(grant.status).toBe(Status.OK);
    expect(grant.version).toBe(1);
    expect(grant.servers).toHaveLength(2);
    expect(simulated.servers.map((server) => server.commands.length)).toEqual(commands);
    expect(simulated.master.unlock(chunkId)).toBe(Status.OK);
  });

  test('with no server the answer is EAGAIN while servers are known and NOCHUNKSERVERS when none is', () => {
    const empty = new SimulatedCluster();
    empty.run(15);
    expect(empty.grant(empty.createFile()).status).toBe(Status.NOCHUNKSERVERS);
    const lost = cluster(1);
    lost.servers[0].disconnect();
    lost.run(1);
    expect(lost.grant(lost.createFile()).status).toBe(Status.EAGAIN);
  });

  test('full servers give NOSPACE', () => {
    const simulated = new SimulatedCluster();
    simulated.start(2, { totalBytes: 32 * 1024 * 1024 });
    expect(simulated.grant(simulated.createFile()).status).toBe(Status.NOSPACE);
  });

  test('one of two creates fails: the good copy gets version 2 and the client waits for it', () => {
    const simulated = cluster(2);
    simulated.servers[0].refusals.push(Status.IO);
    const inode = simulated.createFile();
    const before = simulated.log.length;
    const grant = simulated.grant(inode);
    simulated.runUntil('grant', () => grant.status !== undefined);
    expect(grant.status).toBe(Status.OK);
    expect(grant.version).toBe(2);
    expect(grant.servers.map(({ ip }) => ip)).toEqual([simulated.servers[1].ip]);
    expect(entries(simulated, before)).toEqual([`WRITE(${inode},0,1,0,1)`, 'SETVERSION(1,2)']);
    expect(
      simulated.master
        .copies(1)
        .map(({ type }) => type)
        .sort(),
    ).toEqual([0, 4]);
  });

  test.each([
    ['both not done', [Status.NOTDONE, Status.NOTDONE], Status.NOSPACE],
    ['both failed', [Status.IO, Status.IO], Status.NOTDONE],
    ['one full, one failed', [Status.NOSPACE, Status.IO], Status.NOTDONE],
    ['both full', [Status.NOSPACE, Status.NOSPACE], Status.NOSPACE],
  ])('create, %s', (_name, statuses, answer) => {
    const simulated = cluster(2);
    simulated.servers.forEach((server, index) => {
      server.refusals.push(statuses[index]);
    });
    const inode = simulated.createFile();
    const before = simulated.log.length;
    const grant = simulated.grant(inode);
    simulated.runUntil('grant', () => grant.status !== undefined);
    expect(grant.status).toBe(answer);
    expect(simulated.chunkOf(inode)).toBe(0);
    expect(entries(simulated, before)).toEqual([`WRITE(${inode},0,1,0,1)`, `ROLLBACK(${inode},0,0,1)`]);
  });

  test('create, both servers vanish', () => {
    const simulated = cluster(2);
    const grant = simulated.grant(simulated.createFile());
    for (const server of simulated.servers) server.disconnect();
    simulated.runUntil('grant', () => grant.status !== undefined);
    expect(grant.status).toBe(Status.NOSPACE);
  });

  test('no server began to raise the version: the version goes back and the copies stay good', () => {
    const simulated = cluster(2);
    const inode = simulated.createFile();
    const chunkId = simulated.write(inode, 1);
    bounce(simulated);
    for (const server of simulated.servers) server.refusals.push(Status.NOTDONE);
    const before = simulated.log.length;
    const grant = simulated.grant(inode);
    simulated.runUntil('grant', () => grant.status !== undefined);
    expect(grant.status).toBe(Status.NOTDONE);
    expect(simulated.versionOf(chunkId)).toBe(1);
    expect(simulated.master.liveCopies(chunkId)).toBe(2);
    expect(entries(simulated, before)).toEqual([
      `WRITE(${inode},0,1,0,1)`,
      'SETVERSION(1,1)',
      `ROLLBACK(${inode},0,1,1)`,
    ]);
  });

  test('raising the version fails everywhere: it stays raised, and all copies are invalid', () => {
    const simulated = cluster(2);
    const inode = simulated.createFile();
    const chunkId = simulated.write(inode, 1);
    bounce(simulated);
    for (const server of simulated.servers) server.refusals.push(Status.IO);
    const grant = simulated.grant(inode);
    simulated.runUntil('grant', () => grant.status !== undefined);
    expect(grant.status).toBe(Status.NOTDONE);
    expect(simulated.versionOf(chunkId)).toBe(2);
    expect(simulated.master.copies(chunkId).map(({ type }) => type)).toEqual([4, 4]);
    simulated.run(4);
    expect(simulated.grant(inode).status).toBe(Status.CHUNKLOST);
  });

  test('writing to a shared chunk makes a copy on the servers that have it', () => {
    const simulated = cluster(3);
    const original = simulated.createFile();
    const chunkId = simulated.write(original, 1);
    const copy = share(simulated, original);
    const holders = simulated.holders(chunkId);
    const grant = simulated.grant(copy);
    simulated.runUntil('grant', () => grant.status !== undefined);
    expect(grant.status).toBe(Status.OK);
    expect(grant.chunkId).toBe(chunkId + 1);
    expect(grant.version).toBe(1);
    expect(simulated.holders(grant.chunkId)).toEqual(holders);
    expect(simulated.chunkOf(original)).toBe(chunkId);
    expect(simulated.read(chunkId).status).toBe(Status.OK);
  });

  test('a chunk is not changed while servers are duplicating it', () => {
    const simulated = cluster(2);
    const original = simulated.createFile();
    const chunkId = simulated.write(original, 1);
    const copy = share(simulated, original);
    const duplicate = simulated.grant(copy);
    const inPlace = simulated.grant(original);
    expect([duplicate.status, inPlace.status]).toEqual([undefined, undefined]);
    expect(simulated.read(chunkId).status).toBe(Status.OK);
    simulated.runUntil('both', () => duplicate.status !== undefined && inPlace.status !== undefined, 1);
    expect(inPlace).toMatchObject({ status: Status.OK, chunkId });
    for (const server of simulated.servers) expect(server.disk.get(duplicate.chunkId)?.content).toBe(1);
  });

  test('a truncate raises the version; one of a shared chunk makes a new one', () => {
    const simulated = cluster(2);
    const inode = simulated.createFile();
    const chunkId = simulated.write(inode, 1);
    const cut = simulated.truncate(inode, 0, 1000);
    simulated.runUntil('truncate', () => cut.status !== undefined);
    expect(cut.status).toBe(Status.OK);
    expect(simulated.versionOf(chunkId)).toBe(2);
    const copy = share(simulated, inode);
    const shared = simulated.truncate(copy, 0, 500);
    simulated.runUntil('truncate', () => shared.status !== undefined);
    expect(shared).toMatchObject({ status: Status.OK, chunkId: 2, version: 1 });
    expect(simulated.servers[0].commands.at(-1)).toMatchObject({ name: 'duplicate and truncate', chunkId: 2 });
  });

  test('a client that leaves while servers work is rolled back, and its chunk is deleted', () => {
    const simulated = cluster(2);
    const inode = simulated.createFile();
    const grant = simulated.grant(inode);
    simulated.master.abandon(grant.chunkId);
    simulated.master.rollBack(inode, 0, 0, grant.chunkId);
    simulated.run(20);
    expect(grant.status).toBeUndefined();
    expect(simulated.chunkOf(inode)).toBe(0);
    expect(simulated.servers.map((server) => server.disk.size)).toEqual([0, 0]);
    expect(simulated.state.chunks.count).toBe(0);
  });

  test('a roll-back of a slot that was cut away meanwhile touches nothing but the lock', () => {
    const simulated = cluster(2);
    const inode = simulated.createFile();
    const grant = simulated.grant(inode);
    simulated.commit({ op: 'LENGTH', inode, length: 0, chtime: 1 });
    for (const server of simulated.servers) server.disconnect();
    simulated.runUntil('grant', () => grant.status !== undefined);
    expect(grant.status).toBe(Status.NOSPACE);
    expect(simulated.log.at(-1)).toEqual({ op: 'UNLOCK', chunkid: 1 });
  });
});

describe('locks and waiting requests', () => {
  test('readers and a writer wait for the end of a write, the writer only for one', () => {
    const simulated = cluster(2);
    const inode = simulated.createFile();
    const chunkId = simulated.write(inode, 1);
    const first = simulated.grant(inode);
    expect(first.status).toBe(Status.OK);
    const outcomes = [simulated.read(chunkId), simulated.grant(inode), simulated.read(chunkId)];
    simulated.run(1);
    expect(outcomes.map(({ status }) => status)).toEqual([undefined, undefined, undefined]);
    simulated.master.unlock(chunkId);
    expect(outcomes.map(({ status }) => status)).toEqual([Status.OK, Status.OK, undefined]);
    simulated.master.unlock(chunkId);
    expect(outcomes[2].status).toBe(Status.OK);
  });

  test('CONTINUEOP goes through the lock', () => {
    const simulated = cluster(2);
    const inode = simulated.createFile();
    simulated.write(inode, 1);
    expect(simulated.grant(inode).status).toBe(Status.OK);
    expect(simulated.grant(inode, 0, { continueOperation: true }).status).toBe(Status.OK);
  });

  test('waiting ends after 30 s with the status that was met', () => {
    const simulated = cluster(2);
    const inode = simulated.createFile();
    const chunkId = simulated.write(inode, 1);
    simulated.grant(inode);
    const reader = simulated.read(chunkId);
    simulated.run(29);
    expect(reader.status).toBeUndefined();
    simulated.run(2);
    expect(reader.status).toBe(Status.LOCKED);
  });

  test('requests of a closed connection are forgotten', () => {
    const simulated = cluster(2);
    const inode = simulated.createFile();
    const chunkId = simulated.write(inode, 1);
    simulated.grant(inode);
    const reader = simulated.read(chunkId);
    simulated.master.dropWaiters(reader);
    simulated.master.unlock(chunkId);
    expect(reader.status).toBeUndefined();
  });

  test('a lock lasts 120 s; unlocking an unknown chunk is not logged', () => {
    const simulated = cluster(2);
    const inode = simulated.createFile();
    const chunkId = simulated.write(inode, 1);
    simulated.grant(inode);
    simulated.run(119);
    expect(simulated.master.locate(chunkId, 1).status).toBe(Status.LOCKED);
    simulated.run(2);
    expect(simulated.master.locate(chunkId, 1).status).toBe(Status.OK);
    const before = simulated.log.length;
    expect(simulated.master.unlock(99)).toBe(Status.NOCHUNK);
    expect(simulated.log).toHaveLength(before);
  });
});

describe('the journal', () => {
  test('commands to chunkservers wait until the entry that orders them is safe', () => {
    const simulated = cluster(2);
    const inode = simulated.createFile();
    simulated.heldBack = [];
    const grant = simulated.grant(inode);
    simulated.run(1);
    expect(simulated.servers.flatMap((server) => server.commands)).toEqual([]);
    const waiting = simulated.heldBack;
    simulated.heldBack = undefined;
    for (const run of waiting) run();
    simulated.runUntil('grant', () => grant.status !== undefined);
    expect(grant.status).toBe(Status.OK);
  });
});

/** All servers leave and come back, so that the next write must raise the version. */
function bounce(simulated: SimulatedCluster): void {
  for (const server of simulated.servers) server.disconnect();
  simulated.run(1);
  for (const server of simulated.servers) server.connect();
  simulated.run(5);
}

/** A snapshot of a file: another file with the same chunks. */
function share(simulated: SimulatedCluster, inode: number): number {
  simulated.commit({ op: 'LENGTH', inode, length: 100, chtime: 1 });
  const copy = simulated.createFile();
  simulated.commit({ op: 'APPEND', dst: copy, src: inode, from: 0, to: 0 });
  return copy;
}
