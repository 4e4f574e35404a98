/** Counts and times of data block operations, as HDD_LIST and MONOTONIC_DATA show them (spec 70 §4.1). */
export interface IoCounters {
  bytesRead: number;
  bytesWritten: number;
  microsecondsRead: number;
  microsecondsWrite: number;
  microsecondsSync: number;
  reads: number;
  writes: number;
  syncs: number;
  maxMicrosecondsRead: number;
  maxMicrosecondsWrite: number;
  maxMicrosecondsSync: number;
}

export function zeroCounters(): IoCounters {
  return {
    bytesRead: 0,
    bytesWritten: 0,
    microsecondsRead: 0,
    microsecondsWrite: 0,
    microsecondsSync: 0,
    reads: 0,
    writes: 0,
    syncs: 0,
    maxMicrosecondsRead: 0,
    maxMicrosecondsWrite: 0,
    maxMicrosecondsSync: 0,
  };
}

function merge(into: IoCounters, from: IoCounters): void {
  into.bytesRead += from.bytesRead;
  into.bytesWritten += from.bytesWritten;
  into.microsecondsRead += from.microsecondsRead;
  into.microsecondsWrite += from.microsecondsWrite;
  into.microsecondsSync += from.microsecondsSync;
  into.reads += from.reads;
  into.writes += from.writes;
  into.syncs += from.syncs;
  into.maxMicrosecondsRead = Math.max(into.maxMicrosecondsRead, from.maxMicrosecondsRead);
  into.maxMicrosecondsWrite = Math.max(into.maxMicrosecondsWrite, from.maxMicrosecondsWrite);
  into.maxMicrosecondsSync = Math.max(into.maxMicrosecondsSync, from.maxMicrosecondsSync);
}

const MINUTES = 1440;

/** The block operations of one folder: the running minute, the last 24 hours minute by minute, and all since the start. */
export class IoStatistics {
  #minute = zeroCounters();
  /** Complete minutes, the newest last. */
  #minutes: IoCounters[] = [];
  #total = zeroCounters();

  /** One call of the operating system may carry several blocks; each counts as an operation, as with the stock server. */
  read(blocks: number, bytes: number, milliseconds: number): void {
    const microseconds = Math.round(milliseconds * 1000);
    this.#minute.reads += blocks;
    this.#minute.bytesRead += bytes;
    this.#minute.microsecondsRead += microseconds;
    this.#minute.maxMicrosecondsRead = Math.max(this.#minute.maxMicrosecondsRead, microseconds);
  }

  write(blocks: number, bytes: number, milliseconds: number): void {
    const microseconds = Math.round(milliseconds * 1000);
    this.#minute.writes += blocks;
    this.#minute.bytesWritten += bytes;
    this.#minute.microsecondsWrite += microseconds;
    this.#minute.maxMicrosecondsWrite = Math.max(this.#minute.maxMicrosecondsWrite, microseconds);
  }

  sync(milliseconds: number): void {
    const microseconds = Math.round(milliseconds * 1000);
    this.#minute.syncs++;
    this.#minute.microsecondsSync += microseconds;
    this.#minute.maxMicrosecondsSync = Math.max(this.#minute.maxMicrosecondsSync, microseconds);
  }

  /** Called at each full minute. */
  endMinute(): void {
    merge(this.#total, this.#minute);
    this.#minutes.push(this.#minute);
    if (this.#minutes.length > MINUTES) this.#minutes.shift();
    this.#minute = zeroCounters();
  }

  /** The sum of the last complete minutes. */
  lastMinutes(minutes: number): IoCounters {
    const sum = zeroCounters();
    for (const counters of this.#minutes.slice(-minutes)) merge(sum, counters);
    return sum;
  }

  /** All complete minutes since the start. */
  get total(): IoCounters {
    return this.#total;
  }
}
