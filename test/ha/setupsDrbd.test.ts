import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { until } from '../support/until.ts';
import { followsAgain } from './support/faults.ts';
import { kill, mfsha, siteFor } from './support/setups.ts';
import type { Site, SiteNode } from './support/site.ts';

/** Role, the peer's role, connection state and data state, as DRBD shows them. */
async function word(node: SiteNode): Promise<string> {
  const status = await node.status();
  const [peer] = status?.peers ?? [];
  return `${status?.role}/${peer?.role} ${peer?.connection} ${status?.data}`;
}

/** Both serve, each without the other, and each makes a folder; then the cable is put in again. */
async function splitBrain(site: Site, name: string): Promise<string[]> {
  const [alpha, beta] = site.nodes;
  beta.host.cable('down');
  await until('beta to be alone', 20_000, async () => (await word(beta)).includes('Unknown WFConnection'));
  await mfsha(beta, 'promote', '--force');
  const mounts = await Promise.all([alpha, beta].map((node) => site.mountOn(node.host, 'alces', node.host.address)));
  for (const [index, mount] of mounts.entries()) mkdirSync(join(mount, `${name} on ${site.nodes[index].name}`));
  beta.host.cable('up');
  return mounts;
}

describe('DRBD by hand', () => {
  const site = siteFor({ nodes: ['alpha', 'beta'], chunkservers: [], keepalived: false, haConfig: 'QUORUM = 1\n' });
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
    const mounts = await splitBrain(site(), 'only');
    for (const node of [alpha, beta]) {
      await until(`${node.name} to notice`, 20_000, async () => (await word(node)).includes('StandAlone'));
      expect(await mfsha(node, 'status')).toContain('SPLIT BRAIN');
    }
    await mfsha(beta, 'resolve', '--discard-my-data');
    await followsAgain(beta);
    expect(await word(alpha)).toBe('Primary/Secondary Connected UpToDate');
    expect(existsSync(join(mounts[0], 'only on alpha'))).toBe(true);
    expect(existsSync(join(mounts[0], 'only on beta'))).toBe(false);
    expect(readdirSync(join(beta.data, 'ha'), { recursive: true }).join(' ')).toMatch(/discard/);
  }, 120_000);
});

describe.each(['A', 'B'])('protocol %s', (protocol) => {
  const site = siteFor({
    nodes: ['alpha', 'beta'],
    chunkservers: [],
    keepalived: false,
    haConfig: `QUORUM = 1\nPROTOCOL = ${protocol}\n`,
  });

  it('replicates, switches as planned without a loss, and goes on without the other node', async () => {
    const [alpha, beta] = site().nodes;
    await followsAgain(beta);
    expect(await mfsha(alpha, 'status')).toContain(`protocol     ${protocol}, quorum 1 of 2`);
    const mount = await site().mountOn(alpha.host, 'alces', alpha.host.address);
    for (let folder = 0; folder < 20; folder++) mkdirSync(join(mount, `planned${folder}`));
    await mfsha(alpha, 'switch', 'beta');
    const there = await site().mountOn(beta.host, 'alces', beta.host.address);
    expect(readdirSync(there)).toHaveLength(20);
    kill(alpha);
    mkdirSync(join(there, 'alone'));
    await alpha.daemon('mfsmetalogger', 'start');
    await followsAgain(alpha);
    await mfsha(beta, 'switch', 'alpha');
    expect(readdirSync(await site().mountOn(alpha.host, 'alces', alpha.host.address))).toHaveLength(21);
  }, 90_000);

  // With A what the other node had not received yet would be lost.
  if (protocol === 'B')
    it('loses nothing when the leader is killed', async () => {
      const [alpha, beta] = site().nodes;
      await until('alpha to lead', 10_000, async () => (await word(alpha)) === 'Primary/Secondary Connected UpToDate');
      const mount = await site().mountOn(alpha.host, 'alces', alpha.host.address);
      for (let folder = 0; folder < 20; folder++) mkdirSync(join(mount, `acknowledged${folder}`));
      kill(alpha);
      await mfsha(beta, 'promote');
      const there = await site().mountOn(beta.host, 'alces', beta.host.address);
      expect(readdirSync(there).filter((name) => name.startsWith('acknowledged'))).toHaveLength(20);
    }, 60_000);
});

describe('automatic policies after a split brain', () => {
  const site = siteFor({ nodes: ['alpha', 'beta'], chunkservers: [], keepalived: false, haConfig: 'QUORUM = 1\n' });

  /** Both nodes follow a policy from now on; alpha leads. */
  async function begin(policies: string): Promise<void> {
    const [alpha, beta] = site().nodes;
    for (const node of [alpha, beta]) {
      const text = readFileSync(node.file('mfsha.cfg'), 'utf8').replace(/^AFTER_SB.*\n/gm, '');
      writeFileSync(node.file('mfsha.cfg'), text + policies);
      await node.daemon('mfsmetalogger', 'restart');
    }
    await mfsha(alpha, 'promote');
    await followsAgain(beta);
  }

  async function expectHealed(loser: SiteNode, winner: SiteNode, name: string): Promise<void> {
    await followsAgain(loser);
    await until(`${winner.name} to lead`, 20_000, async () => (await word(winner)).startsWith('Primary/Secondary'));
    const mount = await site().mountOn(winner.host, 'alces', winner.host.address);
    const names = readdirSync(mount);
    expect(names).toContain(`${name} on ${winner.name}`);
    expect(names).not.toContain(`${name} on ${loser.name}`);
    expect(readdirSync(join(loser.data, 'ha')).join(' ')).toContain('discarded');
    expect(await mfsha(loser, 'history')).toContain("this node's changes will be set aside as the policies demand");
  }

  it('after-sb-2pri violently-as0p: both led, one gives way at once', async () => {
    const [alpha, beta] = site().nodes;
    await begin('AFTER_SB_2PRI = violently-as0p\nAFTER_SB_0PRI = discard-node-alpha\n');
    await splitBrain(site(), '2pri');
    await expectHealed(alpha, beta, '2pri');
  }, 90_000);

  it('after-sb-1pri discard-secondary: the one that leads no more gives way', async () => {
    const [alpha, beta] = site().nodes;
    await begin('AFTER_SB_1PRI = discard-secondary\n');
    await splitBrain(site(), '1pri');
    await until('alpha to notice', 20_000, async () => (await word(alpha)).includes('StandAlone'));
    await mfsha(beta, 'demote');
    await expectHealed(beta, alpha, '1pri');
  }, 90_000);
});
