import { execFileSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statfsSync,
  writeFileSync,
} from 'node:fs';
import { afterEach, describe, expect, it } from 'vitest';
import { checkRequirements } from '../../../test/support/namespace.ts';
import { until } from '../../../test/support/until.ts';
import { restoredNames, TestNodes } from './support/trio.ts';

let site: TestNodes | undefined;

function sited(names: readonly string[], more = ''): TestNodes {
  site = new TestNodes(names, more);
  return site;
}

function sites(): TestNodes {
  if (site === undefined) throw new Error('no nodes');
  return site;
}

afterEach(async () => {
  await site?.destroy();
  site = undefined;
}, 30_000);

describe('the first start', () => {
  it('says that there is nothing anywhere, and begins only where it is told to', async () => {
    const { nodes } = sited(['alpha', 'beta', 'gamma']);
    await site?.startAll();
    const [, beta, gamma] = nodes;
    await expect(beta.order({ command: 'promote', waitMs: 1500 })).rejects.toThrow('no node has any data');
    await gamma.order({ command: 'promote', force: true });
    expect(await gamma.status()).toMatchObject({ serving: true, epoch: expect.any(Number) });
  });

  it('takes over the folder of a plain master; the others join by image; what a node leaves a stock master takes', async () => {
    const { nodes } = sited(['alpha', 'beta', 'gamma']);
    const [alpha, beta, gamma] = nodes;
    site?.putEmptyImage(alpha);
    renameSync(alpha.file('mfsha.cfg'), alpha.file('aside.cfg'));
    await alpha.must('mfsmaster', 'start');
    const before = await site?.client([alpha]);
    for (let index = 0; index < 200; index++) await before?.call('mkdir', `plain${index}`);
    before?.end();
    await alpha.must('mfsmaster', 'stop');
    renameSync(alpha.file('aside.cfg'), alpha.file('mfsha.cfg'));

    await site?.startAll();
    // Two fresh ones do not outvote the one that has the data.
    await beta.order({ command: 'promote' });
    const status = await gamma.until('in step', ({ data }) => data === 'UpToDate');
    expect(status.base).toBeGreaterThan(200);
    const client = await site?.client();
    expect((await client?.names())?.filter((name) => name.startsWith('plain'))).toHaveLength(200);

    await client?.call('mkdir', 'journal');
    client?.end();
    await Promise.all([alpha, gamma].map((node) => node.must('mfsmetalogger', 'stop')));
    await beta.must('mfsmetalogger', 'stop');
    expect(existsSync(beta.file('metadata.mfs'))).toBe(true);
    expect(await restoredNames(sites(), beta.folder)).toHaveLength(201);
  });

  it('refuses what a plain master did behind the back of the journal', async () => {
    const { nodes } = sited(['alpha', 'beta', 'gamma']);
    const [alpha] = nodes;
    await site?.begin();
    for (const node of nodes) await node.must('mfsmetalogger', 'stop');
    renameSync(alpha.file('mfsha.cfg'), alpha.file('aside.cfg'));
    const refused = await alpha.program('mfsmaster', 'start');
    expect(refused.status).not.toBe(0);
    expect(refused.stderr).toContain("a node's of a replicated journal");
    renameSync(alpha.file('ha'), alpha.file('elsewhere'));
    await alpha.must('mfsmaster', 'start');
    const client = await site?.client([alpha]);
    await client?.call('mkdir', 'foreign');
    client?.end();
    await alpha.must('mfsmaster', 'stop');
    renameSync(alpha.file('aside.cfg'), alpha.file('mfsha.cfg'));
    renameSync(alpha.file('elsewhere'), alpha.file('ha'));
    const started = await alpha.program('mfsmetalogger', 'start');
    expect(started.status).not.toBe(0);
    expect(started.stderr + alpha.log()).toContain('changes that the journal knows nothing of');
  });
});

describe('a node that lost its disk', () => {
  it('joins again by image, compressed on its way', async () => {
    const { nodes } = sited(['alpha', 'beta', 'gamma']);
    const [alpha, beta, gamma] = nodes;
    await site?.begin();
    const client = await site?.client();
    const making = Array.from({ length: 2000 }, (_, index) => client?.call('mkdir', `some rather long name ${index}`));
    await Promise.all(making);
    await gamma.signal('SIGKILL');
    rmSync(gamma.file('ha'), { recursive: true });
    for (const name of ['metadata.mfs', 'metadata.mfs.back', 'changelog_ml.0.mfs'])
      rmSync(gamma.file(name), { force: true });
    await Promise.all(
      [alpha, beta].map((node) =>
        until('an image', 5000, async () => (await node.must('mfsmaster', 'save')).includes('saved')),
      ),
    );
    await gamma.must('mfsmetalogger', 'start');
    const { version } = await alpha.status();
    await gamma.until('in step', ({ data, committed }) => data === 'UpToDate' && committed >= version);
    await alpha.signal('SIGKILL');
    await gamma.order({ command: 'promote' });
    expect(await client?.names()).toHaveLength(2000);
    client?.end();
  });
});

describe('two nodes', () => {
  it('stand alone after a split brain, until one gives its changes up', async () => {
    const { nodes } = sited(['alpha', 'beta'], 'QUORUM = 1\nAFTER_SB_0PRI = disconnect\nAFTER_SB_1PRI = disconnect\n');
    const [alpha, beta] = nodes;
    await site?.begin();
    await beta.until('in step', ({ data }) => data === 'UpToDate');
    await beta.signal('SIGKILL');
    const first = await site?.client([alpha]);
    await first?.call('mkdir', 'of alpha');
    await alpha.must('mfsmaster', 'save');
    first?.end();
    await alpha.signal('SIGKILL');

    await beta.must('mfsmetalogger', 'start');
    await beta.order({ command: 'promote', force: true });
    const second = await site?.client([beta]);
    await second?.call('mkdir', 'of beta');
    await alpha.must('mfsmetalogger', 'start');
    for (const node of nodes) {
      const status = await node.until('split brain', ({ splitBrain }) => splitBrain);
      expect(status.peers[0]?.connection).toBe('StandAlone');
    }
    await second?.call('mkdir', 'more of beta');

    await alpha.order({ command: 'resolve', discardMyData: true });
    await alpha.until('in step', ({ data, leader }) => data === 'UpToDate' && leader === 'beta');
    expect((await beta.status()).splitBrain).toBe(false);
    expect(alpha.journalFiles().some((name) => name.startsWith('discarded.'))).toBe(true);
    second?.end();

    // Nor do the stock files have it: a stock master on them comes to beta's state.
    const stockFiles = readdirSync(alpha.folder).filter((name) => /^(changelog|metadata)/.test(name));
    for (const name of stockFiles) expect(readFileSync(alpha.file(name), 'latin1')).not.toMatch(/of.{1,3}alpha/);
    const set = alpha.journalFiles().find((name) => /^discarded\..*\.mfs$/.test(name));
    expect(readFileSync(alpha.file('ha', set ?? ''), 'latin1')).toMatch(/of.{1,3}alpha/);
    await alpha.must('mfsmaster', 'save');
    expect(await restoredNames(sites(), alpha.folder)).toEqual(['more of beta', 'of beta']);

    // The image that alpha had made of its own changes is not what it begins with.
    await alpha.signal('SIGKILL');
    await alpha.must('mfsmetalogger', 'start');
    await alpha.until('in step', ({ data, leader }) => data === 'UpToDate' && leader === 'beta');
    await alpha.order({ command: 'promote' });
    const third = await site?.client([alpha]);
    expect(await third?.names()).toEqual(['more of beta', 'of beta']);
    third?.end();
  });

  it('and a witness: either leads when the other is gone', async () => {
    const { nodes } = sited(['alpha', 'beta', 'watch/witness']);
    const [alpha, beta, watch] = nodes;
    await site?.begin();
    const client = await site?.client([alpha, beta]);
    await client?.call('mkdir', 'one');
    // A node that never was in step is no voter.
    await beta.until('in step', ({ data }) => data === 'UpToDate');
    await alpha.signal('SIGKILL');
    await beta.order({ command: 'promote' });
    await client?.call('mkdir', 'two');
    expect(await client?.names()).toEqual(['one', 'two']);
    await expect(watch.order({ command: 'promote' })).rejects.toThrow('a witness never leads');
    expect(await watch.status()).toMatchObject({ witness: true, leader: 'beta' });
    expect(existsSync(watch.file('metadata.mfs.back'))).toBe(false);
    client?.end();
  });
});

describe('a full disk', () => {
  it.each(['pass_on', 'detach'])('of the leader: ON_IO_ERROR = %s', async (policy) => {
    checkRequirements();
    const { nodes } = sited(['alpha', 'beta', 'gamma'], `ON_IO_ERROR = ${policy}\n`);
    const [alpha, beta] = nodes;
    mkdirSync(alpha.file('ha'));
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1M', 'tmpfs', alpha.file('ha')]);
    try {
      await site?.begin();
      const client = await site?.client();
      const filler = alpha.file('ha', 'filler');
      const { bavail, bsize } = statfsSync(alpha.file('ha'));
      writeFileSync(filler, Buffer.alloc(bavail * bsize));
      const work = client?.makeFolders('full');
      const status = await alpha.until('stalled', ({ stalledBy }) => stalledBy !== undefined);
      expect(status.stalledBy).toContain('ENOSPC');
      if (policy === 'detach') {
        await alpha.until('it makes room', ({ role }) => role === 'Secondary');
        await beta.order({ command: 'promote' });
      }
      rmSync(filler);
      await alpha.until('the disk is back', ({ stalledBy }) => stalledBy === undefined);
      await client?.call('mkdir', 'after');
      const made = (await work?.stop()) ?? [];
      expect(await client?.names()).toEqual([...made, 'after'].sort());
      client?.end();
    } finally {
      execFileSync('umount', ['-l', alpha.file('ha')]);
    }
  });
});
