import type { SeriesDefinition } from './engine.ts';

/** How raw values of a series are shown: `raw * factor`, averaged to a minute for sums (spec 70 §5.2). */
export interface Display {
  readonly factor: number;
  readonly percent: boolean;
}

export interface MasterSeries extends SeriesDefinition {
  readonly display: Display;
}

/** Two series stacked; `subtract`: the upper part is the difference of the two series named there. */
export interface CombinedChart {
  readonly id: string;
  readonly upper: string | { readonly from: string; readonly subtract: string };
  readonly lower: string;
}

/** Number of the first combined chart. */
export const FIRST_COMBINED = 100;

const COUNT: Display = { factor: 1, percent: false };
const CPU: Display = { factor: 100 / 60 / 1e6, percent: true };
const PACKETS: Display = { factor: 1000 / 60 / 1e3, percent: false };
const BITS: Display = { factor: 8000 / 60 / 1e3, percent: false };

const add = (name: string, id: string, display = COUNT): MasterSeries => ({ name, id, mode: 'add', display });
const max = (name: string, id: string): MasterSeries => ({ name, id, mode: 'max', display: COUNT });

/** The series of the master in the order of their numbers (spec 70 §5.3). */
export const MASTER_SERIES: readonly MasterSeries[] = [
  add('ucpu', 'UCPU', CPU),
  add('scpu', 'SCPU', CPU),
  add('delete', 'DELC'),
  add('replicate', 'REPC'),
  add('statfs', 'STFS'),
  add('getattr', 'GATR'),
  add('setattr', 'SATR'),
  add('lookup', 'LOOK'),
  add('mkdir', 'MKDI'),
  add('rmdir', 'RMDI'),
  add('symlink', 'SLNK'),
  add('readlink', 'RLNK'),
  add('mknod', 'MKND'),
  add('unlink', 'UNLK'),
  add('rename', 'RENA'),
  add('link', 'LINK'),
  add('readdir', 'RDIR'),
  add('open', 'OPEN'),
  add('read', 'READ'),
  add('write', 'WRIT'),
  max('memoryrss', 'MEMR'),
  add('prcvd', 'PRCV', PACKETS),
  add('psent', 'PSNT', PACKETS),
  add('brcvd', 'BRCV', BITS),
  add('bsent', 'BSNT', BITS),
  max('memoryvirt', 'MEMV'),
  max('usedspace', 'USPC'),
  max('totalspace', 'TSPC'),
  add('create', 'NEWC'),
  add('change', 'INTC'),
  add('delete_ok', 'DELO'),
  add('delete_err', 'DELE'),
  add('replicate_ok', 'REPO'),
  add('replicate_err', 'REPE'),
  add('create_ok', 'NEWO'),
  add('create_err', 'NEWE'),
  add('change_ok', 'INTO'),
  add('change_err', 'INTE'),
];

/** The combined charts, numbered from FIRST_COMBINED on. */
export const MASTER_COMBINED: readonly CombinedChart[] = [
  { id: 'TCPU', upper: 'ucpu', lower: 'scpu' },
  { id: 'TMEM', upper: { from: 'memoryvirt', subtract: 'memoryrss' }, lower: 'memoryrss' },
  { id: 'SPAC', upper: { from: 'totalspace', subtract: 'usedspace' }, lower: 'usedspace' },
  { id: 'DELS', upper: 'delete_err', lower: 'delete_ok' },
  { id: 'REPS', upper: 'replicate_err', lower: 'replicate_ok' },
  { id: 'NEWS', upper: 'create_err', lower: 'create_ok' },
  { id: 'INTS', upper: 'change_err', lower: 'change_ok' },
];

/** Number of the chart with this id of four capital letters; undefined when there is none. */
export function chartNumber(id: string): number | undefined {
  const series = MASTER_SERIES.findIndex((definition) => definition.id === id);
  if (series >= 0) return series;
  const combined = MASTER_COMBINED.findIndex((definition) => definition.id === id);
  return combined < 0 ? undefined : FIRST_COMBINED + combined;
}

/** Number of the series with this name, which must exist. */
export function seriesNumber(name: string): number {
  const number = MASTER_SERIES.findIndex((definition) => definition.name === name);
  if (number < 0) throw new Error(`no series ${name}`);
  return number;
}
