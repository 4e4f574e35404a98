import { type MasterSession, ops } from '@alces/client';
import { OpenFlag, QuotaFlag, TruncateFlag } from '@alces/proto';
import { describe, expect, it } from 'vitest';
import { keepMaking, namesIn, SimulatedNodes } from './support/simulatedNodes.ts';

const NO_LIMITS = {
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

describe('whole nodes in simulated time', () => {
  it.each([1, 2, 3, 4])('lose power, take over, and lose nothing (seed %i)', async (seed) => {
    const world = new SimulatedNodes(seed);
    const { members, sim } = world;
    await world.prepare();
    for (const member of members) world.start(member);
    await world.until('all up', () => members.every(({ node }) => node !== undefined));
    await world.wait(members[0].node?.promote(false, 20_000) ?? Promise.reject(new Error('no node')));
    await world.inStep();
    const session = await world.client();
    const work = keepMaking(session);
    for (let round = 0; round < 4; round++) {
      await sim.run(sim.random.between(20, 400));
      const leader = members.findIndex(({ node }) => node?.report().serving);
      const next = members[(leader + 1 + sim.random.below(2)) % 3];
      if (round % 2 === 0) world.crash(members[leader], sim.random.between(100, 1500));
      await world.wait(next.node?.promote(false, 20_000) ?? Promise.reject(new Error('no node')));
      await world.inStep();
    }
    work.stop();
    await world.wait(work.ended);
    expect(work.made.length).toBeGreaterThan(10);
    expect((await world.wait(namesIn(session))).sort()).toEqual(work.made.sort());
    await world.inStep();
    expect(world.differences()).toEqual([]);
    expect(world.failures).toEqual([]);
  });

  it('what was set aside is in no image of the time in which the state is made anew', async () => {
    const world = new SimulatedNodes(7);
    const { members, sim } = world;
    const [alpha, beta, gamma] = members;
    await world.prepare();
    for (const member of members) world.start(member);
    await world.until('all up', () => members.every(({ node }) => node !== undefined));
    await world.wait(alpha.node?.promote(false, 20_000) ?? Promise.reject(new Error('no node')));
    await world.inStep();
    const machine = sim.addHost('client', '10.0.0.9');
    const session = await world.client(machine);
    const other = sim.addHost('other client', '10.0.0.10');
    const another = await world.client(other);
    const work = keepMaking(session);
    await sim.run(100);

    world.cut(alpha, [beta, gamma], true);
    const lost = keepMaking(another, 'other');
    await sim.run(100);
    world.cut(alpha, [{ host: machine }, { host: other }], true);
    const before = alpha.node?.state?.version ?? 0;
    await world.wait(beta.node?.promote(false, 20_000) ?? Promise.reject(new Error('no node')));
    await world.until('more changes', () => (beta.node?.state?.version ?? 0) > before + 20);

    alpha.host.disk.faults.slowness = 100;
    world.cut(alpha, [beta, gamma], false);
    const said = world.said.length;
    await world.until('changes set aside', () =>
      world.said.slice(said).some((line) => line.includes('alpha: changes')),
    );
    await expect(world.wait(alpha.node?.save() ?? Promise.reject(new Error('no node')))).rejects.toThrow('set aside');
    await sim.run(2000);
    alpha.host.disk.faults.slowness = 1;
    world.crash(alpha, 100);
    work.stop();
    lost.stop();
    await world.wait(Promise.all([work.ended, lost.ended]));
    await world.until('alpha is up', () => alpha.node !== undefined);
    await world.inStep();
    expect(world.differences()).toEqual([]);
    expect(world.failures).toEqual([]);
  });

  it('with protocol A, ids that were given out in changes that are lost are not given out again', async () => {
    const world = new SimulatedNodes(3, 'PROTOCOL = A\n');
    const { members, sim } = world;
    const [alpha, beta, gamma] = members;
    await world.prepare();
    for (const member of members) world.start(member);
    await world.until('all up', () => members.every(({ node }) => node !== undefined));
    await world.wait(alpha.node?.promote(false, 20_000) ?? Promise.reject(new Error('no node')));
    await world.inStep();
    world.cut(alpha, [beta, gamma], true);
    // While alpha may still believe that it leads.
    const lost = await world.clientOf(['10.0.0.1'], sim.addHost('client', '10.0.0.9'));
    const given = { session: lost.parameters.sessionId, chunk: alpha.node?.state?.state.nextchunkid ?? 0 };
    world.crash(alpha, 5000);
    await world.wait(beta.node?.promote(false, 20_000) ?? Promise.reject(new Error('no node')));
    expect(beta.node?.state?.state.sessions.has(given.session)).toBe(false);
    const other = await world.clientOf(['10.0.0.2'], sim.addHost('other client', '10.0.0.10'));
    expect(other.parameters.sessionId).toBeGreaterThan(given.session);
    expect(beta.node?.state?.state.nextchunkid).toBeGreaterThan(given.chunk + 1_000_000);
    await world.wait(Promise.all([lost.close(), other.close()]));
  });

  it('room that was given to appends is given to nobody else after a failover', async () => {
    const world = new SimulatedNodes(5);
    const { members, sim } = world;
    const [alpha, beta] = members;
    await world.prepare();
    for (const member of members) world.start(member);
    await world.until('all up', () => members.every(({ node }) => node !== undefined));
    await world.wait(alpha.node?.promote(false, 20_000) ?? Promise.reject(new Error('no node')));
    await world.inStep();
    const one = await world.client();
    const two = await world.client(sim.addHost('other client', '10.0.0.10'));
    const caller = { uid: 0, gids: [0] };
    const name = Buffer.from('log');
    const { inode } = await world.wait(ops.create(one, 1, name, { mode: 0o666, umask: 0 }, caller));
    await world.wait(ops.open(two, inode, OpenFlag.WRITE, caller));
    const flags = TruncateFlag.OPENED | TruncateFlag.UPDATE | TruncateFlag.RESERVE;
    const append = async (session: MasterSession, length: number) =>
      (await world.wait(ops.truncate(session, inode, length, flags, caller))).previousLength;
    expect(await append(one, 100)).toBe(0);
    expect(await append(two, 50)).toBe(100);
    world.crash(alpha, 500);
    await world.wait(beta.node?.promote(false, 20_000) ?? Promise.reject(new Error('no node')));
    expect(await append(one, 10)).toBe(150);
    // Also out of an image, and to the node that was away.
    await world.inStep();
    await world.wait(Promise.all(members.map(({ node }) => node?.save())));
    for (const member of members) world.crash(member, 100);
    await world.until('all up', () => members.every(({ node }) => node !== undefined));
    await world.wait(alpha.node?.promote(false, 20_000) ?? Promise.reject(new Error('no node')));
    expect(await append(two, 10)).toBe(160);
    // A file that was cut off begins anew.
    await world.wait(ops.truncate(one, inode, 0, TruncateFlag.OPENED, caller));
    await world.wait(beta.node?.promote(false, 20_000) ?? Promise.reject(new Error('no node')));
    expect(await append(one, 10)).toBe(0);
  });

  it('quotas and what they count are the same after a failover', async () => {
    const world = new SimulatedNodes(6);
    const { members } = world;
    const [alpha, beta] = members;
    await world.prepare();
    for (const member of members) world.start(member);
    await world.until('all up', () => members.every(({ node }) => node !== undefined));
    await world.wait(alpha.node?.promote(false, 20_000) ?? Promise.reject(new Error('no node')));
    await world.inStep();
    const session = await world.client();
    const caller = { uid: 0, gids: [0] };
    const mode = { mode: 0o755, umask: 0, copySgid: false };
    const { inode } = await world.wait(ops.mkdir(session, 1, Buffer.from('limited'), mode, caller));
    const limits = { ...NO_LIMITS, inode, qflags: QuotaFlag.HARD_INODES, hardInodes: 2 };
    await world.wait(ops.setQuota(session, limits));
    const make = (name: string) => world.wait(ops.mkdir(session, inode, Buffer.from(name), mode, caller));
    await make('first');
    world.crash(alpha, 500);
    await world.wait(beta.node?.promote(false, 20_000) ?? Promise.reject(new Error('no node')));
    await make('second');
    await expect(make('third')).rejects.toThrow(/quota/i);
    expect(await world.wait(ops.getQuota(session, inode))).toMatchObject({ hardInodes: 2, inodes: 2 });
  });
});
