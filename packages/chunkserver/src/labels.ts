/** `LABELS`: letters A-Z separated by `,` or `;` (spec 30 §1.9). Bit 0 is A. */

export interface Labels {
  mask: number;
  /** What is wrong with the text; all letters found count all the same. */
  complaints: string[];
}

export function parseLabels(text: string): Labels {
  const complaints: string[] = [];
  let mask = 0;
  let needSeparator = false;
  for (const character of text.replace(/[ \t]/g, '')) {
    if (character === ',' || character === ';') {
      if (!needSeparator) complaints.push(`label list '${text}': superfluous separator`);
      needSeparator = false;
      continue;
    }
    const bit = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ'.indexOf(character.toUpperCase());
    if (bit < 0) {
      complaints.push(`label list '${text}': '${character}' is no label`);
      continue;
    }
    if (needSeparator) complaints.push(`label list '${text}': separator missing before '${character}'`);
    if ((mask & (1 << bit)) !== 0) complaints.push(`label list '${text}': '${character}' is there twice`);
    mask |= 1 << bit;
    needSeparator = true;
  }
  return { mask, complaints };
}
