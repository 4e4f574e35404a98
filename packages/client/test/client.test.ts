import { createHash, randomBytes } from 'node:crypto';
import { pipeline } from 'node:stream/promises';
import { type Client, connect } from '@alces/client';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type StockCluster, startStock } from './support/stock.ts';

let stock: StockCluster;
let fs: Client;

beforeAll(async () => {
  stock = await startStock();
  fs = await connect({ masters: [stock.master] });
});

afterAll(async () => {
  await fs?.close();
  await stock?.stop();
});

const sha = (data: Buffer): string => createHash('sha256').update(data).digest('hex');

describe('directories and names', () => {
  it('makes, lists and removes trees', async () => {
    expect(await fs.mkdir('/tree/a/b', { recursive: true })).toBe('/tree');
    expect(await fs.mkdir('/tree/a/b', { recursive: true })).toBeUndefined();
    await fs.writeFile('/tree/a/file', 'x');
    expect((await fs.readdir('/tree/a')).sort()).toEqual(['b', 'file']);
    const [b, file] = (await fs.readdir('/tree/a', { withFileTypes: true })).sort((x, y) => (x.name < y.name ? -1 : 1));
    expect([b.isDirectory(), file.isFile(), file.stats.size]).toEqual([true, true, 1]);
    await expect(fs.rmdir('/tree/a')).rejects.toMatchObject({ code: 'ENOTEMPTY', syscall: 'rmdir', path: '/tree/a' });
    await expect(fs.rm('/tree')).rejects.toMatchObject({ code: 'EISDIR' });
    await fs.rm('/tree', { recursive: true });
    await expect(fs.stat('/tree')).rejects.toMatchObject({ code: 'ENOENT', errno: -2, syscall: 'stat', path: '/tree' });
    await fs.rm('/tree', { recursive: true, force: true });
  });

  it('takes names that are no UTF-8', async () => {
    const name = Buffer.from([0x2f, 0xff, 0xfe, 0x41]);
    await fs.writeFile(name, 'raw');
    const found = (await fs.entries('/')).find(({ nameBytes }) => nameBytes.equals(name.subarray(1)));
    expect(found?.stats.size).toBe(3);
    await fs.unlink(name);
  });

  it('follows symbolic links, and sees loops', async () => {
    await fs.mkdir('/links/dir', { recursive: true });
    await fs.writeFile('/links/dir/target', 'content');
    await fs.symlink('dir', '/links/relative');
    await fs.symlink('/links/dir/target', '/links/absolute');
    await fs.symlink('../links/relative/target', '/links/chain');
    await fs.symlink('loop2', '/links/loop1');
    await fs.symlink('loop1', '/links/loop2');
    expect(await fs.readFile('/links/relative/target', 'utf8')).toBe('content');
    expect(await fs.readFile('/links/absolute', 'utf8')).toBe('content');
    expect(await fs.readFile('/links/chain', 'utf8')).toBe('content');
    expect(String(await fs.readlink('/links/chain'))).toBe('../links/relative/target');
    expect((await fs.lstat('/links/chain')).isSymbolicLink()).toBe(true);
    await expect(fs.readFile('/links/loop1')).rejects.toMatchObject({ code: 'ELOOP' });
    await fs.symlink('dir/made', '/links/dangling');
    await fs.writeFile('/links/dangling', 'through');
    expect(await fs.readFile('/links/dir/made', 'utf8')).toBe('through');
    await fs.rm('/links', { recursive: true });
  });

  it('renames, links, and leaves a node renamed onto itself alone', async () => {
    await fs.mkdir('/moves');
    await fs.writeFile('/moves/one', '1');
    await fs.link('/moves/one', '/moves/two');
    expect((await fs.stat('/moves/two')).nlink).toBe(2);
    await fs.rename('/moves/one', '/moves/one');
    await fs.rename('/moves/one', '/moves/two');
    expect((await fs.readdir('/moves')).sort()).toEqual(['one', 'two']);
    await fs.mkdir('/moves/dir');
    await expect(fs.rename('/moves/dir', '/moves/dir/inside')).rejects.toMatchObject({
      code: 'EINVAL',
      syscall: 'rename',
    });
    await fs.rename('/moves/one', '/moves/dir/three');
    expect(await fs.readFile('/moves/dir/three', 'utf8')).toBe('1');
    await expect(fs.link('/moves/two', '/moves/dir/three')).rejects.toMatchObject({ code: 'EEXIST' });
    await fs.rm('/moves', { recursive: true });
  });

  it('gives the errors of the path', async () => {
    await fs.writeFile('/plain', '');
    await expect(fs.stat('/plain/below')).rejects.toMatchObject({ code: 'ENOTDIR' });
    await expect(fs.stat('/plain/')).rejects.toMatchObject({ code: 'ENOTDIR' });
    await expect(fs.mkdir('/plain')).rejects.toMatchObject({
      code: 'EEXIST',
      message: expect.stringContaining("mkdir '/plain'"),
    });
    await expect(fs.readdir('/plain')).rejects.toMatchObject({ code: 'ENOTDIR' });
    await expect(fs.open('/', 'r')).rejects.toMatchObject({ code: 'EISDIR' });
    await expect(fs.stat(`/${'x'.repeat(256)}`)).rejects.toMatchObject({ code: 'ENAMETOOLONG' });
    await fs.unlink('/plain');
  });
});

describe('attributes', () => {
  it('changes modes, owners and times', async () => {
    await fs.writeFile('/attrs', 'abc', { mode: 0o640 });
    await fs.chmod('/attrs', 0o4711);
    await fs.utimes('/attrs', 1000, new Date(2_000_000));
    await fs.chown('/attrs', 12, 34);
    const stats = await fs.stat('/attrs');
    expect(stats.mode).toBe(0o100711);
    expect([stats.uid, stats.gid, stats.atimeMs, stats.mtimeMs, stats.size]).toEqual([12, 34, 1_000_000, 2_000_000, 3]);
    await fs.unlink('/attrs');
  });

  it('keeps extended attributes and goals', async () => {
    await fs.writeFile('/extended', '');
    await fs.setxattr('/extended', 'user.colour', 'brown');
    expect(String(await fs.getxattr('/extended', 'user.colour'))).toBe('brown');
    expect(await fs.listxattr('/extended')).toEqual(['user.colour']);
    await fs.removexattr('/extended', 'user.colour');
    await expect(fs.getxattr('/extended', 'user.colour')).rejects.toMatchObject({ code: 'ENODATA' });
    await expect(fs.setxattr('/extended', '', 'x')).rejects.toMatchObject({ code: 'EINVAL' });
    await fs.setGoal('/extended', 3);
    expect(await fs.getGoal('/extended')).toBe('3');
    await fs.unlink('/extended');
  });

  it('tells the space', async () => {
    const space = await fs.statfs();
    expect(space.blocks).toBeGreaterThan(space.bavail - 1);
    expect(space.bsize).toBe(65_536);
  });
});

describe('file handles', () => {
  it('obeys the flags', async () => {
    await fs.writeFile('/flags', 'first');
    await expect(fs.open('/flags', 'wx')).rejects.toMatchObject({ code: 'EEXIST' });
    await fs.appendFile('/flags', '+second');
    expect(await fs.readFile('/flags', 'utf8')).toBe('first+second');
    const file = await fs.open('/flags', 'r+');
    await file.write('FIRST', 0);
    expect(String((await file.read(Buffer.alloc(12), 0, 12, 0)).buffer)).toBe('FIRST+second');
    await file.truncate(5);
    expect((await file.stat()).size).toBe(5);
    await file.close();
    await expect(file.read(Buffer.alloc(1))).rejects.toMatchObject({ code: 'EBADF', syscall: 'read' });
    const reader = await fs.open('/flags', 'r');
    await expect(reader.write('x')).rejects.toMatchObject({ code: 'EBADF', syscall: 'write' });
    await reader.close();
    await fs.writeFile('/flags', 'short');
    expect(await fs.readFile('/flags', 'utf8')).toBe('short');
    await fs.unlink('/flags');
  });

  it('reads and writes at its own position', async () => {
    const file = await fs.open('/position', 'w+');
    await file.write('one ');
    await file.write('two ');
    await file.writev([Buffer.from('three '), Buffer.from('four')]);
    expect(String(await file.readFile())).toBe('');
    expect(String((await file.read(Buffer.alloc(9), 0, 9, 4)).buffer)).toBe('two three');
    await file.close();
    await fs.unlink('/position');
  });

  it('sees what another client appended to an open file', async () => {
    await using other = await connect({ masters: [stock.master] });
    await fs.writeFile('/tail', 'a');
    const file = await fs.open('/tail');
    expect(String(await file.readFile())).toBe('a');
    expect((await file.read(Buffer.alloc(1))).bytesRead).toBe(0);
    await other.appendFile('/tail', 'bc');
    expect(String(await file.readFile())).toBe('bc');
    await file.close();
    await fs.unlink('/tail');
  });
});

describe('streams', () => {
  it('carries a file through', async () => {
    const data = randomBytes(9_000_001);
    const half = data.length / 2;
    await pipeline([data.subarray(0, half), data.subarray(half)], fs.createWriteStream('/stream'));
    const parts: Buffer[] = [];
    for await (const part of fs.createReadStream('/stream')) parts.push(part);
    expect(sha(Buffer.concat(parts))).toBe(sha(data));
    const some: Buffer[] = [];
    for await (const part of fs.createReadStream('/stream', { start: 65_530, end: 65_549 })) some.push(part);
    expect(Buffer.concat(some)).toEqual(data.subarray(65_530, 65_550));
    await fs.unlink('/stream');
  });

  it('gives holes as zeros of their own', async () => {
    const file = await fs.open('/hole', 'w');
    await file.truncate(3_000_000);
    await file.close();
    for await (const part of fs.createReadStream('/hole')) (part as Buffer).fill(1);
    expect((await fs.readFile('/hole')).every((byte) => byte === 0)).toBe(true);
    await fs.unlink('/hole');
  });

  it('reports a missing file', async () => {
    const stream = fs.createReadStream('/nowhere');
    await expect(stream.toArray()).rejects.toMatchObject({ code: 'ENOENT' });
  });
});
