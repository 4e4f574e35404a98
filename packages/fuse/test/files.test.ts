import { execFileSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import * as fs from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Mounted } from './mounted.ts';

const MIB = 1024 * 1024;

function digest(data: Uint8Array): string {
  return createHash('sha256').update(data).digest('hex');
}

describe.each([
  { name: 'stream channel, immediate answers', threads: false, asynchronous: false },
  { name: 'stream channel, later answers', threads: false, asynchronous: true },
  { name: 'thread-pool channel', threads: true, asynchronous: true },
])('files: $name', ({ threads, asynchronous }) => {
  let mounted: Mounted;

  beforeAll(async () => {
    mounted = await Mounted.start({ asynchronous }, { serve: { threads } });
  });
  afterAll(() => mounted.stop());

  it('uses the channel that was asked for', () => {
    expect(mounted.kind).toBe(threads ? 'threads' : 'stream');
  });

  it('writes and reads back data of odd sizes at odd places', async () => {
    const path = mounted.path('odd');
    const data = randomBytes(3 * MIB + 12345);
    await fs.writeFile(path, data);
    expect(digest(await fs.readFile(path))).toBe(digest(data));
    const file = await fs.open(path, 'r+');
    const patch = randomBytes(70_001);
    await file.write(patch, 0, patch.length, 1_000_003);
    data.set(patch, 1_000_003);
    await file.truncate(2 * MIB + 7);
    await file.close();
    expect(digest(await fs.readFile(path))).toBe(digest(data.subarray(0, 2 * MIB + 7)));
  });

  it('keeps many writers apart while their buffers are lent', async () => {
    const contents = Array.from({ length: 12 }, () => randomBytes(MIB + 333));
    await Promise.all(contents.map((data, index) => fs.writeFile(mounted.path(`w${index}`), data)));
    for (const [index, data] of contents.entries()) {
      expect(digest(await fs.readFile(mounted.path(`w${index}`)))).toBe(digest(data));
    }
  });

  it('makes, links, renames and removes entries', async () => {
    await fs.mkdir(mounted.path('d'), 0o750);
    await fs.writeFile(mounted.path('d', 'f'), 'text');
    await fs.link(mounted.path('d', 'f'), mounted.path('d', 'hard'));
    await fs.symlink('f', mounted.path('d', 'soft'));
    expect(await fs.readlink(mounted.path('d', 'soft'))).toBe('f');
    expect((await fs.stat(mounted.path('d', 'hard'))).nlink).toBe(2);
    execFileSync('mknod', [mounted.path('d', 'pipe'), 'p']);
    expect((await fs.stat(mounted.path('d', 'pipe'))).isFIFO()).toBe(true);
    await fs.rename(mounted.path('d', 'hard'), mounted.path('moved'));
    await fs.unlink(mounted.path('moved'));
    await expect(fs.rmdir(mounted.path('d'))).rejects.toMatchObject({ code: 'ENOTEMPTY' });
    expect((await fs.readdir(mounted.path('d'))).sort()).toEqual(['f', 'pipe', 'soft']);
    await fs.rm(mounted.path('d'), { recursive: true });
    await expect(fs.stat(mounted.path('d'))).rejects.toMatchObject({ code: 'ENOENT' });
  });

  it('passes renameat2 flags on', async () => {
    await fs.writeFile(mounted.path('r1'), '1');
    await fs.writeFile(mounted.path('r2'), '2');
    const script =
      'import ctypes,os,sys\nlibc=ctypes.CDLL(None,use_errno=True)\n' +
      'r=libc.renameat2(-100,sys.argv[1].encode(),-100,sys.argv[2].encode(),1)\nprint(r,os.strerror(ctypes.get_errno()))';
    const out = execFileSync('python3', ['-c', script, mounted.path('r1'), mounted.path('r2')], { encoding: 'utf8' });
    expect(out.trim()).toBe('-1 File exists');
    expect(await fs.readFile(mounted.path('r2'), 'utf8')).toBe('2');
  });

  it('sets attributes, times before 1970 included', async () => {
    const path = mounted.path('attr');
    await fs.writeFile(path, 'x');
    await fs.chmod(path, 0o640);
    await fs.chown(path, 12, 34);
    execFileSync('touch', ['-d', '@-86400', path]);
    const stat = await fs.stat(path);
    expect([stat.mode & 0o7777, stat.uid, stat.gid, stat.mtimeMs]).toEqual([0o640, 12, 34, -86_400_000]);
  });

  it('reports the file system', async () => {
    const { blocks, bfree, bavail, files, ffree, bsize } = await fs.statfs(mounted.mountpoint);
    expect({ blocks, bfree, bavail, files, ffree, bsize }).toEqual({
      blocks: 1000,
      bfree: 600,
      bavail: 500,
      files: 70,
      ffree: 60,
      bsize: 65536,
    });
  });

  it('handles extended attributes', async () => {
    const path = mounted.path('x');
    await fs.writeFile(path, '');
    execFileSync('setfattr', ['-n', 'user.one', '-v', 'first', path]);
    execFileSync('setfattr', ['-n', 'user.two', '-v', 'second', path]);
    const dump = execFileSync('getfattr', ['-d', '--absolute-names', path], { encoding: 'utf8' });
    expect(dump).toContain('user.one="first"');
    expect(dump).toContain('user.two="second"');
    execFileSync('setfattr', ['-x', 'user.one', path]);
    expect(() => execFileSync('getfattr', ['-n', 'user.one', path], { stdio: 'pipe' })).toThrow('No such attribute');
  });

  it('allocates', async () => {
    execFileSync('fallocate', ['-l', '100000', mounted.path('x')]);
    expect((await fs.stat(mounted.path('x'))).size).toBe(100000);
  });

  it('tells who holds a POSIX lock', async () => {
    const script =
      'import fcntl,struct,sys\nf=open(sys.argv[1],"r+")\n' +
      'l=fcntl.fcntl(f,fcntl.F_GETLK,struct.pack("hhqqi",fcntl.F_WRLCK,0,5,0,0))\nprint(struct.unpack("hhqqi",l))';
    const out = execFileSync('python3', ['-c', script, mounted.path('x')], { encoding: 'utf8' });
    expect(out.trim()).toBe(`(1, 0, 5, 0, ${mounted.child.pid})`);
  });
});

describe('large requests', () => {
  it('come in one piece of 1 MiB each way', async () => {
    const mounted = await Mounted.start({ directIo: true });
    try {
      const data = randomBytes(8 * MIB);
      const file = await fs.open(mounted.path('big'), 'w+');
      await file.write(data, 0, data.length, 0);
      const back = Buffer.alloc(data.length);
      await file.read(back, 0, back.length, 0);
      await file.close();
      expect(digest(back)).toBe(digest(data));
      const { largest } = await mounted.counts();
      expect(largest).toEqual({ read: MIB, write: MIB });
    } finally {
      await mounted.stop();
    }
  });
});

describe('INIT', () => {
  it('agrees on what both sides know', async () => {
    const mounted = await Mounted.start({}, { serve: { wishes: { maxWriteBytes: 256 * 1024, flags: 1 } } });
    try {
      const { negotiated } = mounted;
      expect(negotiated.minor).toBeGreaterThanOrEqual(23);
      expect(negotiated.minor).toBeLessThanOrEqual(38);
      expect(negotiated.maxPages).toBe(64);
      expect(negotiated.flags & 1).toBe(1);
      expect(negotiated.flags & (1 << 13)).toBe(0);
      await fs.writeFile(mounted.path('f'), randomBytes(MIB));
      expect((await mounted.counts()).largest.write).toBeLessThanOrEqual(256 * 1024);
    } finally {
      await mounted.stop();
    }
  });
});
