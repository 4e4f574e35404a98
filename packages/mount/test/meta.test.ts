import { execFileSync, spawnSync } from 'node:child_process';
import * as fs from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { until } from '../../../test/support/until.ts';
import { type Mounts, startMounts } from './mounts.ts';

describe('the meta mount', () => {
  let mounts: Mounts;
  let ours: string;
  let stock: string;

  beforeAll(async () => {
    mounts = await startMounts();
    ours = await mounts.cluster.mount('alces', '-m');
    stock = await mounts.cluster.mount('stock', '-m');
  });
  afterAll(() => mounts.cluster.destroy());

  /** Makes and removes a file; returns the name it has in the trash, with its bucket. */
  async function trashed(path: string): Promise<string> {
    const full = join(mounts.ours, path);
    await fs.mkdir(join(full, '..'), { recursive: true });
    await fs.writeFile(full, `content of ${path}`);
    const { ino } = await fs.stat(full);
    await fs.unlink(full);
    const hex = (value: number, digits: number): string => value.toString(16).toUpperCase().padStart(digits, '0');
    return `${hex(ino % 4096, 3)}/${hex(ino, 8)}|${path.replaceAll('/', '|')}`;
  }

  const describeNode = async (path: string) => {
    const { ino, mode, nlink, uid, gid, size } = await fs.stat(path);
    return [ino, mode, nlink, uid, gid, size];
  };

  it('has the folders of the stock one', async () => {
    const paths = [
      '.',
      'trash',
      'trash/undel',
      'trash/000',
      'trash/FFF',
      'trash/FFF/undel',
      'trash/any',
      'sustained',
      '.masterinfo',
    ];
    for (const path of paths) {
      expect(await describeNode(join(ours, path)), path).toEqual(await describeNode(join(stock, path)));
    }
    expect((await fs.readdir(ours)).sort()).toEqual(['sustained', 'trash']);
    expect((await fs.readdir(join(ours, 'trash'))).sort()).toEqual((await fs.readdir(join(stock, 'trash'))).sort());
    const [mine, theirs] = await Promise.all([fs.statfs(ours), fs.statfs(stock)]);
    expect([mine.blocks, mine.files, mine.ffree]).toEqual([theirs.blocks, theirs.files, theirs.ffree]);
    const line = (await fs.readFile('/proc/mounts', 'utf8')).split('\n').find((text) => text.includes(` ${ours} `));
    expect(line).toMatch(/^mfsmeta\\04310\.90\.0\.1:9421 .* fuse\.mfsmeta /);
  });

  it('shows deleted files as the stock one does', async () => {
    const name = await trashed('a/deleted');
    const bucket = name.slice(0, 3);
    expect(await fs.readdir(join(ours, 'trash', bucket))).toEqual(await fs.readdir(join(stock, 'trash', bucket)));
    expect(await describeNode(join(ours, 'trash', name))).toEqual(await describeNode(join(stock, 'trash', name)));
    expect(await fs.readFile(join(ours, 'trash', name), 'utf8')).toBe('a/deleted\n');
  });

  it('restores a file, also to another path', async () => {
    const one = await trashed('b/one');
    await fs.rename(join(ours, 'trash', one), join(ours, 'trash', one.slice(0, 3), 'undel', 'x'));
    expect(await fs.readFile(join(mounts.ours, 'b', 'one'), 'utf8')).toBe('content of b/one');
    const two = await trashed('b/two');
    await fs.writeFile(join(ours, 'trash', two), 'new/place/two\n');
    expect(await fs.readFile(join(ours, 'trash', two), 'utf8')).toBe('new/place/two\n');
    execFileSync('mv', [join(ours, 'trash', two), join(ours, 'trash', 'undel/')]);
    expect(await fs.readFile(join(mounts.stock, 'new', 'place', 'two'), 'utf8')).toBe('content of b/two');
    await expect(fs.stat(join(ours, 'trash', two))).rejects.toMatchObject({ code: 'ENOENT' });
  });

  it('removes a file for good', async () => {
    const name = await trashed('c/gone');
    await fs.unlink(join(ours, 'trash', name));
    for (const mount of [ours, stock]) {
      expect(await fs.readdir(join(mount, 'trash', name.slice(0, 3)))).not.toContain(name.slice(4));
    }
  });

  it('reports a path that the master refuses, and one that is too long', async () => {
    const name = await trashed('d/f');
    await expect(fs.writeFile(join(ours, 'trash', name), 'p'.repeat(1025))).rejects.toMatchObject({ code: 'EINVAL' });
    await fs.writeFile(join(ours, 'trash', name), 'bad//path\n');
    await expect(fs.rename(join(ours, 'trash', name), join(ours, 'trash', 'undel', 'x'))).rejects.toMatchObject({
      code: 'EINVAL',
    });
  });

  it('shows files that were deleted while open, and touches nothing there', async () => {
    const path = join(mounts.ours, 'open');
    const file = await fs.open(path, 'w');
    await mounts.cluster.namespace.must('mfssettrashtime', '0', path);
    await fs.unlink(path);
    const find = async (): Promise<string | undefined> =>
      (await fs.readdir(join(ours, 'sustained'))).find((entry) => entry.endsWith('|open'));
    const name = await until('the file', 5000, find);
    expect(await fs.readdir(join(stock, 'sustained'))).toEqual(await fs.readdir(join(ours, 'sustained')));
    await expect(fs.unlink(join(ours, 'sustained', name))).rejects.toMatchObject({ code: 'EACCES' });
    await expect(fs.readFile(join(ours, 'sustained', name))).rejects.toMatchObject({ code: 'ENOENT' });
    await file.close();
  });

  it('has nothing else to offer', async () => {
    await expect(fs.mkdir(join(ours, 'x'))).rejects.toMatchObject({ code: 'ENOSYS' });
    await expect(fs.writeFile(join(ours, 'trash', '000', 'x'), '')).rejects.toMatchObject({ code: 'ENOSYS' });
    await expect(fs.symlink('a', join(ours, 'trash', '001', 'b'))).rejects.toMatchObject({ code: 'ENOSYS' });
  });

  it('lets only root in', () => {
    const script = `ls ${ours}/trash; ls ${ours}/trash/000; mv ${ours}/trash/000/x ${ours}/trash/undel/; ls ${ours}`;
    const { stdout, stderr } = spawnSync(
      'setpriv',
      ['--reuid=65534', '--regid=65534', '--clear-groups', 'sh', '-c', script],
      {
        encoding: 'utf8',
      },
    );
    expect(stderr.match(/Permission denied/g)?.length).toBe(3);
    expect(stdout).toBe('sustained\ntrash\n');
  });

  it('can have all deleted files in one folder', async () => {
    const name = await trashed('e/flat');
    const flat = await mounts.cluster.mount('alces', '-m', '-o', 'mfsflattrash');
    expect(await fs.readdir(join(flat, 'trash'))).toContain(name.slice(4));
    await fs.rename(join(flat, 'trash', name.slice(4)), join(flat, 'trash', 'undel', 'x'));
    expect(await fs.readFile(join(mounts.ours, 'e', 'flat'), 'utf8')).toBe('content of e/flat');
  });
});
