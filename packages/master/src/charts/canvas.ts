import { crc32, deflateSync } from 'node:zlib';

/** Glyphs of 5 x 7 points, a row per string character group: bit 4 is the leftmost point. */
const GLYPHS: Readonly<Record<string, readonly number[]>> = {
  '0': [14, 17, 19, 21, 25, 17, 14],
  '1': [4, 12, 4, 4, 4, 4, 14],
  '2': [14, 17, 1, 2, 4, 8, 31],
  '3': [31, 2, 4, 2, 1, 17, 14],
  '4': [2, 6, 10, 18, 31, 2, 2],
  '5': [31, 16, 30, 1, 1, 17, 14],
  '6': [6, 8, 16, 30, 17, 17, 14],
  '7': [31, 1, 2, 4, 8, 8, 8],
  '8': [14, 17, 17, 14, 17, 17, 14],
  '9': [14, 17, 17, 15, 1, 2, 12],
  '.': [0, 0, 0, 0, 0, 12, 12],
  ':': [0, 12, 12, 0, 12, 12, 0],
  '%': [24, 25, 2, 4, 8, 19, 3],
  k: [16, 16, 18, 20, 24, 20, 18],
  m: [0, 0, 26, 21, 21, 17, 17],
  u: [0, 0, 17, 17, 17, 19, 29],
  M: [17, 27, 21, 21, 17, 17, 17],
  G: [14, 17, 16, 23, 17, 17, 15],
  T: [31, 4, 4, 4, 4, 4, 4],
  P: [30, 17, 17, 30, 16, 16, 16],
  E: [31, 16, 16, 30, 16, 16, 31],
  Z: [31, 1, 2, 4, 8, 16, 31],
  Y: [17, 17, 10, 4, 4, 4, 4],
};

export const GLYPH_WIDTH = 6;
export const GLYPH_HEIGHT = 7;

const PNG_SIGNATURE = Buffer.from('89504e470d0a1a0a', 'hex');

function pngChunk(type: string, data: Buffer): Buffer {
  const chunk = Buffer.alloc(12 + data.length);
  chunk.writeUInt32BE(data.length, 0);
  chunk.write(type, 4, 'latin1');
  data.copy(chunk, 8);
  chunk.writeUInt32BE(crc32(chunk.subarray(4, 8 + data.length)), 8 + data.length);
  return chunk;
}

/** A small picture with a palette. Points outside it are ignored. */
export class Canvas {
  readonly width: number;
  readonly height: number;
  readonly #points: Uint8Array;

  constructor(width: number, height: number, colour: number) {
    this.width = width;
    this.height = height;
    this.#points = new Uint8Array(width * height).fill(colour);
  }

  point(x: number, y: number, colour: number): void {
    if (x >= 0 && y >= 0 && x < this.width && y < this.height) this.#points[y * this.width + x] = colour;
  }

  /** A vertical line from `y1` to `y2`, both included; `gap` > 1 draws only every gap-th point. */
  column(x: number, y1: number, y2: number, colour: number, gap = 1): void {
    for (let y = y1; y <= y2; y += gap) this.point(x, y, colour);
  }

  row(x1: number, x2: number, y: number, colour: number, gap = 1): void {
    for (let x = x1; x <= x2; x += gap) this.point(x, y, colour);
  }

  /** Text with its upper left corner at (x, y); characters without a glyph leave a space. */
  text(x: number, y: number, text: string, colour: number): void {
    for (const [index, character] of [...text].entries()) {
      for (const [dy, bits] of (GLYPHS[character] ?? []).entries())
        for (let dx = 0; dx < 5; dx++)
          if ((bits & (16 >> dx)) !== 0) this.point(x + index * GLYPH_WIDTH + dx, y + dy, colour);
    }
  }

  /** The picture as a PNG file; `palette` holds three bytes (red, green, blue) per colour. */
  toPng(palette: Buffer): Buffer {
    const header = Buffer.alloc(13);
    header.writeUInt32BE(this.width, 0);
    header.writeUInt32BE(this.height, 4);
    header.set([8, 3, 0, 0, 0], 8);
    const rows = Buffer.alloc((this.width + 1) * this.height);
    for (let y = 0; y < this.height; y++)
      rows.set(this.#points.subarray(y * this.width, (y + 1) * this.width), y * (this.width + 1) + 1);
    return Buffer.concat([
      PNG_SIGNATURE,
      pngChunk('IHDR', header),
      pngChunk('PLTE', palette),
      pngChunk('IDAT', deflateSync(rows)),
      pngChunk('IEND', Buffer.alloc(0)),
    ]);
  }
}
