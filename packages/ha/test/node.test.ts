import { afterAll, beforeAll, describe, expect, it } from 'vitest';
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
    client.end();
    await site.destroy();
  }, 30_000);

  it('one serves, the others have what was acknowledged', async () => {
    const [alpha, beta] = site.nodes;
    await client.call('mkdir', '/first');
    const status = await alpha.status();
    expect(status).toMatchObject({ role: 'Primary', serving: true, leader: 'alpha', daemon: 'mfsmetalogger' });
    await beta.until('everything', ({ committed }) => committed >= status.committed);
    expect(await beta.status()).toMatchObject({ role: 'Secondary', serving: false, leader: 'alpha', data: 'UpToDate' });
  });

  it('goes on with everything acknowledged when the leader is killed', async () => {
    const [alpha, beta] = site.nodes;
    for (let index = 0; index < 50; index++) await client.call('mkdir', `/before${index}`);
    await alpha.signal('SIGKILL');
    const during = client.call('mkdir', '/during');
    await beta.order({ command: 'promote' });
    await during;
    const names = await client.names();
    expect(names).toContain('during');
    expect(names.filter((name) => name.startsWith('before'))).toHaveLength(50);
  });

  it('the old leader follows when it returns', async () => {
    const [alpha, beta] = site.nodes;
    await alpha.must('mfsmetalogger', 'start');
    const { committed } = await beta.status();
    const status = await alpha.until('in step', (it) => it.data === 'UpToDate' && it.committed >= committed);
    expect(status).toMatchObject({ role: 'Secondary', leader: 'beta', serving: false });
  });
});
