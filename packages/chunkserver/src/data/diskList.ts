import type { CSTOCL_HDD_LIST, FieldsOf } from '@alces/proto';
import type { DiskEntry } from '../disks/disks.ts';
import type { Folder } from '../disks/folder.ts';
import { type IoCounters, zeroCounters } from '../disks/ioStatistics.ts';

/** The disk list as monitors see it (spec 70 §4.1). */

type Disk = FieldsOf<typeof CSTOCL_HDD_LIST>['disks'][number];
type Statistics = Disk['lastMinute'];
/** An entry without its statistics. */
export type DiskSummary = Omit<Disk, 'lastMinute' | 'lastHour' | 'lastDay'>;

const FLAG_MARKED = 1;
const FLAG_DAMAGED = 2;
const FLAG_SCANNING = 4;
const FLAG_INVALID = 8;

const LONGEST_PATH = 255;
const KEPT_PATH = 250;
const U32_MAX = 0xffff_ffff;

function shownPath(path: string): Buffer {
  const bytes = Buffer.from(path);
  if (bytes.length <= LONGEST_PATH) return bytes;
  return Buffer.concat([Buffer.from('(...)'), bytes.subarray(bytes.length - KEPT_PATH)]);
}

export function statisticsRecord(counters: IoCounters): Statistics {
  return {
    bytesRead: counters.bytesRead,
    bytesWritten: counters.bytesWritten,
    usecRead: counters.microsecondsRead,
    usecWrite: counters.microsecondsWrite,
    usecFsync: counters.microsecondsSync,
    readOps: Math.min(counters.reads, U32_MAX),
    writeOps: Math.min(counters.writes, U32_MAX),
    fsyncOps: Math.min(counters.syncs, U32_MAX),
    usecReadMax: Math.min(counters.maxMicrosecondsRead, U32_MAX),
    usecWriteMax: Math.min(counters.maxMicrosecondsWrite, U32_MAX),
    usecFsyncMax: Math.min(counters.maxMicrosecondsSync, U32_MAX),
  };
}

function flagsOf(folder: Folder): number {
  const scanning = folder.phase === 'scanning' && !folder.damaged;
  return (folder.line.marked ? FLAG_MARKED : 0) + (folder.damaged ? FLAG_DAMAGED : 0) + (scanning ? FLAG_SCANNING : 0);
}

/** A folder in use. */
export function summarize(folder: Folder): DiskSummary {
  const { totalBytes, availableBytes } = folder.space;
  const scanning = folder.phase === 'scanning' && !folder.damaged;
  return {
    path: shownPath(folder.path),
    flags: flagsOf(folder),
    lastErrorChunkId: folder.errors.newest?.chunkId ?? 0,
    lastErrorTime: folder.errors.newest?.unixSeconds ?? 0,
    used: scanning ? folder.scanPercent : totalBytes - availableBytes,
    total: scanning ? 0 : totalBytes,
    chunks: folder.damaged && !folder.readOnly ? 0 : folder.chunks,
  };
}

function unusable(path: string): Disk {
  const nothing = statisticsRecord(zeroCounters());
  return {
    path: shownPath(path),
    flags: FLAG_INVALID + FLAG_DAMAGED,
    lastErrorChunkId: 0,
    lastErrorTime: 0,
    used: 0,
    total: 0,
    chunks: 0,
    lastMinute: nothing,
    lastHour: nothing,
    lastDay: nothing,
  };
}

/** All configured paths with their statistics. */
export function diskList(entries: readonly DiskEntry[]): Disk[] {
  return entries.map(({ path, folder }) =>
    folder
      ? {
          ...summarize(folder),
          lastMinute: statisticsRecord(folder.statistics.lastMinutes(1)),
          lastHour: statisticsRecord(folder.statistics.lastMinutes(60)),
          lastDay: statisticsRecord(folder.statistics.lastMinutes(1440)),
        }
      : unusable(path),
  );
}
