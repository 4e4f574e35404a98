import type { Clock, Random } from '@alces/runtime';
import type { Counters } from '../counters.ts';
import type { Folder } from '../disks/folder.ts';
import type { ChunkFiles } from '../os/files.ts';
import type { ActiveChunks } from './activeChunks.ts';
import type { BufferPool } from './buffers.ts';
import type { ChunkTable } from './chunkTable.ts';

/** The configuration keys of the disks (spec 30 §4.3); replaced as a whole at a reload. */
export interface StoreSettings {
  /** `HDD_LEAVE_SPACE_DEFAULT`. */
  leaveFreeBytes: number;
  /** `HDD_SPARSIFY_ON_WRITE`. */
  sparsify: boolean;
  /** `HDD_FSYNC_BEFORE_CLOSE`. */
  syncBeforeClose: boolean;
  /** `HDD_RR_CHUNK_COUNT`. */
  roundRobinChunks: number;
  /** `HDD_KEEP_DUPLICATES_HOURS`, in seconds. */
  keepDuplicatesSeconds: number;
  /** `HDD_TEST_SPEED`, in bytes a second; 0 = no tests. */
  testBytesPerSecond: number;
  /** `HDD_MIN_TEST_INTERVAL`. */
  minTestIntervalSeconds: number;
  /** `HDD_FADVISE_MIN_TIME`: 0 = always, negative = never. */
  dropCacheAfterSeconds: number;
  /** `HDD_REBALANCE_UTILIZATION`, percent. */
  rebalanceUtilization: number;
  /** `HDD_HIGH_SPEED_REBALANCE_LIMIT`. */
  highSpeedRebalanceLimit: number;
  /** `HDD_ERROR_TOLERANCE_COUNT`. */
  errorToleranceCount: number;
  /** `HDD_ERROR_TOLERANCE_PERIOD`. */
  errorTolerancePeriodSeconds: number;
}

/** What the store tells the master, sooner or later (spec 30 §1.14). */
export interface StoreReports {
  errorOccurred(): void;
  damaged(chunkId: number): void;
  lost(chunkId: number): void;
  /** A chunk is here, or its folder's mark changed. */
  found(chunkId: number): void;
  /** What was told of the chunk is no longer so: it is told anew, with its version or as lost. */
  changed(chunkId: number): void;
  /** Space or chunk counts are worth reporting again. */
  spaceChanged(): void;
}

/** Blocks that are copied or tested at a time. */
export const COPY_BLOCKS = 16;

/** Log lines of the store. */
export interface StoreLog {
  info(message: string): void;
  warn(message: string): void;
  error(message: string): void;
}

/** Everything the parts of the chunk store share. */
export interface Store {
  readonly files: ChunkFiles;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: StoreLog;
  readonly reports: StoreReports;
  readonly counters: Counters;
  readonly table: ChunkTable;
  readonly active: ActiveChunks;
  /** In the order of all lists: the last line of `mfshdd.cfg` first. */
  folders: Folder[];
  settings: StoreSettings;
  /** Buffers of one block. */
  readonly blockBuffers: BufferPool;
  /** Buffers of COPY_BLOCKS blocks, for copies and tests. */
  readonly copyBuffers: BufferPool;
}

/** The folder of a chunk. The table never names a folder that is not in use. */
export function folderNumbered(store: Store, number: number): Folder {
  const folder = store.folders.find((candidate) => candidate.number === number);
  if (!folder) throw new Error(`no folder has number ${number}`);
  return folder;
}

export function folderOf(store: Store, slot: number): Folder {
  return folderNumbered(store, store.table.folder(slot));
}

/** Notes how many blocks a chunk's file has, for the average of its folder. */
export function noteBlocks(store: Store, slot: number, blocks: number, unknown: number): void {
  const folder = folderOf(store, slot);
  const before = store.table.blocks(slot);
  if (before !== unknown) {
    folder.knownBlocks -= before;
    folder.knownChunks--;
  }
  if (blocks !== unknown) {
    folder.knownBlocks += blocks;
    folder.knownChunks++;
  }
  store.table.setBlocks(slot, blocks);
}
