import { readFileSync, writeFileSync } from 'node:fs';
import { findChangelogs, readHistory } from '@alces/journal';
import { describe, expect, it } from 'vitest';
import { access, accessLine, environment, inFolder, openJournal, Report, safe } from './support.ts';

describe('the journal', () => {
  it('writes what was appended in one turn together, and commits it in order', () =>
    inFolder(async (folder) => {
      const writes: number[] = [];
      const disk = {
        ...environment.disk,
        open: async (...args: Parameters<typeof environment.disk.open>) => {
          const file = await environment.disk.open(...args);
          const write = (position: number, data: readonly Buffer[]) => {
            writes.push(data.reduce((sum, { length }) => sum + length, 0));
            return file.write(position, data);
          };
          return { ...file, write };
        },
      };
      const journal = await openJournal(folder, { disk });
      const order: number[] = [];
      for (let version = 1; version <= 1000; version++) {
        journal.append(version, access(version));
        journal.committed(version, () => order.push(version));
      }
      expect(order).toEqual([]);
      await safe(journal, 1000);
      expect(order).toEqual(Array.from({ length: 1000 }, (_, i) => i + 1));
      expect(writes.length).toBe(1);
      await journal.close();
      const expected = Array.from({ length: 1000 }, (_, i) => accessLine(i + 1, i + 1)).join('');
      expect(folder.read('changelog.0.mfs')).toBe(expected);
    }));

  it('has a change in the file when it commits it', () =>
    inFolder(async (folder) => {
      for (const saveMode of [0, 1, 2] as const) {
        const first = saveMode * 3 + 1;
        const journal = await openJournal(folder, { saveMode, nextVersion: first });
        for (let version = first; version < first + 3; version++) {
          journal.append(version, access(7));
          await safe(journal, version);
          expect(folder.read('changelog.0.mfs').endsWith(accessLine(version, 7))).toBe(true);
        }
        expect(journal.committedVersion).toBe(first + 2);
        await journal.close();
      }
    }));

  it('commits at once what is safe already', () =>
    inFolder(async (folder) => {
      const journal = await openJournal(folder, { nextVersion: 10 });
      let committed = false;
      journal.committed(9, () => {
        committed = true;
      });
      expect(committed).toBe(true);
      await journal.close();
    }));

  it('takes no version but the next one', () =>
    inFolder(async (folder) => {
      const journal = await openJournal(folder);
      expect(() => journal.append(2, access(1))).toThrow(/instead of 1/);
      await journal.close();
      expect(() => journal.append(1, access(1))).toThrow(/closed/);
    }));

  it('takes changes as received text', () =>
    inFolder(async (folder) => {
      const journal = await openJournal(folder, { family: 'changelog_ml', nextVersion: 5 });
      journal.appendText(5, Buffer.from('1795211200|UNDEL(%25)'));
      await journal.close();
      expect(folder.list()).toEqual(['changelog_ml.0.mfs']);
      expect(folder.read('changelog_ml.0.mfs')).toBe('5: 1795211200|UNDEL(%25)\n');
    }));

  it('tells followers what is safe, with rotations in their places', () =>
    inFolder(async (folder) => {
      const journal = await openJournal(folder);
      const told: string[] = [];
      const end = journal.follow({
        change: (version, text) => told.push(`${version} ${text}`),
        rotated: () => told.push('rotated'),
        flushed: () => told.push('flushed'),
      });
      journal.append(1, access(1));
      journal.append(2, access(2));
      void journal.rotate();
      journal.append(3, access(3));
      expect(told).toEqual([]);
      await safe(journal, 3);
      end();
      journal.append(4, access(4));
      await journal.close();
      expect(told).toEqual([
        '1 1795211200|ACCESS(1)',
        '2 1795211200|ACCESS(2)',
        'flushed',
        'rotated',
        '3 1795211200|ACCESS(3)',
        'flushed',
      ]);
    }));
});

describe('rotation', () => {
  it('keeps as many old files as it should', () =>
    inFolder(async (folder) => {
      const journal = await openJournal(folder, { backLogs: 2 });
      for (let version = 1; version <= 4; version++) {
        journal.append(version, access(version));
        await journal.rotate();
      }
      journal.append(5, access(5));
      await journal.close();
      expect(folder.contents()).toEqual({
        'changelog.0.mfs': accessLine(5, 5),
        'changelog.1.mfs': accessLine(4, 4),
        'changelog.2.mfs': accessLine(3, 3),
      });
    }));

  it('keeps none with BACK_LOGS 0', () =>
    inFolder(async (folder) => {
      const journal = await openJournal(folder);
      journal.append(1, access(1));
      journal.configure({ saveMode: 0, backLogs: 0 });
      await journal.rotate();
      expect(folder.list()).toEqual([]);
      journal.append(2, access(2));
      await journal.close();
      expect(folder.contents()).toEqual({ 'changelog.0.mfs': accessLine(2, 2) });
    }));

  it('happens at the stop in modes 1 and 2 only', () =>
    inFolder(async (folder) => {
      const journal = await openJournal(folder, { saveMode: 2 });
      journal.append(1, access(1));
      await journal.close();
      expect(folder.list()).toEqual(['changelog.1.mfs']);
      const again = await openJournal(folder, { saveMode: 0, nextVersion: 2 });
      again.append(2, access(2));
      await again.close();
      expect(folder.list()).toEqual(['changelog.0.mfs', 'changelog.1.mfs']);
    }));
});

describe('opening', () => {
  it('goes on in the file that ends with the change before', () =>
    inFolder(async (folder) => {
      folder.write('changelog.0.mfs', accessLine(1, 1));
      const journal = await openJournal(folder, { nextVersion: 2 });
      journal.append(2, access(2));
      await journal.close();
      expect(folder.contents()).toEqual({ 'changelog.0.mfs': accessLine(1, 1) + accessLine(2, 2) });
    }));

  it.each([
    ['a gap', 5],
    ['a step back', 1],
  ])('begins a new file at %s', (_what, nextVersion) =>
    inFolder(async (folder) => {
      folder.write('changelog.0.mfs', `${accessLine(1, 1)}${accessLine(2, 2)}3: torn`);
      const journal = await openJournal(folder, { nextVersion });
      journal.append(nextVersion, access(9));
      await journal.close();
      expect(folder.contents()).toEqual({
        'changelog.0.mfs': accessLine(nextVersion, 9),
        'changelog.1.mfs': accessLine(1, 1) + accessLine(2, 2),
      });
    }),
  );

  it('begins a new file behind one that it does not understand', () =>
    inFolder(async (folder) => {
      folder.write('changelog.0.mfs', 'what is this?\n');
      const journal = await openJournal(folder, { nextVersion: 5 });
      journal.append(5, access(5));
      await journal.close();
      expect(folder.contents()).toEqual({ 'changelog.0.mfs': accessLine(5, 5), 'changelog.1.mfs': 'what is this?\n' });
    }));

  it('goes on in a file that has nothing but a torn line', () =>
    inFolder(async (folder) => {
      folder.write('changelog.0.mfs', '5: 179').write('changelog.1.mfs', accessLine(4, 4));
      const journal = await openJournal(folder, { nextVersion: 5 });
      journal.append(5, access(5));
      await journal.close();
      expect(folder.contents()).toEqual({ 'changelog.0.mfs': accessLine(5, 5), 'changelog.1.mfs': accessLine(4, 4) });
    }));

  it('cuts a torn line off', () =>
    inFolder(async (folder) => {
      const report = new Report();
      folder.write('changelog.0.mfs', `${accessLine(1, 1)}2: 17952112`);
      const journal = await openJournal(folder, { nextVersion: 2, report });
      journal.append(2, access(3));
      await journal.close();
      expect(folder.read('changelog.0.mfs')).toBe(accessLine(1, 1) + accessLine(2, 3));
      expect(report.text).toContain('unfinished last line of 11 bytes cut off');
    }));
});

describe('old files kept compressed', () => {
  it('are read like the others, and damage in them is noticed', () =>
    inFolder(async (folder) => {
      const journal = await openJournal(folder, { compressOld: true });
      for (let version = 1; version <= 40; version++) {
        journal.append(version, access(version));
        if (version % 10 === 0) await journal.rotate();
      }
      await journal.close();
      const files = ['changelog.1.mfs', 'changelog.2.mfs.lz4', 'changelog.3.mfs.lz4', 'changelog.4.mfs.lz4'];
      expect(folder.list()).toEqual(files);
      const { disk } = environment;
      const report = new Report();
      const read = async () => {
        const paths = await findChangelogs(disk, folder.path, ['changelog']);
        const { runs } = await readHistory({ disk, paths, version: 1, report });
        return runs.map(({ first, last }) => [first, last]).sort(([a], [b]) => a! - b!);
      };
      expect(await read()).toEqual([
        [1, 10],
        [11, 20],
        [21, 30],
        [31, 40],
      ]);
      const path = folder.file('changelog.3.mfs.lz4');
      writeFileSync(path, readFileSync(path).subarray(0, 20));
      // A hole, which nobody steps over.
      expect((await read()).map(([first]) => first)).toEqual([1, 21, 31]);
      expect(report.lines.join()).toContain('changelog.3.mfs.lz4 is damaged');
    }));
});
