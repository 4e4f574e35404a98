/** A tiny font for chart labels: three by five pixels, one octal digit a row from the top. */

const ROWS = 5;
const COLUMNS = 3;
/** Pixels from one character to the next. */
export const GLYPH_WIDTH = COLUMNS + 1;

const GLYPHS: Readonly<Record<string, string>> = {
  '0': '75557',
  '1': '26227',
  '2': '71747',
  '3': '71717',
  '4': '55711',
  '5': '74717',
  '6': '74757',
  '7': '71111',
  '8': '75757',
  '9': '75717',
  '.': '00002',
  ':': '02020',
  '-': '00700',
  '%': '51245',
  k: '45655',
  M: '57755',
  G: '74557',
  T: '72222',
  P: '75744',
  E: '74747',
  Z: '71247',
  Y: '55222',
  m: '00775',
  u: '00557',
};

interface Target {
  width: number;
  height: number;
  pixels: Buffer;
}

/** Draws text with its upper left corner at (x, y); what lies outside is left out. */
export function drawText(target: Target, x: number, y: number, text: string, colour: number): void {
  for (const [index, character] of [...text].entries()) {
    const glyph = GLYPHS[character];
    if (!glyph) continue;
    for (let row = 0; row < ROWS; row++)
      for (let column = 0; column < COLUMNS; column++) {
        const on = (Number(glyph[row]) >> (COLUMNS - 1 - column)) & 1;
        const [px, py] = [x + index * GLYPH_WIDTH + column, y + row];
        if (on && px >= 0 && px < target.width && py >= 0 && py < target.height)
          target.pixels[py * target.width + px] = colour;
      }
  }
}
