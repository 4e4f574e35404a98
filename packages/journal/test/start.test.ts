import { StartError, type StartOptions, startMetadata } from '@alces/journal';
import { describe, expect, it } from 'vitest';
import { dumpLines, type Folder, fixture, inFolder, Report, recordsOf, startOptions } from './support.ts';

const IMAGE_1 = 'image-1/metadata.mfs';
const IMAGE_2 = 'image-2/metadata.mfs';
const CHANGES_1 = 'image-1/changelog.0.mfs';
/** All changes from the first one; the second scenario ran on the data of the first. */
const CHANGES_2 = 'image-2/changelog.0.mfs';

/** Lines first..last of a fixture's change log. */
function lines(name: string, first: number, last: number): string {
  const all = fixture(name)
    .toString('latin1')
    .split(/(?<=\n)/);
  const offset = Number(all[0]!.split(':')[0]);
  return all.slice(first - offset, last - offset + 1).join('');
}

/** Expects that a start is refused, with these words, and changes nothing. */
async function refused(folder: Folder, words: RegExp | string, options: Partial<StartOptions> = {}): Promise<void> {
  const before = folder.contents();
  const error = await startMetadata(startOptions(folder, options)).then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(StartError);
  expect((error as StartError).message).toMatch(words);
  expect(folder.contents()).toEqual(before);
}

async function started(folder: Folder, options: Partial<StartOptions> = {}) {
  const report = new Report();
  const result = await startMetadata(startOptions(folder, { report, ...options }));
  return { ...result, report };
}

/** The records of the fixture's image, without those of sessions that it lacks. */
function imageRecords(name: string): string[] {
  return dumpLines(fixture(name)).filter((line) => !line.startsWith('OPENFILE'));
}

function withoutSessions(records: string[]): string[] {
  return records.filter((line) => !/^(OPENFILE|SESSION)/.test(line));
}

describe('a plain start', () => {
  it('loads metadata.mfs and makes it the backup', () =>
    inFolder(async (folder) => {
      folder.copy(IMAGE_1, 'metadata.mfs').copy(CHANGES_1, 'changelog.0.mfs').write('metadata.mfs.back.tmp', 'x');
      const { state, source, applied, report } = await started(folder);
      expect([state.metaversion, source, applied]).toEqual([155, 'metadata.mfs', 0]);
      expect(folder.list()).toEqual(['changelog.0.mfs', 'metadata.mfs.back']);
      expect(report.text).toContain('checking filesystem consistency ... ok');
      expect(report.text).toContain('all inodes: 30');
    }));

  it('begins a new file system from MFSM NEW', () =>
    inFolder(async (folder) => {
      folder.write('metadata.mfs', 'MFSM NEW');
      const { state, isNew } = await started(folder);
      expect([state.metaversion, state.nodes.count, isNew]).toEqual([1, 1, true]);
      expect(folder.list()).toEqual(['metadata.mfs.back']);
    }));

  it.each([
    ['is missing', () => {}, /^can't find metadata.mfs - try using option '-a'; a new file system begins with/],
    [
      'is empty',
      (folder: Folder) => folder.write('metadata.mfs', ''),
      /^error reading metadata.mfs .* - try using option '-a'$/,
    ],
    [
      'is no image',
      (folder: Folder) => folder.write('metadata.mfs', 'x'.repeat(99)),
      /^metadata.mfs has wrong header - try/,
    ],
    [
      'is truncated',
      (folder: Folder) => folder.write('metadata.mfs', fixture(IMAGE_1).subarray(0, 3000)),
      /^metadata.mfs has wrong ending - try/,
    ],
    [
      'is damaged',
      (folder: Folder) => {
        const image = fixture(IMAGE_1);
        image.writeUInt32BE(77, image.indexOf('NODE 1.4') + 16 + 8 + 1);
        folder.write('metadata.mfs', image);
      },
      /^error loading metadata.mfs \(.*inode 6.* - try using option '-a'$/,
    ],
  ])('is refused when metadata.mfs %s', (_what, prepare, words) =>
    inFolder(async (folder) => {
      prepare(folder);
      await refused(folder, words);
    }),
  );

  it('is refused when the backup is newer', () =>
    inFolder(async (folder) => {
      folder.copy(IMAGE_1, 'metadata.mfs').copy(IMAGE_2, 'metadata.mfs.back');
      await refused(folder, /^backup file is newer than current file/);
    }));

  it('is refused when change logs go on behind the image', () =>
    inFolder(async (folder) => {
      folder.copy(IMAGE_1, 'metadata.mfs').copy(CHANGES_2, 'changelog.0.mfs');
      await refused(folder, /has version 155, but the change logs go on to change 186/);
    }));
});

describe('a plain start after a crash', () => {
  it('recovers from backup and change logs', () =>
    inFolder(async (folder) => {
      folder.write('metadata.mfs.back', 'MFSM NEW').copy(CHANGES_1, 'changelog.0.mfs');
      const { state, applied, report } = await started(folder);
      expect([state.metaversion, applied]).toEqual([155, 154]);
      expect(withoutSessions(recordsOf(state))).toEqual(withoutSessions(imageRecords(IMAGE_1)));
      expect(report.text).toContain('warning: metadata.mfs is missing: the master was not stopped in order');
    }));

  it('recovers over several change logs, the newest with a torn line', () =>
    inFolder(async (folder) => {
      folder.copy(IMAGE_1, 'metadata.mfs.back');
      folder.write('changelog.2.mfs', lines(CHANGES_2, 150, 160));
      folder.write('changelog.1.mfs', lines(CHANGES_2, 161, 180));
      folder.write('changelog.0.mfs', `${lines(CHANGES_2, 181, 186)}187: 179521135`);
      const { state, applied, report } = await started(folder);
      expect([state.metaversion, applied]).toEqual([187, 32]);
      expect(recordsOf(state)).toEqual(dumpLines(fixture(IMAGE_2)));
      expect(report.text).toContain('changelog.0.mfs: unfinished last line (14 bytes');
      // Nothing is cut yet: the journal does that when it opens the file to write.
      expect(folder.read('changelog.0.mfs')).toMatch(/187: 179521135$/);
    }));

  it('recovers when nothing was changed since the backup', () =>
    inFolder(async (folder) => {
      folder.copy(IMAGE_1, 'metadata.mfs.back').copy(CHANGES_1, 'changelog.0.mfs');
      expect((await started(folder)).applied).toBe(0);
    }));

  it('is refused when changes are missing', () =>
    inFolder(async (folder) => {
      folder.copy(IMAGE_1, 'metadata.mfs.back').write('changelog.0.mfs', lines(CHANGES_2, 160, 186));
      await refused(folder, /entries from the metadata image:155 to changelog.0.mfs:159 are missing/);
      folder.write('changelog.0.mfs', lines(CHANGES_2, 155, 170) + lines(CHANGES_2, 172, 186));
      await refused(folder, /entries from changelog.0.mfs:171 to changelog.0.mfs:171 are missing/);
    }));

  it('is refused when a line in the middle or at the end is damaged', () =>
    inFolder(async (folder) => {
      folder.copy(IMAGE_1, 'metadata.mfs.back');
      const [before, after] = [lines(CHANGES_2, 155, 170), lines(CHANGES_2, 172, 186)];
      folder.write('changelog.0.mfs', `${before}###\n${after}`);
      await refused(folder, /changelog.0.mfs:171 are missing/);
      folder.write('changelog.0.mfs', `${before}171: 1795211342|ACCESS(1;)\n${after}`);
      await refused(folder, /changelog.0.mfs:171: '\)' expected/);
      folder.write('changelog.0.mfs', `${before}171: 1795211342|ACCESS(99)\n${after}`);
      await refused(folder, /changelog.0.mfs:171: operation \(1795211342\|ACCESS\(99\)\) error: 3/);
      folder.write('changelog.0.mfs', `${before}###\n`);
      await refused(folder, /damaged line at byte/);
    }));

  it('is refused when the backup is damaged or missing', () =>
    inFolder(async (folder) => {
      folder.copy(CHANGES_2, 'changelog.0.mfs');
      await refused(folder, /^can't find metadata.mfs - try using option '-a'$/);
      folder.write('metadata.mfs.back', fixture(IMAGE_1).subarray(0, 1000));
      const damaged = /^can't find metadata.mfs, and metadata.mfs.back has wrong ending - try using option '-a'$/;
      await refused(folder, damaged);
      folder.copy(IMAGE_1, 'metadata.mfs.back.1');
      await refused(folder, damaged);
    }));

  it('is refused when something else knows more', () =>
    inFolder(async (folder) => {
      folder
        .copy(IMAGE_1, 'metadata.mfs.back')
        .copy(CHANGES_1, 'changelog.0.mfs')
        .copy(IMAGE_2, 'metadata.mfs.emergency');
      await refused(folder, /metadata.mfs.emergency \(version: 187 ; id: 6B00BFBB9D6189D0\) is newer/);
    }));

  it('is refused when a metalogger in the same folder knows more', () =>
    inFolder(async (folder) => {
      folder.copy(IMAGE_1, 'metadata.mfs.back').copy(CHANGES_1, 'changelog.0.mfs');
      folder.write('changelog_ml.0.mfs', lines(CHANGES_2, 140, 160));
      await refused(folder, /metalogger's change logs here go on to change 160, the master's end at 154/);
    }));

  it('finds an emergency image elsewhere', () =>
    inFolder(async (folder) => {
      folder.copy(IMAGE_1, 'metadata.mfs.back');
      await inFolder(async (home) => {
        home.copy(IMAGE_2, 'metadata.mfs.emergency');
        await refused(folder, /is newer than what metadata.mfs.back/, { home: home.path });
      });
    }));
});

describe('a start with -a', () => {
  it('takes the best image and applies what follows', () =>
    inFolder(async (folder) => {
      folder
        .write('metadata.mfs.back', 'MFSM NEW')
        .copy(IMAGE_1, 'metadata.mfs.back.1')
        .copy(CHANGES_2, 'changelog.3.mfs');
      const { state, source, applied, report } = await started(folder, { restore: true, verbosity: 2 });
      expect([source, applied]).toEqual(['metadata.mfs.back.1', 32]);
      expect(recordsOf(state)).toEqual(dumpLines(fixture(IMAGE_2)));
      expect(report.text).toContain(
        'chosen most recent metadata file: metadata.mfs.back.1 (version: 155 ; id: 6B00BFBB9D6189D0)',
      );
      expect(report.text).toContain('found valid metadata file: metadata.mfs.back (version: 1)');
      expect(report.text).toContain('using changelog file: changelog.3.mfs (changes: 1 - 186)');
      expect(report.text).toMatch(/^changelog.3.mfs: 155: 1795211334\|/m);
    }));

  it('merges the files of master and metalogger', () =>
    inFolder(async (folder) => {
      folder.copy(IMAGE_1, 'metadata_ml.mfs.back');
      folder.write('changelog.0.mfs', lines(CHANGES_2, 100, 165));
      folder.write('changelog_ml_back.0.mfs', lines(CHANGES_2, 160, 175));
      folder.write('changelog_ml.0.mfs', lines(CHANGES_2, 170, 186));
      const { state } = await started(folder, { restore: true });
      expect(recordsOf(state)).toEqual(dumpLines(fixture(IMAGE_2)));
      // Backup and change logs of the master alone would not give this again.
      expect(folder.list()).toContain('metadata.mfs.back');
      const { applied } = await started(folder);
      expect(applied).toBe(0);
    }));

  it('takes a good copy of a damaged line', () =>
    inFolder(async (folder) => {
      folder.copy(IMAGE_1, 'metadata.mfs.back');
      const damaged = lines(CHANGES_2, 155, 186).replace(/^170: .*$/m, '170: 179521134?');
      folder.write('changelog.0.mfs', damaged).write('changelog_ml.0.mfs', lines(CHANGES_2, 168, 172));
      const { state } = await started(folder, { restore: true });
      expect(recordsOf(state)).toEqual(dumpLines(fixture(IMAGE_2)));
    }));

  it('refuses histories that contradict each other', () =>
    inFolder(async (folder) => {
      folder.copy(IMAGE_1, 'metadata.mfs.back').copy(CHANGES_2, 'changelog.0.mfs');
      folder.write('changelog_ml.0.mfs', `${lines(CHANGES_2, 150, 169)}170: 1795211340|ACCESS(1)\n`);
      await refused(
        folder,
        /contradiction: change 170 is \(.*\) in changelog.0.mfs and \(1795211340\|ACCESS\(1\)\) in changelog_ml.0.mfs/,
        {
          restore: true,
        },
      );
    }));

  it('does not care for contradictions that the image has behind it', () =>
    inFolder(async (folder) => {
      folder.copy(IMAGE_1, 'metadata.mfs.back').copy(CHANGES_2, 'changelog.0.mfs');
      folder.write('changelog_ml.0.mfs', '100: 1795211340|ACCESS(1)\n101: 1795211340|ACCESS(1)\n');
      expect((await started(folder, { restore: true })).applied).toBe(32);
    }));

  it('follows a file in which the master went back in time before the image', () =>
    inFolder(async (folder) => {
      folder.copy(IMAGE_1, 'metadata.mfs.back');
      const abandoned = Array.from({ length: 20 }, (_, i) => `${130 + i}: 1795211340|ACCESS(1)\n`).join('');
      folder.write('changelog.0.mfs', lines(CHANGES_2, 1, 129) + abandoned + lines(CHANGES_2, 130, 186));
      const { state } = await started(folder, { restore: true });
      expect(recordsOf(state)).toEqual(dumpLines(fixture(IMAGE_2)));
    }));

  it('refuses images of different file systems', () =>
    inFolder(async (folder) => {
      const other = fixture(IMAGE_2);
      other.writeBigUInt64BE(7n, 16);
      folder.copy(IMAGE_1, 'metadata.mfs').write('metadata.mfs.back', other);
      await refused(
        folder,
        /found metadata file with different id number - cleanup.*\n - found valid metadata file: metadata.mfs /,
        {
          restore: true,
        },
      );
      expect((await started(folder, { restore: true, ignoreErrors: true })).state.metaid).toBe(7n);
    }));

  it('takes an older image for a damaged one when the change logs lead on from there', () =>
    inFolder(async (folder) => {
      const damaged = Buffer.from(fixture(IMAGE_2));
      // Name and nodes of the first edge.
      const edges = damaged.indexOf('EDGE');
      damaged.fill(0xff, edges + 16, edges + 40);
      folder.copy(IMAGE_1, 'metadata_ml.mfs.back').write('metadata.mfs.back', damaged);
      folder.write('changelog_ml.0.mfs', lines(CHANGES_2, 155, 170));
      const all = { restore: true };
      await refused(
        folder,
        /metadata_ml.mfs.back and the change logs give version 171 only, metadata.mfs.back had 187/,
        all,
      );
      folder.write('changelog.0.mfs', lines(CHANGES_2, 171, 186));
      const { state, source, report } = await started(folder, all);
      expect([state.metaversion, source]).toEqual([187, 'metadata_ml.mfs.back']);
      expect(report.text).toMatch(/error loading metadata file \(metadata.mfs.back\).* - trying an older image/);
    }));

  it('refuses an empty folder', () =>
    inFolder(async (folder) => {
      await refused(folder, /^can't find valid metadata file$/, { restore: true });
    }));

  it('moves a leftover metadata.mfs out of the way', () =>
    inFolder(async (folder) => {
      folder.copy(IMAGE_2, 'metadata.mfs.back').copy(IMAGE_1, 'metadata.mfs');
      await started(folder, { restore: true });
      expect(folder.list().join()).toMatch(
        /^(metadata\.mfs\.back,)?metadata\.mfs\.[a-zA-Z0-9]{6}(,metadata\.mfs\.back)?$/,
      );
    }));

  it('takes an emergency image of the same file system', () =>
    inFolder((folder) =>
      inFolder(async (home) => {
        folder.copy(IMAGE_1, 'metadata.mfs.back');
        home.copy(IMAGE_2, 'metadata.mfs.emergency');
        const { state, source } = await started(folder, { restore: true, home: home.path });
        expect([state.metaversion, source]).toEqual([187, home.file('metadata.mfs.emergency')]);
        expect(folder.bytes('metadata.mfs.back').readBigUInt64BE(8)).toBe(187n);
      }),
    ));

  it('with -i uses the best state that can be reached', () =>
    inFolder(async (folder) => {
      folder.copy(IMAGE_1, 'metadata.mfs.back');
      const history = `${lines(CHANGES_2, 155, 170)}171: 1795211342|ACCESS(99)\n${lines(CHANGES_2, 172, 186)}`;
      folder.write('changelog.0.mfs', history);
      await refused(folder, /error applying changelogs - fix changelogs manually or use '-i' flag/, { restore: true });
      const { state, report } = await started(folder, { restore: true, ignoreErrors: true });
      expect(state.metaversion).toBe(171);
      expect(report.text).toContain('error applying changelogs - ignoring (using best possible metadata version)');
      expect(report.text).toContain('changes 171-186 are NOT in this state');
      expect(folder.bytes('metadata.mfs.back').readBigUInt64BE(8)).toBe(171n);
    }));
});

describe('damaged input', () => {
  it('is refused or applied, whatever byte of the change log is wrong', async () => {
    const history = Buffer.from(lines(CHANGES_2, 155, 186));
    await inFolder(async (folder) => {
      folder.copy(IMAGE_1, 'metadata.mfs.back');
      const results = { started: 0, refused: 0 };
      for (let at = 0; at < history.length; at += 7) {
        const damaged = Buffer.from(history);
        damaged[at] = damaged[at]! ^ (1 << (at % 8));
        folder.write('changelog.0.mfs', damaged);
        const outcome = await started(folder, { restore: at % 2 === 0 }).then(
          () => 'started' as const,
          (error: unknown) => {
            if (error instanceof StartError) return 'refused' as const;
            throw error;
          },
        );
        results[outcome]++;
      }
      expect(results.refused).toBeGreaterThan(50);
      expect(results.started).toBeGreaterThan(10);
    });
  });

  it('is recovered up to the last whole line, wherever the change log ends', async () => {
    const history = Buffer.from(lines(CHANGES_2, 155, 186));
    await inFolder(async (folder) => {
      folder.copy(IMAGE_1, 'metadata.mfs.back');
      for (let length = 0; length < history.length; length += 5) {
        folder.write('changelog.0.mfs', history.subarray(0, length));
        const whole = history.toString('latin1', 0, length).split('\n').length - 1;
        expect([length, (await started(folder)).applied]).toEqual([length, whole]);
      }
    });
  });
});
