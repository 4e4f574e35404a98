import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** What the stock programs made of an image and a change log. */
export interface StockReplay {
  exitCode: number | null;
  output: string;
  /** The saved image; empty when the replay failed. */
  image: Buffer;
  /** Its dump. */
  dump: string[];
}

/** Replays a change log on an image with the stock master (action `restore`) and dumps the result with the stock tool. */
export function stockReplay(image: Buffer, log: Buffer, options: string[] = []): StockReplay {
  const directory = mkdtempSync(join(tmpdir(), 'alces-metadata-'));
  try {
    const config = join(directory, 'mfsmaster.cfg');
    writeFileSync(config, `WORKING_USER = root\nWORKING_GROUP = root\nNICE_LEVEL = 0\nDATA_PATH = ${directory}\n`);
    writeFileSync(join(directory, 'metadata.mfs'), image);
    writeFileSync(join(directory, 'changelog.0.mfs'), log);
    const run = spawnSync('mfsmaster', [...options, '-c', config, 'restore'], { encoding: 'latin1' });
    const output = `${run.stdout}${run.stderr}`;
    if (run.status !== 0) {
      return { exitCode: run.status, output, image: Buffer.alloc(0), dump: [] };
    }
    const saved = join(directory, 'metadata.mfs');
    return { exitCode: 0, output, image: readFileSync(saved), dump: stockDump(saved) };
  } finally {
    rmSync(directory, { recursive: true });
  }
}

/** Dump of an image by the stock tool. */
export function stockDumpOf(image: Buffer): string[] {
  const directory = mkdtempSync(join(tmpdir(), 'alces-metadata-'));
  try {
    const file = join(directory, 'metadata.mfs');
    writeFileSync(file, image);
    return stockDump(file);
  } finally {
    rmSync(directory, { recursive: true });
  }
}

function stockDump(file: string): string[] {
  const run = spawnSync('mfsmetadump', [file], { encoding: 'latin1', maxBuffer: 1 << 30 });
  if (run.status !== 0) {
    throw new Error(`mfsmetadump: ${run.stderr}`);
  }
  return run.stdout.trimEnd().split('\n');
}
