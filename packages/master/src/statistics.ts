import { readFileSync } from 'node:fs';
import type { Clock, Disk, Logger } from '@alces/runtime';
import { Charts } from './charts/engine.ts';
import { MASTER_SERIES } from './charts/masterSeries.ts';
import type { ChunkCounters, SpaceInfo } from './chunks/api.ts';
import type { ClientTraffic } from './clients/service.ts';

/** Kinds of operations counted per session and in the charts, in the order of their numbers (spec 00 §4.11). */
export const Operation = {
  statfs: 0,
  getattr: 1,
  setattr: 2,
  lookup: 3,
  mkdir: 4,
  rmdir: 5,
  symlink: 6,
  readlink: 7,
  mknod: 8,
  unlink: 9,
  rename: 10,
  link: 11,
  readdir: 12,
  open: 13,
  read: 14,
  write: 15,
} as const;
export type Operation = (typeof Operation)[keyof typeof Operation];
export const OPERATION_KINDS = 16;

/** Memory and processor use of this process. */
export interface ResourceUse {
  memoryRssBytes: number;
  memoryVirtualBytes: number;
  userCpuUs: number;
  systemCpuUs: number;
}

const PAGE_BYTES = 4096;

/** Reads what the process uses now. */
export function resourceUse(): ResourceUse {
  const cpu = process.cpuUsage();
  const [virtualPages, residentPages] = readFileSync('/proc/self/statm', 'latin1').split(' ').map(Number);
  return {
    memoryRssBytes: (residentPages ?? 0) * PAGE_BYTES,
    memoryVirtualBytes: (virtualPages ?? 0) * PAGE_BYTES,
    userCpuUs: cpu.user,
    systemCpuUs: cpu.system,
  };
}

/** Where the sums come from that are sampled once a minute. */
export interface StatisticsSources {
  readonly operations: Float64Array;
  readonly traffic: ClientTraffic;
  readonly chunkCounters: Readonly<ChunkCounters>;
  space(): SpaceInfo;
}

interface Sums {
  readonly operations: Float64Array;
  readonly traffic: ClientTraffic;
  readonly chunks: ChunkCounters;
  readonly use: ResourceUse;
  readonly monotonicMs: number;
}

const SAMPLE_SECONDS = 60;

/** The charts of the master, and what INFO tells about the process (spec 70 §3.1, §5). */
export class MasterStatistics {
  readonly charts: Charts;
  /** Sums of all samples since the start, per series, for MONOTONIC_DATA. */
  readonly totals = new Float64Array(MASTER_SERIES.length);
  /** Of the last sample; at first of the start. */
  memoryRssBytes: number;
  /** Share of one CPU in the last minute, in 10^-9. */
  userCpuShare = 0;
  systemCpuShare = 0;
  readonly #clock: Clock;
  readonly #sources: StatisticsSources;
  #before: Sums;

  constructor(clock: Clock, sources: StatisticsSources) {
    this.#clock = clock;
    this.#sources = sources;
    this.charts = new Charts(MASTER_SERIES, clock.unixSeconds());
    this.#before = this.#sums();
    this.memoryRssBytes = this.#before.use.memoryRssBytes;
  }

  /** Books the minute that has just ended. */
  sample(): void {
    const now = this.#sums();
    const before = this.#before;
    this.#before = now;
    const elapsedUs = Math.max(1, (now.monotonicMs - before.monotonicMs) * 1000);
    this.userCpuShare = Math.floor(((now.use.userCpuUs - before.use.userCpuUs) * 1e9) / elapsedUs);
    this.systemCpuShare = Math.floor(((now.use.systemCpuUs - before.use.systemCpuUs) * 1e9) / elapsedUs);
    this.memoryRssBytes = now.use.memoryRssBytes;
    const values = this.#series(before, now);
    this.charts.book(this.#clock.unixSeconds() - SAMPLE_SECONDS, values);
    for (const [index, value] of values.entries()) if (!Number.isNaN(value)) this.totals[index]! += value;
  }

  /** Values of the series of one minute, in their order (spec 70 §5.3). */
  #series(before: Sums, now: Sums): number[] {
    const cpu = (share: number) => Math.floor((share * 6) / 100);
    const traffic = (key: keyof ClientTraffic) => now.traffic[key] - before.traffic[key];
    const chunks = (key: keyof ChunkCounters) => now.chunks[key] - before.chunks[key];
    const space = this.#sources.space();
    return [
      cpu(this.userCpuShare),
      cpu(this.systemCpuShare),
      chunks('deletesSent'),
      chunks('replicationsSent'),
      ...Array.from(now.operations, (count, kind) => count - before.operations[kind]!),
      now.use.memoryRssBytes,
      traffic('packetsReceived'),
      traffic('packetsSent'),
      traffic('bytesReceived'),
      traffic('bytesSent'),
      now.use.memoryVirtualBytes,
      space.totalBytes - space.availableBytes,
      space.totalBytes,
      chunks('createsSent'),
      chunks('changesSent'),
      chunks('deletesOk'),
      chunks('deletesFailed'),
      chunks('replicationsOk'),
      chunks('replicationsFailed'),
      chunks('createsOk'),
      chunks('createsFailed'),
      chunks('changesOk'),
      chunks('changesFailed'),
    ];
  }

  #sums(): Sums {
    return {
      operations: this.#sources.operations.slice(),
      traffic: { ...this.#sources.traffic },
      chunks: { ...this.#sources.chunkCounters },
      use: resourceUse(),
      monotonicMs: this.#clock.monotonicMs(),
    };
  }
}

/** Loads stats.mfs if it is there; a file that can't be used is left out with a message. */
export async function loadStatistics(
  disk: Disk,
  path: string,
  charts: Charts,
  nowSeconds: number,
  log: Logger,
): Promise<boolean> {
  if (!(await disk.exists(path))) return false;
  const loaded = charts.fromFile(await disk.readFile(path));
  if (!loaded) log.warn(`${path}: unknown format - charts begin anew`);
  charts.advanceTo(nowSeconds);
  return loaded;
}
