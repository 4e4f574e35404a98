import { existsSync, mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { until } from '../support/until.ts';
import { followsAgain } from './support/faults.ts';
import { mfsha, siteFor } from './support/setups.ts';
import type { SiteNode } from './support/site.ts';

describe('DRBD by hand', () => {
  const site = siteFor({ nodes: ['alpha', 'beta'], chunkservers: [], keepalived: false, haConfig: 'QUORUM = 1\n' });
  const word = async (node: SiteNode) => {
    const status = await node.status();
    const [peer] = status?.peers ?? [];
    return `${status?.role}/${peer?.role} ${peer?.connection} ${status?.data}`;
  };

  it('primary here, secondary there; and the other way round by hand', async () => {
    const [alpha, beta] = site().nodes;
    await followsAgain(beta);
    expect(await word(alpha)).toBe('Primary/Secondary Connected UpToDate');
    expect(await word(beta)).toBe('Secondary/Primary Connected UpToDate');
    const mount = await site().mountOn(alpha.host, 'alces', alpha.host.address);
    mkdirSync(join(mount, 'made on alpha'));
    await mfsha(alpha, 'demote');
    await mfsha(beta, 'promote');
    const there = await site().mountOn(beta.host, 'alces', beta.host.address);
    expect(existsSync(join(there, 'made on alpha'))).toBe(true);
    await mfsha(beta, 'switch', 'alpha');
    await until('alpha to lead', 10_000, async () => (await word(alpha)) === 'Primary/Secondary Connected UpToDate');
  }, 60_000);

  it('a split brain: both written, both stand alone and say so, discarding one side heals', async () => {
    const [alpha, beta] = site().nodes;
    beta.host.cable('down');
    await until('beta to be alone', 20_000, async () => (await word(beta)).includes('Unknown WFConnection'));
    await mfsha(beta, 'promote', '--force');
    const mounts = await Promise.all(
      [alpha, beta].map((node) => site().mountOn(node.host, 'alces', node.host.address)),
    );
    for (const [index, mount] of mounts.entries()) mkdirSync(join(mount, `only on ${index}`));
    beta.host.cable('up');
    for (const node of [alpha, beta]) {
      await until(`${node.name} to notice`, 20_000, async () => (await word(node)).includes('StandAlone'));
      expect(await mfsha(node, 'status')).toContain('SPLIT BRAIN');
    }
    await mfsha(beta, 'resolve', '--discard-my-data');
    await followsAgain(beta);
    expect(await word(alpha)).toBe('Primary/Secondary Connected UpToDate');
    expect(existsSync(join(mounts[0], 'only on 0'))).toBe(true);
    expect(existsSync(join(mounts[0], 'only on 1'))).toBe(false);
    expect(readdirSync(join(beta.data, 'ha'), { recursive: true }).join(' ')).toMatch(/discard/);
  }, 120_000);
});
