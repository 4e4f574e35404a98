import { inflateSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { Charts, POINTS } from '../src/charts/engine.ts';
import { MASTER_SERIES } from '../src/charts/masterSeries.ts';
import { drawChart } from '../src/charts/picture.ts';

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

describe('pictures', () => {
  const charts = new Charts(MASTER_SERIES, 0, utc);
  for (let minute = 1; minute < 900; minute++)
    charts.book(
      minute * 60,
      MASTER_SERIES.map((_, i) => (minute % 100 === 0 ? NONE : minute * 1000 * (i + 1))),
    );

  /** Width, height and the points of a PNG with a palette. */
  function decode(png: Buffer) {
    expect(png.subarray(0, 8).toString('hex')).toBe('89504e470d0a1a0a');
    const width = png.readUInt32BE(16);
    const height = png.readUInt32BE(20);
    const at = png.indexOf('IDAT');
    const rows = inflateSync(png.subarray(at + 4, at + 4 + png.readUInt32BE(at - 4)));
    expect(rows.length).toBe((width + 1) * height);
    return { width, height, colour: (x: number, y: number) => rows[y * (width + 1) + 1 + x]! };
  }

  test('sizes are limited and rounded', () => {
    const size = (width: number, height: number) => {
      const { width: w, height: h } = decode(drawChart(charts, { number: 5, range: 0 }, width, height));
      return [w, h];
    };
    expect(size(0, 0)).toEqual([1000, 120]);
    expect(size(1, 1)).toEqual([150, 120]);
    expect(size(65535, 65535)).toEqual([4146, 1020]);
    expect(size(200, 159)).toEqual([200, 140]);
  });

  test('columns rise with the values, the newest at the right, stacked when combined', () => {
    const heights = (number: number, x: number) => {
      const picture = decode(drawChart(charts, { number, range: 0 }, 1000, 220));
      return Array.from({ length: 200 }, (_, y) => picture.colour(x, 6 + y)).filter(
        (colour) => colour === 4 || colour === 5,
      ).length;
    };
    const right = 43 + 950 - 1;
    expect(heights(5, right)).toBeGreaterThan(heights(5, right - 500));
    expect(heights(5, right - 99)).toBe(0);
    const memory = decode(drawChart(charts, { number: 101, range: 0 }, 1000, 220));
    const column = Array.from({ length: 200 }, (_, y) => memory.colour(right, 6 + y));
    expect(column.lastIndexOf(5)).toBeLessThan(column.indexOf(4));
    expect(column.indexOf(5)).toBeGreaterThanOrEqual(0);
    for (const range of [0, 1, 2, 3])
      for (const number of [0, 37, 100, 106]) decode(drawChart(charts, { number, range }, 0, 0));
  });

  test('an unknown chart is one transparent point', () => {
    expect(drawChart(charts, { number: 107, range: 0 }, 0, 0).length).toBe(68);
    expect(drawChart(charts, { number: 38, range: 0 }, 0, 0).length).toBe(68);
    expect(drawChart(charts, undefined, 0, 0).length).toBe(68);
  });
});
