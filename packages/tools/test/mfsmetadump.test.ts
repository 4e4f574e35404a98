import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { main } from '../src/mfsmetadump.ts';
import { fixture, fixturePath, inFolder, run } from './offlineSupport.ts';

const IMAGES = ['image-1/metadata.mfs', 'image-2/metadata.mfs'];

function stock(args: readonly string[]): { status: number | null; out: string } {
  const { status, stdout } = spawnSync('mfsmetadump', args, { encoding: 'latin1' });
  return { status, out: stdout };
}

describe('mfsmetadump', () => {
  it.each(IMAGES)('prints %s as the stock tool did', async (name) => {
    const { status, out } = await run(main, [fixturePath(name)]);
    expect(status).toBe(0);
    expect(out).toBe(fixture(name.replace('metadata.mfs', 'mfsmetadump.txt')).toString('latin1'));
  });

  it.each([
    ['-s', 'EDGE'],
    ['-s', 'HEAD'],
    ['-sCHNK'],
    ['-d', '-s', 'NODE'],
    ['-ds', 'SESS'],
    ['-s', 'LABS'],
    ['-s', 'NOPE'],
  ])('takes %s %s as the stock tool does', async (...options) => {
    const args = [...options.filter((option) => option !== undefined), fixturePath(IMAGES[1]!)];
    expect(await run(main, args)).toMatchObject(stock(args));
  });

  it.each([[[]], [['-x', 'file']], [['-s']], [['-s', 'TOOLONG', 'file']], [['/nonexistent/file']]])(
    'answers %j as the stock tool does',
    async (args) => {
      expect(await run(main, args)).toMatchObject(stock(args));
    },
  );

  it('prints what can be read of a truncated image', () =>
    inFolder(async (folder) => {
      for (const length of [0, 4, 20, 30, 300, 2500, 3100, 6070]) {
        const path = join(folder, 'image');
        writeFileSync(path, fixture(IMAGES[1]!).subarray(0, length));
        const { status, error } = await run(main, [path]);
        expect([length, status]).toEqual([length, 1]);
        expect(error).not.toBe('');
      }
    }));
});
