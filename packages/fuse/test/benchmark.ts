import { spawn } from 'node:child_process';
import { open } from 'node:fs/promises';
import { setReadAhead } from '../src/index.ts';
import { Mounted } from './mounted.ts';

/**
 * Micro-benchmark of the protocol itself over a file system in memory: `node packages/fuse/test/benchmark.ts`.
 * Lookups: stat of names that the kernel may not remember. Sequential: 1 MiB system calls, data without meaning.
 */

const SECONDS = 3;
const MIB = 1024 * 1024;
const FILE_BYTES = 4096 * MIB;

const STAT_LOOP = `
  const fs = require('fs');
  const [dir, seconds] = process.argv.slice(1);
  const end = Date.now() + seconds * 1000;
  let count = 0;
  while (Date.now() < end) for (let i = 0; i < 200; i++, count++) fs.statSync(dir + '/f' + (count % 1000));
  process.stdout.write(String(count));
`;

function statLoop(directory: string): Promise<number> {
  const child = spawn(process.execPath, ['-e', STAT_LOOP, directory, String(SECONDS)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let out = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    out += text;
  });
  return new Promise((resolve) => child.on('close', () => resolve(Number(out))));
}

async function lookups(threads: boolean, asynchronous: boolean): Promise<void> {
  const mounted = await Mounted.start({ asynchronous }, { serve: { threads } });
  try {
    for (let index = 0; index < 1000; index++) await (await open(mounted.path(`f${index}`), 'w')).close();
    for (const clients of [1, 4]) {
      const before = (await mounted.counts()).counts.lookup;
      await Promise.all(Array.from({ length: clients }, () => statLoop(mounted.mountpoint)));
      const done = (await mounted.counts()).counts.lookup - before;
      const kind = `${mounted.kind}${asynchronous ? ', later answers' : ''}`;
      console.log(`lookups, ${kind}, ${clients} client(s): ${Math.round(done / SECONDS)} /s`);
    }
  } finally {
    await mounted.stop();
  }
}

async function sequential(directIo: boolean): Promise<void> {
  const mounted = await Mounted.start({ directIo, zeros: FILE_BYTES });
  try {
    setReadAhead(mounted.mountpoint, MIB);
    const path = mounted.path('file');
    const buffer = Buffer.alloc(MIB, 1);
    const file = await open(path, 'w');
    const writeMs = await timed(async () => {
      for (let offset = 0; offset < FILE_BYTES / 4; offset += MIB) await file.write(buffer, 0, MIB, offset);
    });
    await file.truncate(FILE_BYTES);
    await file.close();
    const again = await open(path, 'r');
    const readMs = await timed(async () => {
      for (let offset = 0; offset < FILE_BYTES / 4; offset += MIB) await again.read(buffer, 0, MIB, offset);
    });
    await again.close();
    const rate = (ms: number) => `${Math.round(FILE_BYTES / 4 / MIB / (ms / 1000))} MiB/s`;
    const { largest } = await mounted.counts();
    const sizes = `requests up to ${largest.write / 1024} and ${largest.read / 1024} KiB`;
    console.log(`sequential, direct I/O ${directIo}: write ${rate(writeMs)}, read ${rate(readMs)}, ${sizes}`);
  } finally {
    await mounted.stop();
  }
}

async function timed(run: () => Promise<void>): Promise<number> {
  const start = performance.now();
  await run();
  return performance.now() - start;
}

await lookups(false, false);
await lookups(false, true);
await lookups(true, false);
await sequential(true);
await sequential(false);
