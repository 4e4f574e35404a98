import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, rmdirSync, writeFileSync } from 'node:fs';
import * as fs from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { eventually, isMounted, Mounted, withDeadline } from './mounted.ts';

/** Aborts through the kernel's control file system, which not every machine has mounted. */
function abortConnection(device: number): void {
  const control = mkdtempSync(join(tmpdir(), 'fusectl-'));
  execFileSync('mount', ['-t', 'fusectl', 'none', control]);
  try {
    writeFileSync(join(control, String(device & 0xff), 'abort'), '1');
  } finally {
    execFileSync('umount', [control]);
    rmdirSync(control);
  }
}

async function withMount(
  run: (mounted: Mounted) => Promise<void>,
  ...settings: Parameters<typeof Mounted.start>
): Promise<void> {
  const mounted = await Mounted.start(...settings);
  try {
    await run(mounted);
  } finally {
    await mounted.stop();
  }
}

describe.each([{ threads: false }, { threads: true }])('the end of a mount (threads: $threads)', ({ threads }) => {
  const settings = { serve: { threads } };

  it('umount ends the server in order', () =>
    withMount(
      async (mounted) => {
        await fs.writeFile(mounted.path('f'), 'x');
        execFileSync('umount', [mounted.mountpoint]);
        expect(await withDeadline(mounted.exited, 'exit')).toEqual({ code: 0, signal: null });
        expect(mounted.end).toEqual({ cause: 'unmounted' });
      },
      {},
      settings,
    ));

  it('umount of a busy mount fails and changes nothing', () =>
    withMount(
      async (mounted) => {
        const file = await fs.open(mounted.path('f'), 'w');
        expect(() => execFileSync('umount', [mounted.mountpoint], { stdio: 'pipe' })).toThrow('busy');
        await file.writeFile('still works');
        await file.close();
        expect(await fs.readFile(mounted.path('f'), 'utf8')).toBe('still works');
      },
      {},
      settings,
    ));

  it('umount -l serves open files to their end', () =>
    withMount(
      async (mounted) => {
        const file = await fs.open(mounted.path('f'), 'w+');
        execFileSync('umount', ['-l', mounted.mountpoint]);
        expect(isMounted(mounted.mountpoint)).toBe(false);
        await file.write('after the detach', 0);
        const { buffer } = await file.read(Buffer.alloc(16), 0, 16, 0);
        expect(buffer.toString()).toBe('after the detach');
        expect(mounted.end).toBeUndefined();
        await file.close();
        expect(await withDeadline(mounted.exited, 'exit')).toEqual({ code: 0, signal: null });
      },
      {},
      settings,
    ));

  it('SIGTERM unmounts', () =>
    withMount(
      async (mounted) => {
        mounted.child.kill('SIGTERM');
        expect(await withDeadline(mounted.exited, 'exit')).toEqual({ code: 0, signal: null });
        expect(isMounted(mounted.mountpoint)).toBe(false);
      },
      {},
      settings,
    ));

  it('SIGKILL leaves a dead mount point that can be unmounted', () =>
    withMount(
      async (mounted) => {
        mounted.child.kill('SIGKILL');
        await withDeadline(mounted.exited, 'exit');
        await expect(fs.stat(mounted.mountpoint)).rejects.toMatchObject({ code: 'ENOTCONN' });
        execFileSync('umount', [mounted.mountpoint]);
        expect(isMounted(mounted.mountpoint)).toBe(false);
      },
      {},
      settings,
    ));

  it('an aborted connection is told from an unmount', () =>
    withMount(
      async (mounted) => {
        const device = (await fs.stat(mounted.mountpoint)).dev;
        abortConnection(device);
        await withDeadline(mounted.exited, 'exit');
        expect(mounted.end).toEqual({ cause: 'aborted' });
      },
      {},
      settings,
    ));
});

describe('interrupts', () => {
  it('a signal reaches the operation that waits', () =>
    withMount(async (mounted) => {
      const path = mounted.path('lock');
      await fs.writeFile(path, '');
      const script =
        'import fcntl,sys,time\nf=open(sys.argv[1])\nfcntl.flock(f,fcntl.LOCK_EX)\nprint("held",flush=True)\nsys.stdin.read()';
      const holder = spawn('python3', ['-c', script, path], { stdio: ['pipe', 'pipe', 'inherit'] });
      await withDeadline(new Promise((resolve) => holder.stdout.once('data', resolve)), 'the first lock');
      const waiter = spawn('flock', ['-x', path, 'true'], { stdio: 'ignore' });
      const left = new Promise((resolve) => waiter.on('exit', (_code, signal) => resolve(signal)));
      await eventually(async () => (await mounted.counts()).pending === 1, 'the waiting lock');
      waiter.kill('SIGTERM');
      expect(await withDeadline(left, 'the end of the waiter')).toBe('SIGTERM');
      expect((await mounted.counts()).counts.interrupted).toBe(1);
      expect((await mounted.counts()).pending).toBe(0);
      const gone = new Promise((resolve) => holder.on('exit', resolve));
      holder.stdin.end();
      await withDeadline(gone, 'the end of the holder');
    }));

  it('a lock is granted when its holder lets go', () =>
    withMount(async (mounted) => {
      const path = mounted.path('lock');
      await fs.writeFile(path, '');
      const out = execFileSync('sh', ['-c', `flock -x ${path} sh -c 'echo a; echo b' & flock -x ${path} echo c; wait`]);
      expect(out.toString().replaceAll('\n', '')).toMatch(/^(abc|cab)$/);
    }));
});

describe('fusermount3', () => {
  it('mounts, passes the descriptor and unmounts', () =>
    withMount(
      async (mounted) => {
        await fs.writeFile(mounted.path('f'), 'through the helper');
        expect(await fs.readFile(mounted.path('f'), 'utf8')).toBe('through the helper');
        const mounts = await fs.readFile('/proc/mounts', 'utf8');
        expect(mounts).toContain(`memory:9421 ${mounted.mountpoint} fuse.test `);
        await mounted.ask({ do: 'unmount', lazy: false });
        expect(await withDeadline(mounted.exited, 'exit')).toEqual({ code: 0, signal: null });
      },
      {},
      { fusermount: true },
    ));
});
