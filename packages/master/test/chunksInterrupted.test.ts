import { Status } from '@alces/proto';
import { describe, expect, test } from 'vitest';
import { quickSettings, SimulatedCluster } from './chunks-support/simulatedCluster.ts';

/** A snapshot of a file: another file with the same chunks. */
function share(simulated: SimulatedCluster, inode: number): number {
  simulated.commit({ op: 'LENGTH', inode, length: 100, chtime: 1 });
  const copy = simulated.createFile();
  simulated.commit({ op: 'APPEND', dst: copy, src: inode, from: 0, to: 0 });
  return copy;
}

/** Two servers and a file with one chunk that was written; commands wait for the journal from now on. */
function withFile(): { before: SimulatedCluster; inode: number; chunkId: number } {
  const before = new SimulatedCluster();
  before.start(2);
  const inode = before.createFile();
  const chunkId = before.write(inode, 1);
  before.run(5);
  return { before, inode, chunkId };
}

/** The master's end: another one begins with its metadata and the servers as they are, those named are away. */
function crash(before: SimulatedCluster, away: readonly number[] = []): SimulatedCluster {
  const after = new SimulatedCluster(2, quickSettings(), { state: before.state });
  // Time has gone on.
  after.clock.advance(before.clock.monotonicMs());
  for (const [index, { disk, csid, options }] of before.servers.entries()) {
    const server = after.addServer(options);
    server.csid = csid;
    for (const [chunkId, copy] of disk) server.disk.set(chunkId, copy);
    if (away.includes(index)) server.disconnect();
  }
  return after;
}

const known = 15;

describe('a change that was in the journal, and of which no chunkserver heard', () => {
  test('of a shared chunk: the file has the shared chunk again', () => {
    const { before, inode, chunkId } = withFile();
    const copy = share(before, inode);
    before.heldBack = [];
    const grant = before.grant(copy);
    expect(grant).toMatchObject({ status: undefined, chunkId: chunkId + 1 });
    const after = crash(before);
    after.run(known);
    expect(after.chunkOf(copy)).toBe(chunkId);
    expect(after.read(chunkId)).toMatchObject({ status: Status.OK, version: 1 });
    expect(after.write(copy, 2)).toBe(chunkId + 2);
    expect(after.chunkOf(inode)).toBe(chunkId);
  });

  test('of a shared chunk, while a server is away: nothing is decided before it is back', () => {
    const { before, inode } = withFile();
    const copy = share(before, inode);
    const grant = before.grant(copy);
    before.runUntil('grant', () => grant.status !== undefined);
    expect(before.store(grant, 9)).toBe(true);
    // One of the two servers lost it, the other one is away.
    before.servers[0].disk.delete(grant.chunkId);
    const after = crash(before, [1]);
    after.run(known);
    expect(after.chunkOf(copy)).toBe(grant.chunkId);
    after.servers[1].connect();
    after.run(known);
    expect(after.chunkOf(copy)).toBe(grant.chunkId);
    after.master.unlock(grant.chunkId);
    const reader = after.read(grant.chunkId);
    // The missing copy is made first.
    after.runUntil('reader', () => reader.status !== undefined);
    expect(reader.status).toBe(Status.OK);
    expect(after.servers.map(({ disk }) => disk.get(grant.chunkId)?.content)).toEqual([9, 9]);
  });

  test('a new chunk: the slot is empty again', () => {
    const { before } = withFile();
    const inode = before.createFile();
    before.heldBack = [];
    before.grant(inode);
    expect(before.chunkOf(inode)).toBe(2);
    const after = crash(before);
    after.run(known);
    expect(after.chunkOf(inode)).toBe(0);
    expect(after.write(inode, 3)).toBe(3);
  });

  test('a new version: the one that the servers have counts, and the chunk is open', () => {
    const { before, inode, chunkId } = withFile();
    for (const server of before.servers) server.disconnect();
    before.run(1);
    for (const server of before.servers) server.connect();
    before.run(15);
    before.heldBack = [];
    before.grant(inode);
    expect(before.versionOf(chunkId)).toBe(2);
    const after = crash(before);
    after.run(known);
    expect(after.versionOf(chunkId)).toBe(1);
    expect(after.read(chunkId)).toMatchObject({ status: Status.OK, version: 1 });
    // The number 2 may have been given to a server that is yet to come.
    after.write(inode, 4);
    expect(after.versionOf(chunkId)).toBe(3);
  });

  test('a truncation: the chunk is open at once', () => {
    const { before, inode, chunkId } = withFile();
    before.heldBack = [];
    before.truncate(inode, 0, 100);
    expect(before.versionOf(chunkId)).toBe(2);
    const after = crash(before);
    after.run(known);
    const again = after.truncate(inode, 0, 100);
    after.runUntil('truncation', () => again.status !== undefined);
    expect(again.status).toBe(Status.OK);
  });
});

describe('a change that was made by one server of two when the master died', () => {
  test('a truncation of a shared chunk is taken back although it was made: nobody was given it', () => {
    const { before, inode, chunkId } = withFile();
    const copy = share(before, inode);
    const cut = before.truncate(copy, 0, 50);
    before.servers[0].disk.set(cut.chunkId, { version: 1, content: 1, marked: false });
    const after = crash(before);
    after.run(1);
    expect(after.chunkOf(copy)).toBe(chunkId);
  });

  test('a new version stays, and so does the lock of whoever was given it', () => {
    const { before, inode, chunkId } = withFile();
    for (const server of before.servers) server.disconnect();
    before.run(1);
    for (const server of before.servers) server.connect();
    before.run(15);
    before.heldBack = [];
    before.grant(inode);
    before.servers[1].disk.get(chunkId)!.version = 2;
    const after = crash(before);
    after.run(known);
    expect(after.versionOf(chunkId)).toBe(2);
    const reader = after.read(chunkId);
    after.run(1);
    expect(reader.status).toBeUndefined();
    after.master.unlock(chunkId);
    after.runUntil('reader', () => reader.status !== undefined);
    expect(reader).toMatchObject({ status: Status.OK, version: 2 });
    expect(reader.servers).toContainEqual(expect.objectContaining({ ip: after.servers[1].ip }));
  });
});
