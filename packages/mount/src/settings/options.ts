/**
 * The `-o` options of the mount, in the order in which `.params` shows them (spec 60 §5.2, §6.1).
 * `flag`: given or not; `number`: C integer; `seconds`: decimal fraction.
 */
export const OPTIONS = [
  { name: 'mfsmaster', kind: 'text', default: 'mfsmaster' },
  { name: 'mfsport', kind: 'text', default: '9421' },
  { name: 'mfsbind', kind: 'text' },
  { name: 'mfsproxy', kind: 'text', default: '127.0.0.1' },
  { name: 'mfssubfolder', kind: 'text', default: '/' },
  { name: 'mfspassword', kind: 'text' },
  { name: 'mfspassfile', kind: 'text' },
  { name: 'mfsmd5pass', kind: 'text' },
  { name: 'mfspreflabels', kind: 'text' },
  { name: 'mfsrlimitnofile', kind: 'number', default: 100_000 },
  { name: 'mfsnice', kind: 'number', default: -19 },
  { name: 'mfssuid', kind: 'flag' },
  { name: 'mfsdev', kind: 'flag' },
  { name: 'mfsmemlock', kind: 'flag' },
  { name: 'mfslimitarenas', kind: 'number', default: 4 },
  { name: 'mfsallowoomkiller', kind: 'flag' },
  { name: 'nonempty', kind: 'flag' },
  { name: 'mfswritecachesize', kind: 'number', default: 256 },
  { name: 'mfsreadaheadsize', kind: 'number', default: 256 },
  { name: 'mfsreadaheadleng', kind: 'number', default: 1_048_576 },
  { name: 'mfsreadaheadtrigger', kind: 'number', default: 0 },
  { name: 'mfserroronlostchunk', kind: 'flag' },
  { name: 'mfserroronnospace', kind: 'flag' },
  { name: 'mfsioretries', kind: 'number', default: 30 },
  { name: 'mfstimeout', kind: 'number', default: 0 },
  { name: 'mfslogretry', kind: 'number', default: 5 },
  { name: 'mfsdebug', kind: 'flag' },
  { name: 'mfsmeta', kind: 'flag' },
  { name: 'mfsflattrash', kind: 'flag' },
  { name: 'mfsdelayedinit', kind: 'flag' },
  { name: 'mfsdonotrememberpassword', kind: 'flag' },
  { name: 'mfscachefiles', kind: 'flag' },
  { name: 'mfsnoxattrs', kind: 'flag' },
  { name: 'mfsnoposixlocks', kind: 'flag' },
  { name: 'mfsnobsdlocks', kind: 'flag' },
  { name: 'mfscachemode', kind: 'text' },
  { name: 'mfsmkdircopysgid', kind: 'number', default: 1 },
  { name: 'mfssugidclearmode', kind: 'text' },
  { name: 'mfsattrcacheto', kind: 'seconds', default: 1 },
  { name: 'mfsxattrcacheto', kind: 'seconds', default: 30 },
  { name: 'mfsentrycacheto', kind: 'seconds', default: 0 },
  { name: 'mfsdirentrycacheto', kind: 'seconds', default: 1 },
  { name: 'mfsnegentrycacheto', kind: 'seconds', default: 0 },
  { name: 'mfssymlinkcacheto', kind: 'seconds', default: 300 },
  { name: 'mfsgroupscacheto', kind: 'seconds', default: 300 },
  { name: 'mfsfsyncmintime', kind: 'seconds', default: 0 },
  { name: 'mfsfsyncbeforeclose', kind: 'number' },
] as const;

type Definition = (typeof OPTIONS)[number];
export type OptionName = Definition['name'];
type ValueOf<D> = D extends { kind: 'text' } ? string : D extends { kind: 'flag' } ? boolean : number;

/** Values of the options; undefined where nothing is given and there is no default. Flags are always given or not. */
export type OptionValues = {
  [D in Definition as D['name']]: ValueOf<D> | (D extends { default: unknown } | { kind: 'flag' } ? never : undefined);
};

/** Other spellings of options. */
const ALIASES: Record<string, OptionName> = {
  mfsnoxattr: 'mfsnoxattrs',
  mfsnoposixlock: 'mfsnoposixlocks',
  mfsnobsdlock: 'mfsnobsdlocks',
};

const BY_NAME = new Map<string, Definition>(OPTIONS.map((definition) => [definition.name, definition]));

export function findOption(name: string): Definition | undefined {
  return BY_NAME.get(ALIASES[name] ?? name);
}

export function defaultOptions(): OptionValues {
  const values: Record<string, unknown> = {};
  for (const definition of OPTIONS) {
    values[definition.name] =
      'default' in definition ? definition.default : definition.kind === 'flag' ? false : undefined;
  }
  return values as OptionValues;
}

const NUMBER = /^[ \t]*[+-]?(0[xX][0-9a-fA-F]+|\d+)$/;
const SECONDS = /^[ \t]*[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?$/;

/** The value of an option's text; undefined: it is no such value. */
export function parseOptionValue(
  definition: Definition,
  text: string | undefined,
): string | number | boolean | undefined {
  if (definition.kind === 'flag') return text === undefined ? true : undefined;
  if (text === undefined) return undefined;
  if (definition.kind === 'text') return text;
  return (definition.kind === 'number' ? NUMBER : SECONDS).test(text) ? Number(text) : undefined;
}
