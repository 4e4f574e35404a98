import { readdirSync, statSync } from 'node:fs';
import { resolve } from 'node:path';
import type { MasterAddress } from '@alces/client';
import { SugidClearMode } from '@alces/proto';
import { errnoText } from '../errors.ts';
import type { CommandLine } from './commandLine.ts';
import { parsePreferredLabels } from './labels.ts';
import type { OptionName, OptionValues } from './options.ts';
import { takePasswordDigest } from './password.ts';
import { UsageError } from './usageError.ts';

const MIB = 1024 * 1024;
const MIN_CACHE_MIB = 16;
const MAX_CACHE_MIB = 2048;
const MIN_READ_AHEAD_BYTES = 128 * 1024;
const MAX_READ_AHEAD_BYTES = 2 * MIB;
const MAX_TIMEOUT_SECONDS = 86_400;

export type CacheMode = 'AUTO' | 'YES' | 'NO' | 'DIRECT';

/** How long the kernel and the mount itself may remember things, in seconds. */
export interface Timeouts {
  attr: number;
  entry: number;
  directoryEntry: number;
  negativeEntry: number;
  symlink: number;
  xattr: number;
  groups: number;
}

/** Everything a mount needs to know, checked. */
export interface MountSettings {
  /** As given, for `.params`. */
  options: OptionValues;
  noStandardOptions: boolean;
  mountpoint: string;
  /** As given: one host, or several of which one leads. */
  masterHost: string;
  masterPort: number;
  masters: readonly MasterAddress[];
  bindHost: string | undefined;
  proxyHost: string;
  subfolder: string;
  passwordMd5: Buffer | undefined;
  meta: boolean;
  cacheMode: CacheMode;
  /** `SugidClearMode`. */
  sugidClearMode: number;
  timeouts: Timeouts;
  /** close(2) waits for data only of files open at least that long; 0: always. */
  fsyncMinSeconds: number;
  writeCacheBytes: number;
  readCacheBytes: number;
  readAheadBytes: number;
  /** Label masks, best first. */
  preferredLabels: number[];
  /** What goes to mount(8). */
  mountOptions: string[];
  allowOther: boolean;
  foreground: boolean;
  debug: boolean;
}

const CACHE_MODES: Record<string, CacheMode> = {
  AUTO: 'AUTO',
  YES: 'YES',
  ALWAYS: 'YES',
  NO: 'NO',
  NONE: 'NO',
  NEVER: 'NO',
  DIRECT: 'DIRECT',
};

function cacheMode({ mfscachemode, mfscachefiles }: OptionValues): CacheMode {
  if (mfscachemode !== undefined && mfscachefiles) {
    const text = 'mfscachemode and mfscachefiles options are exclusive - use only mfscachemode';
    throw new UsageError(text, { hint: true });
  }
  if (mfscachefiles) return 'YES';
  const mode = CACHE_MODES[(mfscachemode ?? 'AUTO').toUpperCase()];
  if (mode === undefined) throw new UsageError('unrecognized cachemode option', { hint: true });
  return mode;
}

function sugidClearMode({ mfssugidclearmode }: OptionValues): number {
  const name = (mfssugidclearmode ?? 'EXT').toUpperCase();
  const mode = SugidClearMode[name as keyof typeof SugidClearMode];
  if (mode === undefined) throw new UsageError('unrecognized sugidclearmode option', { hint: true });
  return mode;
}

type Note = (text: string) => void;

function timeouts(options: OptionValues, note: Note): Timeouts {
  const bounded = (name: OptionName & `${string}cacheto`, what: string): number => {
    const seconds = options[name] as number;
    if (seconds > MAX_TIMEOUT_SECONDS) {
      note(`${what} cache timeout too big (${seconds.toFixed(2)}) - decreased to ${MAX_TIMEOUT_SECONDS.toFixed(2)}`);
    }
    if (seconds < 0) note(`negative value of ${what} cache timeout - set to 0`);
    (options as Record<string, unknown>)[name] = Math.max(0, Math.min(seconds, MAX_TIMEOUT_SECONDS));
    return options[name] as number;
  };
  return {
    attr: bounded('mfsattrcacheto', 'attribute'),
    xattr: bounded('mfsxattrcacheto', 'extended attribute'),
    entry: bounded('mfsentrycacheto', 'entry'),
    directoryEntry: bounded('mfsdirentrycacheto', 'directory entry'),
    negativeEntry: bounded('mfsnegentrycacheto', 'negative entry'),
    symlink: bounded('mfssymlinkcacheto', 'symlink'),
    groups: bounded('mfsgroupscacheto', 'groups'),
  };
}

function clampSizes(options: OptionValues, note: Note): void {
  const clamp = (name: 'mfswritecachesize' | 'mfsreadaheadsize', what: string): void => {
    const mib = options[name];
    if (mib < MIN_CACHE_MIB) note(`${what} size too low (${mib} MiB) - increased to ${MIN_CACHE_MIB} MiB`);
    if (mib > MAX_CACHE_MIB) note(`${what} size too big (${mib} MiB) - decresed to ${MAX_CACHE_MIB} MiB`);
    options[name] = Math.max(MIN_CACHE_MIB, Math.min(mib, MAX_CACHE_MIB));
  };
  clamp('mfswritecachesize', 'write cache');
  clamp('mfsreadaheadsize', 'read ahead');
  const bytes = options.mfsreadaheadleng;
  if (bytes < MIN_READ_AHEAD_BYTES) note(`read ahead length too low (${bytes} B) - increased to 128 KiB`);
  if (bytes > MAX_READ_AHEAD_BYTES) note(`read ahead length too big (${bytes} B) - decresed to 2 MiB`);
  options.mfsreadaheadleng = Math.max(MIN_READ_AHEAD_BYTES, Math.min(bytes, MAX_READ_AHEAD_BYTES));
  if (options.mfsreadaheadtrigger === 0) options.mfsreadaheadtrigger = options.mfsreadaheadleng * 10;
}

/** The mount point as an absolute path. Throws when it can't be mounted on. */
export function checkMountpoint(given: string | undefined, nonEmpty: boolean): string {
  if (given === undefined) throw new UsageError('no mount point', { hint: true });
  const path = resolve(given);
  try {
    if (!statSync(path).isDirectory()) throw new UsageError(`given mountpoint '${path}' is not a directory`);
    if (!nonEmpty && readdirSync(path).length > 0) throw new UsageError(`mountpoint '${path}' is not empty`);
  } catch (error) {
    if (error instanceof UsageError) throw error;
    const { code, errno = 0 } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') {
      throw new UsageError(`fuse: bad mount point \`${given}': No such file or directory`, { hint: true });
    }
    throw new UsageError(`stat mountpoint '${path}': ${errnoText(-errno)}`);
  }
  return path;
}

function masterPort(text: string, host: string): number {
  const port = Number(text);
  if (Number.isInteger(port) && port > 0 && port < 65_536) return port;
  throw new UsageError(`can't resolve master hostname and/or portname (${host}:${text})`);
}

/** `HOST`, or several with `,` or (where a comma ends an option) `+` between them; each may have a port of its own behind a colon. */
function masters(text: string, port: number): MasterAddress[] {
  return text.split(/[,+]/).map((one) => {
    const [host, ownPort, ...more] = one.split(':');
    if (host === '' || more.length > 0) throw new UsageError(`can't resolve master hostname and/or portname (${text})`);
    return { host, port: ownPort === undefined ? port : masterPort(ownPort, host) };
  });
}

function mountOptions(line: CommandLine): string[] {
  const { options, fuseOptions } = line;
  const own = fuseOptions.filter((text) => !/^(fsname|subtype|allow_other|blksize)(=|$)/.test(text));
  if (options.mfssuid) own.push('suid');
  if (options.mfsdev) own.push('dev');
  return own;
}

/** Checks and completes what the command line said. `note` prints remarks. Throws `UsageError`. */
export function mountSettings(line: CommandLine, note: Note): MountSettings {
  const { options } = line;
  const cache = cacheMode(options);
  const sugid = sugidClearMode(options);
  const labels = options.mfspreflabels === undefined ? [] : parsePreferredLabels(options.mfspreflabels);
  if (labels === undefined) throw new UsageError('error parsing preferred labels expression', { hint: true });
  const passwordMd5 = takePasswordDigest(options);
  clampSizes(options, note);
  return {
    options,
    noStandardOptions: line.noStandardOptions,
    timeouts: timeouts(options, note),
    mountpoint: checkMountpoint(line.mountpoint, options.nonempty),
    masterHost: options.mfsmaster,
    masterPort: masterPort(options.mfsport, options.mfsmaster),
    masters: masters(options.mfsmaster, masterPort(options.mfsport, options.mfsmaster)),
    bindHost: options.mfsbind,
    proxyHost: options.mfsproxy,
    subfolder: options.mfssubfolder,
    passwordMd5,
    meta: options.mfsmeta,
    cacheMode: cache,
    sugidClearMode: sugid,
    fsyncMinSeconds: options.mfsfsyncbeforeclose ? 0 : Math.max(0, options.mfsfsyncmintime),
    writeCacheBytes: options.mfswritecachesize * MIB,
    readCacheBytes: options.mfsreadaheadsize * MIB,
    readAheadBytes: options.mfsreadaheadleng,
    preferredLabels: labels.flat(),
    mountOptions: mountOptions(line),
    allowOther: !line.noStandardOptions || line.fuseOptions.includes('allow_other'),
    foreground: line.foreground,
    debug: options.mfsdebug,
  };
}
