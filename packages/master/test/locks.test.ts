import {
  CLTOMA_FUSE_CREATE,
  CLTOMA_FUSE_FLOCK,
  CLTOMA_FUSE_POSIX_LOCK,
  CLTOMA_FUSE_SUSTAINED_INODES,
  CLTOMA_LIST_ACQUIRED_LOCKS,
  FlockCommand,
  MATOCL_FUSE_CREATE,
  MATOCL_FUSE_FLOCK,
  MATOCL_FUSE_POSIX_LOCK,
  MATOCL_LIST_ACQUIRED_LOCKS,
  PosixLockCommand,
  PosixLockType,
  Status,
} from '@alces/proto';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { TestMaster } from './support/testMaster.ts';
import { WireClient } from './support/wireClient.ts';

const { UNLOCK, TRY_SHARED, LOCK_SHARED, TRY_EXCLUSIVE, LOCK_EXCLUSIVE, INTERRUPT, RELEASE } = FlockCommand;
const END = 0xffffffffffffffffn;

/** A session that has the file open, with the answers to its lock requests by msgid. */
class Locker {
  readonly client: WireClient;
  readonly inode: number;
  #msgid = 0;

  constructor(client: WireClient, inode: number) {
    this.client = client;
    this.inode = inode;
  }

  flock(owner: number, cmd: number, reqid = 0): number {
    const msgid = ++this.#msgid;
    this.client.send(CLTOMA_FUSE_FLOCK, { msgid, inode: this.inode, reqid, owner: BigInt(owner), cmd });
    return msgid;
  }

  posix(owner: number, cmd: number, type: number, start = 0, end: number | bigint = END, reqid = 0): number {
    const msgid = ++this.#msgid;
    const range = { start: BigInt(start), end: BigInt(end) };
    const fields = { msgid, inode: this.inode, reqid, owner: BigInt(owner), pid: 100 + owner, cmd, type, ...range };
    this.client.send(CLTOMA_FUSE_POSIX_LOCK, fields);
    return msgid;
  }

  /** Takes the next answer: msgid and status; msgid and lock for a GET. */
  async answer() {
    const frame = await this.client.frame();
    if (frame.type === MATOCL_FUSE_FLOCK.number) {
      const { msgid, status } = MATOCL_FUSE_FLOCK.decode(frame.payload);
      return [msgid, status] as const;
    }
    const lock = MATOCL_FUSE_POSIX_LOCK.decode(frame.payload);
    if (lock.layout === 'status') return [lock.msgid, lock.status] as const;
    const { msgid, pid, type, start, end } = lock;
    return [msgid, { pid, type, start: Number(start), end }] as const;
  }

  async answers(count: number) {
    const list = [];
    for (let i = 0; i < count; i++) list.push(await this.answer());
    return list;
  }

  /** No answer has come before that to another request. */
  async nothingMore(): Promise<void> {
    const msgid = this.flock(999, RELEASE);
    expect(await this.answer()).toEqual([msgid, Status.OK]);
  }
}

describe('locks', () => {
  let master: TestMaster;
  let a: Locker;
  let b: Locker;

  beforeEach(async () => {
    master = await TestMaster.start();
    const [first, second] = [await WireClient.mount(master.port), await WireClient.mount(master.port)];
    const created = await first.request(
      CLTOMA_FUSE_CREATE,
      { msgid: 1, parent: 1, name: Buffer.from('f'), mode: 0o644, umask: 0, uid: 0, gids: [0] },
      MATOCL_FUSE_CREATE,
    );
    if (created.layout !== 'data') throw new Error('not created');
    second.send(CLTOMA_FUSE_SUSTAINED_INODES, { inodes: [created.inode] });
    a = new Locker(first, created.inode);
    b = new Locker(second, created.inode);
  });
  afterEach(async () => {
    a.client.end();
    b.client.end();
    await master.destroy();
  });

  const lockChanges = () => master.changes().filter((change) => /LOCK\(/.test(change) && !change.startsWith('UNLOCK'));
  const held = async () => {
    const { client } = a;
    const list = await client.request(CLTOMA_LIST_ACQUIRED_LOCKS, { msgid: 7, inode: 0 }, MATOCL_LIST_ACQUIRED_LOCKS, {
      layout: 'allMsgid',
    });
    if (list.layout !== 'allMsgid') throw new Error('other layout');
    return list.locks.map(({ sessionId, owner, type, start, end }) => [
      sessionId,
      Number(owner),
      type,
      Number(start),
      end,
    ]);
  };

  describe('flock', () => {
    test('a file must be open', async () => {
      const stranger = new Locker(await WireClient.mount(master.port), a.inode);
      stranger.flock(1, TRY_SHARED);
      stranger.flock(1, INTERRUPT);
      stranger.flock(1, RELEASE);
      stranger.flock(1, 7);
      expect((await stranger.answers(4)).map(([, status]) => status)).toEqual([
        Status.NOTOPENED,
        Status.OK,
        Status.OK,
        Status.EINVAL,
      ]);
      stranger.client.end();
    });

    test('an exclusive lock keeps others out until it is released', async () => {
      a.flock(1, LOCK_EXCLUSIVE);
      expect(await a.answer()).toEqual([1, Status.OK]);
      b.flock(1, TRY_SHARED);
      b.flock(1, TRY_EXCLUSIVE);
      b.flock(1, LOCK_SHARED, 5);
      b.flock(2, LOCK_SHARED, 6);
      expect(await b.answers(2)).toEqual([
        [1, Status.EAGAIN],
        [2, Status.EAGAIN],
      ]);
      await b.nothingMore();
      a.flock(1, UNLOCK);
      expect(await a.answer()).toEqual([2, Status.OK]);
      expect(await b.answers(2)).toEqual([
        [3, Status.OK],
        [4, Status.OK],
      ]);
      expect(lockChanges().map((change) => change.replace(/^.*\(\d+,/, ''))).toEqual([
        '1,1,W)',
        '1,1,U)',
        '2,1,R)',
        '2,2,R)',
      ]);
    });

    test('writers are not starved: a reader waits behind a waiting writer', async () => {
      a.flock(1, LOCK_SHARED);
      expect(await a.answer()).toEqual([1, Status.OK]);
      b.flock(1, LOCK_EXCLUSIVE);
      await b.nothingMore();
      a.flock(2, TRY_SHARED);
      a.flock(1, UNLOCK);
      expect(await a.answers(2)).toEqual([
        [2, Status.EAGAIN],
        [3, Status.OK],
      ]);
      expect(await b.answer()).toEqual([1, Status.OK]);
    });

    test('conversions in place are logged so that they can be replayed', async () => {
      a.flock(1, LOCK_EXCLUSIVE);
      expect(await a.answer()).toEqual([1, Status.OK]);
      b.flock(1, LOCK_SHARED);
      await b.nothingMore();
      a.flock(1, TRY_SHARED);
      expect(await a.answer()).toEqual([2, Status.OK]);
      expect(await b.answer()).toEqual([1, Status.OK]);
      a.flock(1, TRY_EXCLUSIVE);
      expect(await a.answer()).toEqual([3, Status.EAGAIN]);
      b.flock(1, UNLOCK);
      await b.answer();
      a.flock(1, TRY_EXCLUSIVE);
      expect(await a.answer()).toEqual([4, Status.OK]);
      expect(lockChanges().map((change) => change.slice(-2, -1))).toEqual(['W', 'U', 'R', 'R', 'U', 'U', 'W']);
    });

    test('a waiting request can be interrupted, cancelled and joined', async () => {
      a.flock(1, LOCK_EXCLUSIVE);
      await a.answer();
      b.flock(1, LOCK_EXCLUSIVE, 50);
      b.flock(1, LOCK_EXCLUSIVE, 51);
      b.flock(1, INTERRUPT, 50);
      expect(await b.answers(2)).toEqual([
        [1, Status.EINTR],
        [3, Status.OK],
      ]);
      b.flock(1, LOCK_SHARED, 52);
      expect(await b.answer()).toEqual([2, Status.ECANCELED]);
      b.flock(1, TRY_SHARED);
      b.flock(1, UNLOCK);
      expect(await b.answers(3)).toEqual([
        [5, Status.EAGAIN],
        [4, Status.ECANCELED],
        [6, Status.OK],
      ]);
      a.flock(1, UNLOCK);
      await a.answer();
      await b.nothingMore();
      expect(await held()).toEqual([]);
    });
  });

  describe('posix locks', () => {
    const { GET, SET, TRY, INT } = PosixLockCommand;
    const { UNLCK, RDLCK, WRLCK } = PosixLockType;

    test('ranges conflict where they overlap and one of them writes', async () => {
      a.posix(1, SET, WRLCK, 10, 20);
      a.posix(2, SET, RDLCK, 20, 30);
      expect(await a.answers(2)).toEqual([
        [1, Status.OK],
        [2, Status.OK],
      ]);
      b.posix(1, TRY, RDLCK, 0, 10);
      b.posix(1, TRY, RDLCK, 15, 40);
      b.posix(1, TRY, RDLCK, 20, 40);
      b.posix(1, TRY, WRLCK, 29, 31);
      b.posix(1, GET, WRLCK, 0, END);
      a.posix(3, GET, WRLCK, 0, END);
      a.posix(3, GET, UNLCK, 0, END);
      a.posix(3, SET, WRLCK, 5, 5);
      a.posix(3, SET, 3, 5, 6);
      a.posix(3, 4, WRLCK, 5, 6);
      expect((await b.answers(4)).map(([, status]) => status)).toEqual([
        Status.OK,
        Status.EAGAIN,
        Status.OK,
        Status.EAGAIN,
      ]);
      expect((await b.answer())[1]).toEqual({ pid: 0, type: WRLCK, start: 10, end: 20n });
      const answers = (await a.answers(5)).map(([, result]) => result);
      expect(answers[0]).toMatchObject({ pid: 101, start: 10 });
      expect(answers[1]).toEqual({ pid: 0, type: UNLCK, start: 0, end: 0n });
      expect(answers.slice(2)).toEqual([Status.EINVAL, Status.EINVAL, Status.EINVAL]);
    });

    test('waiting requests are granted, in order and before the answer to who freed them', async () => {
      a.posix(1, SET, WRLCK, 0, 100);
      await a.answer();
      b.posix(1, SET, WRLCK, 50, 60);
      b.posix(2, SET, RDLCK, 55, 70);
      b.posix(3, SET, RDLCK, 0, 10, 9);
      await b.nothingMore();
      b.posix(3, INT, 0, 0, 0, 9);
      expect(await b.answers(2)).toEqual([
        [3, Status.EINTR],
        [5, Status.OK],
      ]);
      a.posix(1, SET, UNLCK, 50, 100);
      expect(await a.answer()).toEqual([2, Status.OK]);
      expect(await b.answer()).toEqual([1, Status.OK]);
      b.posix(1, SET, UNLCK);
      expect(await b.answers(2)).toEqual([
        [2, Status.OK],
        [6, Status.OK],
      ]);
      expect(await held()).toEqual([
        [1, 1, 2, 0, 50n],
        [2, 2, 1, 55, 70n],
      ]);
    });

    test('an unlock is logged only where there are locks', async () => {
      a.posix(1, SET, UNLCK);
      a.posix(1, SET, WRLCK, 1, 2);
      a.posix(2, SET, UNLCK, 5, 6);
      await a.answers(3);
      const change = (owner: number, rest: string) => `POSIXLOCK(${a.inode},1,${owner},${rest})`;
      expect(lockChanges()).toEqual([change(1, 'W,1,2,101'), change(2, 'U,5,6,102')]);
    });
  });

  test('closing the file releases locks of both kinds and lets others in, before the RELEASE entry', async () => {
    a.flock(1, LOCK_EXCLUSIVE);
    a.posix(1, PosixLockCommand.SET, PosixLockType.WRLCK, 0, 10);
    await a.answers(2);
    b.flock(1, LOCK_EXCLUSIVE);
    b.posix(1, PosixLockCommand.SET, PosixLockType.WRLCK, 0, 5);
    await b.nothingMore();
    a.client.send(CLTOMA_FUSE_SUSTAINED_INODES, { inodes: [] });
    expect(await b.answers(2)).toEqual([
      [1, Status.OK],
      [2, Status.OK],
    ]);
    const inode = a.inode;
    expect(master.changes().slice(-5)).toEqual([
      `FLOCK(${inode},1,1,U)`,
      `FLOCK(${inode},2,1,W)`,
      `POSIXLOCK(${inode},1,1,U,0,18446744073709551615,101)`,
      `POSIXLOCK(${inode},2,1,W,0,5,101)`,
      `RELEASE(1,${inode})`,
    ]);
  });

  test('a lost connection keeps the place in the queue; the answer goes to the next connection of the session', async () => {
    a.flock(1, LOCK_EXCLUSIVE);
    await a.answer();
    b.flock(1, LOCK_EXCLUSIVE, 33);
    await b.nothingMore();
    b.client.end();
    const again = await WireClient.connect(master.port);
    await again.register({ layout: 'reconnect', sessionId: 2, version: 0x000300ea });
    a.flock(1, UNLOCK);
    await a.answer();
    expect(await again.receive(MATOCL_FUSE_FLOCK)).toEqual({ msgid: 1, status: Status.OK });
    again.end();
  });
});
