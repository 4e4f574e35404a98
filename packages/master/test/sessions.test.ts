import { createHash } from 'node:crypto';
import {
  CLTOMA_FUSE_GETATTR,
  CLTOMA_FUSE_MKDIR,
  CLTOMA_FUSE_REGISTER,
  CLTOMA_FUSE_SUSTAINED_INODES,
  CLTOMA_INFO,
  CLTOMA_SESSION_COMMAND,
  CLTOMA_SESSION_LIST,
  type FieldsOf,
  MATOCL_FUSE_GETATTR,
  MATOCL_FUSE_MKDIR,
  type MATOCL_FUSE_REGISTER,
  MATOCL_INFO,
  MATOCL_SESSION_COMMAND,
  MATOCL_SESSION_LIST,
  Status,
  VERSION,
} from '@alces/proto';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { passwordDigest } from '../src/exports/match.ts';
import { TestMaster } from './support/testMaster.ts';
import { WireClient } from './support/wireClient.ts';

type Registered = Extract<FieldsOf<typeof MATOCL_FUSE_REGISTER>, { layout: 'session' }>;

const info = Buffer.from('/mnt\0');
const newSession = (path = '/', more = {}) =>
  ({ layout: 'newSession', version: VERSION, info, path: Buffer.from(`${path}\0`), ...more }) as const;

describe('registration', () => {
  let master: TestMaster;
  const clients: WireClient[] = [];
  const connect = async () => {
    const client = await WireClient.connect(master.port);
    clients.push(client);
    return client;
  };
  const register = async (fields: FieldsOf<typeof CLTOMA_FUSE_REGISTER>) => (await connect()).register(fields);

  beforeEach(async () => {
    master = await TestMaster.start();
  });
  afterEach(async () => {
    for (const client of clients.splice(0)) client.end();
    await master.destroy();
  });

  test('a new session gets the parameters of its export', async () => {
    master.writeExports(
      '127.0.0.1 / rw,mingoal=2,maxgoal=5,mintrashtime=1h,maxtrashtime=2w,umask=0027,disable=chown:unlink,maproot=0\n',
    );
    await master.running.reload();
    const answer = (await register(newSession())) as Registered;
    expect(answer).toMatchObject({
      layout: 'session',
      version: VERSION,
      sessionId: 1,
      sesflags: 0,
      umask: 0o27,
      rootUid: 0,
      mapallUid: 999,
      minGoal: 2,
      maxGoal: 5,
      minTrashTime: 3600,
      maxTrashTime: 1209600,
      disables: 0x81,
    });
    expect(await register(newSession())).toMatchObject({ sessionId: 2 });
    expect(master.changes()[1]).toMatch(
      /^SESADD\(#\d+,1,0,0027,0,0,999,999,2,5,3600,1209600,0x00000081,2130706433,\/mnt\):1$/,
    );
  });

  test.each([
    [112, 49],
    [72, 45],
    [11, 43],
    [10, 35],
  ])('the answer for a client 3.0.%i has %i bytes', async (minor, length) => {
    const client = await connect();
    client.send(CLTOMA_FUSE_REGISTER, newSession('/', { version: 0x00030000 + 2 * minor }));
    expect((await client.frame()).payload.length).toBe(length);
  });

  test('meta sessions', async () => {
    const client = await connect();
    const answer = await client.register({ layout: 'newMetaSession', version: VERSION, info });
    expect(answer).toMatchObject({ layout: 'metaSession', sessionId: 1, minGoal: 1, maxGoal: 9 });
    const attr = await client.request(
      CLTOMA_FUSE_GETATTR,
      { msgid: 1, inode: 1, opened: 0, uid: 0, gid: 0 },
      MATOCL_FUSE_GETATTR,
    );
    expect(attr).toEqual({ layout: 'status', msgid: 1, status: Status.ENOENT });
  });

  test('sub-folders', async () => {
    const client = await WireClient.mount(master.port);
    clients.push(client);
    const mkdir = (name: string) =>
      client.request(
        CLTOMA_FUSE_MKDIR,
        { msgid: 1, parent: 1, name: Buffer.from(name), mode: 0o755, umask: 0, uid: 0, gids: [0], copysgid: 0 },
        MATOCL_FUSE_MKDIR,
      );
    await mkdir('a');
    expect(await register(newSession('/a'))).toMatchObject({ layout: 'session' });
    expect(await register(newSession('//a//'))).toMatchObject({ layout: 'session' });
    expect(await register(newSession('/b'))).toEqual({ layout: 'status', status: Status.ENOENT });
    expect(await register(newSession('/a/..'))).toEqual({ layout: 'status', status: Status.EINVAL });
    const list = await client.request(CLTOMA_SESSION_LIST, { vmode: 4 }, MATOCL_SESSION_LIST, { layout: 'vmode4' });
    expect(list.sessions.map((session) => session.path.toString())).toEqual(['/', '/a', '/a']);
  });

  test('a refused client may try again on the same connection', async () => {
    master.writeExports('10.0.0.0/8 / rw\n127.0.0.1 / rw,password=secret\n');
    await master.running.reload();
    const client = await connect();
    expect(await client.register(newSession())).toEqual({ layout: 'status', status: Status.NOPASSWORD });
    expect(await client.register(newSession('/x'))).toEqual({ layout: 'status', status: Status.EACCES });
    const random = await client.register({ layout: 'getRandom' });
    if (random.layout !== 'random') throw new Error('no random bytes');
    const digest = passwordDigest(random.random, createHash('md5').update('secret').digest());
    const wrong = Buffer.from(digest).fill(1, 0, 1);
    expect(await client.register(newSession('/', { digest: wrong }))).toEqual({
      layout: 'status',
      status: Status.BADPASSWORD,
    });
    expect(await client.register(newSession('/', { digest }))).toMatchObject({ layout: 'session' });
  });

  test('reconnecting, and registering anew with the session id', async () => {
    const first = await connect();
    const { sessionId, metaId } = (await first.register(newSession())) as Registered;
    first.end();
    const reconnect = { layout: 'reconnect', sessionId, version: VERSION, metaId } as const;
    const reconnected = (status: number) => ({ layout: 'reconnected', version: VERSION, status });
    expect(await register(reconnect)).toEqual(reconnected(Status.OK));
    expect(await register({ ...reconnect, metaId: metaId + 1n })).toEqual(reconnected(Status.BADSESSIONID));
    expect(await register({ ...reconnect, sessionId: 77 })).toEqual(reconnected(Status.BADSESSIONID));
    expect(await register({ ...reconnect, version: 0x00030000 + 2 * 94 })).toEqual({
      layout: 'status',
      status: Status.OK,
    });
    expect(await register({ ...reconnect, layout: 'tools' })).toEqual({ layout: 'status', status: Status.OK });
    master.writeExports('* / rw,alldirs,maproot=0\n');
    await master.running.reload();
    expect(await register(reconnect)).toEqual(reconnected(Status.EPERM));
    expect(await register(newSession('/', { sessionId, metaId }))).toMatchObject({ sessionId, sesflags: 0 });
    expect(await register(newSession('/', { sessionId, metaId: 5n }))).toMatchObject({ sessionId: sessionId + 1 });
    expect(master.changes().filter((change) => change.startsWith('SESCHANGED'))).toHaveLength(1);
  });

  test('a changed exports list ends mount connections, an unchanged one does not', async () => {
    const client = await WireClient.mount(master.port);
    const tool = await connect();
    await tool.register({ layout: 'tools', sessionId: 1, version: VERSION });
    master.writeExports('# the same\n* . rw\n*   /   rw,alldirs,admin,maproot=0:0\n');
    await master.running.reload();
    await client.request(CLTOMA_INFO, {}, MATOCL_INFO);
    expect(client.isClosed).toBe(false);
    master.writeExports('* / rw\n');
    await master.running.reload();
    expect(await client.closed()).toEqual([]);
    expect(tool.isClosed).toBe(false);
    master.writeExports('');
    await master.running.reload();
    expect(await register(newSession())).toEqual({ layout: 'status', status: Status.EACCES });
  });

  test('SESDISCONNECTED is logged when the last connection ends, and the session can be removed then', async () => {
    const first = await connect();
    await first.register(newSession());
    const second = await connect();
    await second.register({ layout: 'reconnect', sessionId: 1, version: VERSION });
    const monitor = await connect();
    const remove = (sessionId: number, cmd = 0) =>
      monitor.request(CLTOMA_SESSION_COMMAND, { cmd, sessionId }, MATOCL_SESSION_COMMAND);
    const connections = async () => {
      const list = await monitor.request(CLTOMA_SESSION_LIST, { vmode: 4 }, MATOCL_SESSION_LIST, { layout: 'vmode4' });
      const [session] = list.sessions;
      return session && 'nsocks' in session ? session.nsocks : undefined;
    };
    const becomes = async (count: number) => {
      while ((await connections()) !== count) await new Promise((resolve) => setImmediate(resolve));
    };
    first.end();
    await becomes(1);
    expect(await remove(1)).toEqual({ status: Status.ACTIVE });
    expect(master.changes().filter((change) => change.startsWith('SESDISC'))).toEqual([]);
    second.end();
    await becomes(0);
    expect(await remove(1, 1)).toEqual({ status: Status.EINVAL });
    expect(await remove(1)).toEqual({ status: Status.OK });
    expect(await remove(1)).toEqual({ status: Status.NOTFOUND });
    expect(master.changes().slice(-2)).toEqual(['SESDISCONNECTED(1)', 'SESDEL(1)']);
  });

  test('closing a session ends the connection after the answer', async () => {
    const client = await connect();
    const { metaId } = (await client.register(newSession())) as Registered;
    client.send(CLTOMA_FUSE_SUSTAINED_INODES, { inodes: [] });
    client.send(CLTOMA_FUSE_REGISTER, { layout: 'closeSession', sessionId: 1, metaId });
    client.send(CLTOMA_INFO, {});
    const frames = await client.closed();
    expect(frames.map(({ type, payload }) => [type, payload.toString('hex')])).toEqual([[401, '00']]);
    const wrong = await connect();
    await wrong.register(newSession());
    expect(await wrong.register({ layout: 'closeSession', sessionId: 1, metaId: 1n })).toEqual({
      layout: 'status',
      status: Status.BADSESSIONID,
    });
    await wrong.closed();
  });

  test('sessions live on over a restart', async () => {
    const client = await connect();
    const { sessionId, metaId } = (await client.register(newSession())) as Registered;
    client.send(CLTOMA_FUSE_SUSTAINED_INODES, { inodes: [1, 5, 5, 0] });
    await client.request(CLTOMA_INFO, {}, MATOCL_INFO);
    await master.stop();
    expect(master.changes().slice(-2)).toEqual(['ACQUIRE(1,1)', 'ACQUIRE(1,5)']);
    await master.start();
    expect(await register({ layout: 'reconnect', sessionId, version: VERSION, metaId })).toMatchObject({
      status: Status.OK,
    });
  });
});

test('a master without exports does not start', async () => {
  await expect(TestMaster.start({ exports: '# nothing\n' })).rejects.toThrow('exports manager failed');
});
