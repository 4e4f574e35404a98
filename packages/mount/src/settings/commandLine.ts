import { readMountConfig } from './configFile.ts';
import { defaultOptions, findOption, type OptionValues, parseOptionValue } from './options.ts';
import { UsageError } from './usageError.ts';

/** What the command line and the configuration files say, before anything is checked against the machine. */
export interface CommandLine {
  kind: 'mount' | 'help' | 'version';
  options: OptionValues;
  /** Options for the kernel or mount(8): `ro`, `noatime`, `max_read=N`, ... */
  fuseOptions: string[];
  mountpoint: string | undefined;
  foreground: boolean;
  askPassword: boolean;
  noStandardOptions: boolean;
}

/** The first argument of fstab entries that run the mount through mount.fuse; it means nothing. */
const MAGIC_ARGUMENT = 'mfsmount_magic';
const HOST_FORM = /^([a-zA-Z0-9.,+-]+):(.*)$/;

/** Mount options that FUSE or mount(8) understand, without their values. */
const FUSE_OPTIONS = new Set(
  (
    'ro rw suid nosuid dev nodev exec noexec sync async dirsync atime noatime diratime nodiratime relatime norelatime ' +
    'strictatime nostrictatime lazytime nolazytime allow_other default_permissions fsname subtype max_read blksize'
  ).split(' '),
);
/** Options that change nothing here: of fstab, of libfuse's threads, or of other tools. */
const IGNORED_OPTIONS = new Set(
  (
    'defaults auto noauto user nouser users owner group nofail _netdev comment clone_fd max_idle_threads max_threads debug ' +
    'auto_unmount kernel_cache big_writes'
  ).split(' '),
);

const SHORT_WITH_VALUE: Record<string, string> = {
  c: 'mfscfgfile',
  H: 'mfsmaster',
  P: 'mfsport',
  B: 'mfsbind',
  L: 'mfsproxy',
  S: 'mfssubfolder',
};
const LONG: Record<string, string> = { meta: 'm', password: 'p', nostdopts: 'n', help: 'h', version: 'V' };

/** Splits at commas that no backslash protects, as libfuse does. */
export function splitOptions(text: string): string[] {
  const parts = [''];
  for (let index = 0; index < text.length; index++) {
    if (text[index] === '\\' && index + 1 < text.length) parts[parts.length - 1] += text[++index];
    else if (text[index] === ',') parts.push('');
    else parts[parts.length - 1] += text[index];
  }
  return parts.filter((part) => part !== '');
}

/** Collects options from the command line and then, overriding it, from the configuration files (spec 60 §5.3). */
class Collector {
  readonly line: CommandLine = {
    kind: 'mount',
    options: defaultOptions(),
    fuseOptions: [],
    mountpoint: undefined,
    foreground: false,
    askPassword: false,
    noStandardOptions: false,
  };
  readonly configFiles: string[] = [];
  readonly #unknown: string[] = [];

  option(text: string): void {
    const [name, value] = text.includes('=')
      ? [text.slice(0, text.indexOf('=')), text.slice(text.indexOf('=') + 1)]
      : [text];
    if (name === 'mfscfgfile' && value !== undefined) this.configFiles.push(value);
    else if (this.#ownOption(text, name, value)) return;
    else if (name === 'debug') this.line.foreground = true;
    else if (FUSE_OPTIONS.has(name)) this.line.fuseOptions.push(text);
    else if (!IGNORED_OPTIONS.has(name) && !name.startsWith('x-')) this.#unknown.push(`-o ${text}`);
  }

  #ownOption(text: string, name: string, value: string | undefined): boolean {
    const definition = findOption(name);
    if (!definition) return false;
    const parsed = parseOptionValue(definition, value);
    if (parsed === undefined) throw new UsageError(`fuse: invalid parameter in option \`${text}'`);
    (this.line.options as Record<string, unknown>)[definition.name] = parsed;
    return true;
  }

  positional(text: string): void {
    if (text === MAGIC_ARGUMENT) return;
    if (this.line.mountpoint !== undefined) throw new UsageError(`fuse: invalid argument \`${text}'`, { hint: true });
    this.line.mountpoint = text;
  }

  /** `HOST[:PORT]:[PATH]`; explicit options come later and win. */
  hostForm(text: string): boolean {
    const match = HOST_FORM.exec(text);
    if (!match) return false;
    const [, host, rest] = match;
    const withPort = /^(\d*):(.*)$/.exec(rest);
    const path = withPort ? withPort[2] : rest;
    this.line.options.mfsmaster = host;
    if (withPort && withPort[1] !== '') this.line.options.mfsport = withPort[1];
    if (path !== '') this.line.options.mfssubfolder = path;
    return true;
  }

  letter(letter: string): void {
    const { line } = this;
    if (letter === 'm') line.options.mfsmeta = true;
    else if (letter === 'p') line.askPassword = true;
    else if (letter === 'n') line.noStandardOptions = true;
    else if (letter === 'h') line.kind = 'help';
    else if (letter === 'V') line.kind = 'version';
    else if (letter === 'f' || letter === 'd') line.foreground = true;
    // `-s` and what mount(8) hands to its helpers change nothing here.
    else if (letter !== 's' && letter !== 'v') this.#unknown.push(`-${letter}`);
  }

  unknownLong(text: string): void {
    this.#unknown.push(text);
  }

  /** The line libfuse prints for what it does not know. */
  complaint(): string | undefined {
    if (this.#unknown.length === 0) return undefined;
    return `fuse: unknown option(s): ${this.#unknown.map((text) => `\`${text}'`).join(' ')}`;
  }
}

function withoutHostForm(argv: readonly string[], collector: Collector): readonly string[] {
  let first = 0;
  while (first < argv.length && argv[first].startsWith('-o')) first += argv[first] === '-o' ? 2 : 1;
  if (first >= argv.length || !collector.hostForm(argv[first])) return argv;
  return argv.toSpliced(first, 1);
}

function collect(argv: readonly string[], collector: Collector): void {
  for (let index = 0; index < argv.length; index++) {
    const argument = argv[index];
    const next = (): string => {
      index += 1;
      if (index >= argv.length) throw new UsageError(`fuse: missing argument after \`${argument}'`);
      return argv[index];
    };
    if (argument === '--') {
      for (const rest of argv.slice(index + 1)) collector.positional(rest);
      return;
    }
    if (argument.startsWith('--')) {
      const letter = LONG[argument.slice(2)];
      if (letter) collector.letter(letter);
      else collector.unknownLong(argument);
    } else if (argument.startsWith('-') && argument.length > 1) {
      shortOption(argument, next, collector);
    } else collector.positional(argument);
  }
}

function shortOption(argument: string, next: () => string, collector: Collector): void {
  const letter = argument[1];
  const attached = argument.slice(2);
  if (letter === 'o') for (const option of splitOptions(attached || next())) collector.option(option);
  else if (SHORT_WITH_VALUE[letter]) collector.option(`${SHORT_WITH_VALUE[letter]}=${attached || next()}`);
  else if (attached === '') collector.letter(letter);
  else collector.unknownLong(argument);
}

/** Parses the command line and the configuration files it leads to. Notes are printed; throws `UsageError`. */
export function parseCommandLine(argv: readonly string[], note: (text: string) => void): CommandLine {
  const collector = new Collector();
  collect(withoutHostForm(argv, collector), collector);
  const { line } = collector;
  if (line.kind !== 'mount') return line;
  const config = readMountConfig(collector.configFiles, note);
  collect(config.args, collector);
  line.mountpoint ??= config.mountpoint;
  const complaint = collector.complaint();
  if (complaint !== undefined) throw new UsageError(`${complaint}\nerror in fuse_session_new`);
  return line;
}
