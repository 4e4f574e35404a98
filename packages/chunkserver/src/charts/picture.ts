import { deflateSync } from 'node:zlib';
import { crc32 } from '@alces/proto';
import { drawText, GLYPH_WIDTH } from './font.ts';

/** Charts as PNG pictures (message 505, spec 70 §5.6). */

/** One of the values stacked in a chart. */
export interface Layer {
  percent: boolean;
  /** The shown value of the point that is `age` points older than the newest; NaN = no data. */
  valueAt(age: number): number;
}

export interface ChartPicture {
  width: number;
  height: number;
  /** The lowest first. */
  layers: readonly Layer[];
  newestSeconds: number;
  /** Seconds per point. */
  step: number;
}

/** What stands for a chart that does not exist: one transparent pixel. */
export const UNKNOWN_CHART: Buffer = Buffer.from(
  '89504e470d0a1a0a0000000d4948445200000001000000010804000000b51c0c020000000b4944415408d763606000000003000120d594c70000000049454e44ae426082',
  'hex',
);

const DEFAULT_WIDTH = 1000;
const DEFAULT_HEIGHT = 120;
const LEFT = 43;
const TOP = 6;
const GRID_PIXELS = 20;

/** Palette: transparent, axis, grid, text, no data, layers from the lowest. */
const COLOUR = { background: 0, axis: 1, grid: 2, text: 3, noData: 4, layers: [5, 6] } as const;
const PALETTE = Buffer.from('ffffff000000c0c0c0000000d8d8d8008f00206020', 'hex');

interface Canvas {
  width: number;
  height: number;
  pixels: Buffer;
}

function chunk(type: string, data: Buffer): Buffer {
  const body = Buffer.concat([Buffer.from(type, 'latin1'), data]);
  const frame = Buffer.alloc(body.length + 8);
  frame.writeUInt32BE(data.length, 0);
  body.copy(frame, 4);
  frame.writeUInt32BE(crc32(body), body.length + 4);
  return frame;
}

function encodePng({ width, height, pixels }: Canvas): Buffer {
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  // 8 bits a pixel, palette.
  header.writeUInt8(8, 8);
  header.writeUInt8(3, 9);
  const rows = Buffer.alloc((width + 1) * height);
  for (let y = 0; y < height; y++) pixels.copy(rows, y * (width + 1) + 1, y * width, (y + 1) * width);
  return Buffer.concat([
    Buffer.from('89504e470d0a1a0a', 'hex'),
    chunk('IHDR', header),
    chunk('PLTE', PALETTE),
    chunk('tRNS', Buffer.from([0])),
    chunk('IDAT', deflateSync(rows)),
    chunk('IEND', Buffer.alloc(0)),
  ]);
}

function pictureSize(width: number, height: number): { width: number; height: number } {
  if (width === 0 && height === 0) return { width: DEFAULT_WIDTH, height: DEFAULT_HEIGHT };
  const high = Math.min(Math.max(height, DEFAULT_HEIGHT), 1020);
  return {
    width: Math.min(Math.max(width, 150), 4146),
    height: high - ((high - GRID_PIXELS) % GRID_PIXELS),
  };
}

const PREFIXES: readonly [number, string][] = [
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

function label(value: number, percent: boolean): string {
  if (value === 0) return percent ? '0%' : '0';
  const [factor, prefix] = PREFIXES.find(([limit]) => value >= limit) ?? [1e-6, 'u'];
  const scaled = value / factor;
  return `${scaled >= 100 ? scaled.toFixed(0) : scaled.toFixed(1)}${prefix}${percent ? '%' : ''}`;
}

/** The vertical maximum: a round number not below the greatest visible value. */
function roundMaximum(greatest: number): number {
  if (greatest <= 0) return 1;
  const power = 10 ** Math.floor(Math.log10(greatest));
  for (const factor of [1, 2, 5, 10]) if (greatest <= factor * power) return factor * power;
  return 10 * power;
}

function sum(layers: readonly Layer[], age: number): number {
  return layers.reduce((total, layer) => total + layer.valueAt(age), 0);
}

function vertical(canvas: Canvas, x: number, top: number, bottom: number, colour: number): void {
  for (let y = Math.max(0, top); y < bottom; y++) canvas.pixels[y * canvas.width + x] = colour;
}

function drawColumn(canvas: Canvas, picture: ChartPicture, x: number, age: number, base: number, scale: number): void {
  if (Number.isNaN(sum(picture.layers, age))) {
    for (let y = TOP + (x % 2); y < base; y += 2) canvas.pixels[y * canvas.width + x] = COLOUR.noData;
    return;
  }
  let below = 0;
  for (const [index, layer] of picture.layers.entries()) {
    const above = below + layer.valueAt(age);
    vertical(canvas, x, base - Math.round(above * scale), base - Math.round(below * scale), COLOUR.layers[index % 2]);
    below = above;
  }
}

function drawGrid(canvas: Canvas, plotHeight: number, plotWidth: number, maximum: number, percent: boolean): void {
  const base = TOP + plotHeight;
  for (let up = 0; up <= plotHeight; up += GRID_PIXELS) {
    const y = base - up;
    for (let x = LEFT; x < LEFT + plotWidth; x += up === 0 ? 1 : 2)
      canvas.pixels[y * canvas.width + x] = up === 0 ? COLOUR.axis : COLOUR.grid;
    const text = label((maximum * up) / plotHeight, percent);
    drawText(canvas, LEFT - 3 - text.length * GLYPH_WIDTH, y - 3, text, COLOUR.text);
  }
  vertical(canvas, LEFT - 1, TOP, base + 1, COLOUR.axis);
}

const two = (value: number) => String(value).padStart(2, '0');

/** Distance of the time labels in seconds, and what they say: hours, days, or months. */
function timeLabel(step: number): { every: number; text: (time: Date) => string } {
  const day = (time: Date) => `${two(time.getUTCMonth() + 1)}.${two(time.getUTCDate())}`;
  if (step <= 60) return { every: 3600, text: (time) => `${two(time.getUTCHours())}:00` };
  if (step <= 360) return { every: 6 * 3600, text: (time) => (time.getUTCHours() === 0 ? day(time) : '') };
  if (step <= 1800) return { every: 86_400, text: day };
  return { every: 30 * 86_400, text: (time) => `${time.getUTCFullYear()}-${two(time.getUTCMonth() + 1)}` };
}

function drawTimes(canvas: Canvas, picture: ChartPicture, plotHeight: number, plotWidth: number): void {
  const { every, text } = timeLabel(picture.step);
  const newest = picture.newestSeconds;
  for (let time = newest - (newest % every); ; time -= every) {
    const x = LEFT + plotWidth - 1 - Math.round((newest - time) / picture.step);
    if (x < LEFT) return;
    for (let y = TOP; y < TOP + plotHeight; y += 2) canvas.pixels[y * canvas.width + x] = COLOUR.grid;
    const words = text(new Date(time * 1000));
    drawText(canvas, x - Math.round((words.length * GLYPH_WIDTH) / 2), TOP + plotHeight + 4, words, COLOUR.text);
  }
}

/** Draws a chart: one column a point, the newest at the right edge. */
export function drawChart(picture: ChartPicture): Buffer {
  const { width, height } = pictureSize(picture.width, picture.height);
  const canvas: Canvas = { width, height, pixels: Buffer.alloc(width * height, COLOUR.background) };
  const plotWidth = width - 50;
  const plotHeight = height - GRID_PIXELS;
  let greatest = 0;
  for (let age = 0; age < plotWidth; age++) greatest = Math.max(greatest, sum(picture.layers, age) || 0);
  const maximum = roundMaximum(greatest);
  for (let age = 0; age < plotWidth; age++)
    drawColumn(canvas, picture, LEFT + plotWidth - 1 - age, age, TOP + plotHeight, plotHeight / maximum);
  drawGrid(canvas, plotHeight, plotWidth, maximum, picture.layers[0].percent);
  drawTimes(canvas, picture, plotHeight, plotWidth);
  return encodePng(canvas);
}
