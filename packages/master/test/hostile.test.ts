import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  CLTOMA_FUSE_GETATTR,
  CLTOMA_FUSE_GETDIRSTATS,
  CLTOMA_FUSE_MKDIR,
  CLTOMA_FUSE_READDIR,
  CLTOMA_FUSE_RENAME,
  CLTOMA_INFO,
  CLTOMA_NODE_INFO,
  encodeFrame,
  MATOCL_FUSE_GETATTR,
  MATOCL_INFO,
  REGISTER_BLOB,
  VERSION,
} from '@alces/proto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { TestMaster } from './support/testMaster.ts';
import { WireClient } from './support/wireClient.ts';

const FIXTURE = join(import.meta.dirname, '../../../test/fixtures/moosefs-3.0.117/frames-1/client-master.jsonl');
const REGISTER = 400;

interface Recorded {
  readonly type: number;
  readonly payload: Buffer;
}

/** Every kind of request that a mount or monitor sent in the recording, a few of each. */
function recordedRequests(): Recorded[] {
  const seen = new Map<number, Recorded[]>();
  for (const line of readFileSync(FIXTURE, 'utf8').trim().split('\n')) {
    const { dir, type, hex } = JSON.parse(line);
    if (dir !== 'request' || type === REGISTER || type === 0) continue;
    const kind = seen.get(type) ?? [];
    if (kind.length < 4) kind.push({ type, payload: Buffer.from(hex, 'hex') });
    seen.set(type, kind);
  }
  return [...seen.values()].flat();
}

/** A small generator of numbers, so that a failure can be repeated. */
function generator(seed: number): (limit: number) => number {
  let state = seed;
  return (limit) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * limit);
  };
}

function mutated(payload: Buffer, below: (limit: number) => number): Buffer {
  const copy = Buffer.from(payload);
  switch (below(5)) {
    case 0:
      return copy.subarray(0, below(copy.length + 1));
    case 1:
      return Buffer.concat([copy, Buffer.alloc(1 + below(20), below(256))]);
    case 2:
      for (let flips = 1 + below(4); flips > 0 && copy.length > 0; flips--) copy[below(copy.length)] = below(256);
      return copy;
    case 3:
      if (copy.length >= 4) copy.writeUInt32BE([0, 1, 0x7fffffff, 0xffffffff][below(4)]!, below(copy.length - 3));
      return copy;
    default:
      return Buffer.from(Array.from({ length: below(64) }, () => below(256)));
  }
}

describe('hostile clients', () => {
  let master: TestMaster;
  let witness: WireClient;

  beforeAll(async () => {
    master = await TestMaster.start();
    witness = await WireClient.connect(master.port);
  });
  afterAll(async () => {
    witness.end();
    await master.destroy();
  });

  const alive = async () => {
    if (witness.isClosed) witness = await WireClient.connect(master.port);
    expect((await witness.request(CLTOMA_INFO, {}, MATOCL_INFO)).version).toBe(VERSION);
  };

  test.each([
    ['an unknown message', () => encodeFrame(999)],
    ['a known message with a byte too many', () => encodeFrame(CLTOMA_INFO.number, Buffer.alloc(1))],
    ['GET_VERSION with one byte', () => encodeFrame(10, Buffer.alloc(1))],
    ['a header of 60 million bytes', () => Buffer.from('000001960393870000000000', 'hex')],
    ['a header of 4 GiB', () => Buffer.from('00000190ffffffff', 'hex')],
    ['a file-system request without registration', () => CLTOMA_FUSE_GETDIRSTATS.encode({ msgid: 1, inode: 1 })],
    ['NODE_INFO without registration', () => CLTOMA_NODE_INFO.encode({ inode: 1, maxEntries: 1, continueId: 0n })],
    ['a registration with a wrong blob', () => encodeFrame(REGISTER, Buffer.alloc(65, 0x41))],
    ['a registration that is too short', () => encodeFrame(REGISTER, REGISTER_BLOB)],
    ['an unknown registration code', () => encodeFrame(REGISTER, REGISTER_BLOB, Buffer.from([7]))],
    [
      'a path without a trailing zero',
      () => encodeFrame(REGISTER, REGISTER_BLOB, Buffer.from('02000300ea00000000000000012f', 'hex')),
    ],
    [
      'closing a session that was not opened',
      () => encodeFrame(REGISTER, REGISTER_BLOB, Buffer.from('0600000001', 'hex')),
    ],
  ])('%s closes an unregistered connection without an answer', async (_what, bytes) => {
    const client = await WireClient.connect(master.port);
    client.sendRaw(bytes());
    expect(await client.closed()).toEqual([]);
    await alive();
  });

  test.each([
    ['a second registration', () => encodeFrame(REGISTER, REGISTER_BLOB, Buffer.from([1]))],
    ['the reserved FSYNC', () => encodeFrame(498, Buffer.alloc(8))],
    ['a list of inodes of 3 bytes', () => encodeFrame(700, Buffer.alloc(3))],
    ['a list of times of 8 bytes', () => encodeFrame(701, Buffer.alloc(8))],
    ['ACCESS without groups in the list form', () => encodeFrame(404, Buffer.alloc(18))],
    ['SETATTR without groups', () => encodeFrame(410, Buffer.alloc(38))],
    ['ARCHCTL GET with a uid', () => encodeFrame(496, Buffer.from('00000001000000010200000000', 'hex'))],
    ['ARCHCTL SET without a uid', () => encodeFrame(496, Buffer.from('000000010000000101', 'hex'))],
  ])('%s closes the connection of a mount without an answer', async (_what, bytes) => {
    const client = await WireClient.mount(master.port);
    client.sendRaw(bytes());
    expect(await client.closed()).toEqual([]);
    await alive();
  });

  test('what came before a bad packet is done, though its answers are lost', async () => {
    const client = await WireClient.mount(master.port);
    const mkdir = (name: string) =>
      CLTOMA_FUSE_MKDIR.encode({
        msgid: 1,
        parent: 1,
        name: Buffer.from(name),
        mode: 0o755,
        umask: 0,
        uid: 0,
        gids: [0],
        copysgid: 0,
      });
    const names = Array.from({ length: 50 }, (_, index) => `made${index}`);
    client.sendRaw(Buffer.concat([...names.map(mkdir), encodeFrame(999)]));
    await client.closed();
    await alive();
    expect(master.changes().filter((change) => change.startsWith('CREATE(1,made'))).toHaveLength(50);
  });

  test('requests that kill a stock master are answered', async () => {
    const client = await WireClient.mount(master.port);
    client.send(CLTOMA_FUSE_MKDIR, {
      msgid: 1,
      parent: 1,
      name: Buffer.from('own'),
      mode: 0o755,
      umask: 0,
      uid: 0,
      gids: [0],
      copysgid: 0,
    });
    const { payload } = await client.frame();
    const inode = payload.readUInt32BE(4);
    const rename = (dstParent: number, dstName: string) => {
      const names = { srcName: Buffer.from('own'), dstName: Buffer.from(dstName) };
      client.send(CLTOMA_FUSE_RENAME, { msgid: 1, srcParent: 1, dstParent, ...names, uid: 0, gids: [0] });
      return client.frame();
    };
    expect((await rename(inode, 'x')).payload.at(-1)).toBe(6);
    expect((await rename(1, 'own')).payload.length).toBe(44);
    const attr = await client.request(
      CLTOMA_FUSE_GETATTR,
      { msgid: 1, inode, opened: 0, uid: 0, gid: 0 },
      MATOCL_FUSE_GETATTR,
    );
    expect(attr.layout).toBe('data');
    client.end();
    await alive();
  });

  test('mutated requests are answered or close the connection, and the master lives', async () => {
    const below = generator(20260118);
    const requests = recordedRequests();
    expect(requests.length).toBeGreaterThan(100);
    let client = await WireClient.mount(master.port);
    const closed: number[] = [];
    for (let round = 0; round < 4000; round++) {
      const { type, payload } = requests[below(requests.length)]!;
      if (client.isClosed) {
        closed.push(round);
        client = await WireClient.mount(master.port);
      }
      client.sendRaw(encodeFrame(type, mutated(payload, below)));
      // Most requests have an answer or end the connection; one after the other keeps the rounds apart.
      if (round % 20 === 0) await alive();
    }
    client.end();
    await alive();
    expect(closed.length).toBeGreaterThan(10);
  });

  test('mutated byte streams too', async () => {
    const below = generator(7);
    const stream = Buffer.concat(recordedRequests().map(({ type, payload }) => encodeFrame(type, payload)));
    for (let round = 0; round < 60; round++) {
      const client = await WireClient.mount(master.port);
      const bytes = Buffer.from(stream);
      for (let flips = 0; flips < 20; flips++) bytes[below(bytes.length)] = below(256);
      client.sendRaw(bytes.subarray(below(1000)));
      await alive();
      client.end();
    }
  });

  test('what the master logged can be replayed', async () => {
    await master.kill();
    await master.start();
    await alive();
  });

  test('a client that does not read its answers is not read from either', async () => {
    const client = await WireClient.mount(master.port);
    for (let i = 0; i < 300; i++)
      client.send(CLTOMA_FUSE_MKDIR, {
        msgid: 1,
        parent: 1,
        name: Buffer.from(`${'x'.repeat(200)}${i}`),
        mode: 0o755,
        umask: 0,
        uid: 0,
        gids: [0],
        copysgid: 0,
      });
    for (let i = 0; i < 300; i++) await client.frame();
    client.socket.pause();
    const readdir = CLTOMA_FUSE_READDIR.encode({
      msgid: 5,
      inode: 1,
      uid: 0,
      gids: [0],
      flags: 1,
      maxEntries: 0xffffffff,
      nedgeid: 0n,
    });
    const before = (await witness.request(CLTOMA_INFO, {}, MATOCL_INFO)).memoryUsed;
    // A thousand listings of 70 kB and more would fill the memory if they were all made.
    const sent = 2000;
    for (let i = 0; i < sent; i++) client.sendRaw(readdir);
    for (let i = 0; i < 50; i++) await alive();
    expect(process.memoryUsage().rss - before).toBeLessThan(150e6);
    client.socket.resume();
    for (let i = 0; i < sent; i++) expect((await client.frame()).type).toBe(429);
    client.end();
  });
});
