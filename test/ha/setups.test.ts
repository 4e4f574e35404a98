import { appendFileSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { program } from '../support/cluster.ts';
import { until } from '../support/until.ts';
import { followsAgain, nextLeader } from './support/faults.ts';
import { claimVip } from './support/rival.ts';
import { kill, mfsha, other, siteFor } from './support/setups.ts';

describe('two masters, formerly with DRBD under the metadata and keepalived over them', () => {
  const site = siteFor({
    nodes: ['alpha', 'beta'],
    chunkservers: ['stock', 'stock', 'alces'],
    keepalived: true,
    haConfig: 'QUORUM = 1\nPROTOCOL = C\n',
    // As many sites have it: their own hooks beside what the generated configuration does.
    editKeepalived: (text, node) =>
      text
        .replace('smtp_alert', '')
        .replace(
          '    track_script {',
          `    notify "${join(import.meta.dirname, '..', '..', 'bin', 'mfsha')} -s ${node.file('.mfsha.sock')} notify"\n    track_script {`,
        ),
  });
  let mount: string;

  it('one leads with the VIP, the other is up to date, both are fit', async () => {
    const leader = await site().leader();
    const follower = other(site(), leader);
    await followsAgain(follower);
    expect(await mfsha(leader, 'status')).toContain('Primary');
    expect(await mfsha(follower, 'status')).toMatch(/Secondary[\s\S]*UpToDate/);
    for (const node of site().nodes) expect((await node.mfsha('check')).status).toBe(0);
    mount = await site().mount('stock');
    writeFileSync(join(mount, 'data1'), 'written before');
  });

  it('the master is killed: the other serves with everything; the dead one returns as backup', async () => {
    const leader = await site().leader();
    kill(leader);
    const next = await nextLeader(site(), leader);
    expect(readFileSync(join(mount, 'data1'), 'utf8')).toBe('written before');
    writeFileSync(join(mount, 'data2'), 'written behind');
    await leader.daemon('mfsmetalogger', 'start');
    await followsAgain(leader);
    expect(await site().leader()).toBe(next);
  }, 120_000);

  it('maintenance moves the VIP away and keeps it away', async () => {
    const leader = await site().leader();
    await mfsha(leader, 'maintenance', 'on');
    const next = await nextLeader(site(), leader);
    const check = await leader.mfsha('check');
    expect([check.status, check.stdout]).toEqual([1, 'unfit: maintenance is on\n']);
    expect(await mfsha(leader, 'status')).toMatch(/maintenance +on/);
    await mfsha(leader, 'maintenance', 'off');
    expect((await leader.mfsha('check')).status).toBe(0);
    expect(await site().leader()).toBe(next);
  }, 120_000);

  it('the check starts a dead helper daemon again and says so', async () => {
    const leader = await site().leader();
    const folder = join(site().folder, 'helper');
    mkdirSync(folder);
    const config = join(folder, 'mfsmetalogger.cfg');
    writeFileSync(
      config,
      `WORKING_USER = root\nWORKING_GROUP = root\nDATA_PATH = ${folder}\nMASTER_HOST = ${site().vip}\n`,
    );
    appendFileSync(leader.file('mfsha.cfg'), `CHECK_RESTART = ${program('stock', 'mfsmetalogger')} -c ${config}\n`);
    const said = await until(
      'the check to look',
      20_000,
      async () => (await leader.mfsha('check')).stdout || undefined,
    );
    expect(said).toContain('mfsmetalogger did not run: started');
  }, 60_000);

  it('the history has every decision', async () => {
    for (const node of site().nodes) expect((await mfsha(node, 'history')).split('\n').length).toBeGreaterThan(3);
  });
});

describe('keepalived, and a metalogger that becomes the master', () => {
  const site = siteFor({
    nodes: ['alpha', 'beta'],
    chunkservers: ['alces', 'alces'],
    keepalived: true,
    haConfig: 'QUORUM = 1\n',
    // The scripts of the how-to: the master's actions, not mfsha.
    editKeepalived(text, node) {
      const bin = join(import.meta.dirname, '..', '..', 'bin');
      const master = `${bin}/mfsmaster -c ${node.file('mfsmaster.cfg')}`;
      const hooks = `notify_master "${master} -a start"\n    notify_backup "${master} stop"\n    notify_fault "${master} stop"`;
      return text
        .replace(/ +vrrp_notify_fifo .*\n/, '')
        .replace('    track_script {', `    ${hooks}\n    track_script {`);
    },
  });

  it('the metalogger takes over with everything, and the old master returns as metalogger', async () => {
    const mount = await site().mount('alces');
    const leader = await site().leader();
    const follower = other(site(), leader);
    for (let file = 0; file < 50; file++) writeFileSync(join(mount, `file${file}`), `content ${file}`);
    kill(leader);
    await nextLeader(site(), leader);
    for (let file = 0; file < 50; file++)
      expect(readFileSync(join(mount, `file${file}`), 'utf8')).toBe(`content ${file}`);
    await leader.daemon('mfsmetalogger', 'start');
    await followsAgain(leader);
    expect((await follower.status())?.serving).toBe(true);
    const names = readdirSync(leader.data);
    expect(names.some((name) => name.startsWith('changelog_ml.'))).toBe(true);
  }, 120_000);
});

describe('keepalived in front of any service', () => {
  const site = siteFor({
    nodes: ['alpha', 'beta', 'watch/witness'],
    chunkservers: ['alces'],
    keepalived: true,
  });

  it('a dead service is started again first', async () => {
    const leader = await site().leader();
    const follower = other(site(), leader);
    const self = `${join(import.meta.dirname, '..', '..', 'bin')}/mfsmetalogger -c ${follower.file('mfsmetalogger.cfg')}`;
    appendFileSync(follower.file('mfsha.cfg'), `CHECK_RESTART = ${self}\n`);
    kill(follower);
    const said = await until(
      'the check to look',
      20_000,
      async () => (await follower.mfsha('check')).stdout || undefined,
    );
    expect(said).toContain('did not run: started');
    await followsAgain(follower);
  }, 60_000);

  it('a firewall that drops VRRP gives both the VIP, and only the one with an epoch serves', async () => {
    const mount = await site().mount('alces');
    site().bridge.drop(112);
    try {
      const [alpha, beta] = site().nodes;
      await until('the VIP on both', 20_000, () => alpha.host.has(site().vip) && beta.host.has(site().vip));
      await until('one to serve', 20_000, async () => {
        const statuses = await Promise.all([alpha.status(), beta.status()]);
        return statuses.filter((status) => status?.serving).length === 1;
      });
      for (let file = 0; file < 20; file++) mkdirSync(join(mount, `during${file}`));
    } finally {
      site().bridge.passAll();
    }
    const leader = await site().leader();
    expect(leader.host.has(site().vip)).toBe(true);
    mkdirSync(join(mount, 'after'));
    expect(readdirSync(mount)).toHaveLength(21);
  }, 120_000);

  it('another machine claims the VIP: the leader says again where it is', () => claimVip(site()), 60_000);
});

describe('two nodes that store everything', () => {
  const site = siteFor({
    nodes: ['alpha', 'beta'],
    chunkservers: ['alces', 'alces'],
    chunkserversOnNodes: true,
    keepalived: true,
    haConfig: 'QUORUM = 1\n',
  });

  it('one reboots while clients list and write; it returns as backup and what it missed is healed to it', async () => {
    const mount = await site().mount('alces');
    await site().client.must('mfssetgoal', '-r', '2', mount);
    for (let file = 0; file < 20; file++) writeFileSync(join(mount, `before${file}`), Buffer.alloc(10_000, file));
    const rebooted = await site().leader();
    const index = site().nodes.indexOf(rebooted);
    rebooted.host.link('down');
    for (const pid of rebooted.host.pids()) process.kill(pid, 'SIGKILL');
    const next = await nextLeader(site(), rebooted);
    for (let file = 0; file < 20; file++) {
      expect(readFileSync(join(mount, `before${file}`)).equals(Buffer.alloc(10_000, file))).toBe(true);
      writeFileSync(join(mount, `during${file}`), Buffer.alloc(10_000, file));
    }
    expect(readdirSync(mount)).toHaveLength(40);

    await until('everything to be gone', 10_000, () => rebooted.host.pids().length === 0);
    rebooted.host.link('up');
    await rebooted.daemon('mfsmetalogger', 'start');
    await site().startKeepalived(rebooted);
    await site().startChunkserver(index);
    await followsAgain(rebooted);
    expect(await site().leader()).toBe(next);
    await until('the missed copies', 60_000, async () => {
      const list = await site().client.must('mfscheckfile', join(mount, 'during0'), join(mount, 'during19'));
      return (list.match(/chunks with 2 copies: +1/g) ?? []).length === 2;
    });
  }, 180_000);
});
