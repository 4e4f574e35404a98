import { describe, expect, test } from 'vitest';
import { Charts, POINTS } from '../src/charts/engine.ts';
import { MASTER_SERIES } from '../src/charts/masterSeries.ts';

const definitions = [
  { name: 'sum', id: 'SUMM', mode: 'add' },
  { name: 'peak', id: 'PEAK', mode: 'max' },
] as const;
const utc = () => 0;
const NONE = Number.NaN;

describe('charts', () => {
  test('samples are summed or compared, in all ranges', () => {
    const charts = new Charts(definitions, 3600, utc);
    charts.book(3600, [1, 5]);
    charts.book(3660, [2, 3]);
    charts.book(3665, [4, NONE]);
    expect(charts.data(0, 0, 3)).toEqual({ timeSeconds: 3660, values: [6, 1, NONE] });
    expect(charts.data(1, 0, 2).values).toEqual([3, 5]);
    expect(charts.data(0, 1, 2)).toEqual({ timeSeconds: 3600, values: [7, NONE] });
    expect(charts.data(1, 1, 1).values).toEqual([5]);
    expect(charts.data(0, 3, 1)).toEqual({ timeSeconds: 0, values: [7] });
  });

  test('late samples go where they belong, time that passed without one is empty', () => {
    const charts = new Charts(definitions, 0, utc);
    charts.book(60 * 100, [1, 1]);
    charts.book(60 * 103, [2, 2]);
    charts.book(60 * 101, [3, 3]);
    expect(charts.data(0, 0, 4).values).toEqual([2, NONE, 3, 1]);
    charts.advanceTo(60 * (103 + 2 * POINTS));
    expect(charts.data(0, 0, POINTS).values.every(Number.isNaN)).toBe(true);
    charts.book(60 * 103, [9, 9]);
    expect(charts.data(0, 0, POINTS).values.every(Number.isNaN)).toBe(true);
  });

  test('times are local', () => {
    const charts = new Charts(definitions, 0, () => 19800);
    charts.book(86400, [1, 1]);
    expect(charts.data(0, 0, 1).timeSeconds).toBe(86400 + 19800);
  });

  test('the file keeps everything, series are found by name', () => {
    const charts = new Charts(MASTER_SERIES, 0, utc);
    for (let minute = 1; minute < 5000; minute++)
      charts.book(
        minute * 60,
        MASTER_SERIES.map((_, i) => minute * 100 + i),
      );
    const file = charts.toFile();
    expect(file.length).toBe(4_984_552);
    expect(file.readUInt32BE(12)).toBe(4999);
    const reordered = [...MASTER_SERIES].reverse();
    const copy = new Charts(reordered, 0, utc);
    expect(copy.fromFile(file)).toBe(true);
    for (const range of [0, 1, 2, 3])
      expect(copy.data(reordered.length - 1 - 7, range, POINTS)).toEqual(charts.data(7, range, POINTS));
  });

  test('a short file gives what it has, one of another kind nothing', () => {
    const charts = new Charts(definitions, 0, utc);
    charts.book(6000, [1, 2]);
    const file = charts.toFile();
    const copy = new Charts(definitions, 0, utc);
    expect(copy.fromFile(file.subarray(0, file.length - 40 - POINTS * 32))).toBe(true);
    expect(copy.data(0, 0, 1).values).toEqual([1]);
    expect(copy.fromFile(Buffer.from('something else entirely'))).toBe(false);
  });
});
