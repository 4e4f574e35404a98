import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, statfsSync, unlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { checkImage, storeAtStop, storeImage } from '@alces/journal';
import { createState, initializeNewFilesystem } from '@alces/metadata';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { access, accessLine, environment, Folder, openJournal, Report, safe } from './support.ts';

/** A file system of a megabyte. */
let folder: Folder;

beforeEach(() => {
  folder = new Folder(mkdtempSync(join(tmpdir(), 'alces-full-')));
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1M', 'tmpfs', folder.path]);
});

afterEach(() => {
  execFileSync('umount', ['-l', folder.path]);
  rmSync(folder.path, { recursive: true });
});

/** Leaves `bytes` free. */
function fill(bytes: number): void {
  const { bavail, bsize } = statfsSync(folder.path);
  writeFileSync(folder.file('ballast'), Buffer.alloc(bavail * bsize - bytes));
}

async function until(condition: () => boolean): Promise<void> {
  const end = Date.now() + 20_000;
  while (!condition()) {
    if (Date.now() > end) throw new Error('the condition did not come true');
    await new Promise((resolve) => {
      setTimeout(resolve, 20);
    });
  }
}

describe('a full disk', () => {
  it('stops acknowledgements until there is space again, and leaves no torn line', async () => {
    const report = new Report();
    const journal = await openJournal(folder, { report });
    journal.append(1, access(1));
    await safe(journal, 1);
    fill(4096);
    let acknowledged = 1;
    const last = 2000;
    for (let version = 2; version <= last; version++) {
      journal.append(version, access(version));
      journal.committed(version, () => {
        acknowledged = version;
      });
      if (version % 100 === 0) await new Promise(setImmediate);
    }
    await until(() => journal.stalledBy !== undefined);
    const reached = acknowledged;
    expect(reached).toBeLessThan(last);
    expect(journal.stalledBy).toMatch(/ENOSPC/);
    expect(report.text).toMatch(/^error: can't write changes .* no change is acknowledged until this is over/m);
    journal.append(last + 1, access(1));
    expect(journal.committedVersion).toBe(reached);

    unlinkSync(folder.file('ballast'));
    await safe(journal, last + 1);
    expect(journal.stalledBy).toBeUndefined();
    expect(report.text).toMatch(/can be written again/);
    await journal.close();
    const expected = [accessLine(1, 1)];
    for (let version = 2; version <= last; version++) expected.push(accessLine(version, version));
    expect(folder.read('changelog.0.mfs')).toBe(expected.join('') + accessLine(last + 1, 1));
  });

  const store = (report: Report, emergencyFolders: string[]) => ({
    clock: environment.clock,
    disk: environment.disk,
    folder: folder.path,
    keepPrevious: 1,
    emergencyFolders,
    carried: [],
    report,
  });
  const smallState = () => {
    const state = createState();
    initializeNewFilesystem(state, 1);
    return state;
  };

  it('makes the image go to an emergency place, and leaves the present one', async () => {
    folder.write('metadata.mfs.back', 'the present one');
    fill(0);
    const elsewhere = new Folder();
    const report = new Report();
    const stored = await storeImage(smallState(), store(report, ['/nonexistent', elsewhere.path]));
    expect(stored).toMatchObject({ emergency: true, path: elsewhere.file('metadata.mfs.emergency') });
    expect(await checkImage(environment.disk, stored.path)).toMatchObject({ result: 'ok', version: 1 });
    expect(folder.list()).toEqual(['ballast', 'metadata.mfs.back']);
    expect(report.text).toContain("please copy this file to your default location as 'metadata.mfs'");
    elsewhere.remove();
  });

  it('makes the stop wait until the image can be stored', async () => {
    fill(0);
    const report = new Report();
    const clock = {
      ...environment.clock,
      timeout: (_delayMs: number, run: () => void) => {
        unlinkSync(folder.file('ballast'));
        return environment.clock.timeout(0, run);
      },
    };
    const stored = await storeAtStop(smallState(), { ...store(report, []), clock });
    expect(stored.path).toBe(folder.file('metadata.mfs'));
    expect(report.text).toContain("can't store metadata - try to make more space on your hdd");
    expect(folder.list()).toEqual(['metadata.crc', 'metadata.mfs']);
  });
});
