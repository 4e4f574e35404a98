/** The chunkserver's chart series (spec 70 §5.4). */

/** How samples of one point are joined. */
export type JoinMode = 'add' | 'max';

export interface Series {
  /** Also the name in the file. */
  name: string;
  /** Four letters by which monitors ask for it. */
  id: string;
  mode: JoinMode;
  /** Shown value: raw * multiplier / divisor. */
  multiplier: number;
  divisor: number;
  percent: boolean;
}

interface Unit {
  multiplier: number;
  divisor: number;
  percent?: boolean;
}

/** Units of one raw minute value. */
const CPU: Unit = { multiplier: 100, divisor: 60e6, percent: true };
const BITS: Unit = { multiplier: 8, divisor: 60 };
const BYTES_PER_SECOND: Unit = { multiplier: 1, divisor: 60 };
const COUNT: Unit = { multiplier: 1, divisor: 1 };
const BUSY: Unit = { multiplier: 1, divisor: 60e9 };

const add = (name: string, id: string, unit: Unit): Series => ({ name, id, mode: 'add', percent: false, ...unit });
const max = (name: string, id: string): Series => ({ name, id, mode: 'max', percent: false, ...COUNT });

export const SERIES: readonly Series[] = [
  add('ucpu', 'UCPU', CPU),
  add('scpu', 'SCPU', CPU),
  add('masterin', 'MSTI', BITS),
  add('masterout', 'MSTO', BITS),
  add('csrepin', 'REPI', BITS),
  add('csrepout', 'REPO', BITS),
  add('csservin', 'SRVI', BITS),
  add('csservout', 'SRVO', BITS),
  add('hdrbytesr', 'HRBR', BYTES_PER_SECOND),
  add('hdrbytesw', 'HRBW', BYTES_PER_SECOND),
  add('hdrllopr', 'HROR', COUNT),
  add('hdrllopw', 'HROW', COUNT),
  add('databytesr', 'DTBR', BYTES_PER_SECOND),
  add('databytesw', 'DTBW', BYTES_PER_SECOND),
  add('datallopr', 'DTOR', COUNT),
  add('datallopw', 'DTOW', COUNT),
  add('hlopr', 'HLOR', COUNT),
  add('hlopw', 'HLOW', COUNT),
  add('rtime', 'TIMR', BUSY),
  add('wtime', 'TIMW', BUSY),
  add('repl', 'REPC', COUNT),
  add('create', 'CREC', COUNT),
  add('delete', 'DELC', COUNT),
  add('version', 'VERC', COUNT),
  add('duplicate', 'DUPC', COUNT),
  add('truncate', 'TRUC', COUNT),
  add('duptrunc', 'DTRC', COUNT),
  add('test', 'TSTC', COUNT),
  max('load', 'LOAD'),
  max('memoryrss', 'MEMR'),
  max('memoryvirt', 'MEMV'),
  add('movels', 'MOVL', COUNT),
  add('movehs', 'MOVH', COUNT),
  add('change', 'CHGC', COUNT),
];

/** Two series drawn on top of each other; `lower` is subtracted from `upper` where the upper one includes it. */
export interface CombinedSeries {
  id: string;
  upper: number;
  lower: number;
  upperIncludesLower: boolean;
}

const numberOf = (name: string): number => SERIES.findIndex((series) => series.name === name);

const combine = (id: string, upper: string, lower: string, upperIncludesLower = false): CombinedSeries => ({
  id,
  upper: numberOf(upper),
  lower: numberOf(lower),
  upperIncludesLower,
});

/** Numbered from 100. */
export const COMBINED: readonly CombinedSeries[] = [
  combine('TCPU', 'ucpu', 'scpu'),
  combine('BWIN', 'csrepin', 'csservin'),
  combine('BWOU', 'csrepout', 'csservout'),
  combine('HDBR', 'hdrbytesr', 'databytesr'),
  combine('HDBW', 'hdrbytesw', 'databytesw'),
  combine('HDOR', 'hdrllopr', 'datallopr'),
  combine('HDOW', 'hdrllopw', 'datallopw'),
  combine('TMEM', 'memoryvirt', 'memoryrss', true),
  combine('MOVE', 'movels', 'movehs'),
];

const FIRST_NAMED_ID = 0x0100_0000;
const FIRST_COMBINED = 100;
const RANGES = 4;
const CASE_BIT = 0x20;

/** What a chart id of the protocol names (spec 70 §5.5). */
export type ChartChoice =
  | { kind: 'series'; number: number; range: number }
  | { kind: 'combined'; number: number; range: number };

function namedChoice(chartId: number): ChartChoice | undefined {
  let id = '';
  let range = 0;
  for (let shift = 24; shift >= 0; shift -= 8) {
    const letter = (chartId >>> shift) & 0xff;
    // The case of the last letter counts 1, of the one before it 2, and so on.
    if ((letter & CASE_BIT) !== 0) range += 2 ** (shift / 8);
    id += String.fromCharCode(letter & ~CASE_BIT);
  }
  if (range >= RANGES) return undefined;
  const number = SERIES.findIndex((series) => series.id === id);
  if (number >= 0) return { kind: 'series', number, range };
  const combined = COMBINED.findIndex((series) => series.id === id);
  return combined >= 0 ? { kind: 'combined', number: combined, range } : undefined;
}

export function chooseChart(chartId: number): ChartChoice | undefined {
  if (chartId >= FIRST_NAMED_ID) return namedChoice(chartId);
  const number = Math.floor(chartId / 10);
  const range = chartId % 10;
  if (range >= RANGES) return undefined;
  if (number < SERIES.length) return { kind: 'series', number, range };
  const combined = number - FIRST_COMBINED;
  return combined >= 0 && combined < COMBINED.length ? { kind: 'combined', number: combined, range } : undefined;
}
