import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import * as fs from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { until } from '../../../test/support/until.ts';
import { type Mounts, startMounts } from './mounts.ts';

const HOLD =
  'import fcntl,sys\nf=open(sys.argv[1],"r+")\nkind,how=sys.argv[2:4]\n' +
  'op=getattr(fcntl,"LOCK_"+how)\n' +
  '(fcntl.flock(f,op) if kind=="flock" else fcntl.lockf(f,op,10,5))\n' +
  'print("held",flush=True)\nsys.stdin.read()\n';

const TRY =
  'import fcntl,sys\nf=open(sys.argv[1],"r+")\nkind,how,start=sys.argv[2:5]\n' +
  'op=getattr(fcntl,"LOCK_"+how)|fcntl.LOCK_NB\ntry:\n' +
  ' (fcntl.flock(f,op) if kind=="flock" else fcntl.lockf(f,op,10,int(start)))\n print("got")\nexcept OSError as e: print(e.errno)\n';

const EAGAIN = '11';

describe('locks between mounts', () => {
  let mounts: Mounts;
  const holders: ChildProcess[] = [];

  beforeAll(async () => {
    mounts = await startMounts();
    await fs.writeFile(join(mounts.ours, 'lock'), 'x'.repeat(100));
  });
  afterEach(() => {
    for (const holder of holders.splice(0)) holder.kill('SIGKILL');
  });
  afterAll(() => mounts.cluster.destroy());

  /** Starts a process that takes a lock; resolves when it has it. `release` ends it. */
  function hold(mount: string, kind: string, how: string) {
    const child = spawn('python3', ['-c', HOLD, join(mount, 'lock'), kind, how], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    holders.push(child);
    const held = new Promise<void>((resolve) => child.stdout.once('data', () => resolve()));
    const gone = new Promise<string | null>((resolve) => child.on('exit', (_code, signal) => resolve(signal)));
    return { child, held, gone, release: () => child.stdin.end() };
  }

  function attempt(mount: string, kind: string, how: string, start = 5): string {
    return execFileSync('python3', ['-c', TRY, join(mount, 'lock'), kind, how, String(start)], {
      encoding: 'utf8',
    }).trim();
  }

  it.each(['flock', 'posix'])('%s: ours excludes the stock mount, and the other way round', async (kind) => {
    for (const [one, other] of [
      [mounts.ours, mounts.stock],
      [mounts.stock, mounts.ours],
    ]) {
      const holder = hold(one, kind, 'EX');
      await holder.held;
      expect(attempt(other, kind, 'EX')).toBe(EAGAIN);
      expect(attempt(other, kind, 'SH')).toBe(EAGAIN);
      holder.release();
      await holder.gone;
      await until('the lock to be free', 5000, () => attempt(other, kind, 'EX') === 'got');
    }
  });

  it.each(['flock', 'posix'])('%s: shared locks are shared', async (kind) => {
    const holder = hold(mounts.ours, kind, 'SH');
    await holder.held;
    expect(attempt(mounts.stock, kind, 'SH')).toBe('got');
    expect(attempt(mounts.ours, kind, 'SH')).toBe('got');
    expect(attempt(mounts.stock, kind, 'EX')).toBe(EAGAIN);
    holder.release();
    await holder.gone;
  });

  it('posix locks are ranges, and F_GETLK names the holder of the same mount', async () => {
    const holder = hold(mounts.ours, 'posix', 'EX');
    await holder.held;
    expect(attempt(mounts.stock, 'posix', 'EX', 15)).toBe('got');
    expect(attempt(mounts.stock, 'posix', 'EX', 14)).toBe(EAGAIN);
    const script =
      'import fcntl,struct,sys\nf=open(sys.argv[1],"r+")\n' +
      'l=fcntl.fcntl(f,fcntl.F_GETLK,struct.pack("hhqqi",fcntl.F_WRLCK,0,0,0,0))\nprint(*struct.unpack("hhqqi",l))';
    const out = execFileSync('python3', ['-c', script, join(mounts.ours, 'lock')], { encoding: 'utf8' });
    expect(out.trim()).toBe(`1 0 5 10 ${holder.child.pid}`);
    holder.release();
    await holder.gone;
  });

  it.each(['flock', 'posix'])('%s: a waiter gets the lock when the other mount lets go', async (kind) => {
    const holder = hold(mounts.stock, kind, 'EX');
    await holder.held;
    const waiter = hold(mounts.ours, kind, 'EX');
    let granted = false;
    const got = waiter.held.then(() => {
      granted = true;
    });
    expect(attempt(mounts.ours, kind, 'EX')).toBe(EAGAIN);
    expect(granted).toBe(false);
    holder.release();
    await got;
    expect(attempt(mounts.stock, kind, 'EX')).toBe(EAGAIN);
    waiter.release();
    await waiter.gone;
  });

  it.each(['flock', 'posix'])('%s: a signal ends the wait', async (kind) => {
    const holder = hold(mounts.stock, kind, 'EX');
    await holder.held;
    const waiter = hold(mounts.ours, kind, 'EX');
    await until('the wait', 5000, async () => {
      const stack = await fs.readFile(`/proc/${waiter.child.pid}/wchan`, 'utf8').catch(() => '');
      return /fuse|request_wait/.test(stack);
    });
    waiter.child.kill('SIGTERM');
    expect(await waiter.gone).toBe('SIGTERM');
    holder.release();
    await holder.gone;
    expect(attempt(mounts.ours, kind, 'EX')).toBe('got');
  });
});

describe('extended attributes and ACLs', () => {
  let mounts: Mounts;

  beforeAll(async () => {
    mounts = await startMounts({ ours: ['-o', 'mfsxattrcacheto=0'] });
    for (const name of ['f', 'd/x']) {
      await fs.mkdir(join(mounts.ours, 'd'), { recursive: true });
      await fs.writeFile(join(mounts.ours, name), '');
    }
  });
  afterAll(() => mounts.cluster.destroy());

  const run = (command: string, ...args: string[]): string => {
    const { stdout, stderr } = spawnSync(command, args, { encoding: 'utf8' });
    return stdout + stderr;
  };

  it('set on one mount are read on the other, long values and binary included', () => {
    const value = Buffer.from(Array.from({ length: 5000 }, (_, index) => index % 256)).toString('base64');
    run('setfattr', '-n', 'user.binary', '-v', `0s${value}`, join(mounts.ours, 'f'));
    run('setfattr', '-n', 'user.theirs', '-v', 'hello', join(mounts.stock, 'f'));
    for (const mount of [mounts.ours, mounts.stock]) {
      const path = join(mount, 'f');
      expect(run('getfattr', '--absolute-names', '--only-values', '-n', 'user.theirs', path)).toBe('hello');
      expect(run('getfattr', '-e', 'base64', '-n', 'user.binary', path)).toContain(value);
      expect(run('getfattr', path).split('\n').slice(1, 3).sort()).toEqual(['user.binary', 'user.theirs']);
    }
    expect(run('setfattr', '-x', 'user.theirs', join(mounts.ours, 'f'))).toBe('');
    expect(run('getfattr', '-n', 'user.theirs', join(mounts.ours, 'f'))).toContain('No such attribute');
    expect(run('setfattr', '-x', 'user.theirs', join(mounts.ours, 'f'))).toContain('No such attribute');
  });

  it('keep to XATTR_CREATE and XATTR_REPLACE', () => {
    const script =
      'import os,sys\np=sys.argv[1]\nos.setxattr(p,"user.one",b"1",os.XATTR_CREATE)\n' +
      'for name,flag in (("user.one",os.XATTR_CREATE),("user.two",os.XATTR_REPLACE)):\n' +
      ' try: os.setxattr(p,name,b"2",flag)\n except OSError as e: print(e.errno)\n' +
      'os.setxattr(p,"user.one",b"3",os.XATTR_REPLACE)\nprint(os.getxattr(p,"user.one"))';
    expect(run('python3', '-c', script, join(mounts.ours, 'f'))).toBe("17\n61\nb'3'\n");
  });

  it('ACLs are the same on both mounts and change the mode', async () => {
    const mine = join(mounts.ours, 'f');
    await fs.chmod(mine, 0o640);
    expect(run('setfacl', '-m', 'u:1001:rw,g:2002:r', mine)).toBe('');
    const shown = (mount: string): string => run('getfacl', '-cn', '--absolute-names', join(mount, 'f'));
    expect(shown(mounts.ours)).toBe('user::rw-\nuser:1001:rw-\ngroup::r--\ngroup:2002:r--\nmask::rw-\nother::---\n\n');
    expect(shown(mounts.stock)).toBe(shown(mounts.ours));
    expect((await fs.stat(mine)).mode & 0o777).toBe(0o660);
    expect(run('setfacl', '-b', mine)).toBe('');
    expect((await fs.stat(mine)).mode & 0o777).toBe(0o640);
  });

  it('default ACLs are inherited, and cp -a keeps them', async () => {
    const folder = join(mounts.ours, 'd');
    expect(run('setfacl', '-d', '-m', 'u::rwx,g::rx,o::-,u:1001:rwx', folder)).toBe('');
    await fs.writeFile(join(folder, 'child'), '');
    expect(run('getfacl', '-cn', '--absolute-names', join(folder, 'child'))).toContain('user:1001:rwx');
    expect(run('cp', '-a', folder, join(mounts.ours, 'copy'))).toBe('');
    const acl = (path: string): string => run('getfacl', '-cn', '--absolute-names', path);
    expect(acl(join(mounts.ours, 'copy'))).toBe(acl(folder));
    expect(acl(join(mounts.stock, 'copy', 'child'))).toBe(acl(join(folder, 'child')));
  });

  it('a plain default ACL without a mask can be copied', () => {
    const folder = join(mounts.ours, 'plain');
    run('mkdir', folder);
    run('setfacl', '-d', '-m', 'u::rwx,g::rx,o::-', folder);
    expect(run('cp', '-a', folder, join(mounts.ours, 'plain2'))).toBe('');
    expect(run('getfacl', '-cnd', '--absolute-names', join(mounts.ours, 'plain2'))).toBe(
      'user::rwx\ngroup::r-x\nother::---\n\n',
    );
  });
});
