import type { Clock } from '@alces/runtime';
import { type Folder, isWorking, SUBFOLDERS, usage } from './folder.ts';

const NEARLY_FULL = 0.999;
const MOVED_IN_PAUSE_MS = 10_000;

function mayTakeNewChunks(folder: Folder): boolean {
  return (
    isWorking(folder) &&
    !folder.line.marked &&
    !folder.readOnly &&
    folder.line.role !== 'source' &&
    folder.space.totalBytes > 0 &&
    folder.space.availableBytes > 0
  );
}

/** Folders that just received a moved chunk rest, as long as at least two thirds of the candidates remain. */
function withoutResting(candidates: Folder[], nowMs: number): Folder[] {
  const rested = candidates.filter((folder) => folder.movedInAtMs + MOVED_IN_PAUSE_MS < nowMs);
  return rested.length * 3 >= candidates.length * 2 ? rested : candidates;
}

/** The folder for a new chunk: round robin weighted by total size (spec 30 §2.12). Undefined: no folder has space. */
export function chooseFolder(folders: readonly Folder[], clock: Clock): Folder | undefined {
  const usable = folders.filter(mayTakeNewChunks);
  const roomy = usable.filter((folder) => usage(folder) <= NEARLY_FULL);
  const candidates = withoutResting(roomy.length > 0 ? roomy : usable, clock.monotonicMs());
  let best: Folder | undefined;
  let sum = 0;
  for (const folder of candidates) {
    folder.credit += folder.space.totalBytes;
    sum += folder.space.totalBytes;
    if (best === undefined || folder.credit > best.credit) best = folder;
  }
  if (best) best.credit -= sum;
  return best;
}

/**
 * Notes a chunk added to a subfolder. When the current one holds `roundRobinChunks` more than the emptiest, the emptiest (the
 * lowest numbered) becomes the current one.
 */
export function countNewChunk(folder: Folder, subfolder: number, roundRobinChunks: number): void {
  const counts = folder.subfolderChunks;
  counts[subfolder]++;
  let emptiest = 0;
  for (let other = 1; other < SUBFOLDERS; other++) if (counts[other] < counts[emptiest]) emptiest = other;
  if (counts[folder.currentSubfolder] >= counts[emptiest] + roundRobinChunks) folder.currentSubfolder = emptiest;
}
