import { appendFileSync, readFileSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { until } from '../../../test/support/until.ts';
import { type TestNode, TestNodes } from './support/trio.ts';

const METRICS_PORT = 9500;
const FETCH = 'fetch(process.argv[1]).then((answer) => answer.text()).then(console.log)';

describe('nodes in different roles', () => {
  let site: TestNodes;

  beforeAll(async () => {
    site = new TestNodes(['alpha', 'beta', 'watch/witness']);
    for (const { file, address, name } of site.nodes.map((node) => ({
      ...node,
      file: (of: string) => node.file(of),
    }))) {
      const keys = `METRICS_PORT = ${METRICS_PORT}\nMETRICS_HOST = ${address}\n`;
      appendFileSync(file(name === 'watch' ? 'mfsmetalogger.cfg' : 'mfsmaster.cfg'), keys);
    }
    await site.begin();
    for (const node of site.nodes) await node.until('in step', ({ joined }) => joined);
  }, 60_000);
  afterAll(() => site?.destroy(), 30_000);

  /** What a node's metrics say, by name. */
  const metrics = async ({ address }: TestNode) => {
    const text = await site.namespace.must(process.execPath, '-e', FETCH, `http://${address}:${METRICS_PORT}/metrics`);
    const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
    return Object.fromEntries(lines.map((line) => [line.split(' ')[0], Number(line.split(' ')[1])]));
  };

  const said = (node: TestNode) => readFileSync(node.file('log'), 'utf8');

  it('each serves figures, of the master only the leader', async () => {
    const [alpha, beta, watch] = site.nodes;
    const leading = await metrics(alpha);
    expect(leading).toMatchObject({
      alces_ha_leads: 1,
      alces_ha_serving: 1,
      alces_ha_votes: 1,
      alces_ha_split_brain: 0,
    });
    expect(leading.alces_master_inodes).toBe(1);
    for (const node of [beta, watch]) {
      const following = await metrics(node);
      expect(following).toMatchObject({ alces_ha_leads: 0, alces_ha_has_leader: 1, alces_ha_connected_peers: 2 });
      expect(following.alces_ha_epoch).toBe(leading.alces_ha_epoch);
      expect(following).not.toHaveProperty('alces_master_inodes');
    }
  });

  it('a follower that is told to reload says what it would take to serve, and what needs a restart', async () => {
    const [, beta] = site.nodes;
    const exports = readFileSync(beta.file('mfsexports.cfg'), 'utf8');
    writeFileSync(beta.file('mfsexports.cfg'), '');
    await beta.must('mfsmetalogger', 'reload');
    await until('a warning', 5000, async () => said(beta).includes("can't serve when it is promoted"));
    writeFileSync(beta.file('mfsexports.cfg'), `${exports}* /later ro\n`);
    appendFileSync(beta.file('mfsha.cfg'), 'PROTOCOL = B\n');
    await beta.must('mfsmetalogger', 'reload');
    await until('the good news', 5000, async () =>
      said(beta).includes('it will serve with the configuration as it is now'),
    );
    expect(said(beta)).toContain('PROTOCOL changed');
  });

  it('one that is promoted serves with what its files say then, and the metrics follow', async () => {
    const [alpha, beta] = site.nodes;
    const config = readFileSync(beta.file('mfsmaster.cfg'), 'utf8');
    writeFileSync(beta.file('mfsmaster.cfg'), `${config}SESSION_SUSTAIN_TIME = nonsense\n`);
    await beta.order({ command: 'promote' });
    expect(await metrics(beta)).toMatchObject({ alces_ha_leads: 1, alces_master_inodes: 1 });
    const former = await metrics(alpha);
    expect(former.alces_ha_leads).toBe(0);
    expect(former).not.toHaveProperty('alces_master_inodes');
    const client = await site.client();
    await client.call('mkdir', 'served');
    expect((await metrics(beta)).alces_master_inodes).toBe(2);
    client.end();
  });
});
