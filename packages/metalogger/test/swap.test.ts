import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Disk, realDisk } from '@alces/runtime';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { finishSwap, swapIn } from '../src/archive/swap.ts';

const OLD = [
  'metadata_ml.mfs.back',
  'metadata_ml.mfs.back.1',
  'changelog_ml.0.mfs',
  'changelog_ml.7.mfs',
  'changelog_ml_back.0.mfs',
];
const NEW = ['metadata_ml.mfs.back', 'changelog_ml.0.mfs', 'changelog_ml.1.mfs', 'changelog_ml_back.1.mfs'];
const OTHERS = ['metadata.mfs.back', 'changelog.0.mfs', 'mfsmetalogger.cfg', 'stats.mfs'];

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'alces-swap-'));
  mkdirSync(join(folder, 'ml_rebuild'));
  for (const name of OLD) writeFileSync(join(folder, name), 'old');
  for (const name of OTHERS) writeFileSync(join(folder, name), 'other');
  for (const name of NEW) writeFileSync(join(folder, 'ml_rebuild', name), 'new');
});

afterEach(() => rmSync(folder, { recursive: true }));

/** Names of the files with this content in a folder. */
function holding(content: string, below = ''): string[] {
  const entries = readdirSync(join(folder, below), { withFileTypes: true }).filter((entry) => entry.isFile());
  return entries.map(({ name }) => name).filter((name) => readFileSync(join(folder, below, name), 'utf8') === content);
}

/** A disk that fails for good at its n-th change. */
function dyingDisk(changes: number): Disk {
  let left = changes;
  const count = <A extends unknown[], R>(operation: (...args: A) => Promise<R>) => {
    return async (...args: A): Promise<R> => {
      if (left-- <= 0) throw new Error('crash');
      return operation(...args);
    };
  };
  return {
    ...realDisk,
    rename: count(realDisk.rename),
    remove: count(realDisk.remove),
    replaceFile: count(realDisk.replaceFile),
    makeFolder: count(realDisk.makeFolder),
    syncFolder: count(realDisk.syncFolder),
  };
}

function expectSwapped(): void {
  expect(holding('new').sort()).toEqual([...NEW].sort());
  expect(holding('old')).toEqual([]);
  expect(holding('other').sort()).toEqual([...OTHERS].sort());
  expect(holding('old', 'ml_discarded.1').sort()).toEqual([...OLD].sort());
  expect(readdirSync(join(folder, 'ml_rebuild'))).toEqual([]);
}

test('a new set takes the place of the old one, which is kept', async () => {
  expect(await swapIn({ disk: realDisk, folder, now: 1 })).toBe(join(folder, 'ml_discarded.1'));
  expectSwapped();
});

test('after a crash at any moment there is the old set or the new one, once the start has looked', async () => {
  let outcome = 0;
  for (let changes = 0; outcome !== 3; changes++) {
    outcome = await swapIn({ disk: dyingDisk(changes), folder, now: 1 }).then(
      () => 3,
      () => 0,
    );
    await finishSwap(realDisk, folder);
    if (holding('old').length > 0) {
      // The swap had not begun.
      expect(holding('old').sort()).toEqual([...OLD].sort());
      expect(holding('new')).toEqual([]);
      expect(holding('new', 'ml_rebuild').sort()).toEqual([...NEW].sort());
      rmSync(join(folder, 'ml_discarded.1'), { recursive: true, force: true });
      continue;
    }
    expectSwapped();
    if (outcome === 3) return;
    for (const name of [...NEW]) rmSync(join(folder, name));
    rmSync(join(folder, 'ml_discarded.1'), { recursive: true });
    for (const name of OLD) writeFileSync(join(folder, name), 'old');
    for (const name of NEW) writeFileSync(join(folder, 'ml_rebuild', name), 'new');
  }
});

test('the three last sets that were replaced are kept', async () => {
  for (let round = 1; round <= 5; round++) {
    for (const name of OLD) writeFileSync(join(folder, name), `old ${round}`);
    for (const name of NEW) writeFileSync(join(folder, 'ml_rebuild', name), 'new');
    await swapIn({ disk: realDisk, folder, now: round });
  }
  const kept = [1, 2, 3].map((number) => readFileSync(join(folder, `ml_discarded.${number}`, OLD[0]!), 'utf8'));
  expect(kept.sort()).toEqual(['old 3', 'old 4', 'old 5']);
  expect(readdirSync(folder).filter((name) => name.startsWith('ml_discarded'))).toHaveLength(3);
});

test('the first set replaces nothing', async () => {
  for (const name of OLD) rmSync(join(folder, name));
  expect(await swapIn({ disk: realDisk, folder, now: 1 })).toBeUndefined();
  expect(holding('new').sort()).toEqual([...NEW].sort());
});
