import { connectMaster, type MasterSession, MfsError, ops } from '@alces/client';
import { ALCES_VERSION_STRING, CLTOMA_FUSE_MKDIR, Status, VERSION } from '@alces/proto';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { until } from '../../../test/support/until.ts';
import { TestMaster } from '../../master/test/support/testMaster.ts';
import { Cutter } from './support/cutter.ts';
import { FakeMaster, SESSION } from './support/fakeServers.ts';
import { ME } from './support/stock.ts';

const bytes = (text: string) => Buffer.from(text);

let master: TestMaster;
let cutter: Cutter;
let session: MasterSession;

beforeEach(async () => {
  master = await TestMaster.start();
  cutter = await Cutter.start(master.port);
  session = await connectMaster({ masters: [{ host: '127.0.0.1', port: cutter.port }], info: '/test' });
});

afterEach(async () => {
  await session.close();
  await cutter.stop();
  await master.destroy();
});

describe('a change whose answer was lost', () => {
  /** Lets the master execute what `run` asks, swallows the answer, and breaks the connection. */
  async function losingTheAnswer<T>(run: () => Promise<T>, change: string): Promise<T> {
    const count = () => master.changes().filter((line) => line.startsWith(change)).length;
    const before = count();
    cutter.deafen();
    const running = run();
    await until(`${change} in the changelog`, 5000, () => count() > before);
    cutter.cut();
    return running;
  }

  it('is made once, whatever it is', async () => {
    const made = await losingTheAnswer(
      () => ops.create(session, 1, bytes('f'), { mode: 0o644, umask: 0 }, ME),
      'CREATE',
    );
    const directory = { mode: 0o755, umask: 0 };
    await losingTheAnswer(() => ops.mkdir(session, 1, bytes('d'), directory, ME), 'CREATE');
    await losingTheAnswer(() => ops.link(session, made.inode, 1, bytes('l'), ME), 'LINK');
    await losingTheAnswer(() => ops.symlink(session, 1, bytes('s'), bytes('to'), ME), 'SYMLINK');
    await losingTheAnswer(() => ops.rename(session, 1, bytes('f'), 1, bytes('g'), ME), 'MOVE');
    await losingTheAnswer(() => ops.unlink(session, 1, bytes('l'), ME), 'UNLINK');
    await losingTheAnswer(() => ops.rmdir(session, 1, bytes('d'), ME), 'UNLINK');
    const names = (await ops.readdirPlain(session, 1, ME)).map(({ name }) => name.toString()).sort();
    expect(names).toEqual(['.', '..', 'g', 's']);
    expect((await ops.lookup(session, 1, bytes('g'), ME)).inode).toBe(made.inode);
  });

  it('is made once among many that are under way', async () => {
    const total = 400;
    let done = 0;
    const countDone = () => {
      done++;
      if (done % 20 !== 10) return;
      cutter.deafen();
      setTimeout(() => cutter.cut(), 2);
    };
    for (let begun = 0; begun < total; begun += 25) {
      const wave = Array.from({ length: 25 }, async (_, place) => {
        await ops.mkdir(session, 1, bytes(`d${begun + place}`), { mode: 0o755, umask: 0 }, ME);
        await ops.rename(session, 1, bytes(`d${begun + place}`), 1, bytes(`e${begun + place}`), ME);
        countDone();
      });
      await Promise.all(wave);
    }
    expect(cutter.connections).toBeGreaterThan(10);
    expect(await ops.readdirPlain(session, 1, ME)).toHaveLength(total + 2);
    const changes = master.changes();
    expect(changes.filter((line) => line.startsWith('CREATE'))).toHaveLength(total);
    expect(changes.filter((line) => line.startsWith('MOVE'))).toHaveLength(total);
  });
});

describe('a master that is silent', () => {
  it('is left for the one that answers at its address', async () => {
    await ops.statfs(session);
    // The address has moved: the old connection stays, and nothing comes from it any more.
    cutter.deafen();
    const begin = cutter.connections;
    await ops.mkdir(session, 1, bytes('d'), { mode: 0o755, umask: 0 }, ME);
    expect(cutter.connections).toBeGreaterThan(begin);
    expect(master.changes().filter((line) => line.startsWith('CREATE'))).toHaveLength(1);
  });
});

describe('several addresses', () => {
  it('are tried all at the same time, and those that refuse are passed over', async () => {
    const refusing = await FakeMaster.start();
    const { port } = refusing.address;
    await refusing.server.stop();
    const another = await connectMaster({
      masters: [
        { host: '127.0.0.1', port },
        { host: '127.0.0.1', port: cutter.port },
      ],
      info: '/test',
    });
    try {
      expect(another.masterAddress.port).toBe(cutter.port);
      cutter.cut();
      await ops.statfs(another);
      expect(another.masterAddress.port).toBe(cutter.port);
    } finally {
      await another.close();
    }
  });
});

describe('a session that the master has lost', () => {
  it('fails what may have been executed in it, and nothing else', async () => {
    const fake = await FakeMaster.start();
    fake.version = ALCES_VERSION_STRING;
    let sessionId = 7;
    fake.answerRegistration = (request) => {
      if (request.layout === 'reconnect')
        return { layout: 'reconnected', version: VERSION, status: sessionId === 7 ? 0 : Status.BADSESSIONID };
      return { ...SESSION, sessionId } as typeof SESSION;
    };
    const lost = await connectMaster({ masters: [fake.address], info: '/fake' });
    try {
      const making = ops.mkdir(lost, 1, bytes('d'), { mode: 0o755, umask: 0 }, ME);
      await until('the request', 5000, () =>
        fake.server.received.some(({ type }) => type === CLTOMA_FUSE_MKDIR.number),
      );
      sessionId = 8;
      fake.server.cut();
      await expect(making).rejects.toThrow('nobody can tell');
      await expect(making).rejects.toBeInstanceOf(MfsError);
      expect(lost.parameters.sessionId).toBe(8);
      expect(fake.registrations.map(({ layout }) => layout)).toEqual(['newSession', 'reconnect', 'newSession']);
    } finally {
      await lost.close();
      await fake.server.stop();
    }
  });
});
