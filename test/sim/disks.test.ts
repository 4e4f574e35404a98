import { type Rules, strictRules } from '@alces/replication';
import { expect, test } from 'vitest';
import { Checker } from './checker.ts';
import { Cluster, type Member } from './cluster.ts';

const LIMIT_MS = 10_000;

/** Three nodes of which one loses its disk and comes back under its old name, and changes whose acknowledgement is noted. */
class Trio {
  readonly cluster: Cluster;
  readonly acknowledged: string[] = [];
  #requests = 0;

  constructor(rules: Rules) {
    const options = { layout: 'three', protocol: 'C', detector: false, rules } as const;
    this.cluster = new Cluster(1, options, (sim) => new Checker(() => sim.nowMs, true));
  }

  get sim() {
    return this.cluster.sim;
  }

  until(what: string, probe: () => boolean): Promise<void> {
    return this.sim.runUntil(what, LIMIT_MS, probe);
  }

  async lead(member: Member): Promise<void> {
    member.node?.promote();
    await this.until(`${member.name} to lead`, () => member.application?.leading === true);
  }

  /** Asks a node for a change; it is noted when the node says that it is done. */
  change(member: Member, id: string): void {
    const request = { session: 1, request: ++this.#requests, change: { key: 'key', id } };
    member.application?.serve(request, ({ version }) => {
      if (version !== undefined) this.acknowledged.push(id);
    });
  }

  cut(a: Member, b: Member, isCut: boolean): void {
    const { network } = this.sim;
    for (const [from, to] of [
      [a, b],
      [b, a],
    ] as const) {
      if (isCut) network.cut(from.host, to.host);
      else network.heal(from.host, to.host);
    }
  }

  loseDisk(member: Member): void {
    member.crash('power');
    member.host.disk.wipe();
    member.restart();
  }

  /** Everybody is there again and one leads: the acknowledged changes that are gone. */
  async lost(leader: Member): Promise<string[]> {
    const { members } = this.cluster;
    for (const member of members) member.restart();
    await this.sim.run(1000);
    for (const member of members) for (const other of members) this.cut(member, other, false);
    await this.sim.run(3000);
    if (this.cluster.leaders.length === 0) await this.lead(leader);
    await this.sim.run(3000);
    const present = this.cluster.leaders[0]?.application?.model.lists.get('key') ?? [];
    return this.acknowledged.filter((id) => !present.includes(id));
  }
}

/** A node that promised its epoch to another one forgets that, and follows the leader from before. */
async function forgottenPromise(rules: Rules): Promise<string[]> {
  const trio = new Trio(rules);
  const [n1, n2, n3] = trio.cluster.members as [Member, Member, Member];
  trio.cluster.start();
  await trio.sim.run(50);
  await trio.lead(n1);
  trio.cut(n1, n2, true);
  trio.cut(n1, n3, true);
  await trio.lead(n2);
  trio.change(n2, 'of n2');
  await trio.until('the change', () => trio.acknowledged.includes('of n2'));
  trio.cut(n2, n3, true);
  trio.loseDisk(n3);
  trio.cut(n1, n3, false);
  await trio.sim.run(1500);
  trio.change(n1, 'of n1');
  await trio.sim.run(1000);
  return trio.lost(n2);
}

/** A node that lost what it had acknowledged votes before it has got that again. */
async function forgottenChanges(rules: Rules): Promise<string[]> {
  const trio = new Trio(rules);
  const [n1, n2, n3] = trio.cluster.members as [Member, Member, Member];
  trio.cluster.start();
  await trio.sim.run(50);
  await trio.lead(n1);
  await trio.sim.run(200);
  trio.cut(n2, n1, true);
  trio.cut(n2, n3, true);
  for (let index = 0; index < 50; index++) {
    trio.change(n1, `${index}`.padStart(100, '0'));
    await trio.sim.run(5);
  }
  await trio.until('the changes', () => trio.acknowledged.length === 50);
  // The last that anybody hears of n2 is what it promised; it has none of the changes.
  trio.cut(n2, n3, false);
  n3.host.disk.faults.slowness = 30;
  trio.loseDisk(n3);
  const last = n1.node?.lastVersion ?? 0;
  await trio.until('the first of the changes', () => {
    const { version = 0, stored = 0 } = n3.node?.status() ?? {};
    return stored > 0 && version < last;
  });
  n1.crash('kill');
  n3.host.disk.faults.slowness = 1;
  n2.node?.promote();
  await trio.sim.run(2000);
  return trio.lost(n1);
}

test.each([
  ['promised', forgottenPromise],
  ['stored', forgottenChanges],
])('nothing is lost with a node that comes back without what it had %s', async (_what, scenario) => {
  expect(await scenario(strictRules)).toEqual([]);
});

/** Rules made wrong on purpose: the scenarios must notice. */
test.each<[string, (rules: Rules) => Promise<string[]>, Rules['mayTakePart']]>([
  ['what others promised', forgottenPromise, (_knowsPromises, hasAll) => hasAll],
  ['what its leader had', forgottenChanges, (knowsPromises) => knowsPromises],
])('it is noticed when a new node counts without knowing %s', async (_what, scenario, mayTakePart) => {
  expect(await scenario({ ...strictRules, mayTakePart })).not.toEqual([]);
});
