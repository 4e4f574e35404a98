import { mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { until } from '../support/until.ts';
import { type Fault, followsAgain, nextLeader, repair, strike } from './support/faults.ts';
import { claimVip } from './support/rival.ts';
import { Site } from './support/site.ts';

describe('nodes that notice a dead leader and move the VIP themselves', () => {
  let site: Site;
  let mount: string;
  beforeAll(async () => {
    site = await Site.start({
      nodes: ['alpha', 'beta', 'watch/witness'],
      chunkservers: ['alces'],
      keepalived: false,
      haConfig: 'DETECTOR = builtin\nMANAGE_VIP = 1\n',
    });
    mount = await site.mount('alces');
  });
  afterAll(() => site?.destroy());

  async function failover(fault: Fault): Promise<void> {
    const leader = await site.leader();
    mkdirSync(join(mount, `before-${fault}`));
    await strike(fault, leader);
    const next = await nextLeader(site, leader);
    mkdirSync(join(mount, `behind-${fault}`));
    // Also the dead and the hung one has lost it: its guardian took it away. One that is cut off resigns by itself.
    await until('the VIP to be on one host', 15_000, () => !leader.host.has(site.vip));
    await repair(fault, leader);
    await followsAgain(leader);
    expect(await site.leader()).toBe(next);
    expect(readdirSync(mount)).toEqual(expect.arrayContaining([`before-${fault}`, `behind-${fault}`]));
  }

  it.each<Fault>(['kill', 'hang', 'stop', 'maintenance', 'switch', 'link'])(
    'the other takes over: %s',
    async (fault) => {
      await failover(fault).catch((error: unknown) => {
        throw new Error(`${error instanceof Error ? error.message : error}\n${site.logs()}`);
      });
    },
    60_000,
  );

  it('another machine claims the VIP: the leader notices and says again where it is', async () => {
    await claimVip(site);
    const leader = await site.leader();
    expect((await leader.mfsha('history')).stdout).toMatch(/claims 10\.91\.0\.100 too/);
    mkdirSync(join(mount, 'behind-claim'));
  }, 60_000);
});
