import type { Clock } from '@alces/runtime';
import type { Charts } from './charts/charts.ts';
import { type Counters, makeCounters } from './counters.ts';
import type { Jobs } from './jobs.ts';
import type { Store } from './store/context.ts';

/** What the process uses; a simulation has its own. */
export interface ProcessUsage {
  /** Microseconds since the start. */
  userCpu: number;
  systemCpu: number;
  residentBytes: number;
  virtualBytes: number;
  /** Seconds by which local time is ahead of UTC. */
  zoneSeconds: number;
}

/** Chart file is stored at this second of every hour. */
const STORE_AT_SECOND = 30;

/** Takes a sample of all counters at every full minute (spec 70 §5). */
export class Statistics {
  readonly #store: Store;
  readonly #jobs: Jobs;
  readonly #charts: Charts;
  readonly #clock: Clock;
  readonly #usage: () => ProcessUsage;
  readonly #save: () => void;
  #minute: number;
  #hourSaved: number;
  #before: ProcessUsage;

  constructor(store: Store, jobs: Jobs, charts: Charts, usage: () => ProcessUsage, save: () => void) {
    this.#store = store;
    this.#jobs = jobs;
    this.#charts = charts;
    this.#clock = store.clock;
    this.#usage = usage;
    this.#save = save;
    this.#minute = Math.floor(this.#clock.unixSeconds() / 60);
    this.#hourSaved = Math.floor((this.#clock.unixSeconds() - STORE_AT_SECOND) / 3600);
    this.#before = usage();
  }

  /** To be called every second. */
  tick(): void {
    const seconds = this.#clock.unixSeconds();
    const minute = Math.floor(seconds / 60);
    if (minute !== this.#minute) {
      this.#minute = minute;
      for (const folder of this.#store.folders) folder.statistics.endMinute();
      this.sample();
    }
    const hour = Math.floor((seconds - STORE_AT_SECOND) / 3600);
    if (hour === this.#hourSaved) return;
    this.#hourSaved = hour;
    this.#save();
  }

  /** Books what was counted since the last sample to the minute that has just ended. */
  sample(): void {
    const usage = this.#usage();
    const samples = this.#samples(this.#store.counters, usage);
    Object.assign(this.#store.counters, makeCounters());
    this.#before = usage;
    this.#charts.book(samples, this.#clock.unixSeconds() + usage.zoneSeconds - 60);
  }

  /** In the order of SERIES. */
  #samples(counters: Counters, usage: ProcessUsage): number[] {
    const { versionChanges, duplicates, truncates, duplicateTruncates } = counters;
    return [
      usage.userCpu - this.#before.userCpu,
      usage.systemCpu - this.#before.systemCpu,
      counters.masterBytesIn,
      counters.masterBytesOut,
      counters.replicatorBytesIn,
      counters.replicatorBytesOut,
      counters.serviceBytesIn,
      counters.serviceBytesOut,
      counters.otherBytesRead,
      counters.otherBytesWritten,
      counters.otherReads,
      counters.otherWrites,
      counters.dataBytesRead,
      counters.dataBytesWritten,
      counters.dataReads,
      counters.dataWrites,
      counters.clientReads,
      counters.clientWrites,
      counters.readNanoseconds,
      counters.writeNanoseconds,
      counters.replications,
      counters.creates,
      counters.deletes,
      versionChanges,
      duplicates,
      truncates,
      duplicateTruncates,
      counters.tests,
      this.#jobs.takeHighest(),
      usage.residentBytes,
      usage.virtualBytes,
      counters.movesLowSpeed,
      counters.movesHighSpeed,
      versionChanges + duplicates + truncates + duplicateTruncates,
    ];
  }
}
