import { execFileSync, spawnSync } from 'node:child_process';
import * as fs from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { until } from '../../../test/support/until.ts';
import { type Mounts, startMounts } from './mounts.ts';

const NOBODY = 65_534;

/** Runs a shell script as another user. */
function as(user: number, groups: string, script: string): { status: number | null; output: string } {
  const flags = [`--reuid=${user}`, `--regid=${user}`, groups === '' ? '--clear-groups' : `--groups=${groups}`];
  const { status, stdout, stderr } = spawnSync('setpriv', [...flags, 'sh', '-c', script], { encoding: 'utf8' });
  return { status, output: stdout + stderr };
}

describe('names and attributes on a stock cluster', () => {
  let mounts: Mounts;
  let folder: string;

  beforeAll(async () => {
    mounts = await startMounts();
    folder = join(mounts.ours, 'names');
    await fs.mkdir(folder, 0o755);
  });
  afterAll(() => mounts.cluster.destroy());

  it('shows the mount as the stock one does', async () => {
    const lines = (await fs.readFile('/proc/mounts', 'utf8')).split('\n');
    const fields = (mount: string): string[] => lines.find((line) => line.split(' ')[1] === mount)?.split(' ') ?? [];
    expect(fields(mounts.ours)[0]).toBe(fields(mounts.stock)[0]);
    expect(fields(mounts.ours)[3]).toBe(fields(mounts.stock)[3]);
    expect((await fs.stat(mounts.ours)).ino).toBe(1);
  });

  it('reports the same space and numbers of inodes', async () => {
    const [mine, theirs] = await Promise.all([fs.statfs(mounts.ours), fs.statfs(mounts.stock)]);
    expect([mine.blocks, mine.bsize, mine.files, mine.ffree]).toEqual([
      theirs.blocks,
      theirs.bsize,
      theirs.files,
      theirs.ffree,
    ]);
  });

  it('refuses names and links that are too long', async () => {
    await expect(fs.writeFile(join(folder, 'n'.repeat(256)), '')).rejects.toMatchObject({ code: 'ENAMETOOLONG' });
    await fs.writeFile(join(folder, 'n'.repeat(255)), '');
    await expect(fs.mkdir(join(folder, 'ü'.repeat(128)))).rejects.toMatchObject({ code: 'ENAMETOOLONG' });
    await fs.symlink('t'.repeat(4094), join(folder, 'long-link'));
    expect(await fs.readlink(join(folder, 'long-link'))).toBe('t'.repeat(4094));
  });

  it('takes names that are no UTF-8', async () => {
    const name = Buffer.concat([Buffer.from(`${folder}/`), Buffer.from([0xff, 0x01, 0x0a, 0x20])]);
    await fs.writeFile(name, 'x');
    expect((await fs.readdir(folder, { encoding: 'buffer' })).some((entry) => entry.equals(name.subarray(-4)))).toBe(
      true,
    );
    await fs.unlink(name);
  });

  it('lists large folders completely, through both kinds of readdir', async () => {
    const large = join(folder, 'large');
    await fs.mkdir(large);
    const names = Array.from({ length: 2500 }, (_, index) => `entry-with-a-longer-name-${index}`);
    for (const name of names) await fs.writeFile(join(large, name), '');
    expect((await fs.readdir(large)).sort()).toEqual([...names].sort());
    const long = execFileSync('ls', ['-l', large], { encoding: 'utf8', maxBuffer: 1 << 24 });
    expect(long.split('\n').filter((line) => line.startsWith('-rw')).length).toBe(names.length);
    execFileSync('rm', ['-r', large]);
  });

  it('renames over files and refuses flags', async () => {
    await fs.writeFile(join(folder, 'from'), 'new');
    await fs.writeFile(join(folder, 'to'), 'old');
    await fs.rename(join(folder, 'from'), join(folder, 'to'));
    expect(await fs.readFile(join(folder, 'to'), 'utf8')).toBe('new');
    const script =
      'import ctypes,os,sys\nlibc=ctypes.CDLL(None,use_errno=True)\nfor flag in (1,4):\n' +
      ' libc.renameat2(-100,sys.argv[1].encode(),-100,sys.argv[2].encode(),flag)\n print(ctypes.get_errno())';
    const out = execFileSync('python3', ['-c', script, join(folder, 'to'), join(folder, 'x')], { encoding: 'utf8' });
    expect(out.trim().split('\n')).toEqual(['22', '22']);
    await fs.mkdir(join(folder, 'full'));
    await fs.writeFile(join(folder, 'full', 'f'), '');
    await fs.mkdir(join(folder, 'dir'));
    await expect(fs.rename(join(folder, 'dir'), join(folder, 'full'))).rejects.toMatchObject({ code: 'ENOTEMPTY' });
    await expect(fs.rename(join(folder, 'full'), join(folder, 'full', 'in'))).rejects.toMatchObject({ code: 'EINVAL' });
  });

  it('removes a working folder under the feet of a process', () => {
    const script = `mkdir ${folder}/cwd && cd ${folder}/cwd && rmdir ../cwd && stat -c %F . && ls -a | wc -l`;
    expect(execFileSync('sh', ['-c', script], { encoding: 'utf8' })).toBe('directory\n0\n');
  });

  it('makes device nodes, fifos and sockets', async () => {
    execFileSync('mknod', [join(folder, 'char'), 'c', '5', '7']);
    execFileSync('mknod', [join(folder, 'block'), 'b', '300', '700']);
    const rdevs = await Promise.all(['char', 'block'].map(async (name) => (await fs.stat(join(folder, name))).rdev));
    const theirs = await Promise.all(
      ['char', 'block'].map(async (name) => (await fs.stat(join(mounts.stock, 'names', name))).rdev),
    );
    expect(rdevs).toEqual(theirs);
    expect(rdevs[0]).toBe((5 << 8) | 7);
  });

  it('applies the umask, set-gid inheritance and chown rules', async () => {
    execFileSync('sh', ['-c', `umask 027; : > ${folder}/masked; mkdir ${folder}/dmasked`]);
    expect((await fs.stat(join(folder, 'masked'))).mode & 0o7777).toBe(0o640);
    expect((await fs.stat(join(folder, 'dmasked'))).mode & 0o7777).toBe(0o750);
    await fs.mkdir(join(folder, 'sgid'));
    await fs.chown(join(folder, 'sgid'), 0, 777);
    await fs.chmod(join(folder, 'sgid'), 0o2775);
    await fs.mkdir(join(folder, 'sgid', 'sub'));
    const sub = await fs.stat(join(folder, 'sgid', 'sub'));
    expect([sub.gid, sub.mode & 0o2000]).toEqual([777, 0o2000]);
    await fs.writeFile(join(folder, 'suid'), '', { mode: 0o755 });
    await fs.chmod(join(folder, 'suid'), 0o6755);
    await fs.chown(join(folder, 'suid'), 5, 5);
    expect((await fs.stat(join(folder, 'suid'))).mode & 0o7777).toBe(0o755);
  });

  it('lets the master decide on permissions, with supplementary groups', async () => {
    const file = join(folder, 'secret');
    await fs.writeFile(file, 'text', { mode: 0o640 });
    await fs.chown(file, 0, 4321);
    expect(as(NOBODY, '', `cat ${file}`).output).toContain('Permission denied');
    expect(as(NOBODY, '1,4321', `cat ${file}`)).toEqual({ status: 0, output: 'text' });
    expect(as(NOBODY, '1,4321', `echo x > ${file}`).output).toContain('Permission denied');
    expect(as(NOBODY, '', `: > ${folder}/new`).output).toContain('Permission denied');
    await fs.mkdir(join(folder, 'closed'), 0o700);
    expect(as(NOBODY, '', `ls ${folder}/closed`).output).toContain('Permission denied');
    await fs.chmod(join(folder, 'closed'), 0o744);
    await fs.writeFile(join(folder, 'closed', 'inside'), '');
    expect(as(NOBODY, '', `ls -1 --color=never ${folder}/closed; true`).output).toContain('inside');
  });

  it('an open file stays usable after its mode changed', () => {
    const out = as(
      NOBODY,
      '',
      `cd ${mounts.ours} && exec 3>perm 4<perm && chmod 0 perm && echo data >&3 && cat <&4 && cat perm`,
    );
    expect(out.output).toContain('data\n');
    expect(out.output).toContain('Permission denied');
  });

  it('symlinks follow, and a changed one is not remembered', async () => {
    const link = join(folder, 'link');
    await fs.symlink('one', link);
    expect(await fs.readlink(link)).toBe('one');
    await fs.unlink(link);
    await fs.symlink('two', link);
    expect(await fs.readlink(link)).toBe('two');
  });

  it('what the other mount removes is gone here', async () => {
    await fs.writeFile(join(folder, 'theirs'), '');
    await fs.unlink(join(mounts.stock, 'names', 'theirs'));
    await until('ENOENT', 5000, async () => !(await fs.readdir(folder)).includes('theirs'));
    await expect(fs.stat(join(folder, 'theirs'))).rejects.toMatchObject({ code: 'ENOENT' });
  });

  it('fallocate is not supported, as on the stock mount', async () => {
    await fs.writeFile(join(folder, 'alloc'), '');
    for (const mount of [mounts.ours, mounts.stock]) {
      const { status, stderr } = spawnSync('fallocate', ['-l', '1000', join(mount, 'names', 'alloc')], {
        encoding: 'utf8',
      });
      expect([status, stderr]).toEqual([1, 'fallocate: fallocate failed: Operation not supported\n']);
    }
  });
});
