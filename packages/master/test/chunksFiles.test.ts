import { describe, expect, test } from 'vitest';
import { SimulatedCluster } from './chunks-support/simulatedCluster.ts';

const loopSeconds = 3277;
const day = 86400;

/** A cluster whose file test has begun. */
function cluster(servers = 2): SimulatedCluster {
  const simulated = new SimulatedCluster();
  simulated.start(servers);
  return simulated;
}

/** Runs until the results of a loop that began after now are published. */
function wholeLoop(simulated: SimulatedCluster): void {
  const before = simulated.master.fileTest().loopEnd;
  const ended = () => simulated.master.fileTest().loopStart > before && simulated.master.fileTest().loopStart > 0;
  for (let waited = 0; waited < 3 * loopSeconds && !ended(); waited += 10) simulated.run(10);
  expect(ended()).toBe(true);
}

describe('the file test', () => {
  test('counts files and lists what is missing, by kind of copies', () => {
    const simulated = cluster();
    const good = simulated.createFile();
    simulated.write(good, 1);
    const missing = simulated.createFile();
    const lost = simulated.write(missing, 1);
    const stale = simulated.createFile();
    const old = simulated.write(stale, 1);
    const damaged = simulated.createFile();
    const bad = simulated.write(damaged, 1);
    simulated.commit({ op: 'LINK', inode: missing, parent: 1, name: Buffer.from('second name') });
    for (const inode of [good, missing, stale, damaged]) {
      simulated.commit({ op: 'LENGTH', inode, length: 100, chtime: 1 });
    }
    for (const server of simulated.servers) {
      server.lose(lost);
      server.damage(bad);
      server.disconnect();
    }
    simulated.run(2);
    // Newer copies would be accepted (decision 0182).
    simulated.commit({ op: 'SETVERSION', chunkid: old, version: 9 });
    for (const server of simulated.servers) server.connect();
    simulated.run(5);
    for (const server of simulated.servers) server.damage(bad);
    expect(simulated.master.fileTest().loopStart).toBe(0);
    simulated.run(905);
    wholeLoop(simulated);
    expect(simulated.master.fileTest()).toMatchObject({
      files: 4,
      missingFiles: 4,
      underGoalFiles: 0,
      chunks: 4,
      missingChunks: 3,
      messages: '',
    });
    expect(simulated.master.missingChunks()).toEqual([
      { chunkId: lost, inode: missing, index: 0, type: 0 },
      { chunkId: old, inode: stale, index: 0, type: 2 },
      { chunkId: bad, inode: damaged, index: 0, type: 1 },
    ]);
  });

  test('a reference to a chunk that does not exist is a structure error', () => {
    const simulated = cluster();
    const inode = simulated.createFile();
    simulated.write(inode, 1);
    simulated.commit({ op: 'SETFILECHUNK', inode, index: 0, chunkid: 0x123 });
    simulated.run(905);
    wholeLoop(simulated);
    expect(simulated.master.fileTest().messages).toBe(
      `structure error - chunk 0000000000000123 not found (inode: ${inode} ; index: 0)\nunknown chunks: 1\n`,
    );
  });

  test('a chunk without copies behind the end of its file is dropped', () => {
    const simulated = cluster(1);
    const inode = simulated.createFile(1);
    const chunkId = simulated.write(inode, 1);
    simulated.servers[0].lose(chunkId);
    simulated.run(905);
    wholeLoop(simulated);
    expect(simulated.log).toContainEqual({ op: 'SETFILECHUNK', inode, index: 0, chunkid: 0 });
    expect(simulated.chunkOf(inode)).toBe(0);
    expect(simulated.master.missingChunks()).toEqual([]);
  });

  test('old files get the archive flag, and the copies that go with it', () => {
    const simulated = cluster(3);
    const any = [0, 0, 0, 0];
    const definition = { createcnt: 1, keepcnt: 1, archcnt: 3, mode: 1, archdelay: 5, adminonly: 0 };
    const masks = [...any, ...any, ...any, ...any, ...any];
    simulated.commit({ op: 'SCSET', name: Buffer.from('arch'), new: 1, ...definition, masks, id: 0 });
    const inode = simulated.createFile(10);
    const chunkId = simulated.write(inode, 1);
    const young = simulated.createFile(10);
    simulated.write(young, 1);
    simulated.run(905);
    simulated.clock.setForward(5 * day);
    simulated.commit({
      op: 'ATTR',
      inode: young,
      ...{ mode: 0o644, uid: 0, gid: 0, atime: simulated.now, mtime: simulated.now, winattr: 0, aclmode: 0 },
    });
    wholeLoop(simulated);
    const flagged = simulated.log.filter(({ op }) => op === 'ARCHCHG');
    expect(flagged).toEqual([{ op: 'ARCHCHG', inode, uid: 0, cmd: 1, changed: 1, unchanged: 0, denied: 0 }]);
    expect(simulated.master.liveCopies(chunkId)).toBe(3);
    expect(simulated.master.classInfo(10)).toMatchObject({ exact: 1, archiveExact: 1 });
  });

  test('it pauses when a chunkserver goes away', () => {
    const simulated = cluster();
    simulated.createFile();
    simulated.run(905);
    wholeLoop(simulated);
    const { loopEnd } = simulated.master.fileTest();
    simulated.servers[0].disconnect();
    simulated.run(loopSeconds + 550);
    expect(simulated.master.fileTest().loopEnd).toBe(loopEnd);
    simulated.run(100);
    expect(simulated.master.fileTest().loopEnd).toBeGreaterThan(loopEnd);
  });
});
