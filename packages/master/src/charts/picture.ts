import { Canvas, GLYPH_HEIGHT, GLYPH_WIDTH } from './canvas.ts';
import { type Charts, RANGE_STEPS_SECONDS } from './engine.ts';
import { type Display, FIRST_COMBINED, MASTER_COMBINED, MASTER_SERIES, seriesNumber } from './masterSeries.ts';

/** Sizes of whole pictures and of the plot in them (spec 70 §5.6). */
const DEFAULT_WIDTH = 1000;
const DEFAULT_HEIGHT = 120;
const PLOT_X = 43;
const PLOT_Y = 6;
const GRID = 20;

/** What is sent for a chart that does not exist: one transparent point. */
const NOTHING = Buffer.from(
  '89504e470d0a1a0a0000000d4948445200000001000000010804000000b51c0c020000000b4944415408d763606000000003000120d594c70000000049454e44ae426082',
  'hex',
);

const Colour = { background: 0, plot: 1, grid: 2, text: 3, lower: 4, upper: 5, missing: 6 } as const;
const PALETTE = Buffer.from([
  ...[0xff, 0xff, 0xff],
  ...[0xf6, 0xf8, 0xfa],
  ...[0xc4, 0xca, 0xd0],
  ...[0x30, 0x38, 0x40],
  ...[0x1f, 0x77, 0xb4],
  ...[0x7f, 0xbf, 0xe8],
  ...[0xe2, 0xe4, 0xe8],
]);

/** Minutes in a point of each range: sums are shown as averages over a minute. */
const MINUTES = RANGE_STEPS_SECONDS.map((step) => step / 60);

const PREFIXES: readonly [factor: number, letter: string][] = [
  [1e24, 'Y'],
  [1e21, 'Z'],
  [1e18, 'E'],
  [1e15, 'P'],
  [1e12, 'T'],
  [1e9, 'G'],
  [1e6, 'M'],
  [1e3, 'k'],
  [1, ''],
  [1e-3, 'm'],
  [1e-6, 'u'],
];

interface Stack {
  /** Shown values, newest first; NaN = no data. `upper` stands on top of `lower`. */
  readonly lower: number[];
  readonly upper: number[] | undefined;
  readonly display: Display;
  readonly timeSeconds: number;
}

const between = (value: number, low: number, high: number) => Math.min(Math.max(value, low), high);

/** Draws a chart as a PNG file. A size of 0 x 0 means the default; an unknown chart gives a picture of one point. */
export function drawChart(
  charts: Charts,
  chart: { number: number; range: number } | undefined,
  width: number,
  height: number,
): Buffer {
  const fitting = width === 0 && height === 0 ? DEFAULT_WIDTH : between(width, 150, 4146);
  const wanted = width === 0 && height === 0 ? DEFAULT_HEIGHT : between(height, 120, 1020);
  const plotWidth = fitting - 50;
  const plotHeight = Math.floor((wanted - 20) / GRID) * GRID;
  const stack = chart && stackOf(charts, chart.number, chart.range, plotWidth);
  if (!stack) return NOTHING;
  const canvas = new Canvas(fitting, plotHeight + 20, Colour.background);
  for (let x = 0; x < plotWidth; x++) canvas.column(PLOT_X + x, PLOT_Y, PLOT_Y + plotHeight - 1, Colour.plot);
  const top = niceTop(stack, plotHeight / GRID);
  drawValues(canvas, stack, top, plotWidth, plotHeight);
  drawScale(canvas, stack.display, top, plotWidth, plotHeight);
  drawTimes(canvas, stack.timeSeconds, chart.range, plotWidth, plotHeight);
  return canvas.toPng(PALETTE);
}

function stackOf(charts: Charts, number: number, range: number, columns: number): Stack | undefined {
  if (number < FIRST_COMBINED) {
    const series = MASTER_SERIES[number];
    return series && { ...shown(charts, number, range, columns), upper: undefined, display: series.display };
  }
  const combined = MASTER_COMBINED[number - FIRST_COMBINED];
  if (!combined) return undefined;
  const { lower, timeSeconds } = shown(charts, seriesNumber(combined.lower), range, columns);
  const { display } = MASTER_SERIES[seriesNumber(combined.lower)]!;
  const part = (name: string) => shown(charts, seriesNumber(name), range, columns).lower;
  if (typeof combined.upper === 'string') return { lower, upper: part(combined.upper), display, timeSeconds };
  const from = part(combined.upper.from);
  const upper = part(combined.upper.subtract).map((value, index) => Math.max(0, from[index]! - value));
  return { lower, upper, display, timeSeconds };
}

function shown(
  charts: Charts,
  series: number,
  range: number,
  columns: number,
): { lower: number[]; timeSeconds: number } {
  const { mode, display } = MASTER_SERIES[series]!;
  const factor = display.factor / (mode === 'add' ? MINUTES[range]! : 1);
  const { values, timeSeconds } = charts.data(series, range, columns);
  return { lower: values.map((value) => value * factor), timeSeconds };
}

/** The value at the top of the plot: the grid lines below it are round numbers. */
function niceTop({ lower, upper }: Stack, lines: number): number {
  let highest = 0;
  for (const [index, value] of lower.entries()) {
    const total = value + (upper ? upper[index]! : 0);
    if (total > highest) highest = total;
  }
  if (highest === 0) return lines;
  const power = 10 ** Math.floor(Math.log10(highest / lines));
  const step = [1, 2, 5, 10].find((factor) => factor * power * lines >= highest) ?? 10;
  return step * power * lines;
}

function drawValues(canvas: Canvas, { lower, upper }: Stack, top: number, plotWidth: number, plotHeight: number): void {
  const bottom = PLOT_Y + plotHeight - 1;
  const pixels = (value: number) => Math.round((value / top) * plotHeight);
  for (const [index, value] of lower.entries()) {
    const x = PLOT_X + plotWidth - 1 - index;
    const above = upper ? upper[index]! : 0;
    if (Number.isNaN(value + above)) {
      canvas.column(x, PLOT_Y + (x % 3), bottom, Colour.missing, 3);
      continue;
    }
    const low = pixels(value);
    const high = pixels(value + above);
    if (low > 0) canvas.column(x, bottom - low + 1, bottom, Colour.lower);
    if (high > low) canvas.column(x, bottom - high + 1, bottom - low, Colour.upper);
  }
}

function label(value: number, percent: boolean): string {
  const [factor, letter] = PREFIXES.find(([candidate]) => value >= candidate * 0.9999) ?? [1, ''];
  const number = value / factor;
  const text =
    number >= 100 || Number.isInteger(Math.round(number * 1e6) / 1e6) ? number.toFixed(0) : number.toPrecision(3);
  return `${value === 0 ? '0' : text}${value === 0 ? '' : letter}${percent ? '%' : ''}`;
}

function drawScale(canvas: Canvas, display: Display, top: number, plotWidth: number, plotHeight: number): void {
  for (let up = 0; up <= plotHeight; up += GRID) {
    const y = PLOT_Y + plotHeight - up;
    canvas.row(PLOT_X, PLOT_X + plotWidth - 1, y, Colour.grid, 2);
    const text = label((top * up) / plotHeight, display.percent);
    canvas.text(PLOT_X - 3 - text.length * GLYPH_WIDTH, y - Math.floor(GLYPH_HEIGHT / 2), text, Colour.text);
  }
}

const two = (value: number) => String(value).padStart(2, '0');

/** Text under a point if a grid line belongs there: hours, six hours, days or months (spec 70 §5.6). Times are local. */
function timeLabel(localSeconds: number, range: number): string | undefined {
  const time = new Date(localSeconds * 1000);
  const day = `${two(time.getUTCMonth() + 1)}.${two(time.getUTCDate())}`;
  switch (range) {
    case 0:
      return localSeconds % 3600 === 0 ? `${two(time.getUTCHours())}:00` : undefined;
    case 1:
      return localSeconds % 21600 === 0 ? `${two(time.getUTCHours())}:00` : undefined;
    case 2:
      return localSeconds % 86400 === 0 ? day : undefined;
    default:
      return time.getUTCDate() === 1 ? two(time.getUTCMonth() + 1) : undefined;
  }
}

function drawTimes(canvas: Canvas, newestSeconds: number, range: number, plotWidth: number, plotHeight: number): void {
  const step = RANGE_STEPS_SECONDS[range]!;
  for (let back = 0; back < plotWidth; back++) {
    const text = timeLabel(newestSeconds - back * step, range);
    if (text === undefined) continue;
    const x = PLOT_X + plotWidth - 1 - back;
    canvas.column(x, PLOT_Y, PLOT_Y + plotHeight - 1, Colour.grid, 2);
    canvas.text(x - Math.floor((text.length * GLYPH_WIDTH) / 2), PLOT_Y + plotHeight + 4, text, Colour.text);
  }
}
