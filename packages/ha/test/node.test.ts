import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { until } from '../../../test/support/until.ts';
import { type TestClient, TestNodes } from './support/trio.ts';

describe('three nodes', () => {
  let site: TestNodes;
  let client: TestClient;

  beforeAll(async () => {
    site = new TestNodes(['alpha', 'beta', 'gamma']);
    await site.begin();
    client = await site.client();
  }, 60_000);
  afterAll(async () => {
    client?.end();
    await site?.destroy();
  }, 30_000);

  /** The nodes that serve. */
  const serving = async () => {
    const statuses = await Promise.all(site.nodes.map((node) => node.status().catch(() => undefined)));
    return site.nodes.filter((_, index) => statuses[index]?.serving).map(({ name }) => name);
  };

  /** Makes folders while something happens; all that were acknowledged are there afterwards. */
  const whileWorking = async (prefix: string, action: () => Promise<void>) => {
    const work = client.makeFolders(prefix);
    await action();
    const made = await work.stop();
    expect((await client.names()).filter((name) => name.startsWith(prefix))).toEqual(made.sort());
  };

  it('one serves, the others have what was acknowledged', async () => {
    const [alpha, beta] = site.nodes;
    await client.call('mkdir', 'first');
    const status = await alpha.status();
    expect(status).toMatchObject({ role: 'Primary', serving: true, leader: 'alpha', daemon: 'mfsmetalogger' });
    await beta.until('everything', ({ committed }) => committed >= status.committed);
    expect(await beta.status()).toMatchObject({ role: 'Secondary', serving: false, leader: 'alpha', data: 'UpToDate' });
  });

  it('moves the lead as planned, and no client sees an error', async () => {
    const [alpha, , gamma] = site.nodes;
    await whileWorking('switched', async () => {
      expect(await alpha.order({ command: 'switch', to: 'gamma' })).toMatchObject({ leader: 'gamma' });
      await gamma.until('service', (status) => status.serving);
      expect(await gamma.order({ command: 'switch', to: 'alpha' })).toMatchObject({ leader: 'alpha' });
      await alpha.until('service', (status) => status.serving);
    });
    expect(await serving()).toEqual(['alpha']);
  });

  it('goes on with everything acknowledged, open files and locks when the leader is killed', async () => {
    const [alpha, beta, gamma] = site.nodes;
    const rival = await site.client();
    await client.call('create', 'locked');
    await client.call('flock', 'locked');
    await whileWorking('killed', async () => {
      await alpha.signal('SIGKILL');
      await beta.order({ command: 'promote' });
    });
    await expect(rival.call('flock', 'locked')).rejects.toThrow('Resource temporarily unavailable');
    rival.end();
    expect(await gamma.until('new leader', ({ leader }) => leader === 'beta')).toMatchObject({ serving: false });
  });

  it('the old leader follows when it returns', async () => {
    const [alpha, beta] = site.nodes;
    await alpha.must('mfsmetalogger', 'start');
    const { committed } = await beta.status();
    const status = await alpha.until('in step', (it) => it.data === 'UpToDate' && it.committed >= committed);
    expect(status).toMatchObject({ role: 'Secondary', leader: 'beta', serving: false });
  });

  it('a leader that was stopped in its tracks serves nobody when it goes on', async () => {
    const [alpha, beta] = site.nodes;
    await whileWorking('paused', async () => {
      await beta.signal('SIGSTOP');
      await alpha.order({ command: 'promote' });
      await beta.signal('SIGCONT');
      await beta.until('it follows', (status) => status.leader === 'alpha' && !status.serving);
    });
    expect(await serving()).toEqual(['alpha']);
  });

  it('sets aside what was never acknowledged', async () => {
    const [alpha, beta, gamma] = site.nodes;
    await Promise.all([beta.signal('SIGKILL'), gamma.signal('SIGKILL')]);
    const { version } = await alpha.status();
    const later = client.call('mkdir', 'later');
    await alpha.until('a change on its disk alone', (it) => it.stored > version && it.committed <= version);
    await alpha.signal('SIGKILL');
    await Promise.all([beta, gamma].map((node) => node.must('mfsmetalogger', 'start')));
    await beta.order({ command: 'promote' });
    await later;
    expect(await client.names()).toContain('later');
    await alpha.must('mfsmetalogger', 'start');
    await alpha.until('it follows', (status) => status.leader === 'beta' && status.data === 'UpToDate');
    expect(alpha.journalFiles().filter((name) => /^discarded.*log$/.test(name))).toHaveLength(1);
  });

  it('survives orders of all kinds at once', async () => {
    const [alpha, beta, gamma] = site.nodes;
    await whileWorking('ordered', async () => {
      const orders = [alpha, beta, gamma, beta, alpha].flatMap((node) => [
        node.order({ command: 'promote', waitMs: 3000 }),
        node.order({ command: 'demote' }),
        node.order({ command: 'promote', waitMs: 3000 }),
        node.order({ command: 'switch' }),
      ]);
      await Promise.allSettled(orders);
      await gamma.order({ command: 'promote' });
      await until('one leader', 10_000, async () => (await serving()).join() === 'gamma');
    });
  });

  it('orders that would do harm are refused', async () => {
    const name = await until('one leader', 10_000, async () => {
      const [first, second] = await serving();
      return second === undefined && first;
    });
    const leader = site.nodes.find((node) => node.name === name)!;
    const other = site.nodes.find((node) => node !== leader && node.name !== 'gamma') ?? site.nodes[1];
    await other.until('to follow', ({ data, leader: heard }) => data === 'UpToDate' && heard === name);
    const refused = (node: typeof leader, request: Parameters<typeof leader.order>[0]) =>
      node.order(request).then(
        () => 'obeyed',
        (error: Error) => error.message,
      );
    // Nothing is to be discarded: the word would count at the next split brain.
    for (const node of [leader, other])
      expect(await refused(node, { command: 'resolve', discardMyData: true })).toContain('there is no split brain');
    await other.order({ command: 'maintenance', on: true });
    expect(await refused(other, { command: 'promote' })).toContain('maintenance is on');
    await until('the leader to know', 5000, async () =>
      (await refused(leader, { command: 'switch', to: other.name })).includes('is in maintenance'),
    );
    expect(await serving()).toEqual([name]);
    await other.order({ command: 'maintenance', on: false });
  });

  it('mfsmaster means the node on this host', async () => {
    const [alpha, , gamma] = site.nodes;
    expect(await alpha.must('mfsmaster', '-a', 'start')).toContain('leads and serves');
    expect(await serving()).toEqual(['alpha']);
    expect((await gamma.program('mfsmaster', 'test')).status).toBe(1);
    expect((await alpha.program('mfsmaster', 'test')).status).toBe(0);
    expect(await alpha.must('mfsmaster', 'save')).toContain('metadata saved');
    await alpha.must('mfsmaster', 'stop');
    expect(await serving()).toEqual([]);
    expect(await alpha.status()).toMatchObject({ daemon: 'mfsmetalogger', role: 'Secondary' });
    await alpha.order({ command: 'promote' });
  });

  it('everything is there when all were stopped and one begins as mfsmaster', async () => {
    const names = await client.names();
    for (const node of [...site.nodes].reverse()) await node.must('mfsmetalogger', 'stop');
    const [alpha, beta, gamma] = site.nodes;
    await Promise.all([alpha, gamma].map((node) => node.must('mfsmetalogger', 'start')));
    await beta.must('mfsmaster', 'start');
    await beta.until('service', (status) => status.serving);
    expect(await client.names()).toEqual(names);
    expect(await gamma.must('mfsmetalogger', 'stop')).toBeDefined();
    const said = await beta.program('mfsmetalogger', 'start');
    expect(said).toMatchObject({ status: 0, stderr: expect.stringContaining('started as mfsmaster') });
    expect(await beta.history()).toContain('the leader is beta');
  });
});
