/**
 * Loading an image and applying change logs, ours against the stock master (`mfsmaster restore` does both, and stores the result).
 *   node packages/journal/bench/loadAndReplay.ts [files] [lines]
 */
import { spawnSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readHistory, recover, writeImageFile } from '@alces/journal';
import { imageChunks } from '@alces/metadata';
import { realClock, realDisk } from '@alces/runtime';
import { createFiles, emptyState, Recorder, writeImage } from './generate.ts';

const STOCK_MASTER = '/usr/sbin/mfsmaster';
const files = Number(process.argv[2] ?? 1_000_000);
const lines = Number(process.argv[3] ?? 1_000_000);
const LINES_PER_FILE = 5;

const silent = { info: () => {}, warn: console.warn, error: console.error };

function say(what: string, ms: number, note = ''): void {
  console.log(`${what.padEnd(44)} ${(ms / 1000).toFixed(2).padStart(7)} s ${note}`);
}

async function ours(image: string, changelogs: string[]): Promise<void> {
  const began = performance.now();
  const history = await readHistory({ disk: realDisk, paths: changelogs, version: 1, report: silent });
  const scanned = performance.now();
  const options = {
    disk: realDisk,
    now: 1,
    clockMs: () => performance.now(),
    ignoreErrors: false,
    useBest: false,
    report: silent,
  };
  const { loaded, applied } = await recover(image, history, options);
  const done = performance.now();
  const seconds = (done - scanned) / 1000;
  say(`ours: scan ${changelogs.length} change logs`, scanned - began);
  say(
    `ours: load and apply ${applied} changes`,
    done - scanned,
    applied > 0 ? `(${Math.round(applied / seconds)} changes/s with the load)` : '',
  );
  await writeImageFile(realDisk, `${image}.out`, imageChunks(loaded.state, { now: realClock.unixSeconds() }));
  say('ours: store', performance.now() - done);
  say('ours: all', performance.now() - began, `rss ${Math.round(process.memoryUsage().rss / 1e6)} MB`);
}

function stock(folder: string): void {
  if (!existsSync(STOCK_MASTER)) return;
  writeFileSync(
    join(folder, 'stock.cfg'),
    `WORKING_USER = root\nWORKING_GROUP = root\nNICE_LEVEL = 0\nDATA_PATH = ${folder}\n`,
  );
  const began = performance.now();
  const result = spawnSync(STOCK_MASTER, ['-c', join(folder, 'stock.cfg'), 'restore'], { encoding: 'utf8' });
  say(`stock: restore (rc ${result.status})`, performance.now() - began);
  for (const line of result.stderr.split('\n').filter((text) => /loading .*\((?!0\.0)/.test(text)))
    console.log(`  ${line}`);
}

async function compare(title: string, folder: string, changelogs: string[]): Promise<void> {
  console.log(`\n${title}`);
  await ours(join(folder, 'image'), changelogs);
  rmSync(join(folder, 'image.out'));
  copyFileSync(join(folder, 'image'), join(folder, 'metadata.mfs.back'));
  stock(folder);
  rmSync(join(folder, 'metadata.mfs'), { force: true });
}

const folder = mkdtempSync(join(tmpdir(), 'journal-bench-'));
try {
  const state = emptyState();
  createFiles(new Recorder(state), 'd', files, false);
  writeImage(state, join(folder, 'image'));
  await compare(`image of ${files} files`, folder, []);
  const changelog = join(folder, 'changelog.0.mfs');
  const recorder = new Recorder(state, changelog);
  createFiles(recorder, 'e', Math.ceil(lines / LINES_PER_FILE), true);
  recorder.close();
  await compare(`the same and a change log of ${recorder.lines} lines`, folder, [changelog]);
} finally {
  rmSync(folder, { recursive: true });
}
