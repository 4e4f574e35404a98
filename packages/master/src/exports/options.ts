import { createHash } from 'node:crypto';
import type { Accounts } from './accounts.ts';
import { DISABLE_WORDS, type ExportOptions, SessionFlag } from './record.ts';

/** Where a line's complaints go and how its user names are resolved. */
export interface LineContext {
  line: number;
  /** The line exports the meta file system: options about names, owners and operations are ignored. */
  meta: boolean;
  accounts: Accounts;
  warn(message: string): void;
}

const TIME_UNITS: readonly [letter: string, seconds: number][] = [
  ['w', 604800],
  ['d', 86400],
  ['h', 3600],
  ['m', 60],
  ['s', 1],
];
const LARGEST_TIME = 2 ** 32;

/** Seconds of `90`, `1h30m`, `1w2d`; undefined when malformed or above 2^32. 2^32 itself wraps to 0, as in the stock daemon. */
function parseDuration(text: string): number | undefined {
  let seconds = 0;
  if (/^\d+$/.test(text)) {
    seconds = Number(text);
  } else {
    const match = /^(?:(\d+)w)?(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?$/i.exec(text);
    if (!match || text === '') return undefined;
    for (const [index, [, unitSeconds]] of TIME_UNITS.entries()) seconds += Number(match[index + 1] ?? 0) * unitSeconds;
  }
  return seconds > LARGEST_TIME ? undefined : seconds % LARGEST_TIME;
}

function parseMinVersion(text: string): number | undefined {
  const match = /^(\d+)(?:\.(\d+)(?:\.(\d+))?)?$/.exec(text);
  if (!match) return undefined;
  const parts = [match[1], match[2] ?? '0', match[3] ?? '0'].map(Number);
  if (parts.some((part) => part > 255)) return undefined;
  return parts[0]! * 65536 + parts[1]! * 256 + parts[2]!;
}

const isNumber = (text: string) => /^\d*$/.test(text);
const u32 = (text: string) => Number(BigInt.asUintN(32, BigInt(text === '' ? 0 : text)));

/** `U` or `U:G` of maproot and mapall. An empty U or G is 0. Undefined (and a warning) when a name is unknown. */
function parseOwner(text: string, context: LineContext): { uid: number; gid: number } | undefined {
  const colon = text.indexOf(':');
  const user = colon < 0 ? text : text.slice(0, colon);
  const group = colon < 0 ? undefined : text.slice(colon + 1);
  const account = isNumber(user) ? undefined : context.accounts.userByName(user);
  if (!isNumber(user) && account === undefined) {
    context.warn(`mfsexports/maproot: can't find user named '${user}' defined in line: ${context.line}`);
    return undefined;
  }
  const uid = account?.uid ?? u32(user);
  if (group === undefined) {
    const gid = account?.gid ?? context.accounts.primaryGroup(uid);
    if (gid !== undefined) return { uid, gid };
    context.warn(
      `mfsexports/maproot: can't determine gid, because can't find user with uid ${uid} defined in line: ${context.line}`,
    );
    return undefined;
  }
  const gid = isNumber(group) ? u32(group) : context.accounts.groupByName(group);
  if (gid !== undefined) return { uid, gid };
  context.warn(`mfsexports/maproot: can't find group named '${group}' defined in line: ${context.line}`);
  return undefined;
}

/** Applies the option's value; false makes the whole line invalid (the complaint was made). */
type Setter = (options: ExportOptions, value: string, context: LineContext) => boolean;

function parsed<T>(
  name: string,
  parse: (value: string) => T | undefined,
  store: (options: ExportOptions, value: T) => void,
): Setter {
  return (options, text, context) => {
    const value = parse(text);
    if (value === undefined) {
      context.warn(`mfsexports: incorrect ${name} definition (${name}=${text}) in line: ${context.line}`);
      return false;
    }
    store(options, value);
    return true;
  };
}

/** A setter for one end of a range: the value must not pass the other end as it stands at this moment. */
function bound(
  name: string,
  other: string,
  parse: (value: string) => number | undefined,
  low: 'minGoal' | 'minTrashSeconds',
  high: 'maxGoal' | 'maxTrashSeconds',
): Setter {
  const isLow = name.startsWith('min');
  const set = parsed(name, parse, (options, value) => {
    options[isLow ? low : high] = value;
  });
  return (options, text, context) => {
    if (!set(options, text, context)) return false;
    if (options[low] <= options[high]) return true;
    const problem = `${name}${isLow ? '>' : '<'}${other}`;
    context.warn(`mfsexports: ${problem} in definition (${name}=${text}) in line: ${context.line}`);
    return false;
  };
}

const parseGoal = (text: string) => (/^[1-9]$/.test(text) ? Number(text) : undefined);

const setDisables: Setter = (options, text, context) => {
  for (const word of text.split(':').map((part) => part.trim())) {
    const bit = DISABLE_WORDS.indexOf(word as (typeof DISABLE_WORDS)[number]);
    if (bit >= 0) options.disables |= 1 << bit;
    else context.warn(`mfsexports: unknown disable command '${word}' in line: ${context.line} (ignored)`);
  }
  return true;
};

/** What an option without a value sets and clears. */
interface FlagOption {
  readonly set?: number;
  readonly clear?: number;
  readonly alldirs?: true;
}

const FLAG_OPTIONS: Readonly<Record<string, FlagOption>> = {
  ro: { set: SessionFlag.READONLY },
  readonly: { set: SessionFlag.READONLY },
  rw: { clear: SessionFlag.READONLY },
  readwrite: { clear: SessionFlag.READONLY },
  alldirs: { alldirs: true },
  dynamicip: { set: SessionFlag.DYNAMICIP },
  ignoregid: { set: SessionFlag.IGNOREGID },
  admin: { set: SessionFlag.ADMIN },
  canchangequota: { set: SessionFlag.ADMIN },
};

function applyFlag(options: ExportOptions, { set = 0, clear = 0, alldirs }: FlagOption): void {
  options.sesflags = (options.sesflags | set) & ~clear;
  if (alldirs) options.alldirs = true;
}

const VALUE_OPTIONS: Readonly<Record<string, Setter>> = {
  maproot: (options, text, context) => {
    const owner = parseOwner(text, context);
    if (!owner) return false;
    options.rootUid = owner.uid;
    options.rootGid = owner.gid;
    options.maprootGiven = true;
    return true;
  },
  mapall: (options, text, context) => {
    const owner = parseOwner(text, context);
    if (!owner) return false;
    options.mapallUid = owner.uid;
    options.mapallGid = owner.gid;
    options.sesflags |= SessionFlag.MAPALL;
    return true;
  },
  password: parsed(
    'password',
    (text) => createHash('md5').update(text, 'latin1').digest(),
    (options, md5) => {
      options.passwordMd5 = md5;
    },
  ),
  md5pass: parsed(
    'md5pass',
    (text) => (/^[0-9a-fA-F]{32}$/.test(text) ? Buffer.from(text, 'hex') : undefined),
    (options, md5) => {
      options.passwordMd5 = md5;
    },
  ),
  minversion: parsed('minversion', parseMinVersion, (options, version) => {
    options.minVersion = version;
  }),
  mingoal: bound('mingoal', 'maxgoal', parseGoal, 'minGoal', 'maxGoal'),
  maxgoal: bound('maxgoal', 'mingoal', parseGoal, 'minGoal', 'maxGoal'),
  mintrashtime: bound('mintrashtime', 'maxtrashtime', parseDuration, 'minTrashSeconds', 'maxTrashSeconds'),
  maxtrashtime: bound('maxtrashtime', 'mintrashtime', parseDuration, 'minTrashSeconds', 'maxTrashSeconds'),
  umask: parsed(
    'umask',
    (text) => (/^0[0-7]{3}/.test(text) ? Number.parseInt(text.slice(1, 4), 8) : undefined),
    (options, umask) => {
      options.umask = umask;
    },
  ),
  disable: setDisables,
};

const NOT_FOR_META = new Set(['alldirs', 'ignoregid', 'admin', 'canchangequota', 'maproot', 'mapall', 'disable']);

/**
 * Applies the OPTIONS part of a line to `options` (spec 00 §5.3, §5.6). Returns false when an error makes the line
 * invalid; unknown options only warn.
 */
export function applyOptions(options: ExportOptions, text: string, context: LineContext): boolean {
  for (const option of text.split(',').map((part) => part.trim())) {
    const equals = option.indexOf('=');
    const name = equals < 0 ? option : option.slice(0, equals);
    const flag = equals < 0 && Object.hasOwn(FLAG_OPTIONS, name) ? FLAG_OPTIONS[name] : undefined;
    const setter = equals >= 0 && Object.hasOwn(VALUE_OPTIONS, name) ? VALUE_OPTIONS[name] : undefined;
    if (!flag && !setter) {
      context.warn(`mfsexports: unknown option '${option}' in line: ${context.line} (ignored)`);
    } else if (context.meta && NOT_FOR_META.has(name)) {
      context.warn(`meta option ignored: ${option}`);
    } else if (flag) {
      applyFlag(options, flag);
    } else if (!setter!(options, option.slice(equals + 1), context)) {
      return false;
    }
  }
  if ((options.sesflags & SessionFlag.MAPALL) !== 0 && !options.maprootGiven) {
    options.rootUid = options.mapallUid;
    options.rootGid = options.mapallGid;
  }
  return true;
}
