import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { startLiveMaster } from './live/cluster.ts';

const DRIVER = fileURLToPath(new URL('./live/driver.ts', import.meta.url));
const REQUESTS = 4000;
/** Kinds of requests and statuses that must have occurred, as a sign that the random requests reached something. */
const REACHED = [
  'create:0',
  'writeChunk:0',
  'writeEnd:0',
  'truncate:0',
  'snapshot:0',
  'rename:0',
  'create:4',
  'readdir:0',
];

test('answers and change log lines are those of a stock master', { timeout: 300_000 }, () => {
  const live = startLiveMaster();
  try {
    const program = [process.execPath, DRIVER, live.directory, '20', String(REQUESTS)];
    const run = spawnSync('nsenter', [`--net=/run/netns/${live.namespace}`, ...program], {
      encoding: 'utf8',
      maxBuffer: 1 << 26,
    });
    expect(run.stdout + run.stderr).toMatch(/^\{.*\}\n$/);
    expect(Object.keys(JSON.parse(run.stdout))).toEqual(expect.arrayContaining(REACHED));
  } finally {
    live.stop();
  }
});
