import { copyFileSync, existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { main as dump } from '../src/mfsmetadump.ts';
import { main } from '../src/mfsmetarestore.ts';
import { fixture, fixturePath, inFolder, run } from './offlineSupport.ts';

const IMAGE_1 = fixturePath('image-1/metadata.mfs');
const CHANGES_2 = fixture('image-2/changelog.0.mfs')
  .toString('latin1')
  .split(/(?<=\n)/);

/** Lines first..last of the second scenario's change log. */
function changes(first: number, last: number): string {
  return CHANGES_2.slice(first - 1, last).join('');
}

/** The records of an image, without what a replay cannot know. */
async function records(path: string): Promise<string[]> {
  const { out } = await run(dump, [path]);
  return out
    .split('\n')
    .filter((line) => !line.startsWith('# section header'))
    .map((line) => line.replace(/\|c:\[[0-9,]*\]\|l:\[[0-9,]*\]/, ''))
    .sort();
}

const expected = () => records(fixturePath('image-2/metadata.mfs'));

describe('mfsmetarestore -a', () => {
  it("works with a metalogger's files", () =>
    inFolder(async (folder) => {
      copyFileSync(IMAGE_1, join(folder, 'metadata_ml.mfs.back'));
      writeFileSync(join(folder, 'changelog_ml.1.mfs'), changes(150, 165));
      writeFileSync(join(folder, 'changelog_ml.0.mfs'), changes(166, 186));
      writeFileSync(join(folder, 'changelog_ml_back.0.mfs'), changes(1, 170));
      const { status, out, error } = await run(main, ['-a', '-d', folder]);
      expect([status, out]).toEqual([0, `store metadata into file: ${join(folder, 'metadata.mfs')}\n`]);
      expect(error).toContain("file 'metadata.mfs.back' not found - will try 'metadata_ml.mfs.back' instead");
      expect(error).toMatch(/used image .*metadata_ml.mfs.back \(version 155\)/);
      expect(error).toContain('changes 155-186 applied, metadata version is now 187');
      expect(await records(join(folder, 'metadata.mfs'))).toEqual(await expected());
    }));

  it('says what is missing', () =>
    inFolder(async (folder) => {
      expect((await run(main, ['-a', '-d', folder])).error).toContain("can't find backed up metadata file !!!");
      copyFileSync(IMAGE_1, join(folder, 'metadata.mfs.back'));
      expect(await run(main, ['-a', '-d', folder])).toEqual({
        status: 1,
        out: '',
        error: 'changelog files not found\n',
      });
    }));

  it('shows every file and change with -x', () =>
    inFolder(async (folder) => {
      copyFileSync(IMAGE_1, join(folder, 'metadata.mfs.back'));
      writeFileSync(join(folder, 'changelog.1.mfs'), changes(1, 150));
      writeFileSync(join(folder, 'changelog.0.mfs'), changes(151, 186));
      const { out, error } = await run(main, ['-x', '-a', '-d', folder]);
      expect(error).toContain('skipping changelog file: changelog.1.mfs (changes: 1 - 150)');
      expect(error).toContain('using changelog file: changelog.0.mfs (changes: 151 - 186)');
      expect(out).toContain('changelog.0.mfs: 186: 1795211396|ACQUIRE(3,1)\n');
    }));
});

describe('mfsmetarestore -m -o', () => {
  /** Restores from change logs with these contents. */
  async function restore(folder: string, options: string[], ...logs: string[]) {
    const paths = logs.map((log, index) => {
      const path = join(folder, `changelog_ml.${index}.mfs`);
      writeFileSync(path, log);
      return path;
    });
    const target = join(folder, 'metadata.mfs');
    const result = await run(main, [...options, '-m', IMAGE_1, '-o', target, ...paths]);
    return { ...result, target };
  }

  it('merges change logs in any order', () =>
    inFolder(async (folder) => {
      const { status, target } = await restore(folder, [], changes(170, 186), changes(140, 160), changes(155, 175));
      expect(status).toBe(0);
      expect(await records(target)).toEqual(await expected());
      expect(readdirSync(folder)).not.toContain('metadata.mfs.tmp');
    }));

  it('applies nothing without change logs', () =>
    inFolder(async (folder) => {
      const { error, target } = await restore(folder, []);
      expect(error).toContain('no changes applied, metadata version is now 155');
      expect((await records(target)).length).toBeGreaterThan(100);
    }));

  it.each([
    [
      'a hole',
      [changes(155, 160), changes(163, 186)],
      /entries from changelog_ml.0.mfs:161 to changelog_ml.1.mfs:162 are missing/,
      161,
    ],
    ['a contradiction', [changes(155, 186), '160: 1795211330|ACCESS(1)\n'], /contradiction: change 160/, 160],
    [
      'a wrong line',
      [`${changes(155, 159)}160: 17|ACCESS(77)\n`],
      /changelog_ml.0.mfs:160: operation .* error: 3/,
      160,
    ],
    [
      'an unknown operation',
      [`${changes(155, 159)}160: 17|DO(77)\n`],
      /changelog_ml.0.mfs:160: unknown entry 'DO\(77\)'/,
      160,
    ],
  ] as const)('stores nothing when there is %s, but with -b what can be reached', (_what, logs, message, best) =>
    inFolder(async (folder) => {
      const refused = await restore(folder, [], ...logs);
      expect(refused.status).toBe(1);
      expect(refused.error).toMatch(message);
      expect(existsSync(refused.target)).toBe(false);
      const { status, target } = await restore(folder, ['-b'], ...logs);
      expect(status).toBe(0);
      expect(Number(readFileSync(target).readBigUInt64BE(8))).toBe(best);
    }),
  );

  it('does not replace a newer image', () =>
    inFolder(async (folder) => {
      const target = join(folder, 'metadata.mfs');
      copyFileSync(fixturePath('image-2/metadata.mfs'), target);
      const { status, error } = await restore(folder, []);
      expect([status, error]).toEqual([
        1,
        expect.stringContaining('is newer (version 187) than the result (version 155)'),
      ]);
      expect(readFileSync(target)).toEqual(fixture('image-2/metadata.mfs'));
    }));

  it('draws a bar on a terminal', () =>
    inFolder(async (folder) => {
      let log = changes(155, 186);
      for (let version = 187; version < 8000; version++) log += `${version}: 1795211400|ACCESS(1)\n`;
      const path = join(folder, 'changelog.0.mfs');
      writeFileSync(path, log);
      const { error } = await run(main, ['-m', IMAGE_1, '-o', join(folder, 'out'), path], true);
      expect(error).toMatch(/\rchange [0-9]+ of 7999 \[#+\.*\] [0-9]+% ETA [0-9]+ s/);
    }));

  it('refuses a damaged image', () =>
    inFolder(async (folder) => {
      const image = join(folder, 'image');
      writeFileSync(image, fixture('image-1/metadata.mfs').subarray(0, 5000));
      const { status, error } = await run(main, ['-m', image, '-o', join(folder, 'out')]);
      expect([status, error]).toEqual([1, `can't read metadata from file: ${image} (wrong ending)\n`]);
    }));
});

describe('mfsmetarestore', () => {
  it('prints an image when there is no -o', async () => {
    const { status, out } = await run(main, ['-m', IMAGE_1]);
    expect([status, out]).toEqual([0, fixture('image-1/mfsmetadump.txt').toString('latin1')]);
  });

  it('prints its version', async () => {
    expect(await run(main, ['-v'])).toEqual({ status: 0, out: 'version: 3.0.117\n', error: '' });
  });

  it.each([
    [[]],
    [['-?']],
    [['-z']],
    [['-o', 'x']],
    [['-a', '-m', 'x']],
    [['-m', 'x', '-d', 'y']],
    [['-m', 'x', 'log']],
  ])('explains itself after %j', async (args) => {
    const { status, error } = await run(main, args);
    expect(status).toBe(1);
    expect(error).toContain('mfsmetarestore [-f] [-b] [-i] [-x [-x]] -a [-d <data path>]');
  });
});
