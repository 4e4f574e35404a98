import type { FolderLock, VolumeInfo } from '../os/files.ts';
import { chunkFileName, subfolderName } from '../store/format.ts';
import { Gate } from '../store/gate.ts';
import { ErrorRing } from './errorRing.ts';
import type { HddLine } from './hddConfig.ts';
import { IoStatistics } from './ioStatistics.ts';
import type { FolderSpace } from './space.ts';

export const SUBFOLDERS = 256;

/** Operations of one folder that may be in the thread pool at a time. */
export const DISK_PARALLELISM = 4;

/** A file that lost against another copy of the same chunk; it is removed after a while. */
export interface DuplicateFile {
  chunkId: number;
  version: number;
  subfolder: number;
}

/**
 * Where a folder stands: `toScan`, `scanning`, `scanned` (until the next check of every second), `working`.
 */
export type FolderPhase = 'toScan' | 'scanning' | 'scanned' | 'working';

/** Whether all that is in a folder is known, or nothing of it will be. */
export function isScanned({ phase, damaged, removing }: Folder): boolean {
  return phase === 'scanned' || phase === 'working' || damaged || removing;
}

/** A folder of chunks in use (spec 30 §2.10). */
export interface Folder {
  /** Its number in the chunk table. */
  readonly number: number;
  /** As configured, ending in `/`. */
  readonly path: string;
  /** Absolute, ending in `/`. */
  readonly root: string;
  line: HddLine;
  /** Marked for removal and on a read-only volume. */
  readonly readOnly: boolean;
  readonly lock: FolderLock;
  readonly gate: Gate;
  phase: FolderPhase;
  scanPercent: number;
  /** Given up after errors; its chunks are gone from the table (except for a read-only folder). */
  damaged: boolean;
  /** Being taken out of use. */
  removing: boolean;
  readonly errors: ErrorRing;
  readonly statistics: IoStatistics;
  space: FolderSpace;
  volume: VolumeInfo | undefined;
  spaceCheckedAtMs: number;
  spaceIsStale: boolean;
  chunks: number;
  /** Sum and number of the block counts known. */
  knownBlocks: number;
  knownChunks: number;
  readonly subfolderChunks: Uint32Array;
  currentSubfolder: number;
  duplicates: DuplicateFile[];
  duplicatesSinceSeconds: number;
  /** Time (monotonic) of the last chunk moved in from another folder of this server. */
  movedInAtMs: number;
  /** Standing in the weighted round robin of new chunks. */
  credit: number;
}

export interface FolderStart {
  number: number;
  root: string;
  line: HddLine;
  readOnly: boolean;
  lock: FolderLock;
  nowSeconds: number;
}

export function makeFolder(start: FolderStart): Folder {
  return {
    number: start.number,
    path: start.line.path,
    root: start.root,
    line: start.line,
    readOnly: start.readOnly,
    lock: start.lock,
    gate: new Gate(DISK_PARALLELISM),
    phase: 'toScan',
    scanPercent: 0,
    damaged: false,
    removing: false,
    errors: new ErrorRing(),
    statistics: new IoStatistics(),
    space: { totalBytes: 0, availableBytes: 0 },
    volume: undefined,
    spaceCheckedAtMs: Number.NEGATIVE_INFINITY,
    spaceIsStale: true,
    chunks: 0,
    knownBlocks: 0,
    knownChunks: 0,
    subfolderChunks: new Uint32Array(SUBFOLDERS),
    currentSubfolder: 0,
    duplicates: [],
    duplicatesSinceSeconds: start.nowSeconds,
    movedInAtMs: Number.NEGATIVE_INFINITY,
    credit: 0,
  };
}

/** Whether the folder takes part in normal work. */
export function isWorking(folder: Folder): boolean {
  return folder.phase === 'working' && !folder.damaged && !folder.removing;
}

/** Used share of the folder, 0 to 1. */
export function usage(folder: Folder): number {
  const { totalBytes, availableBytes } = folder.space;
  return totalBytes === 0 ? 1 : (totalBytes - availableBytes) / totalBytes;
}

export function chunkPath(folder: Folder, subfolder: number, chunkId: number, version: number): string {
  return `${folder.root}${subfolderName(subfolder)}/${chunkFileName(chunkId, version)}`;
}
