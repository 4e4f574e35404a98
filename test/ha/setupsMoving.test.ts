import { copyFileSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { program } from '../support/cluster.ts';
import { until } from '../support/until.ts';
import { followsAgain, nextLeader } from './support/faults.ts';
import { kill, mfsha, siteFor } from './support/setups.ts';
import type { Site, SiteNode } from './support/site.ts';

// docs/high-availability.md, step by step.

const FILES = 20;
const REFERENCE = join(import.meta.dirname, '..', '..', 'docs', 'reference', 'mfsha.md');
/** A field of the JSON as the reference names it: alone, or in a list of fields. */
const wordOf = (field: string) => new RegExp(`[\`{ ]${field}[\`,}]`);

function writeFiles(mount: string, name: string): void {
  for (let file = 0; file < FILES; file++) writeFileSync(join(mount, `${name}${file}`), `${name} ${file}`);
}

function expectFiles(mount: string, ...names: string[]): void {
  for (const name of names)
    for (let file = 0; file < FILES; file++)
      expect(readFileSync(join(mount, `${name}${file}`), 'utf8')).toBe(`${name} ${file}`);
}

/** A stock master on a node's host, with the VIP, on files of the old site; as the scripts of before started it. */
async function startStockMaster(site: Site, node: SiteNode, data: string): Promise<string> {
  mkdirSync(data, { recursive: true });
  const config = join(data, 'mfsmaster.cfg');
  const text = readFileSync(node.file('mfsmaster.cfg'), 'utf8');
  writeFileSync(config, text.replace(`DATA_PATH = ${node.data}`, `DATA_PATH = ${data}`));
  writeFileSync(join(data, 'metadata.mfs'), 'MFSM NEW');
  await node.host.must('ip', 'address', 'add', `${site.vip}/24`, 'dev', 'eth0');
  await node.host.must(program('stock', 'mfsmaster'), '-c', config, 'start');
  return config;
}

/** The last steps of each way: keepalived on both, and the first failover. */
async function expectFailover(site: Site, mount: string): Promise<void> {
  for (const node of site.nodes) if (site.canLead(node)) await site.startKeepalived(node);
  const leader = await site.leader();
  await site.keepalivedReady();
  writeFiles(mount, 'on Alces');
  kill(leader);
  await nextLeader(site, leader);
  writeFiles(mount, 'after the failover');
  expectFiles(mount, 'of before', 'on Alces', 'after the failover');
  await leader.daemon('mfsmetalogger', 'start');
  await followsAgain(leader);
}

/** The way back: the leader last, and a stock master starts on what it leaves. */
async function expectWayBack(site: Site): Promise<void> {
  const leader = await site.leader();
  for (const node of site.nodes) if (node !== leader) await node.daemon('mfsmetalogger', 'stop');
  await leader.daemon('mfsmetalogger', 'stop');
  const data = join(site.folder, 'back');
  mkdirSync(data);
  copyFileSync(leader.file('metadata.mfs'), join(data, 'metadata.mfs'));
  const config = join(data, 'mfsmaster.cfg');
  const text = readFileSync(leader.file('mfsmaster.cfg'), 'utf8');
  writeFileSync(config, text.replace(`DATA_PATH = ${leader.data}`, `DATA_PATH = ${data}`));
  await leader.host.must(program('stock', 'mfsmaster'), '-c', config, 'start');
  const mount = await site.mountOn(leader.host, 'stock', leader.host.address);
  expect(readdirSync(mount)).toContain('of before0');
}

describe('from fresh machines', () => {
  const site = siteFor({
    nodes: ['alpha', 'beta', 'watch/witness'],
    chunkservers: ['stock', 'alces'],
    keepalived: true,
    startNothing: true,
  });

  it('each step does what the page says', async () => {
    const [alpha, beta, watch] = site().nodes;
    await alpha.daemon('mfsmaster', 'start');
    expect(await mfsha(alpha, 'status')).toMatch(/Secondary[\s\S]*WFConnection/);
    await beta.daemon('mfsmetalogger', 'start');
    await watch.daemon('mfsmetalogger', 'start');
    await until('alpha to lead', 20_000, async () => (await alpha.status())?.serving);
    await followsAgain(beta);
    expect(await mfsha(alpha, 'status')).toMatch(
      /Primary, serving 0 client connections[\s\S]*beta +Secondary +Connected +UpToDate[\s\S]*watch +Secondary +Connected +witness/,
    );
    const reference = readFileSync(REFERENCE, 'utf8');
    const json: Record<string, unknown> & { peers: object[] } = JSON.parse(await mfsha(alpha, 'status', '--json'));
    for (const field of [...Object.keys(json), ...Object.keys(json.peers[0])]) expect(reference).toMatch(wordOf(field));
    for (const node of [alpha, beta]) await site().startKeepalived(node);
    await site().leader();
    await site().startChunkservers();
    await site().keepalivedReady();
    const mount = await site().mount('stock');
    writeFiles(mount, 'of before');
    const leader = await site().leader();
    kill(leader);
    const next = await nextLeader(site(), leader);
    await leader.daemon('mfsmetalogger', 'start');
    await followsAgain(leader);
    await mfsha(next, 'switch', leader.name);
    expect(await site().leader()).toBe(leader);
    expectFiles(mount, 'of before');
  }, 120_000);

  it('after all were down they start as mfsmetalogger, and keepalived decides', async () => {
    for (const node of site().nodes) await node.daemon('mfsmetalogger', 'stop');
    for (const node of site().nodes) await node.daemon('mfsmetalogger', 'start');
    await site().leader();
  }, 60_000);

  it('and back to a stock master', () => expectWayBack(site()), 60_000);
});

describe('from DRBD and keepalived', () => {
  const site = siteFor({
    nodes: ['alpha', 'beta'],
    chunkservers: ['stock', 'alces'],
    keepalived: true,
    haConfig: 'QUORUM = 1\n',
    startNothing: true,
  });

  it('the files of the device begin the journal; clients and chunkservers only see an interruption', async () => {
    const [alpha, beta] = site().nodes;
    const device = join(site().folder, 'drbd');
    const stock = await startStockMaster(site(), alpha, device);
    await site().startChunkservers();
    const mount = await site().mount('stock');
    writeFiles(mount, 'of before');

    await alpha.host.must(program('stock', 'mfsmaster'), '-c', stock, 'stop');
    await alpha.host.must('ip', 'address', 'del', `${site().vip}/24`, 'dev', 'eth0');
    const moved = readdirSync(device).filter((name) => /^(metadata\.mfs|changelog\.\d+\.mfs|stats\.mfs)$/.test(name));
    expect(moved).toContain('metadata.mfs');
    for (const name of moved) copyFileSync(join(device, name), alpha.file(name));
    await alpha.daemon('mfsmaster', 'start');
    await beta.daemon('mfsmetalogger', 'start');
    await followsAgain(beta);
    await expectFailover(site(), mount);
  }, 180_000);

  it('and back', () => expectWayBack(site()), 60_000);
});

describe('from keepalived and a metalogger', () => {
  const site = siteFor({
    nodes: ['alpha', 'beta'],
    chunkservers: ['alces', 'stock'],
    keepalived: true,
    haConfig: 'QUORUM = 1\n',
    startNothing: true,
  });

  it('the same two hosts and commands', async () => {
    const [alpha, beta] = site().nodes;
    await startStockMaster(site(), alpha, alpha.data);
    await beta.host.must(program('stock', 'mfsmetalogger'), '-c', beta.file('mfsmetalogger.cfg'), 'start');
    await site().startChunkservers();
    const mount = await site().mount('stock');
    writeFiles(mount, 'of before');
    await until('the metalogger to have changes', 20_000, () =>
      readdirSync(beta.data).some((name) => name.startsWith('changelog_ml.')),
    );

    await alpha.daemon('mfsmaster', 'restart');
    await beta.daemon('mfsmetalogger', 'restart');
    await followsAgain(beta);
    await alpha.host.must('ip', 'address', 'del', `${site().vip}/24`, 'dev', 'eth0');
    await expectFailover(site(), mount);
  }, 180_000);
});
