import { connectMaster, type MasterSession, ops } from '@alces/client';
import {
  CLTOMA_FUSE_GETATTR,
  CLTOMA_FUSE_SUSTAINED_INODES,
  encodeFrame,
  MATOCL_FUSE_CHUNK_HAS_CHANGED,
  MATOCL_FUSE_GETATTR,
  MATOCL_FUSE_STATFS,
  Status,
} from '@alces/proto';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { until } from '../../../test/support/until.ts';
import { FakeMaster, type Received, SESSION } from './support/fakeServers.ts';
import { ME } from './support/stock.ts';

let master: FakeMaster;
let session: MasterSession | undefined;

beforeEach(async () => {
  master = await FakeMaster.start();
});

afterEach(async () => {
  await session?.close();
  session = undefined;
  await master.server.stop();
});

async function connected(ioRetries = 30): Promise<MasterSession> {
  session = await connectMaster({ masters: [master.address], info: '/fake', ioRetries });
  return session;
}

const ATTR = {
  flags: 4,
  type: 2,
  mode: 0o755,
  uid: 1,
  gid: 2,
  atime: 3,
  mtime: 4,
  ctime: 5,
  nlink: 6,
  length: 7,
  rdev: 0,
  winattr: 0,
};

function answerGetattr({ payload, socket }: Received): void {
  const { msgid, inode } = CLTOMA_FUSE_GETATTR.decode(payload);
  socket.write(MATOCL_FUSE_GETATTR.encode({ layout: 'data', msgid, attr: { ...ATTR, uid: inode } }));
}

function getattrFrames(): Buffer[] {
  return master.server.received.filter(({ type }) => type === CLTOMA_FUSE_GETATTR.number).map(({ payload }) => payload);
}

describe('registration', () => {
  const bad: Record<string, Buffer> = {
    'nothing but garbage': Buffer.from('GET / HTTP/1.1\r\n\r\n'),
    'another message': encodeFrame(999, Buffer.alloc(4)),
    'an answer of an impossible length': encodeFrame(401, Buffer.alloc(17)),
    'an answer for another registration': encodeFrame(401, Buffer.alloc(32, 1)),
    'a master too old': encodeFrame(401, Buffer.concat([Buffer.from('00010000', 'hex'), Buffer.alloc(45)])),
  };
  for (const [what, answer] of Object.entries(bad)) {
    it(`fails on ${what}`, async () => {
      master.answerRegistration = () => answer;
      await expect(connected()).rejects.toThrow();
      expect(master.registrations).toHaveLength(1);
    });
  }

  it('passes over NOPs', async () => {
    const original = master.answerRegistration;
    master.answerRegistration = (request) => {
      for (const { socket } of master.server.received.slice(-1)) socket.write(encodeFrame(0, Buffer.alloc(4)));
      return original(request);
    };
    expect((await connected()).parameters.sessionId).toBe(7);
  });

  it('throws the status of a refusal at once', async () => {
    master.answerRegistration = () => ({ layout: 'status', status: Status.EACCES });
    await expect(connected()).rejects.toMatchObject({ code: 'EACCES' });
    expect(master.registrations).toHaveLength(1);
  });
});

describe('answers', () => {
  it('find their requests in any order', async () => {
    const held: Received[] = [];
    master.handle = (frame) => {
      if (frame.type !== CLTOMA_FUSE_GETATTR.number) return;
      held.push(frame);
      if (held.length === 5) for (const one of held.reverse()) answerGetattr(one);
    };
    const fake = await connected();
    const attrs = await Promise.all([11, 22, 33, 44, 55].map((inode) => ops.getattr(fake, inode, ME)));
    expect(attrs.map(({ uid }) => uid)).toEqual([11, 22, 33, 44, 55]);
  });

  const drops: Record<string, (msgid: number) => Buffer> = {
    'of another message': (msgid) => MATOCL_FUSE_STATFS.encode({ layout: 'noFree', msgid, ...SPACE }),
    'to a request never made': () => MATOCL_FUSE_GETATTR.encode({ layout: 'status', msgid: 60_000, status: 0 }),
    'without a message id': () => encodeFrame(MATOCL_FUSE_GETATTR.number, Buffer.alloc(3)),
    'longer than anything': () => Buffer.from('00000199ffffffff', 'hex'),
    'that are unsolicited and unknown': () => encodeFrame(777, Buffer.alloc(8)),
    'that are notifications of a wrong size': () => encodeFrame(MATOCL_FUSE_CHUNK_HAS_CHANGED.number, Buffer.alloc(32)),
  };
  for (const [what, frame] of Object.entries(drops)) {
    it(`${what} close the connection; the request is repeated, byte for byte, on the next`, async () => {
      let bad = 1;
      master.handle = (received) => {
        if (received.type !== CLTOMA_FUSE_GETATTR.number) return;
        if (bad-- > 0) received.socket.write(frame(received.payload.readUInt32BE(0)));
        else answerGetattr(received);
      };
      const fake = await connected();
      expect((await ops.getattr(fake, 9, ME)).uid).toBe(9);
      const [first, second] = getattrFrames();
      expect(second.equals(first)).toBe(true);
      expect(master.registrations.map(({ layout }) => layout)).toEqual(['newSession', 'reconnect']);
    });
  }

  const malformed: Record<string, (msgid: number) => Buffer> = {
    'too short': (msgid) => encodeFrame(MATOCL_FUSE_GETATTR.number, idBytes(msgid), Buffer.alloc(20)),
    'too long': (msgid) => encodeFrame(MATOCL_FUSE_GETATTR.number, idBytes(msgid), Buffer.alloc(50)),
    'OK without data': (msgid) => encodeFrame(MATOCL_FUSE_GETATTR.number, idBytes(msgid), Buffer.alloc(1)),
    'with impossible attributes': (msgid) =>
      encodeFrame(MATOCL_FUSE_GETATTR.number, idBytes(msgid), Buffer.alloc(36, 255)),
  };
  for (const [what, frame] of Object.entries(malformed)) {
    it(`${what} fail the operation with EIO and close the connection`, async () => {
      let bad = 1;
      master.handle = (received) => {
        if (received.type !== CLTOMA_FUSE_GETATTR.number) return;
        if (bad-- > 0) received.socket.write(frame(received.payload.readUInt32BE(0)));
        else answerGetattr(received);
      };
      const fake = await connected();
      await expect(ops.getattr(fake, 9, ME)).rejects.toMatchObject({ code: 'EIO' });
      expect((await ops.getattr(fake, 8, ME)).uid).toBe(8);
      expect(master.server.connections).toBe(2);
    });
  }

  it('that never come are no longer waited for when the connection was lost too often', async () => {
    master.handle = ({ type, socket }) => {
      if (type === CLTOMA_FUSE_GETATTR.number) socket.destroy();
    };
    const fake = await connected(3);
    await expect(ops.getattr(fake, 9, ME)).rejects.toMatchObject({ code: 'EIO' });
    expect(getattrFrames()).toHaveLength(3);
  });

  it('UNKNOWN_COMMAND means that the operation is not supported', async () => {
    master.handle = ({ type, payload, socket }) => {
      if (type === CLTOMA_FUSE_GETATTR.number) socket.write(encodeFrame(1, payload.subarray(0, 4), Buffer.alloc(12)));
    };
    await expect(ops.getattr(await connected(), 9, ME)).rejects.toMatchObject({ code: 'ENOTSUP' });
    expect(master.server.connections).toBe(1);
  });

  it('after the time limit are thrown away', async () => {
    let late: Received | undefined;
    master.handle = (frame) => {
      if (frame.type !== CLTOMA_FUSE_GETATTR.number) return;
      if (late === undefined) late = frame;
      else answerGetattr(frame);
    };
    session = await connectMaster({ masters: [master.address], info: '/fake', timeoutMs: 100 });
    await expect(ops.getattr(session, 9, ME)).rejects.toMatchObject({ code: 'EIO' });
    answerGetattr(late!);
    expect((await ops.getattr(session, 5, ME)).uid).toBe(5);
    expect(master.server.connections).toBe(1);
  });
});

const SPACE = { total: 1, avail: 1, trash: 0, sustained: 0, inodes: 1 };

function idBytes(id: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(id);
  return bytes;
}

describe('a session that the master', () => {
  it('wants registered again keeps its id', async () => {
    const fake = await connected();
    master.answerRegistration = (request) => {
      if (request.layout === 'reconnect') return { layout: 'reconnected', version: 0x000300ea, status: Status.EPERM };
      return { ...SESSION, sesflags: 1 } as typeof SESSION;
    };
    master.server.cut();
    await until('the new registration', 5000, () => fake.connected && fake.parameters.flags === 1);
    expect(master.registrations.at(-1)).toMatchObject({ layout: 'newSession', sessionId: 7, metaId: 1234n });
  });

  it('has lost is replaced, and its open files are announced', async () => {
    const fake = await connected();
    fake.acquireInode(77);
    fake.acquireInode(33);
    let replaced: number | undefined;
    fake.listen({
      sessionReplaced({ sessionId }) {
        replaced = sessionId;
      },
    });
    master.answerRegistration = (request) => {
      if (request.layout === 'reconnect')
        return { layout: 'reconnected', version: 0x000300ea, status: Status.BADSESSIONID };
      return { ...SESSION, sessionId: 8 } as typeof SESSION;
    };
    master.handle = (frame) => {
      if (frame.type === CLTOMA_FUSE_GETATTR.number && fake.parameters.sessionId === 8) answerGetattr(frame);
    };
    const pending = ops.getattr(fake, 3, ME);
    await until('the request', 5000, () => getattrFrames().length === 1);
    master.server.cut();
    expect((await pending).uid).toBe(3);
    expect(replaced).toBe(8);
    expect(master.registrations.at(-1)).toMatchObject({ layout: 'newSession', sessionId: undefined });
    const lists = master.server.received.filter(({ type }) => type === CLTOMA_FUSE_SUSTAINED_INODES.number);
    expect(CLTOMA_FUSE_SUSTAINED_INODES.decode(lists.at(-1)!.payload).inodes).toEqual([33, 77]);
  });

  it('of another file system would take over fails instead', async () => {
    const fake = await connected();
    master.answerRegistration = (request) => {
      if (request.layout === 'reconnect')
        return { layout: 'reconnected', version: 0x000300ea, status: Status.BADSESSIONID };
      return { ...SESSION, sessionId: 8, metaId: 99n } as typeof SESSION;
    };
    const pending = ops.getattr(fake, 3, ME);
    master.server.cut();
    await expect(pending).rejects.toMatchObject({ code: 'EIO' });
    expect(fake.state).toBe('lost');
    await expect(ops.getattr(fake, 3, ME)).rejects.toMatchObject({ code: 'EIO' });
    expect(getattrFrames().length).toBeLessThanOrEqual(1);
  });
});
