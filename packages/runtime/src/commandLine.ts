import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { reasonOf } from './errors.ts';

export const ACTIONS = [
  'start',
  'stop',
  'restart',
  'try-restart',
  'reload',
  'info',
  'test',
  'status',
  'kill',
  'restore',
  'save',
] as const;
export type Action = (typeof ACTIONS)[number];

export interface DaemonOptions {
  action: Action;
  foreground: boolean;
  tellDefaults: boolean;
  keepCoreLimit: boolean;
  lockTimeoutMs: number;
  configFile: string | undefined;
  /** `-i`: go on in spite of metadata errors (master only). */
  ignoreErrors: boolean;
  /** `-a`: build the start state from the best image and the change logs (master only). */
  autoRestore: boolean;
  /** Number of `-x`. */
  verbosity: number;
}

export type ParsedCommandLine =
  | { kind: 'run'; options: DaemonOptions; notes: string[] }
  | { kind: 'version' }
  | { kind: 'usage'; complaint?: string };

/** The usage text of a daemon (spec 60 §4.1). */
export function usageText(program: string, isMaster: boolean, canSave = isMaster): string {
  const master = isMaster
    ? '-i : ignore some metadata structure errors (attach orphans to root, ignore names without inode, etc.)\n' +
      '-a : automatically restore metadata from change logs\n-x : produce more verbose output\n-xx : even more verbose output\n'
    : '';
  return (
    `usage: ${program} [-vfun] [-t locktimeout] [-c cfgfile] ${isMaster ? '[-i] [-a] [-x [-x]] ' : ''}` +
    `[start|stop|restart|reload|info|test|kill${isMaster ? '|restore' : ''}${canSave ? '|save' : ''}]\n\n` +
    '-v : print version number and exit\n-f : run in foreground\n-u : log undefined config variables\n' +
    '-n : do not attempt to increase limit of core dump size\n-t locktimeout : how long wait for lockfile\n' +
    `-c cfgfile : use given config file\n${master}`
  );
}

/** Parses the command line of a daemon as the stock ones do (spec 60 §4.1). */
export function parseCommandLine(argv: readonly string[], isMaster: boolean): ParsedCommandLine {
  const flag = { type: 'boolean' } as const;
  const repeated = { type: 'boolean', multiple: true } as const;
  const options = {
    version: { ...flag, short: 'v' },
    foreground: { ...flag, short: 'f' },
    debug: { ...flag, short: 'd' },
    undefined: { ...flag, short: 'u' },
    nocore: { ...flag, short: 'n' },
    help: { ...flag, short: 'h' },
    timeout: { type: 'string', short: 't' },
    config: { type: 'string', short: 'c' },
    ...(isMaster && {
      ignore: { ...flag, short: 'i' },
      auto: { ...flag, short: 'a' },
      verbose: { ...repeated, short: 'x' },
    }),
  } as const;
  let values: Record<string, string | boolean | boolean[] | undefined>;
  let positionals: string[];
  try {
    ({ values, positionals } = parseArgs({ args: [...argv], options, allowPositionals: true }));
  } catch (error) {
    return { kind: 'usage', complaint: reasonOf(error) };
  }
  if (values.version) return { kind: 'version' };
  const word = (positionals[0] ?? 'start').toLowerCase();
  const action = ACTIONS.find((name) => name === word);
  if (values.help || positionals.length > 1 || action === undefined) return { kind: 'usage' };
  const seconds = values.timeout === undefined ? 1800 : Number.parseInt(String(values.timeout), 10);
  if (!Number.isFinite(seconds) || seconds < 0)
    return { kind: 'usage', complaint: `-t ${values.timeout}: not a number of seconds` };
  return {
    kind: 'run',
    notes: values.debug ? ["option '-d' is deprecated - use '-f' instead"] : [],
    options: {
      action,
      foreground: values.foreground === true || values.debug === true,
      tellDefaults: values.undefined === true,
      keepCoreLimit: values.nocore === true,
      lockTimeoutMs: seconds * 1000,
      // The daemon changes to its DATA_PATH before it reads the file again, and what is named in it.
      configFile: values.config === undefined ? undefined : resolve(String(values.config)),
      ignoreErrors: values.ignore === true,
      autoRestore: values.auto === true,
      verbosity: Array.isArray(values.verbose) ? values.verbose.length : 0,
    },
  };
}
