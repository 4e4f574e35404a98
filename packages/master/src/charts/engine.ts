/** How a sample joins a point that already has a value (spec 70 §5.1). */
export type SeriesMode = 'add' | 'max';

export interface SeriesDefinition {
  /** Name in the statistics file. */
  readonly name: string;
  /** Four letters, upper case. */
  readonly id: string;
  readonly mode: SeriesMode;
}

export const POINTS = 4096;
/** Seconds per point of the ranges short, medium, long, very long. */
export const RANGE_STEPS_SECONDS: readonly number[] = [60, 360, 1800, 86400];

const FILE_VERSION = 0x00010000;
const NAME_BYTES = 100;
const FILE_HEADER_BYTES = 16;
const NO_DATA_HALF = 0xffffffff;
const U32_RANGE = 2 ** 32;

/** Seconds to add to unix time to get the local time of this machine at that moment. */
export type UtcOffset = (unixSeconds: number) => number;

export const systemUtcOffset: UtcOffset = (unixSeconds) => -60 * new Date(unixSeconds * 1000).getTimezoneOffset();

/** Values of one series in one range, newest first; NaN = no data. */
export interface ChartData {
  /** Start of the newest point in local seconds. */
  readonly timeSeconds: number;
  readonly values: number[];
}

/** Minute statistics kept in four resolutions (spec 70 §5): the content of stats.mfs. NaN stands for "no data". */
export class Charts {
  readonly series: readonly SeriesDefinition[];
  readonly #utcOffset: UtcOffset;
  /** By series, then range; a point's place is its number modulo POINTS. */
  readonly #values: Float64Array[][];
  /** Number of the newest point of each range. */
  readonly #newest: number[];

  constructor(series: readonly SeriesDefinition[], nowSeconds: number, utcOffset: UtcOffset = systemUtcOffset) {
    this.series = series;
    this.#utcOffset = utcOffset;
    this.#values = series.map(() => RANGE_STEPS_SECONDS.map(() => new Float64Array(POINTS).fill(Number.NaN)));
    const localSeconds = nowSeconds + utcOffset(nowSeconds);
    this.#newest = RANGE_STEPS_SECONDS.map((step) => Math.floor(localSeconds / step));
  }

  /** Books one sample per series at a moment; NaN = no data for that series. */
  book(unixSeconds: number, sample: readonly number[]): void {
    const localSeconds = unixSeconds + this.#utcOffset(unixSeconds);
    for (const [range, step] of RANGE_STEPS_SECONDS.entries()) {
      const point = Math.floor(localSeconds / step);
      this.#advance(range, point);
      if (this.#newest[range]! - point >= POINTS) continue;
      for (const [index, definition] of this.series.entries()) {
        const values = this.#values[index]![range]!;
        const at = point % POINTS;
        values[at] = joined(definition.mode, values[at]!, sample[index] ?? Number.NaN);
      }
    }
  }

  /** Moves the ranges on to the present without booking anything. */
  advanceTo(unixSeconds: number): void {
    const localSeconds = unixSeconds + this.#utcOffset(unixSeconds);
    for (const [range, step] of RANGE_STEPS_SECONDS.entries()) this.#advance(range, Math.floor(localSeconds / step));
  }

  /** The newest `count` values of a series. */
  data(series: number, range: number, count: number): ChartData {
    const values = this.#values[series]![range]!;
    const newest = this.#newest[range]!;
    const length = Math.min(count, POINTS);
    return {
      timeSeconds: newest * RANGE_STEPS_SECONDS[range]!,
      values: Array.from({ length }, (_, back) => values[(newest - back + POINTS) % POINTS]!),
    };
  }

  /** The statistics file (spec 70 §5.7). */
  toFile(): Buffer {
    const seriesBytes = NAME_BYTES + RANGE_STEPS_SECONDS.length * POINTS * 8;
    const file = Buffer.alloc(FILE_HEADER_BYTES + this.series.length * seriesBytes);
    file.writeUInt32BE(FILE_VERSION, 0);
    file.writeUInt32BE(POINTS, 4);
    file.writeUInt32BE(this.series.length, 8);
    file.writeUInt32BE(this.#newest[0]!, 12);
    let at = FILE_HEADER_BYTES;
    for (const [index, { name }] of this.series.entries()) {
      file.write(name, at, NAME_BYTES, 'latin1');
      at += NAME_BYTES;
      for (const [range, values] of this.#values[index]!.entries()) {
        for (let back = POINTS - 1; back >= 0; back--) {
          at = writeValue(file, values[(this.#newest[range]! - back + POINTS) % POINTS]!, at);
        }
      }
    }
    return file;
  }

  /**
   * Takes over a statistics file: series are matched by name, and what a short file lacks stays empty. Returns false, and
   * changes nothing, when the file is of another kind.
   */
  fromFile(file: Buffer): boolean {
    if (file.length < FILE_HEADER_BYTES || file.readUInt32BE(0) !== FILE_VERSION) return false;
    const points = file.readUInt32BE(4);
    const count = file.readUInt32BE(8);
    const newestMinute = file.readUInt32BE(12);
    for (const [range, step] of RANGE_STEPS_SECONDS.entries())
      this.#newest[range] = Math.floor((newestMinute * 60) / step);
    const seriesBytes = NAME_BYTES + RANGE_STEPS_SECONDS.length * points * 8;
    for (let index = 0; index < count; index++) {
      const start = FILE_HEADER_BYTES + index * seriesBytes;
      if (start + NAME_BYTES > file.length) break;
      const name = file.toString('latin1', start, start + NAME_BYTES).replace(/\0.*$/s, '');
      const known = this.series.findIndex((definition) => definition.name === name);
      if (known >= 0) this.#readSeries(known, file, start + NAME_BYTES, points);
    }
    return true;
  }

  #readSeries(series: number, file: Buffer, start: number, points: number): void {
    for (const [range, values] of this.#values[series]!.entries()) {
      for (let back = 0; back < Math.min(points, POINTS); back++) {
        const at = start + (range * points + points - 1 - back) * 8;
        if (at + 8 > file.length) continue;
        values[(this.#newest[range]! - back + POINTS) % POINTS] = readValue(file, at);
      }
    }
  }

  #advance(range: number, point: number): void {
    const newest = this.#newest[range]!;
    if (point <= newest) return;
    for (const series of this.#values) {
      const values = series[range]!;
      for (let skipped = Math.max(newest + 1, point - POINTS + 1); skipped <= point; skipped++)
        values[skipped % POINTS] = Number.NaN;
    }
    this.#newest[range] = point;
  }
}

/** Two halves: a file has more than half a million values, and a BigInt for each would hold up the service. */
function writeValue(file: Buffer, value: number, at: number): number {
  const known = !Number.isNaN(value);
  file.writeUInt32BE(known ? Math.floor(value / U32_RANGE) : NO_DATA_HALF, at);
  return file.writeUInt32BE(known ? value % U32_RANGE : NO_DATA_HALF, at + 4);
}

function readValue(file: Buffer, at: number): number {
  const high = file.readUInt32BE(at);
  const low = file.readUInt32BE(at + 4);
  return high === NO_DATA_HALF && low === NO_DATA_HALF ? Number.NaN : high * U32_RANGE + low;
}

function joined(mode: SeriesMode, before: number, sample: number): number {
  if (Number.isNaN(sample)) return before;
  if (Number.isNaN(before)) return sample;
  return mode === 'add' ? before + sample : Math.max(before, sample);
}
