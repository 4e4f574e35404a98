/**
 * How long anybody waits, and how much memory it takes, when an image is stored from a snapshot while the metadata change.
 *   node packages/journal/bench/saveWhileServing.ts [files]
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { storeImage } from '@alces/journal';
import { apply, type State, takeSnapshot } from '@alces/metadata';
import { realClock, realDisk } from '@alces/runtime';
import { createFiles, emptyState, Recorder } from './generate.ts';

const files = Number(process.argv[2] ?? 1_000_000);
const OPERATIONS_PER_TURN = 10;

const megabytes = () => Math.round(process.memoryUsage().rss / 1e6);

/** Changes random files and creates new ones, a few in each turn of the event loop, and measures how long turns take. */
function startLoad(
  state: State,
): () => { turns: number; operations: number; longestMs: number; longestOperationMs: number } {
  const result = { turns: 0, operations: 0, longestMs: 0, longestOperationMs: 0 };
  let running = true;
  let last = performance.now();
  const turn = () => {
    if (!running) return;
    const now = performance.now();
    result.longestMs = Math.max(result.longestMs, now - last);
    last = now;
    result.turns++;
    for (let i = 0; i < OPERATIONS_PER_TURN; i++) {
      const began = performance.now();
      const inode = 3 + Math.floor(Math.random() * files);
      const common = { mode: 0o640, uid: 1, gid: 2 };
      const number = result.operations++;
      if (number % 2 === 0)
        apply(state, number, { op: 'ATTR', inode, ...common, atime: 1, mtime: 2, winattr: 0, aclmode: 0 }, 'live');
      else
        apply(
          state,
          number,
          {
            op: 'CREATE',
            parent: 1,
            name: Buffer.from(`new ${number}`),
            type: 1,
            ...common,
            cumask: 0,
            rdev: 0,
            inode: 0,
          },
          'live',
        );
      result.longestOperationMs = Math.max(result.longestOperationMs, performance.now() - began);
    }
    setImmediate(turn);
  };
  setImmediate(turn);
  return () => {
    running = false;
    return result;
  };
}

async function during(what: string, state: State, work: () => Promise<unknown>): Promise<void> {
  const before = megabytes();
  let most = before;
  const watch = setInterval(() => {
    most = Math.max(most, megabytes());
  }, 5);
  const stop = startLoad(state);
  const began = performance.now();
  await work();
  const took = performance.now() - began;
  const { turns, operations, longestMs, longestOperationMs } = stop();
  clearInterval(watch);
  console.log(
    `${what}: ${Math.round(took)} ms, ${turns} turns, the longest ${longestMs.toFixed(1)} ms, ${operations} operations, the longest` +
      ` ${longestOperationMs.toFixed(1)} ms, memory ${before} MB -> ${most} MB`,
  );
}

const folder = mkdtempSync(join(tmpdir(), 'journal-bench-'));
try {
  const state = emptyState();
  createFiles(new Recorder(state), 'd', files, false);
  const report = { info: console.log, warn: console.warn, error: console.error };
  const options = {
    clock: realClock,
    disk: realDisk,
    folder,
    keepPrevious: 1,
    emergencyFolders: [],
    carried: [],
    report,
  };
  for (let round = 1; round <= 3; round++) {
    await during('without a save', state, () => new Promise((resolve) => setTimeout(resolve, 1000)));
    await during(`save ${round}`, state, async () => {
      const snapshot = takeSnapshot(state);
      await storeImage(snapshot.state, options);
      snapshot.release();
    });
  }
} finally {
  rmSync(folder, { recursive: true });
}
