import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { main } from '../src/mfsmetadirinfo.ts';
import { humanBytes } from '../src/offline/subtreeReport.ts';
import { fixturePath, inFolder, run } from './offlineSupport.ts';

function stock(args: readonly string[]): { status: number | null; out: string } {
  const { status, stdout } = spawnSync('mfsmetadirinfo', args, { encoding: 'latin1' });
  return { status, out: stdout };
}

describe.each(['image-1/metadata.mfs', 'image-2/metadata.mfs'])('mfsmetadirinfo on %s', (name) => {
  const image = fixturePath(name);

  it.each([
    [[image, '/']],
    [[image, '']],
    [[image, 'snap/', '/dir//sub', '/nope']],
    [[image, '/dir/small.txt', '/snap/link', '/snap/fifo']],
    [['-a', 'total', image, '/dir', '/snap']],
    [['-f', 'j', '-a', 'total', image, '/dir', '/nope']],
    [['-fJ', image, '/snap/sub/deep']],
    [['-f', 'c', image, '/', '/nope', '/dir']],
    [['-fC;', image, '/snap']],
    [[image]],
    [[]],
    [['-f', 'x', image, '/']],
    [['-q', image, '/']],
  ])('answers %j as the stock tool does', async (args) => {
    const expected = stock(args);
    const { status, out } = await run(main, args);
    expect([status, out]).toEqual([expected.status, expected.out]);
  });
});

describe('mfsmetadirinfo', () => {
  it('writes to a file', () =>
    inFolder(async (folder) => {
      const args = [fixturePath('image-1/metadata.mfs'), '/dir'];
      const target = join(folder, 'result');
      expect(await run(main, ['-o', target, ...args])).toEqual({ status: 0, out: '', error: '' });
      expect(readFileSync(target, 'latin1')).toBe(stock(args).out);
      const failed = await run(main, ['-o', join(folder, 'no', 'folder'), ...args]);
      expect(failed.status).toBe(1);
      expect(failed.error).toContain('error opening output file');
    }));

  it('refuses what is no image', async () => {
    const { status, error } = await run(main, ['/etc/passwd', '/']);
    expect(status).toBe(1);
    expect(error).toContain("error opening metadata file '/etc/passwd'");
  });

  it('shortens numbers', () => {
    const expected = [
      [0, '    0B'],
      [999, '  999B'],
      [1000, '1.0KiB'],
      [1024, '1.0KiB'],
      [10240, ' 10KiB'],
      [73728, ' 72KiB'],
      [1.5 * 2 ** 30, '1.5GiB'],
      [2 ** 50, '1.0PiB'],
    ] as const;
    expect(expected.map(([bytes]) => humanBytes(bytes))).toEqual(expected.map(([, text]) => text));
  });
});
