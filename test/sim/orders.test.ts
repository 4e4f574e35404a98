import { describe, expect, it } from 'vitest';
import { Checker } from './checker.ts';
import { Cluster, type Member } from './cluster.ts';

/** Three nodes without a failure detector: who leads is only what is ordered. */
class Trio {
  readonly cluster = new Cluster(
    1,
    { layout: 'three', protocol: 'C', detector: false },
    (sim) => new Checker(() => sim.nowMs, true),
  );

  async begin(): Promise<[Member, Member, Member]> {
    this.cluster.start();
    await this.cluster.sim.run(50);
    return this.cluster.members as [Member, Member, Member];
  }

  async lead(member: Member, standing = false): Promise<void> {
    member.node?.promote({ standing });
    await this.leads(member);
    await this.cluster.sim.run(200);
  }

  leads(member: Member): Promise<void> {
    return this.cluster.sim.runUntil(`${member.name} to lead`, 10_000, () => member.application?.leading === true);
  }

  /** Who leads after a while. */
  async leaders(): Promise<string[]> {
    await this.cluster.sim.run(20_000);
    return this.cluster.members.filter(({ application }) => application?.leading).map(({ name }) => name);
  }
}

describe('an order to lead', () => {
  it('is over when another node was ordered later: nobody leads when that one is demoted', async () => {
    const trio = new Trio();
    const [n1, n2] = await trio.begin();
    await trio.lead(n1);
    await trio.lead(n2);
    n2.node?.demote();
    expect(await trio.leaders()).toEqual([]);
  });

  it('is over for nodes that never came to lead, too', async () => {
    const trio = new Trio();
    const [n1, n2, n3] = await trio.begin();
    for (const member of [n1, n2, n3]) member.node?.promote();
    await trio.cluster.sim.run(2000);
    await trio.lead(n2);
    n2.crash('kill');
    expect(await trio.leaders()).toEqual([]);
  });

  it('holds when the quorum is away for a time', async () => {
    const trio = new Trio();
    const [n1, n2, n3] = await trio.begin();
    await trio.lead(n1);
    for (const member of [n2, n3]) member.crash('kill');
    expect(await trio.leaders()).toEqual([]);
    n3.restart();
    expect(await trio.leaders()).toEqual([n1.name]);
  });

  it.each([
    ['is to lead', (_leader: Member) => {}],
    ['was ordered to lead again', (leader: Member) => leader.node?.promote({ standing: true })],
  ])('takes the lead from one that %s, without a contest', async (_what, prepare) => {
    const trio = new Trio();
    const [n1, n2, n3] = await trio.begin();
    await trio.lead(n1, true);
    prepare(n1);
    n3.crash('kill');
    const epoch = n1.node?.status().epoch ?? 0;
    // The promise takes its time.
    n1.host.disk.faults.slowness = 30;
    n2.node?.promote();
    expect(await trio.leaders()).toEqual([n2.name]);
    expect(n2.node?.status().epoch).toBe(epoch + 1);
  });

  it('holds until it is taken back when it stands', async () => {
    const trio = new Trio();
    const [n1, n2] = await trio.begin();
    await trio.lead(n1, true);
    n1.node?.promote();
    await trio.lead(n2);
    n2.node?.demote();
    await trio.leads(n1);
    n1.node?.demote();
    expect(await trio.leaders()).toEqual([]);
  });
});
