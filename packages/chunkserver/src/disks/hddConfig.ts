import { parseSize } from '@alces/runtime';

/** How much of a volume a folder may use. */
export type SpaceLimit =
  | { kind: 'default' }
  /** Leave this many bytes free. */
  | { kind: 'leaveFree'; bytes: number }
  /** Use at most this many bytes. */
  | { kind: 'atMost'; bytes: number };

/** One usable line of `mfshdd.cfg` (spec 30 §2.1). */
export interface HddLine {
  /** As written, with a `/` at the end; may be relative to the data path. */
  path: string;
  /** `*`: to be emptied. */
  marked: boolean;
  /** `~`: a change of the volume's size is no damage. */
  ignoreSizeChange: boolean;
  /** `<` and `>`: the fixed side of the local rebalance. */
  role: 'none' | 'source' | 'destination';
  limit: SpaceLimit;
}

const PIECE_CHARACTERS = 998;

function* pieces(text: string): Generator<string> {
  for (const line of text.split('\n'))
    for (let at = 0; at === 0 || at < line.length; at += PIECE_CHARACTERS) yield line.slice(at, at + PIECE_CHARACTERS);
}

/** Splits the limit word off; what is no valid limit stays part of the path. */
function splitLimit(line: string, warn: (message: string) => void): { path: string; limit: SpaceLimit } {
  const match = /^(.*[^ \t])[ \t]+([-.0-9][^ \t]*)$/.exec(line);
  if (!match) return { path: line, limit: { kind: 'default' } };
  const leave = match[2].startsWith('-');
  const bytes = parseSize(leave ? match[2].slice(1) : match[2]);
  if (bytes === undefined) {
    warn(`size parse error, data: ${match[2]}`);
    return { path: line, limit: { kind: 'default' } };
  }
  return { path: match[1], limit: { kind: leave ? 'leaveFree' : 'atMost', bytes } };
}

function parseLine(line: string, warn: (message: string) => void): HddLine {
  const { path: flagged, limit } = splitLimit(line, warn);
  const flags = /^[*~<>]*/.exec(flagged)?.[0] ?? '';
  const path = flagged.slice(flags.length);
  const lastRole = /[<>](?=[^<>]*$)/.exec(flags)?.[0];
  return {
    path: path.endsWith('/') ? path : `${path}/`,
    marked: flags.includes('*'),
    ignoreSizeChange: flags.includes('~'),
    role: lastRole === '<' ? 'source' : lastRole === '>' ? 'destination' : 'none',
    limit,
  };
}

/** Parses the text of `mfshdd.cfg`. What cannot be understood is warned about; this never throws. */
export function parseHddConfig(text: string, warn: (message: string) => void): HddLine[] {
  const lines: HddLine[] = [];
  for (const piece of pieces(text)) {
    const line = piece.replace(/[ \t\r\n]+$/, '');
    if (line === '' || line.startsWith('#')) continue;
    lines.push(parseLine(line, warn));
  }
  return lines;
}
