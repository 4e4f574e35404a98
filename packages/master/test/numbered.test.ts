import {
  ALCES_MSGID,
  ALCES_VERSION_STRING,
  ANTOAN_GET_VERSION,
  ANTOAN_VERSION,
  ChunkOpFlag,
  CLTOMA_ALCES_ATTACH,
  CLTOMA_ALCES_NUMBERED,
  CLTOMA_ALCES_PING,
  CLTOMA_FUSE_CREATE,
  CLTOMA_FUSE_FLOCK,
  CLTOMA_FUSE_MKDIR,
  CLTOMA_FUSE_POSIX_LOCK,
  CLTOMA_FUSE_RENAME,
  CLTOMA_FUSE_STATFS,
  CLTOMA_FUSE_TRUNCATE,
  CLTOMA_FUSE_UNLINK,
  CLTOMA_FUSE_WRITE_CHUNK,
  CLTOMA_FUSE_WRITE_CHUNK_END,
  CLTOMA_INFO,
  type FieldsOf,
  FlockCommand,
  MATOCL_ALCES_PONG,
  MATOCL_FUSE_CREATE,
  MATOCL_FUSE_FLOCK,
  MATOCL_FUSE_MKDIR,
  MATOCL_FUSE_POSIX_LOCK,
  MATOCL_FUSE_RENAME,
  MATOCL_FUSE_TRUNCATE,
  MATOCL_FUSE_UNLINK,
  MATOCL_FUSE_WRITE_CHUNK,
  MATOCL_FUSE_WRITE_CHUNK_END,
  MATOCL_INFO,
  type Message,
  PosixLockCommand,
  PosixLockType,
  Status,
  TruncateFlag,
  VERSION,
} from '@alces/proto';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { FakeChunkserver } from './support/fakeChunkserver.ts';
import { TestMaster } from './support/testMaster.ts';
import { WireClient } from './support/wireClient.ts';

const user = { uid: 0, gids: [0] };
const SLOW = { timeout: 15_000, interval: 20 };
const flags = ChunkOpFlag.CANMODTIME;

let master: TestMaster;
let client: WireClient;
let sessionId: number;
let clients: WireClient[];

async function mount(): Promise<WireClient> {
  const made = await WireClient.connect(master.port);
  clients.push(made);
  const path = Buffer.from('/\0');
  const answer = await made.register({ layout: 'newSession', version: VERSION, info: path, path });
  if (answer.layout !== 'session') throw new Error('not registered');
  sessionId = answer.sessionId;
  return made;
}

/** Another connection of the session, which takes the place of the one before. */
async function again(): Promise<WireClient> {
  const made = await WireClient.connect(master.port);
  clients.push(made);
  const answer = await made.register({ layout: 'reconnect', sessionId, version: VERSION });
  expect(answer).toMatchObject({ layout: 'reconnected', status: Status.OK });
  made.send(CLTOMA_ALCES_ATTACH, {});
  return made;
}

function sendNumbered<Q>(from: WireClient, request: number, message: Message<Q>, fields: Q): void {
  from.send(CLTOMA_ALCES_NUMBERED, { request });
  from.send(message, fields);
}

function numbered<Q, A>(from: WireClient, request: number, message: Message<Q>, fields: Q, answer: Message<A>) {
  sendNumbered(from, request, message, fields);
  return from.receive(answer);
}

const name = (text: string) => Buffer.from(text);
const mkdirFields = (text: string, msgid = 1) => ({
  msgid,
  parent: 1,
  name: name(text),
  mode: 0o755,
  umask: 0,
  copysgid: 0,
  ...user,
});
const createFields = (text: string, msgid = 1) => ({
  msgid,
  parent: 1,
  name: name(text),
  mode: 0o644,
  umask: 0,
  ...user,
});
const changes = (kind: string) => master.changes().filter((line) => line.startsWith(kind));

beforeEach(async () => {
  clients = [];
  master = await TestMaster.start({ config: 'REPLICATIONS_DELAY_INIT = 1\n' });
  client = await mount();
});
afterEach(async () => {
  for (const one of clients) one.end();
  await master.destroy();
});

test('an Alces master makes itself known to those who ask in the Alces way, and to nobody else', async () => {
  const ask = (msgid: number) => client.request(ANTOAN_GET_VERSION, { msgid }, ANTOAN_VERSION, { layout: 'msgid' });
  expect((await ask(ALCES_MSGID)).text.toString()).toBe(ALCES_VERSION_STRING);
  expect((await ask(7)).text.toString()).not.toContain('alces');
});

test('a ping is answered, on the connection of a mount only', async () => {
  client.send(CLTOMA_ALCES_PING, {});
  expect(await client.receive(MATOCL_ALCES_PONG)).toEqual({ msgid: 0 });
  const stranger = await WireClient.connect(master.port);
  clients.push(stranger);
  stranger.send(CLTOMA_ALCES_PING, {});
  expect(await stranger.closed()).toEqual([]);
});

describe('a repeated request', () => {
  test('that made something gets the same answer, and makes nothing', async () => {
    const first = await numbered(client, 10, CLTOMA_FUSE_MKDIR, mkdirFields('d'), MATOCL_FUSE_MKDIR);
    const next = await again();
    const second = await numbered(next, 10, CLTOMA_FUSE_MKDIR, mkdirFields('d'), MATOCL_FUSE_MKDIR);
    expect(second).toEqual(first);
    expect(changes('CREATE')).toHaveLength(1);
    const third = await numbered(next, 11, CLTOMA_FUSE_MKDIR, mkdirFields('d'), MATOCL_FUSE_MKDIR);
    expect(third).toMatchObject({ status: Status.EEXIST });
  });

  test('that removed or renamed something gets the same answer', async () => {
    await numbered(client, 1, CLTOMA_FUSE_CREATE, createFields('f'), MATOCL_FUSE_CREATE);
    const rename = { msgid: 2, srcParent: 1, srcName: name('f'), dstParent: 1, dstName: name('g'), ...user };
    const renamed = await numbered(client, 2, CLTOMA_FUSE_RENAME, rename, MATOCL_FUSE_RENAME);
    expect(renamed).toMatchObject({ layout: 'data' });
    let next = await again();
    expect(await numbered(next, 2, CLTOMA_FUSE_RENAME, rename, MATOCL_FUSE_RENAME)).toEqual(renamed);
    const unlink = { msgid: 3, parent: 1, name: name('g'), ...user };
    const removed = await numbered(next, 3, CLTOMA_FUSE_UNLINK, unlink, MATOCL_FUSE_UNLINK);
    next = await again();
    expect(await numbered(next, 3, CLTOMA_FUSE_UNLINK, unlink, MATOCL_FUSE_UNLINK)).toEqual(removed);
    expect(changes('UNLINK')).toHaveLength(1);
    expect(changes('MOVE')).toHaveLength(1);
  });

  test('that failed is executed, for it did nothing', async () => {
    const unlink = { msgid: 3, parent: 1, name: name('g'), ...user };
    const missing = await numbered(client, 1, CLTOMA_FUSE_UNLINK, unlink, MATOCL_FUSE_UNLINK);
    expect(missing).toMatchObject({ status: Status.ENOENT });
    const next = await again();
    await numbered(next, 2, CLTOMA_FUSE_CREATE, createFields('g'), MATOCL_FUSE_CREATE);
    expect(await numbered(next, 1, CLTOMA_FUSE_UNLINK, unlink, MATOCL_FUSE_UNLINK)).toMatchObject({ layout: 'data' });
  });

  test('is known although others were answered since, until its slot is used again', async () => {
    await numbered(client, 1, CLTOMA_FUSE_MKDIR, mkdirFields('a', 1), MATOCL_FUSE_MKDIR);
    for (let n = 2; n < 40; n++)
      await numbered(client, n, CLTOMA_FUSE_MKDIR, mkdirFields(`b${n}`, 2), MATOCL_FUSE_MKDIR);
    const next = await again();
    const repeated = await numbered(next, 1, CLTOMA_FUSE_MKDIR, mkdirFields('a', 1), MATOCL_FUSE_MKDIR);
    expect(repeated).toMatchObject({ layout: 'data', msgid: 1 });
    await numbered(next, 40, CLTOMA_FUSE_MKDIR, mkdirFields('c', 1), MATOCL_FUSE_MKDIR);
    const forgotten = await numbered(next, 1, CLTOMA_FUSE_MKDIR, mkdirFields('a', 1), MATOCL_FUSE_MKDIR);
    expect(forgotten).toMatchObject({ status: Status.IO });
    expect(master.log()).toContain('its answer is not kept any more');
  });

  test('of another session is another request', async () => {
    await numbered(client, 5, CLTOMA_FUSE_MKDIR, mkdirFields('d'), MATOCL_FUSE_MKDIR);
    const other = await mount();
    const answer = await numbered(other, 5, CLTOMA_FUSE_MKDIR, mkdirFields('d'), MATOCL_FUSE_MKDIR);
    expect(answer).toMatchObject({ status: Status.EEXIST });
  });
});

test('a number stands before a request that changes something, else the connection is closed', async () => {
  sendNumbered(client, 1, CLTOMA_FUSE_STATFS, { msgid: 1 });
  expect(await client.closed()).toEqual([]);
  const next = await again();
  next.send(CLTOMA_ALCES_NUMBERED, { request: 0 });
  expect(await next.closed()).toEqual([]);
});

test('a connection takes the place of the one before', async () => {
  await again();
  expect(await client.closed()).toEqual([]);
  expect(changes('SESDISCONNECTED')).toEqual([]);
});

test('reserving room at the end of a file happens once', async () => {
  const made = await numbered(client, 1, CLTOMA_FUSE_CREATE, createFields('f'), MATOCL_FUSE_CREATE);
  if (made.layout !== 'data') throw new Error('not created');
  const reserve = (msgid: number) => ({ msgid, inode: made.inode, flags: TruncateFlag.RESERVE, ...user, length: 100 });
  const first = await numbered(client, 2, CLTOMA_FUSE_TRUNCATE, reserve(2), MATOCL_FUSE_TRUNCATE);
  const next = await again();
  expect(await numbered(next, 2, CLTOMA_FUSE_TRUNCATE, reserve(2), MATOCL_FUSE_TRUNCATE)).toEqual(first);
  const second = await numbered(next, 3, CLTOMA_FUSE_TRUNCATE, reserve(3), MATOCL_FUSE_TRUNCATE);
  expect(second).toMatchObject({ prevLength: 100 });
});

describe('locks', () => {
  const lock = { inode: 0, reqid: 9, owner: 1n, pid: 77, type: PosixLockType.WRLCK, start: 0n, end: 100n };

  test('waited for by a repeated request are given once, and to the connection that stands', async () => {
    const made = await numbered(client, 1, CLTOMA_FUSE_CREATE, createFields('f'), MATOCL_FUSE_CREATE);
    if (made.layout !== 'data') throw new Error('not created');
    const { inode } = made;
    const set = { ...lock, inode, cmd: PosixLockCommand.SET };
    await client.request(CLTOMA_FUSE_POSIX_LOCK, { ...set, msgid: 2, owner: 5n }, MATOCL_FUSE_POSIX_LOCK);
    await client.request(
      CLTOMA_FUSE_FLOCK,
      { msgid: 3, inode, reqid: 1, owner: 5n, cmd: FlockCommand.LOCK_EXCLUSIVE },
      MATOCL_FUSE_FLOCK,
    );
    const wait = (from: WireClient) => {
      from.send(CLTOMA_FUSE_POSIX_LOCK, { ...set, msgid: 4 });
      from.send(CLTOMA_FUSE_FLOCK, { msgid: 5, inode, reqid: 2, owner: 1n, cmd: FlockCommand.LOCK_EXCLUSIVE });
    };
    wait(client);
    const next = await again();
    wait(next);
    wait(next);
    const unlock = { ...set, msgid: 6, owner: 5n, type: PosixLockType.UNLCK };
    next.send(CLTOMA_FUSE_POSIX_LOCK, unlock);
    next.send(CLTOMA_FUSE_FLOCK, { msgid: 7, inode, reqid: 3, owner: 5n, cmd: FlockCommand.UNLOCK });
    const ids = [];
    for (let n = 0; n < 4; n++) ids.push((await next.frame()).payload.readUInt32BE(0));
    expect(ids.sort()).toEqual([4, 5, 6, 7]);
    await next.request(CLTOMA_INFO, {}, MATOCL_INFO);
    expect(changes('FLOCK')).toHaveLength(3);
    expect(changes('POSIXLOCK')).toHaveLength(3);
  });
});

describe('chunks', () => {
  let servers: FakeChunkserver[];
  let inode: number;

  beforeEach(async () => {
    const port = master.running.ports.chunkservers;
    servers = [21, 22].map((host) => new FakeChunkserver({ port, ip: 0x0a610000 + host }));
    for (const server of servers) await server.registered;
    const info = () => client.request(CLTOMA_INFO, {}, MATOCL_INFO);
    await expect.poll(async () => (await info()).totalSpace, SLOW).toBeGreaterThan(0);
    const made = await numbered(client, 1, CLTOMA_FUSE_CREATE, createFields('f'), MATOCL_FUSE_CREATE);
    if (made.layout !== 'data') throw new Error('not created');
    inode = made.inode;
  });
  afterEach(() => {
    for (const server of servers) server.end();
  });

  const writeFields = (msgid: number) => ({ msgid, inode, index: 0, flags });
  const hold = (holds: boolean) => {
    for (const server of servers) server.holds = holds;
  };
  const held = () => servers.reduce((sum, server) => sum + server.heldCommands, 0);

  type Granted = Extract<FieldsOf<typeof MATOCL_FUSE_WRITE_CHUNK>, { layout: 'data' }>;
  async function granted(from: WireClient, request: number, msgid: number): Promise<Granted> {
    const answer = await numbered(from, request, CLTOMA_FUSE_WRITE_CHUNK, writeFields(msgid), MATOCL_FUSE_WRITE_CHUNK);
    if (answer.layout !== 'data') throw new Error(`refused: ${JSON.stringify(answer)}`);
    return answer;
  }
  const endFields = (chunkId: number, msgid: number, length = 1000) => ({
    msgid,
    chunkId,
    inode,
    index: 0,
    length,
    flags,
  });

  test('WRITE_CHUNK whose answer was lost does not wait for its own lock', async () => {
    await granted(client, 2, 2);
    const next = await again();
    const { servers: places, chunkId } = await granted(next, 2, 2);
    expect(places).toHaveLength(2);
    const end = await numbered(
      next,
      3,
      CLTOMA_FUSE_WRITE_CHUNK_END,
      endFields(chunkId, 3),
      MATOCL_FUSE_WRITE_CHUNK_END,
    );
    expect(end).toEqual({ msgid: 3, status: Status.OK });
  });

  test('WRITE_CHUNK repeated while chunkservers still work is answered when they are done', async () => {
    hold(true);
    sendNumbered(client, 2, CLTOMA_FUSE_WRITE_CHUNK, writeFields(2));
    await expect.poll(held, SLOW).toBe(2);
    const next = await again();
    hold(false);
    for (const server of servers) server.release();
    expect((await granted(next, 2, 2)).servers).toHaveLength(2);
  });

  test('a stock mount whose WRITE_CHUNK was not answered does not wait for its own lock either', async () => {
    const asks = (from: WireClient, msgid: number) => from.send(CLTOMA_FUSE_WRITE_CHUNK, writeFields(msgid));
    const isGranted = async (from: WireClient, msgid: number) => {
      const answer = await from.receive(MATOCL_FUSE_WRITE_CHUNK);
      expect(answer).toMatchObject({ layout: 'data', msgid });
      return answer as Granted;
    };
    asks(client, 2);
    const { chunkId } = await isGranted(client, 2);
    // The connection that has the lock waits for it as everybody does: only INFO is answered.
    asks(client, 3);
    await client.request(CLTOMA_INFO, {}, MATOCL_INFO);
    client.end();
    const next = await WireClient.connect(master.port);
    clients.push(next);
    await next.register({ layout: 'reconnect', sessionId, version: VERSION });
    asks(next, 2);
    expect((await isGranted(next, 2)).chunkId).toBe(chunkId);
    const other = await mount();
    asks(other, 5);
    await other.request(CLTOMA_INFO, {}, MATOCL_INFO);
    await next.request(CLTOMA_FUSE_WRITE_CHUNK_END, endFields(chunkId, 4), MATOCL_FUSE_WRITE_CHUNK_END);
    await isGranted(other, 5);
  });

  test('WRITE_CHUNK_END repeated does not touch the lock of another', async () => {
    const { chunkId } = await granted(client, 2, 2);
    const fields = endFields(chunkId, 3);
    await numbered(client, 3, CLTOMA_FUSE_WRITE_CHUNK_END, fields, MATOCL_FUSE_WRITE_CHUNK_END);
    const other = await mount();
    const theirs = await granted(other, 2, 2);
    expect(theirs.chunkId).toBe(chunkId);
    sessionId--;
    const next = await again();
    // The end of the write is repeated while another mount writes the chunk.
    const repeated = await numbered(next, 3, CLTOMA_FUSE_WRITE_CHUNK_END, fields, MATOCL_FUSE_WRITE_CHUNK_END);
    expect(repeated).toEqual({ msgid: 3, status: Status.OK });
    expect(changes('UNLOCK')).toHaveLength(1);
  });

  test('TRUNCATE that was lost on the way is done once it is repeated', async () => {
    const { chunkId } = await granted(client, 2, 2);
    await numbered(client, 3, CLTOMA_FUSE_WRITE_CHUNK_END, endFields(chunkId, 3), MATOCL_FUSE_WRITE_CHUNK_END);
    const truncate = { msgid: 4, inode, flags: 0, ...user, length: 10 };
    hold(true);
    sendNumbered(client, 4, CLTOMA_FUSE_TRUNCATE, truncate);
    await expect.poll(held, SLOW).toBe(2);
    let next = await again();
    hold(false);
    for (const server of servers) server.release();
    const done = await numbered(next, 4, CLTOMA_FUSE_TRUNCATE, truncate, MATOCL_FUSE_TRUNCATE);
    expect(done).toMatchObject({ layout: 'data', prevLength: 1000 });
    next = await again();
    // Executed again it would tell another length.
    expect(await numbered(next, 4, CLTOMA_FUSE_TRUNCATE, truncate, MATOCL_FUSE_TRUNCATE)).toEqual(done);
  });
});

describe('over the end of the master', () => {
  for (const end of ['kill', 'stop'] as const)
    test(`${end}: what was executed is known to the next`, async () => {
      const first = await numbered(client, 10, CLTOMA_FUSE_MKDIR, mkdirFields('d'), MATOCL_FUSE_MKDIR);
      const made = await numbered(client, 11, CLTOMA_FUSE_CREATE, createFields('f', 2), MATOCL_FUSE_CREATE);
      await master[end]();
      await master.start();
      const next = await again();
      expect(await numbered(next, 10, CLTOMA_FUSE_MKDIR, mkdirFields('d'), MATOCL_FUSE_MKDIR)).toEqual(first);
      expect(await numbered(next, 11, CLTOMA_FUSE_CREATE, createFields('f', 2), MATOCL_FUSE_CREATE)).toEqual(made);
    });
});
