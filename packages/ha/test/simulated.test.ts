import { describe, expect, it } from 'vitest';
import { keepMaking, namesIn, SimulatedNodes } from './support/simulatedNodes.ts';

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
});
