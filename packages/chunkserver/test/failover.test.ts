import { mkdirSync } from 'node:fs';
import {
  ALCES_MSGID,
  ALCES_VERSION_STRING,
  ANTOAN_GET_VERSION,
  ANTOAN_VERSION,
  CSTOMA_ALCES_STANDBY,
  CSTOMA_ALCES_SYNCED,
  CSTOMA_CHUNK_LOST,
  CSTOMA_CHUNK_NEW,
  CSTOMA_CREATE,
  CSTOMA_DELETE,
  CSTOMA_LABELS,
  CSTOMA_REGISTER,
  CSTOMA_SET_VERSION,
  CSTOMA_SPACE,
  MATOCS_ALCES_LEAD,
  MATOCS_ALCES_LEADER,
  MATOCS_ALCES_NODES,
  MATOCS_CREATE,
  MATOCS_DELETE,
  MATOCS_MASTER_ACK,
  MATOCS_SET_VERSION,
  Status,
  VERSION,
} from '@alces/proto';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type MasterSide, TestMaster } from './support/master.ts';
import { startTestServer, type TestServer, temporaryFolder } from './support/server.ts';
import { until } from './support/wait.ts';

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let leader: TestMaster;
let follower: TestMaster;
let running: TestServer | undefined;

beforeEach(async () => {
  folder = await temporaryFolder();
  leader = await TestMaster.start();
  follower = await TestMaster.start();
});

afterEach(async () => {
  await running?.server.stop();
  running = undefined;
  await Promise.all([leader.stop(), follower.stop()]);
  await folder.remove();
});

async function start(config: string[] = []): Promise<TestServer> {
  mkdirSync(`${folder.path}/d`);
  running = await startTestServer({
    dataPath: folder.path,
    hdd: [`${folder.path}/d`],
    masterPort: leader.port,
    // Attempts of the grid are as good as never.
    config: ['HDD_TEST_SPEED = 0', 'MASTER_RECONNECTION_DELAY = 3600', ...config],
  });
  await until('folder in work', () => running!.server.store.folders.every((one) => one.phase === 'working'));
  return running;
}

/** The next connection on which a registration begins; of several attempts the later ones come to nothing. */
async function beginning(): Promise<MasterSide> {
  for (;;) {
    const side = await leader.connection();
    await until('BEGIN or the end', () => side.closed || side.hasFrame);
    if (side.hasFrame) return side;
  }
}

/** Takes a registration; answers the chunks in it. */
async function register(side: MasterSide): Promise<Map<number, number>> {
  expect(await side.expect(CSTOMA_REGISTER)).toMatchObject({ layout: 'begin' });
  side.accept();
  const chunks = new Map<number, number>();
  for (;;) {
    const frame = await side.next([0, 101, 103, CSTOMA_LABELS.number, ANTOAN_GET_VERSION.number]);
    const part = CSTOMA_REGISTER.decode(frame.payload);
    if (part.layout === 'end') return chunks;
    if (part.layout === 'chunks') for (const { chunkId, version } of part.chunks) chunks.set(chunkId, version);
    side.send(MATOCS_MASTER_ACK.encode({ layout: 'next' }));
  }
}

/** Registers with the leader, which says that the follower follows it. */
async function registeredWithBoth(epoch = 1): Promise<{ master: MasterSide; standby: MasterSide }> {
  const master = await leader.connection();
  await register(master);
  master.send(
    MATOCS_ALCES_NODES.encode({ epoch, pingMs: 400, nodes: [{ host: Buffer.from('10.9.9.9'), port: follower.port }] }),
  );
  const standby = await follower.connection();
  expect(await standby.expect(CSTOMA_ALCES_STANDBY)).toEqual({ protocol: 1 });
  await register(standby);
  return { master, standby };
}

describe('after the loss of a master that was there', () => {
  it('it is looked for at once, and again and again', async () => {
    await start();
    let side = await leader.connection();
    for (let round = 0; round < 5; round++) {
      await register(side);
      side.end();
      side = await leader.connection(2000);
    }
  });

  it('one that accepts connections and says nothing is given up for another address', async () => {
    const server = await start(['MASTER_HOST = 10.255.255.1, 10.255.255.2']);
    const silent = await beginning();
    const other = await beginning();
    await until('the silent connection closed', () => silent.closed);
    await register(other);
    expect(new Set(server.hosts)).toEqual(new Set(['10.255.255.1', '10.255.255.2']));
  }, 20_000);

  it('a leader that falls silent is given up long before the time-out', async () => {
    await start();
    const side = await leader.connection();
    await register(side);
    side.send(MATOCS_ALCES_NODES.encode({ epoch: 1, pingMs: 300, nodes: [] }));
    await leader.connection(5000);
    await until('the silent connection closed', () => side.closed);
  });
});

describe('towards an Alces master', () => {
  it('asks what it is after BEGIN was accepted, and keeps what a stock one answers to itself', async () => {
    const server = await start();
    const side = await leader.connection();
    await side.expect(CSTOMA_REGISTER);
    side.accept();
    expect(await side.expect(ANTOAN_GET_VERSION)).toEqual({ msgid: ALCES_MSGID });
    for (const text of ['3.0.117-1', ALCES_VERSION_STRING])
      side.send(
        ANTOAN_VERSION.encode({ layout: 'msgid', msgid: ALCES_MSGID, version: VERSION, text: Buffer.from(text) }),
      );
    await until('registered', () => server.server.isRegistered);
  });
});

describe('a node that follows', () => {
  it('is told of everything that the master has changed', async () => {
    await start();
    const { master, standby } = await registeredWithBoth();
    master.send(MATOCS_CREATE.encode({ chunkId: 5, version: 1 }));
    expect(await master.expect(CSTOMA_CREATE)).toEqual({ chunkId: 5, status: Status.OK });
    expect(await standby.expect(CSTOMA_CHUNK_LOST)).toEqual({ chunkIds: [5] });
    expect(await standby.expect(CSTOMA_CHUNK_NEW)).toEqual({ chunks: [{ chunkId: 5, version: 1 }] });
    master.send(MATOCS_SET_VERSION.encode({ chunkId: 5, newVersion: 2, version: 1 }));
    expect(await master.expect(CSTOMA_SET_VERSION)).toEqual({ chunkId: 5, status: Status.OK });
    expect(await standby.expect(CSTOMA_CHUNK_LOST)).toEqual({ chunkIds: [5] });
    expect(await standby.expect(CSTOMA_CHUNK_NEW)).toEqual({ chunks: [{ chunkId: 5, version: 2 }] });
    master.send(MATOCS_DELETE.encode({ chunkId: 5, version: 2 }));
    expect(await master.expect(CSTOMA_DELETE)).toEqual({ chunkId: 5, status: Status.OK });
    expect(await standby.expect(CSTOMA_CHUNK_LOST)).toEqual({ chunkIds: [5] });
  });

  it('must not order anything', async () => {
    await start();
    const { standby } = await registeredWithBoth();
    standby.send(MATOCS_CREATE.encode({ chunkId: 5, version: 1 }));
    await until('closed', () => standby.closed);
    expect(running!.server.store.table.count).toBe(0);
    const again = await follower.connection();
    await again.expect(CSTOMA_ALCES_STANDBY);
    await register(again);
  });

  it('of another file system costs nothing but its connection', async () => {
    const server = await start();
    const master = await leader.connection();
    await register(master);
    const nodes = [{ host: Buffer.from('10.9.9.9'), port: follower.port }];
    master.send(MATOCS_ALCES_NODES.encode({ epoch: 1, pingMs: 1000, nodes }));
    const standby = await follower.connection();
    await standby.expect(CSTOMA_ALCES_STANDBY);
    await standby.expect(CSTOMA_REGISTER);
    standby.accept({ metaId: 99n });
    await until('closed', () => standby.closed);
    expect(server.foreign).toEqual([]);
    expect(server.server.isRegistered).toBe(true);
  });

  it('that leads gets what it does not know yet, and its orders count; those of the master before do not', async () => {
    const server = await start();
    const { master, standby } = await registeredWithBoth();
    master.send(MATOCS_CREATE.encode({ chunkId: 5, version: 1 }), MATOCS_CREATE.encode({ chunkId: 6, version: 1 }));
    standby.send(MATOCS_ALCES_LEAD.encode({ epoch: 2 }));
    const known = new Map<number, number>();
    for (;;) {
      const { type, payload } = await standby.next([0, 101, 103, CSTOMA_CHUNK_LOST.number]);
      if (type === CSTOMA_ALCES_SYNCED.number) {
        expect(CSTOMA_ALCES_SYNCED.decode(payload)).toEqual({ epoch: 2, scanned: 1 });
        break;
      }
      for (const { chunkId, version } of CSTOMA_CHUNK_NEW.decode(payload).chunks) known.set(chunkId, version);
    }
    // What was executed is known, and nothing else happens any more.
    expect(known.size).toBe(server.server.store.table.count);
    await until('the connection to the master before closed', () => master.closed);
    standby.send(MATOCS_CREATE.encode({ chunkId: 7, version: 1 }));
    expect(await standby.expect(CSTOMA_CREATE)).toEqual({ chunkId: 7, status: Status.OK });
    expect(server.server.isRegistered).toBe(true);
    standby.end();
    // It is looked for where masters are, at once.
    await register(await leader.connection(3000));
  });

  it('that claims an epoch which is over is not believed', async () => {
    const server = await start();
    const { master, standby } = await registeredWithBoth(5);
    standby.send(MATOCS_ALCES_LEAD.encode({ epoch: 5 }));
    await until('closed', () => standby.closed);
    expect(master.closed).toBe(false);
    expect(server.server.isRegistered).toBe(true);
  });

  it('tells of a later leader, which is asked at once; of an earlier one in vain', async () => {
    const server = await start();
    const { master, standby } = await registeredWithBoth(5);
    const host = Buffer.from('10.8.8.8');
    standby.send(MATOCS_ALCES_LEADER.encode({ epoch: 4, host }));
    standby.send(MATOCS_ALCES_LEADER.encode({ epoch: 6, host }));
    await until('the connection to the leader of before closed', () => master.closed);
    await register(await leader.connection(3000));
    expect(server.hosts).toContain('10.8.8.8');
    expect(standby.closed).toBe(false);
  });

  it('is left when the master does not name it any more', async () => {
    await start();
    const { master, standby } = await registeredWithBoth();
    master.send(MATOCS_ALCES_NODES.encode({ epoch: 1, pingMs: 1000, nodes: [] }));
    await until('closed', () => standby.closed);
  });

  it('has the space of the server', async () => {
    await start();
    const { standby } = await registeredWithBoth();
    const space = await standby.expect(CSTOMA_SPACE);
    expect(space.totalSpace).toBeGreaterThan(0);
  });
});
