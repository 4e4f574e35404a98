import { execFileSync } from 'node:child_process';
import * as fs from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { eventually, Mounted } from './mounted.ts';

const ENTRIES = 3000;

describe('directories', () => {
  let mounted: Mounted;

  beforeAll(async () => {
    mounted = await Mounted.start({ entryTimeoutSeconds: 60, attrTimeoutSeconds: 60, asynchronous: true });
    await fs.mkdir(mounted.path('many'));
    for (let index = 0; index < ENTRIES; index++) await fs.writeFile(mounted.path('many', `file-${index}`), '');
  });
  afterAll(() => mounted.stop());

  it('lists more entries than fit one reply, each once', async () => {
    const names = await fs.readdir(mounted.path('many'));
    expect(names.length).toBe(ENTRIES);
    expect(new Set(names).size).toBe(ENTRIES);
  });

  it('gives back every lookup, readdirplus included', async () => {
    execFileSync('ls', ['-l', mounted.path('many')], { maxBuffer: 1 << 24 });
    const { counts } = await mounted.counts();
    expect(counts.readdirplus).toBeGreaterThan(0);
    const lookups = await mounted.ask<number>({ do: 'lookups', path: '/many/file-7' });
    expect(lookups).toBeGreaterThan(0);
    await eventually(async () => {
      execFileSync('sh', ['-c', 'echo 2 > /proc/sys/vm/drop_caches']);
      const left = await Promise.all(
        [0, 7, ENTRIES - 1].map((index) => mounted.ask<number>({ do: 'lookups', path: `/many/file-${index}` })),
      );
      return left.every((count) => count === 0);
    }, 'FORGET of everything');
  });

  it('forgets an unlinked node once its last user is gone', async () => {
    const path = mounted.path('gone');
    await fs.writeFile(path, 'still here');
    const file = await fs.open(path, 'r');
    await fs.unlink(path);
    expect((await file.readFile()).toString()).toBe('still here');
    const before = (await mounted.counts()).counts.forget ?? 0;
    await file.close();
    await eventually(async () => ((await mounted.counts()).counts.forget ?? 0) > before, 'FORGET');
  });
});

describe('notifications', () => {
  let mounted: Mounted;

  beforeAll(async () => {
    mounted = await Mounted.start({ entryTimeoutSeconds: 3600, attrTimeoutSeconds: 3600, asynchronous: true });
  });
  afterAll(() => mounted.stop());

  it('invalidate cached data and attributes', async () => {
    const path = mounted.path('data');
    await fs.writeFile(path, 'old old');
    const file = await fs.open(path, 'r');
    const read = async () => {
      const { buffer, bytesRead } = await file.read(Buffer.alloc(100), 0, 100, 0);
      return buffer.toString('utf8', 0, bytesRead);
    };
    expect(await read()).toBe('old old');
    await mounted.ask({ do: 'replace', path: '/data', text: 'new and longer' });
    expect(await read()).toBe('old old');
    expect(await mounted.ask({ do: 'invalidateInode', path: '/data', offset: 0, lengthBytes: 0 })).toBe(0);
    expect((await fs.stat(path)).size).toBe(14);
    expect(await read()).toBe('new and longer');
    await file.close();
  });

  it('invalidate cached names', async () => {
    const path = mounted.path('name');
    await fs.writeFile(path, '');
    await mounted.ask({ do: 'drop', parent: '/', name: 'name' });
    await fs.stat(path);
    expect(await mounted.ask({ do: 'invalidateEntry', parent: '/', name: 'name' })).toBe(0);
    await expect(fs.stat(path)).rejects.toMatchObject({ code: 'ENOENT' });
  });

  it('tell watchers about deletions', async () => {
    const path = mounted.path('watched');
    await fs.writeFile(path, '');
    const { ino } = await fs.stat(path);
    await mounted.ask({ do: 'drop', parent: '/', name: 'watched' });
    expect(await mounted.ask({ do: 'deleted', parent: '/', child: ino, name: 'watched' })).toBe(0);
    await expect(fs.stat(path)).rejects.toMatchObject({ code: 'ENOENT' });
  });

  it('store data in the page cache', async () => {
    const path = mounted.path('stored');
    await fs.writeFile(path, '0123456789');
    const file = await fs.open(path, 'r');
    expect(await mounted.ask({ do: 'store', path: '/stored', offset: 0, text: 'from store' })).toBe(0);
    expect((await file.readFile()).toString()).toBe('from store');
    await file.close();
  });

  it('about unknown nodes are refused with ENOENT', async () => {
    const ENOENT = 2;
    expect(await mounted.ask({ do: 'invalidateEntry', parent: '/nowhere', name: 'x' })).toBe(ENOENT);
    expect(await mounted.ask({ do: 'invalidateInode', path: '/nowhere', offset: 0, lengthBytes: 0 })).toBe(ENOENT);
  });
});
