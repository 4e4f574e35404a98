import { drawChart, type Layer, UNKNOWN_CHART } from './picture.ts';
import { COMBINED, chooseChart, SERIES } from './series.ts';

/** Samples of a daemon's series in four ranges (spec 70 §5.1). */

export const POINTS = 4096;
/** Seconds per point of each range. */
export const STEPS = [60, 360, 1800, 86_400] as const;
const NO_DATA = 0xffff_ffff_ffff_ffffn;
const FILE_VERSION = 0x0001_0000;
const NAME_BYTES = 100;
const FILE_HEADER_BYTES = 16;

/** One range of all series: rings of points that share the number of their newest point. */
interface Range {
  step: number;
  /** Number of the newest point: local time / step. */
  newest: number;
  /** A ring a series; NaN = no data. */
  rings: Float64Array[];
}

function wire(value: number): bigint {
  return Number.isNaN(value) ? NO_DATA : BigInt(Math.round(value));
}

export class Charts {
  readonly #ranges: Range[];
  /** Sums of all samples since the start. */
  readonly #totals = SERIES.map(() => 0);

  /** `localSeconds` is Unix time plus the offset of the time zone, as in all chart times. */
  constructor(localSeconds: number) {
    this.#ranges = STEPS.map((step) => ({
      step,
      newest: Math.floor(localSeconds / step),
      rings: SERIES.map(() => new Float64Array(POINTS).fill(Number.NaN)),
    }));
  }

  /** Books a sample of every series to the minute in which `localSeconds` lies. NaN = no data. */
  book(samples: readonly number[], localSeconds: number): void {
    for (const range of this.#ranges) this.#bookInRange(range, samples, Math.floor(localSeconds / range.step));
    for (const [number, value] of samples.entries()) if (!Number.isNaN(value)) this.#totals[number] += value;
  }

  /** Sums since the start, for MONOTONIC_DATA. */
  totals(): bigint[] {
    return this.#totals.map(wire);
  }

  /** Values newest first; undefined when there is no such series. */
  values(chartId: number, maxEntries = POINTS): { time: number; values: bigint[] } | undefined {
    const choice = chooseChart(chartId);
    if (choice?.kind !== 'series') return undefined;
    const range = this.#ranges[choice.range];
    const ring = range.rings[choice.number];
    const values: bigint[] = [];
    for (let age = 0; age < Math.min(maxEntries, POINTS); age++) values.push(wire(ring[this.#index(range, age)]));
    return { time: range.newest * range.step, values };
  }

  /** A PNG; zero width and height stand for the usual size. */
  picture(chartId: number, width: number, height: number): Buffer {
    const choice = chooseChart(chartId);
    if (!choice) return UNKNOWN_CHART;
    const range = this.#ranges[choice.range];
    const layers = choice.kind === 'series' ? [this.#layer(range, choice.number)] : this.#stack(range, choice.number);
    return drawChart({ width, height, layers, newestSeconds: range.newest * range.step, step: range.step });
  }

  /** The file `csstats.mfs`. */
  encode(): Buffer {
    const seriesBytes = NAME_BYTES + STEPS.length * POINTS * 8;
    const file = Buffer.alloc(FILE_HEADER_BYTES + SERIES.length * seriesBytes);
    file.writeUInt32BE(FILE_VERSION, 0);
    file.writeUInt32BE(POINTS, 4);
    file.writeUInt32BE(SERIES.length, 8);
    file.writeUInt32BE(this.#ranges[0].newest, 12);
    for (const [number, series] of SERIES.entries()) {
      let at = FILE_HEADER_BYTES + number * seriesBytes;
      file.write(series.name, at, 'latin1');
      at += NAME_BYTES;
      for (const range of this.#ranges)
        for (let age = POINTS - 1; age >= 0; age--, at += 8)
          file.writeBigUInt64BE(wire(range.rings[number][this.#index(range, age)]), at);
    }
    return file;
  }

  /** Takes over the content of a file; series that it does not have stay empty. False: it is no such file. */
  decode(file: Buffer, localSeconds: number): boolean {
    if (file.length < FILE_HEADER_BYTES || file.readUInt32BE(0) !== FILE_VERSION) return false;
    const points = file.readUInt32BE(4);
    const lastSeconds = file.readUInt32BE(12) * STEPS[0];
    for (const range of this.#ranges) range.newest = Math.floor(lastSeconds / range.step);
    const seriesBytes = NAME_BYTES + STEPS.length * points * 8;
    for (let at = FILE_HEADER_BYTES; at + seriesBytes <= file.length; at += seriesBytes) {
      const name = file.toString('latin1', at, at + NAME_BYTES).replace(/\0.*$/s, '');
      const number = SERIES.findIndex((series) => series.name === name);
      if (number >= 0) this.#decodeSeries(file, at + NAME_BYTES, number, points);
    }
    for (const range of this.#ranges) this.#advance(range, Math.floor(localSeconds / range.step));
    return true;
  }

  #decodeSeries(file: Buffer, start: number, number: number, points: number): void {
    for (const [index, range] of this.#ranges.entries()) {
      const end = start + (index + 1) * points * 8;
      for (let age = 0; age < Math.min(points, POINTS); age++) {
        const value = file.readBigUInt64BE(end - (age + 1) * 8);
        range.rings[number][this.#index(range, age)] = value === NO_DATA ? Number.NaN : Number(value);
      }
    }
  }

  #index(range: Range, age: number): number {
    return (((range.newest - age) % POINTS) + POINTS) % POINTS;
  }

  /** Makes a later point the newest one; the points between have no data. */
  #advance(range: Range, point: number): void {
    const steps = Math.min(point - range.newest, POINTS);
    if (steps <= 0) return;
    range.newest = point;
    for (const ring of range.rings) for (let age = 0; age < steps; age++) ring[this.#index(range, age)] = Number.NaN;
  }

  #bookInRange(range: Range, samples: readonly number[], point: number): void {
    this.#advance(range, point);
    const age = range.newest - point;
    if (age >= POINTS) return;
    const index = this.#index(range, age);
    for (const [number, value] of samples.entries()) {
      const ring = range.rings[number];
      const before = ring[index];
      if (Number.isNaN(value)) continue;
      if (Number.isNaN(before)) ring[index] = value;
      else ring[index] = SERIES[number].mode === 'add' ? before + value : Math.max(before, value);
    }
  }

  #layer(range: Range, number: number): Layer {
    const { mode, multiplier, divisor, percent } = SERIES[number];
    const minutes = mode === 'add' ? range.step / 60 : 1;
    const scale = multiplier / divisor / minutes;
    return { percent, valueAt: (age) => range.rings[number][this.#index(range, age)] * scale };
  }

  /** The layers of a combined chart, the lower one first. */
  #stack(range: Range, number: number): Layer[] {
    const { upper, lower, upperIncludesLower } = COMBINED[number];
    const [top, bottom] = [this.#layer(range, upper), this.#layer(range, lower)];
    const rest = (age: number) => Math.max(0, top.valueAt(age) - bottom.valueAt(age));
    return [bottom, upperIncludesLower ? { ...top, valueAt: rest } : top];
  }
}
