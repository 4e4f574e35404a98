/**
 * Changes per second and waiting times for each CHANGELOG_SAVE_MODE, by number of clients that each wait for their change.
 *   node packages/journal/bench/commit.ts [folder]
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Journal, type SaveMode } from '@alces/journal';
import { realClock, realDisk } from '@alces/runtime';

const DURATION_MS = 1000;
const parent = process.argv[2] ?? tmpdir();
const report = { info() {}, warn: console.warn, error: console.error };

async function measure(saveMode: SaveMode, clients: number): Promise<void> {
  const folder = mkdtempSync(join(parent, 'journal-bench-'));
  try {
    const journal = await Journal.open({
      clock: realClock,
      disk: realDisk,
      folder,
      saveMode,
      backLogs: 5,
      nextVersion: 1,
      report,
    });
    const waits: number[] = [];
    const end = performance.now() + DURATION_MS;
    const client = async () => {
      while (performance.now() < end) {
        const began = performance.now();
        const version = journal.nextVersion;
        journal.append(version, { timestamp: 1_795_211_200, operation: { op: 'ACCESS', inode: version } });
        await new Promise<void>((resolve) => journal.committed(version, resolve));
        waits.push(performance.now() - began);
      }
    };
    await Promise.all(Array.from({ length: clients }, client));
    await journal.close();
    waits.sort((a, b) => a - b);
    const at = (part: number) => `${waits[Math.floor((waits.length - 1) * part)]?.toFixed(3)} ms`;
    console.log(
      `mode ${saveMode}, ${String(clients).padStart(4)} clients: ${String(waits.length).padStart(7)}/s, median ${at(0.5)}, 99 % ${at(0.99)}`,
    );
  } finally {
    rmSync(folder, { recursive: true });
  }
}

for (const saveMode of [0, 2] as const) {
  for (const clients of [1, 16, 256]) await measure(saveMode, clients);
}
