import { connectMaster, type MasterSession, ops } from '@alces/client';
import {
  ALCES_VERSION_STRING,
  ANTOAN_GET_VERSION,
  ANTOAN_NOP,
  ANTOAN_VERSION,
  CLTOMA_ALCES_PING,
  CLTOMA_FUSE_GETATTR,
  CLTOMA_FUSE_REGISTER,
  CLTOMA_FUSE_SUSTAINED_INODES,
  CLTOMA_FUSE_TIME_SYNC,
  FrameReader,
  MATOCL_ALCES_PONG,
  MATOCL_FUSE_GETATTR,
  MATOCL_FUSE_REGISTER,
  MATOCL_FUSE_TIME_SYNC,
  VERSION,
} from '@alces/proto';
import type { Connection } from '@alces/runtime';
import { type Host, Simulation } from '@alces/sim';
import { describe, expect, it } from 'vitest';
import { SESSION } from './support/fakeServers.ts';
import { ME } from './support/stock.ts';

interface SimulatedMaster {
  /** Types of all frames received, with the virtual time. */
  readonly log: { readonly type: number; readonly atMs: number }[];
  /** Answers nothing but registrations and times. */
  mute: boolean;
  version: string;
  connections: number;
}

const ATTR = {
  flags: 4,
  type: 2,
  mode: 7,
  uid: 0,
  gid: 0,
  atime: 1,
  mtime: 1,
  ctime: 1,
  nlink: 1,
  length: 1,
  rdev: 0,
  winattr: 0,
};

async function startMaster(sim: Simulation, host: Host, version = '3.0.117'): Promise<SimulatedMaster> {
  const master: SimulatedMaster = { log: [], mute: false, version, connections: 0 };
  const answer = (connection: Connection, type: number, payload: Buffer): void => {
    master.log.push({ type, atMs: sim.nowMs });
    if (type === ANTOAN_GET_VERSION.number) {
      const msgid = payload.readUInt32BE(0);
      connection.write(
        ANTOAN_VERSION.encode({ layout: 'msgid', msgid, version: VERSION, text: Buffer.from(master.version) }),
      );
    } else if (type === CLTOMA_FUSE_REGISTER.number) {
      const { layout } = CLTOMA_FUSE_REGISTER.decode(payload);
      const reconnected = { layout: 'reconnected' as const, version: VERSION, status: 0 };
      connection.write(MATOCL_FUSE_REGISTER.encode(layout === 'reconnect' ? reconnected : SESSION));
    } else if (type === CLTOMA_FUSE_TIME_SYNC.number) {
      connection.write(MATOCL_FUSE_TIME_SYNC.encode({ msgid: 0, timeUs: 5_000_000_000 }));
    } else if (type === CLTOMA_ALCES_PING.number) {
      connection.write(MATOCL_ALCES_PONG.encode({ msgid: 0 }));
    } else if (type === CLTOMA_FUSE_GETATTR.number && !master.mute) {
      const { msgid } = CLTOMA_FUSE_GETATTR.decode(payload);
      connection.write(MATOCL_FUSE_GETATTR.encode({ layout: 'data', msgid, attr: ATTR }));
    }
  };
  await host.environment().net.listen({ host: '*', port: 9421 }, (connection) => {
    master.connections++;
    const reader = new FrameReader(1 << 20);
    const nop = ANTOAN_NOP.encode({ msgid: 0 });
    const stopNops = host.environment().clock.interval(1000, () => connection.write(nop));
    return {
      data(bytes) {
        reader.push(bytes);
        for (const { type, payload } of reader) answer(connection, type, payload);
      },
      close: stopNops,
    };
  });
  return master;
}

async function world(options: { ioRetries?: number; version?: string } = {}) {
  const sim = new Simulation(42);
  const host = sim.addHost('master', '10.0.0.1');
  const client = sim.addHost('client', '10.0.0.9');
  const master = await startMaster(sim, host, options.version);
  let session: MasterSession | undefined;
  void connectMaster({ masters: ['10.0.0.1'], info: '/sim', ...options }, client.environment()).then((made) => {
    session = made;
  });
  await sim.runUntil('the session', 5000, () => session !== undefined);
  return { sim, host, client, master, session: session as unknown as MasterSession };
}

/** The outcome of a promise, and the virtual time it took. */
function watch(sim: Simulation, promise: Promise<unknown>) {
  const begin = sim.nowMs;
  const seen: { outcome?: 'done' | string; tookMs: number } = { tookMs: 0 };
  promise.then(
    () => Object.assign(seen, { outcome: 'done', tookMs: sim.nowMs - begin }),
    (error: NodeJS.ErrnoException) => Object.assign(seen, { outcome: error.code, tookMs: sim.nowMs - begin }),
  );
  return seen;
}

describe('a session in virtual time', () => {
  it('keeps the connection alive, asks for the time, and reports open inodes', async () => {
    const { sim, master, session } = await world();
    session.acquireInode(12);
    await sim.run(130_000);
    const count = (type: number): number => master.log.filter((entry) => entry.type === type).length;
    expect(count(0)).toBeGreaterThan(30);
    expect(count(0)).toBeLessThan(70);
    expect(count(CLTOMA_FUSE_TIME_SYNC.number)).toBe(3);
    expect(count(CLTOMA_FUSE_SUSTAINED_INODES.number)).toBe(2);
  });

  it('takes over the clock of the master', async () => {
    const { sim, session } = await world();
    await sim.run(100);
    expect(Math.abs(session.masterTimeMicroseconds() - 5_000_000_000 - 100_000)).toBeLessThan(10_000);
  });

  it('gives a silent master ten seconds', async () => {
    const { sim, host, session } = await world();
    const reasons: string[] = [];
    session.listen({ disconnected: ({ message }) => reasons.push(message) });
    host.crash('power');
    await sim.run(8000);
    expect(reasons).toHaveLength(0);
    await sim.run(4000);
    expect(reasons).toEqual(['nothing came from the master for too long']);
  });

  it('waits about 132 seconds for a master that does not come back', async () => {
    const { sim, host, session } = await world();
    host.crash('kill');
    await sim.run(10);
    const waiting = watch(sim, ops.getattr(session, 1, ME));
    await sim.run(131_000);
    expect(waiting.outcome).toBeUndefined();
    await sim.run(5000);
    expect(waiting.outcome).toBe('EIO');
  });

  it('waits as long as the tries it was given', async () => {
    const { sim, host, session } = await world({ ioRetries: 5 });
    host.crash('kill');
    await sim.run(10);
    const waiting = watch(sim, ops.getattr(session, 1, ME));
    await sim.run(10_000);
    expect(waiting.outcome).toBe('EIO');
    expect(waiting.tookMs).toBeGreaterThan(3000);
    expect(waiting.tookMs).toBeLessThan(4100);
  });

  it('finds a master that comes back after a while soon after that', async () => {
    const { sim, host, session, master } = await world();
    host.crash('kill');
    await sim.run(60_000);
    const waiting = watch(sim, ops.getattr(session, 1, ME));
    host.restart();
    await startMaster(sim, host);
    await sim.run(1500);
    expect(waiting.outcome).toBe('done');
    expect(master.log.length).toBeGreaterThan(0);
  });

  it('follows an address that moves to another host within a second', async () => {
    const { sim, host, session } = await world();
    const standby = sim.addHost('standby', '10.0.0.2');
    await startMaster(sim, standby);
    host.crash('kill');
    const waiting = watch(sim, ops.getattr(session, 1, ME));
    await sim.run(300);
    sim.network.moveAddress('10.0.0.1', standby);
    await sim.run(1000);
    expect(waiting.outcome).toBe('done');
    expect(waiting.tookMs).toBeLessThan(1000);
  });
});

describe('a session with an Alces master in virtual time', () => {
  const version = ALCES_VERSION_STRING;

  it('has patience with one that is slow but alive', async () => {
    const { sim, master, session } = await world({ version });
    const reasons: string[] = [];
    session.listen({ disconnected: ({ message }) => reasons.push(message) });
    master.mute = true;
    const waiting = watch(sim, ops.getattr(session, 1, ME));
    await sim.run(300_000);
    expect(reasons).toEqual([]);
    expect(waiting.outcome).toBeUndefined();
    expect(master.connections).toBe(1);
    const pings = master.log.filter(({ type }) => type === CLTOMA_ALCES_PING.number).length;
    expect(pings).toBeLessThan(1600);
  });

  it('leaves one that vanished as soon as its address is somewhere else', async () => {
    const { sim, host, session } = await world({ version });
    const standby = sim.addHost('standby', '10.0.0.2');
    await startMaster(sim, standby, version);
    host.crash('power');
    const waiting = watch(sim, ops.getattr(session, 1, ME));
    await sim.run(3000);
    expect(waiting.outcome).toBeUndefined();
    sim.network.moveAddress('10.0.0.1', standby);
    await sim.run(700);
    expect(waiting.outcome).toBe('done');
  });

  it('leaves one that vanished while nothing was asked of it', async () => {
    const { sim, host, session } = await world({ version });
    const standby = sim.addHost('standby', '10.0.0.2');
    const another = await startMaster(sim, standby, version);
    host.crash('power');
    sim.network.moveAddress('10.0.0.1', standby);
    await sim.run(5000);
    expect(another.connections).toBe(1);
    expect(session.connected).toBe(true);
  });

  it('stays with one that stood still for a while, and its requests are answered', async () => {
    const { sim, host, session, master } = await world({ version });
    host.pause();
    const waiting = watch(sim, ops.getattr(session, 1, ME));
    await sim.run(2500);
    expect(waiting.outcome).toBeUndefined();
    host.resume();
    await sim.run(100);
    expect(waiting.outcome).toBe('done');
    const { connections } = master;
    await sim.run(10_000);
    expect(master.connections).toBe(connections);
  });
});
