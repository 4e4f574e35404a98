import type { VolumeInfo } from '../os/files.ts';
import { NONE } from '../store/chunkTable.ts';
import type { Store } from '../store/context.ts';
import { errorCode, folderFailed } from '../store/failures.ts';
import { chunkPath, type Folder } from './folder.ts';
import { markDamaged } from './retire.ts';
import { folderSpace } from './space.ts';

/** What is done with each folder every second (spec 30 §2.8 - §2.11). */

const SPACE_PERIOD_MS = 60_000;
const DUPLICATES_PER_SECOND = 290;

/** Folders whose volume is being asked; one that hangs must not collect questions. */
const asking = new WeakSet<Folder>();

function volumeProblem(folder: Folder, now: VolumeInfo): string | undefined {
  const before = folder.volume;
  if (!before) return undefined;
  if (before.readOnly !== now.readOnly) return `volume became ${now.readOnly ? 'read-only' : 'writable'}`;
  if (folder.line.ignoreSizeChange) return undefined;
  const shrunk = before.blocks * 9 > now.blocks * 10;
  const grown = before.blocks * 10 < now.blocks * 9;
  return shrunk || grown ? `size of the volume changed from ${before.blocks} to ${now.blocks} blocks` : undefined;
}

function applyVolume(store: Store, folder: Folder, volume: VolumeInfo): void {
  const problem = volumeProblem(folder, volume);
  if (problem && !folder.damaged) markDamaged(store, folder, problem);
  folder.volume = volume;
  folder.space = folderSpace(volume, folder.line.limit, store.settings.leaveFreeBytes, {
    chunks: folder.chunks,
    averageBlocks: folder.knownChunks > 0 ? folder.knownBlocks / folder.knownChunks : undefined,
  });
  folder.spaceCheckedAtMs = store.clock.monotonicMs();
  store.reports.spaceChanged();
}

/** Asks the volume for its space. */
export async function refreshSpace(store: Store, folder: Folder): Promise<void> {
  if (asking.has(folder)) return;
  asking.add(folder);
  folder.spaceIsStale = false;
  try {
    applyVolume(store, folder, await store.files.volume(folder.root));
  } catch (error) {
    if (errorCode(error) === '') throw error;
    folder.spaceCheckedAtMs = store.clock.monotonicMs();
    if (!folder.damaged) markDamaged(store, folder, String(error));
  } finally {
    asking.delete(folder);
  }
}

function tooManyErrors(store: Store, folder: Folder): boolean {
  const { errorTolerancePeriodSeconds, errorToleranceCount } = store.settings;
  const serious = folder.errors.serious(store.clock.unixSeconds(), errorTolerancePeriodSeconds, folder.readOnly);
  return serious > errorToleranceCount;
}

/** Whether the file is the one that the table names: such a file is no duplicate (any more). */
function isCurrentFile(store: Store, folder: Folder, chunkId: number, version: number, subfolder: number): boolean {
  const { table } = store;
  const slot = table.find(chunkId);
  if (slot === NONE || table.folder(slot) !== folder.number || table.subfolder(slot) !== subfolder) return false;
  return table.version(slot) === version || store.active.isInUse(chunkId);
}

async function removeDueDuplicates(store: Store, folder: Folder): Promise<void> {
  const due = folder.duplicatesSinceSeconds + store.settings.keepDuplicatesSeconds;
  if (folder.duplicates.length === 0 || store.clock.unixSeconds() < due) return;
  for (const file of folder.duplicates.splice(0, DUPLICATES_PER_SECOND)) {
    if (isCurrentFile(store, folder, file.chunkId, file.version, file.subfolder)) continue;
    try {
      await store.files.unlink(chunkPath(folder, file.subfolder, file.chunkId, file.version));
      store.log.info(`hdd space manager: ${folder.path}: duplicate of chunk ${file.chunkId} removed`);
    } catch (error) {
      if (errorCode(error) !== 'ENOENT') folderFailed(store, folder, file.chunkId, error);
    }
  }
  folder.spaceIsStale = true;
}

/** One second's work for a folder. */
export async function checkFolder(store: Store, folder: Folder): Promise<void> {
  const isUp = folder.phase === 'scanned' || folder.phase === 'working';
  const dueMs = folder.spaceCheckedAtMs + SPACE_PERIOD_MS;
  if ((isUp && folder.spaceIsStale) || store.clock.monotonicMs() >= dueMs) await refreshSpace(store, folder);
  if (folder.damaged || folder.removing) return;
  if (folder.phase === 'scanned') {
    folder.phase = 'working';
    store.reports.spaceChanged();
  }
  if (folder.phase !== 'working') return;
  if (tooManyErrors(store, folder)) {
    markDamaged(store, folder, 'too many errors');
    return;
  }
  await removeDueDuplicates(store, folder);
}
