import { connectMaster, type MasterSession, MfsError, ops } from '@alces/client';
import { CLTOMA_LIST_OPEN_FILES, MATOCL_LIST_OPEN_FILES, Status } from '@alces/proto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { until } from '../../../test/support/until.ts';
import { ME, type StockCluster, startStock } from './support/stock.ts';

const EXPORTS = '* / rw,admin,maproot=0:0\n* . rw\n* /secret rw,password=moose,maproot=0:0\n';

let stock: StockCluster;
const open: MasterSession[] = [];

beforeAll(async () => {
  stock = await startStock({ exports: EXPORTS });
});

afterAll(async () => {
  for (const session of open) await session.close();
  await stock?.stop();
});

async function connected(options: Partial<Parameters<typeof connectMaster>[0]> = {}): Promise<MasterSession> {
  const session = await connectMaster({ masters: [stock.master], info: '/test', ...options });
  open.push(session);
  return session;
}

function openFiles(session: MasterSession): Promise<number[]> {
  const fields = { sessionId: session.parameters.sessionId };
  return session
    .request(CLTOMA_LIST_OPEN_FILES, MATOCL_LIST_OPEN_FILES, fields, 'sessionMsgid')
    .then(({ inodes }) => inodes);
}

/** Resolves when the session told that it is connected again. */
function nextConnection(session: MasterSession): Promise<void> {
  return new Promise((resolve) => {
    const stop = session.listen({
      connected() {
        stop();
        resolve();
      },
    });
  });
}

describe('registration', () => {
  it('gets the parameters of the export', async () => {
    const { parameters, connected: isConnected, state } = await connected();
    expect(parameters).toMatchObject({ masterVersion: 0x000300ea, rootUid: 0, minGoal: 1, maxGoal: 9, disables: 0 });
    expect(parameters.metaId).not.toBe(0n);
    expect([isConnected, state]).toEqual([true, 'normal']);
  });

  it('proves the password', async () => {
    const root = await connected();
    await ops.mkdir(root, 1, Buffer.from('secret'), { mode: 0o755, umask: 0 }, ME);
    const inside = await connected({ subfolder: '/secret', password: 'moose' });
    const made = await ops.mkdir(inside, 1, Buffer.from('below'), { mode: 0o700, umask: 0 }, ME);
    const seen = await ops.lookup(root, 1, Buffer.from('secret'), ME);
    expect((await ops.lookup(root, seen.inode, Buffer.from('below'), ME)).inode).toBe(made.inode);
    const refusals = [
      connected({ subfolder: '/secret', password: 'wrong' }),
      connected({ subfolder: '/missing' }),
      connectMaster({ masters: [stock.master], info: '/t', subfolder: '/secret', passwordMd5: Buffer.alloc(3) }),
    ];
    const outcomes = await Promise.allSettled(refusals);
    expect(outcomes.map((outcome) => outcome.status)).toEqual(['rejected', 'rejected', 'rejected']);
    await expect(refusals[0]).rejects.toMatchObject({ status: Status.BADPASSWORD });
    await expect(refusals[1]).rejects.toMatchObject({ status: Status.EACCES });
  });

  it('makes meta sessions', async () => {
    const session = await connected();
    const meta = await connected({ meta: true });
    const file = await ops.create(session, 1, Buffer.from('rubbish'), { mode: 0o600, umask: 0 }, ME);
    await ops.unlink(session, 1, Buffer.from('rubbish'), ME);
    const [entry] = await ops.getTrash(meta, file.inode % 4096);
    expect([entry.inode, entry.name.toString()]).toEqual([file.inode, 'rubbish']);
    await ops.setTrashPath(meta, file.inode, Buffer.from('new/place'));
    expect((await ops.getTrashPath(meta, file.inode)).toString()).toBe('new/place');
    await ops.undelete(meta, file.inode);
    await expect(ops.getTrash(session)).rejects.toMatchObject({ code: 'EPERM' });
    const folder = await ops.lookup(session, 1, Buffer.from('new'), ME);
    expect((await ops.lookup(session, folder.inode, Buffer.from('place'), ME)).inode).toBe(file.inode);
  });

  it('finds the master among several addresses', async () => {
    const session = await connected({ masters: ['10.90.0.99:9421', { host: stock.master, port: 1 }, stock.master] });
    expect(session.masterAddress).toEqual({ host: stock.master, port: 9421 });
  });

  it('gives up when nobody answers', async () => {
    await expect(connectMaster({ masters: [{ host: stock.master, port: 1 }], info: '/t' })).rejects.toMatchObject({
      code: 'ECONNREFUSED',
    });
  });

  it('registers in the background if told so', async () => {
    const session = await connected({ delayedInit: true });
    await expect(ops.statfs(session)).rejects.toMatchObject({ code: 'EIO' });
    await until('the registration', 5000, () => session.connected);
    expect((await ops.getattr(session, 1, ME)).type).toBe(2);
  });
});

describe('requests', () => {
  it('answers many at once, each its own', async () => {
    const session = await connected();
    const folder = await ops.mkdir(session, 1, Buffer.from('many'), { mode: 0o755, umask: 0 }, ME);
    const names = Array.from({ length: 500 }, (_, i) => Buffer.from(`file${i}`));
    const made = await Promise.all(
      names.map((name) => ops.mknod(session, folder.inode, name, { type: 1, mode: 0o644, umask: 0 }, ME)),
    );
    const found = await Promise.all(names.map((name) => ops.lookup(session, folder.inode, name, ME)));
    expect(found.map(({ inode }) => inode)).toEqual(made.map(({ inode }) => inode));
    const listed = await ops.readdir(session, folder.inode, ME);
    expect(listed).toHaveLength(502);
    expect((await ops.readdirPlain(session, folder.inode, ME)).map(({ inode }) => inode)).toEqual(
      listed.map(({ inode }) => inode),
    );
    await Promise.all(names.map((name) => ops.unlink(session, folder.inode, name, ME)));
    expect(await ops.rmdir(session, 1, Buffer.from('many'), ME)).toBe(folder.inode);
  });

  it('throws the status of the master', async () => {
    const session = await connected();
    const error = await ops.lookup(session, 1, Buffer.from('nothing'), ME).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(MfsError);
    expect(error).toMatchObject({
      status: Status.ENOENT,
      code: 'ENOENT',
      errno: 2,
      message: 'No such file or directory',
    });
  });

  it('performs the less common operations', async () => {
    const session = await connected();
    const { inode } = await ops.create(session, 1, Buffer.from('tool'), { mode: 0o640, umask: 0o022 }, ME);
    const acl = { user: 6, group: 4, other: 0, mask: 6, namedUsers: [{ id: 1001, perm: 6 }], namedGroups: [] };
    await ops.setfacl(session, inode, 1, acl, 0);
    expect(await ops.getfacl(session, inode, 1)).toEqual(acl);
    expect((await ops.setTrashTime(session, inode, 7200, 0, 0)).changed).toBe(1);
    expect(await ops.getTrashTime(session, inode, 0)).toEqual({ files: [{ seconds: 7200, count: 1 }], dirs: [] });
    expect((await ops.setStorageClass(session, inode, '4', 0, 0)).changed).toBe(1);
    expect(await ops.getStorageClass(session, inode, 0)).toEqual({ files: [{ name: '4', count: 1 }], dirs: [] });
    await ops.setEattr(session, inode, 1, 1, 0);
    expect((await ops.getEattr(session, inode, 0)).files).toEqual([{ eattr: 1, count: 1 }]);
    await ops.snapshot(session, inode, 1, Buffer.from('copy'), { mode: 0, umask: 0 }, ME);
    await ops.removeSnapshot(session, 1, Buffer.from('copy'), 0, ME);
    expect((await ops.paths(session, inode)).map(String)).toEqual(['tool']);
    expect(await ops.parents(session, inode)).toEqual([1]);
    expect((await ops.setQuota(session, { ...NO_QUOTA, inode: 1, qflags: 0x10, hardInodes: 1000 })).hardInodes).toBe(
      1000,
    );
    expect((await ops.getQuota(session, 1, 0xff)).qflags).toBe(0);
    expect((await ops.directoryStatistics(session, 1)).files).toBeGreaterThan(0);
    expect(await ops.check(session, inode)).toEqual(new Array(12).fill(0));
    expect(await ops.repair(session, inode, ME)).toEqual({ notChanged: 0, erased: 0, repaired: 0 });
    expect(await ops.getArchiveState(session, inode)).toMatchObject({ archChunks: 0 });
  });

  it('waits for locks, and is interrupted', async () => {
    const one = await connected();
    const two = await connected();
    const { inode } = await ops.create(one, 1, Buffer.from('locked'), { mode: 0o644, umask: 0 }, ME);
    await ops.open(two, inode, 3, ME);
    await ops.flock(one, { inode, requestId: 1, owner: 11n, command: 4 });
    await expect(ops.flock(two, { inode, requestId: 2, owner: 22n, command: 3 })).rejects.toMatchObject({
      code: 'EAGAIN',
    });
    const waiting = ops.flock(two, { inode, requestId: 3, owner: 22n, command: 4 });
    const interrupted = expect(waiting).rejects.toMatchObject({ code: 'EINTR' });
    await ops.flock(two, { inode, requestId: 3, owner: 22n, command: 5 });
    await interrupted;
    const again = ops.flock(two, { inode, requestId: 4, owner: 22n, command: 4 });
    await ops.flock(one, { inode, requestId: 1, owner: 11n, command: 0 });
    await again;
    const range = { inode, requestId: 5, pid: 99, start: 5n, end: 15n };
    await ops.posixLock(one, { ...range, owner: 1n, command: 1, type: 2 });
    const found = await ops.posixLock(two, { ...range, owner: 2n, command: 0, type: 1 });
    expect(found).toEqual({ pid: 0, type: 2, start: 5n, end: 15n });
    await ops.posixLock(one, { ...range, owner: 1n, command: 1, type: 0 });
    expect(await ops.posixLock(two, { ...range, owner: 2n, command: 0, type: 1 })).toBeUndefined();
  });

  it('hands on what a tool asks', async () => {
    const session = await connected();
    const payload = Buffer.from('00000000' + '00000001' + '00', 'hex');
    const answer = await session.forward(446, payload);
    expect([answer.type, answer.payload.readUInt32BE(0), answer.payload.length > 5]).toEqual([447, 0, true]);
  });
});

const NO_QUOTA = {
  grace: 0,
  softInodes: 0,
  softLength: 0,
  softSize: 0,
  softRealsize: 0,
  hardInodes: 0,
  hardLength: 0,
  hardSize: 0,
  hardRealsize: 0,
};

describe('a master that goes away', () => {
  it('keeps session, open files and locks, and repeats what was not answered', async () => {
    const session = await connected();
    const other = await connected();
    const id = session.parameters.sessionId;
    const { inode } = await ops.create(session, 1, Buffer.from('survivor'), { mode: 0o644, umask: 0 }, ME);
    session.acquireInode(inode);
    await ops.flock(session, { inode, requestId: 1, owner: 5n, command: 4 });
    await ops.open(other, inode, 3, ME);
    const blocked = ops.flock(other, { inode, requestId: 9, owner: 6n, command: 4 });
    const reasons: string[] = [];
    session.listen({ disconnected: (reason) => reasons.push(reason.message) });
    const back = nextConnection(session);
    await stock.cluster.stopMaster();
    await until('the disconnection', 5000, () => !session.connected);
    const duringOutage = Promise.all([ops.getattr(session, inode, ME), ops.statfs(session)]);
    await stock.cluster.startMaster();
    await back;
    expect((await duringOutage)[0].type).toBe(1);
    expect(session.parameters.sessionId).toBe(id);
    expect(reasons).toHaveLength(1);
    expect(await openFiles(session)).toContain(inode);
    await expect(ops.flock(session, { inode, requestId: 2, owner: 77n, command: 3 })).rejects.toMatchObject({
      code: 'EAGAIN',
    });
    await ops.flock(session, { inode, requestId: 1, owner: 5n, command: 0 });
    await blocked;
    session.releaseInode(inode);
  });

  it('registers anew with its id when the exports have changed', async () => {
    const session = await connected();
    const { sessionId } = session.parameters;
    stock.cluster.writeExports(EXPORTS.replace('rw,admin', 'ro,admin'));
    const back = nextConnection(session);
    await stock.cluster.master('reload');
    await back;
    expect(session.parameters).toMatchObject({ sessionId, flags: session.parameters.flags | 1 });
    await expect(ops.mkdir(session, 1, Buffer.from('x'), { mode: 0o755, umask: 0 }, ME)).rejects.toMatchObject({
      code: 'EROFS',
    });
    stock.cluster.writeExports(EXPORTS);
    const writable = nextConnection(session);
    await stock.cluster.master('reload');
    await writable;
    await ops.mkdir(session, 1, Buffer.from('x'), { mode: 0o755, umask: 0 }, ME);
  });

  it('fails with EIO when the tries are used up, and works again later', async () => {
    const session = await connected({ ioRetries: 3 });
    await stock.cluster.stopMaster();
    await expect(ops.statfs(session)).rejects.toMatchObject({ code: 'EIO' });
    await stock.cluster.startMaster();
    await until('the session to work', 40_000, () => session.connected);
    expect((await ops.getattr(session, 1, ME)).type).toBe(2);
  });

  it('closes its session: the master forgets it', async () => {
    const session = await connected();
    const { sessionId } = session.parameters;
    await session.close();
    expect(session.state).toBe('closed');
    await expect(ops.statfs(session)).rejects.toMatchObject({ code: 'EIO' });
    const watcher = await connected();
    await until('the connection to be gone', 5000, async () => {
      const sessions = await stock.cluster.mfscli('-SMS');
      const row = sessions.split('\n').find((line) => line.split('|')[1] === String(sessionId));
      return row === undefined || !row.includes('connected');
    });
    expect(watcher.connected).toBe(true);
  });
});
