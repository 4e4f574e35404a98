import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { until } from '../../../test/support/until.ts';
import { restoredNames, SHARED_ADDRESS, TestNodes } from './support/trio.ts';

let site: TestNodes | undefined;

afterEach(async () => {
  await site?.destroy();
  site = undefined;
}, 30_000);

/** A stock metalogger at the address where whoever leads listens. */
class StockMetalogger {
  readonly folder: string;
  readonly #site: TestNodes;

  constructor(at: TestNodes) {
    this.#site = at;
    this.folder = join(at.folder, 'metalogger');
    const users = 'WORKING_USER = root\nWORKING_GROUP = root\n';
    mkdirSync(this.folder);
    writeFileSync(
      join(this.folder, 'cfg'),
      `${users}DATA_PATH = ${this.folder}\nMASTER_HOST = ${SHARED_ADDRESS}\nMASTER_RECONNECTION_DELAY = 1\n`,
    );
  }

  async run(action: string): Promise<void> {
    await this.#site.namespace.must('/usr/sbin/mfsmetalogger', '-c', join(this.folder, 'cfg'), action);
  }

  text(name: string): string {
    const path = join(this.folder, name);
    return existsSync(path) ? readFileSync(path, 'latin1') : '';
  }

  /** Waits until it has been told of a folder, or has got it otherwise. */
  async has(name: string): Promise<void> {
    const logs = ['changelog_ml.0.mfs', 'changelog_ml_back.0.mfs', 'changelog_ml_back.1.mfs', 'metadata_ml.mfs.back'];
    await until(`${name} at the metalogger`, 20_000, async () => logs.some((file) => this.text(file).includes(name)));
  }
}

describe('a stock metalogger', () => {
  it('goes on over a failover, and one that begins right behind it gets everything', async () => {
    site = new TestNodes(['alpha', 'beta', 'gamma'], '', SHARED_ADDRESS);
    const [alpha, beta] = site.nodes;
    await site.begin();
    const metalogger = new StockMetalogger(site);
    const client = await site.clientOf([SHARED_ADDRESS]);
    await client.call('mkdir', 'first');
    await metalogger.run('start');
    await until('an image', 10_000, async () => existsSync(join(metalogger.folder, 'metadata_ml.mfs.back')));
    const work = client.makeFolders('busy');
    await metalogger.has('busy20');
    await alpha.signal('SIGKILL');
    await beta.order({ command: 'promote' });
    await client.call('mkdir', 'second');
    const names = [...(await work.stop()), 'first', 'second'].sort();
    await client.call('rename', 'second', 'renamed');
    await metalogger.has('renamed');
    const kept = metalogger.text('changelog_ml.0.mfs');
    // One file from before the failover to behind it: nothing was missed, and nothing had to be downloaded again.
    expect(kept).toContain('busy20');
    expect(kept).toContain('renamed');
    const expected = names.map((name) => name.replace('second', 'renamed')).sort();

    await metalogger.run('stop');
    expect(await client.names()).toEqual(expected);
    rmSync(join(metalogger.folder, 'metadata_ml.mfs.back'));
    for (const name of ['changelog_ml.0.mfs', 'changelog_ml_back.0.mfs', 'changelog_ml_back.1.mfs'])
      rmSync(join(metalogger.folder, name), { force: true });
    await metalogger.run('start');
    await until('change logs', 10_000, async () => existsSync(join(metalogger.folder, 'changelog_ml_back.1.mfs')));
    await client.call('mkdir', 'third');
    await metalogger.has('third');
    await metalogger.run('stop');
    client.end();
    expect(await restoredNames(site, metalogger.folder)).toEqual([...expected, 'third'].sort());
  });

  it('has nothing of what a leader had told it and the next one never had', async () => {
    site = new TestNodes(['alpha', 'beta'], 'QUORUM = 1\nAFTER_SB_0PRI = disconnect\n', SHARED_ADDRESS);
    const [alpha, beta] = site.nodes;
    await site.begin();
    await beta.until('in step', ({ data }) => data === 'UpToDate');
    const metalogger = new StockMetalogger(site);
    await metalogger.run('start');
    const client = await site.clientOf([SHARED_ADDRESS]);
    await client.call('mkdir', 'shared');
    await beta.until('in step', ({ committed, version }) => committed === version);
    await beta.signal('SIGKILL');
    await client.call('mkdir', 'lost');
    await metalogger.has('lost');
    client.end();
    const { version } = await alpha.status();
    await alpha.signal('SIGKILL');
    await beta.must('mfsmetalogger', 'start');
    await beta.order({ command: 'promote', force: true });
    const other = await site.clientOf([SHARED_ADDRESS]);
    const work = other.makeFolders('kept');
    await beta.until('as many changes', (status) => status.committed > version + 20);
    const made = await work.stop();
    await until('a new beginning', 20_000, async () => !metalogger.text('changelog_ml.0.mfs').includes('lost'));
    await other.call('mkdir', 'last');
    await metalogger.has('last');
    other.end();
    await metalogger.run('stop');
    expect(await restoredNames(site, metalogger.folder)).toEqual([...made, 'last', 'shared'].sort());
  });
});

/** Stock chunkservers that know one address of a master. */
async function startChunkservers(at: TestNodes, addresses: readonly string[]): Promise<void> {
  for (const [index, address] of addresses.entries()) {
    const folder = join(at.folder, `chunkserver${index}`);
    mkdirSync(join(folder, 'data'), { recursive: true });
    writeFileSync(join(folder, 'mfshdd.cfg'), `${folder}/data\n`);
    const own = `WORKING_USER = root\nWORKING_GROUP = root\nDATA_PATH = ${folder}\nHDD_CONF_FILENAME = ${folder}/mfshdd.cfg\n`;
    const network = `MASTER_HOST = ${SHARED_ADDRESS}\nMASTER_RECONNECTION_DELAY = 1\nBIND_HOST = ${address}\nCSSERV_LISTEN_HOST = ${address}\n`;
    writeFileSync(join(folder, 'cfg'), `${own}${network}HDD_LEAVE_SPACE_DEFAULT = 64MiB\n`);
    await at.namespace.must('/usr/sbin/mfschunkserver', '-c', join(folder, 'cfg'), 'start');
  }
}

describe('stock chunkservers', () => {
  it('come to the new leader; everything is there to read, and can be written again', async () => {
    const addresses = ['10.90.0.11', '10.90.0.12'];
    site = new TestNodes(['alpha', 'beta', 'gamma'], '', SHARED_ADDRESS, addresses);
    const [alpha, beta] = site.nodes;
    await site.begin();
    await startChunkservers(site, addresses);
    const client = await site.clientOf([SHARED_ADDRESS]);
    for (const name of ['one', 'two']) await client.call('write', name, '300000');
    const during = client.call('write', 'during', '3000000');
    await alpha.signal('SIGKILL');
    await beta.order({ command: 'promote' });
    await during;
    await client.call('write', 'one', '400000');
    await client.call('write', 'new', '100000');
    const sizes = await Promise.all(['one', 'two', 'during', 'new'].map((name) => client.call('read', name)));
    expect(sizes).toEqual([400_000, 300_000, 3_000_000, 100_000]);
    client.end();
    const other = await site.clientOf([SHARED_ADDRESS]);
    expect(await other.call('read', 'two')).toBe(300_000);
    other.end();
  });
});
