import { reasonOf } from '@alces/runtime';
import { type CommandOptions, FileMistake, type OPTIONS, parseCommandLine, USAGE, UsageError } from './arguments.ts';
import { NodeNotRunning } from './asking.ts';
import type { Invocation } from './invocation.ts';

type Command = (invocation: Invocation) => Promise<number>;
type Option = keyof typeof OPTIONS;

interface Entry {
  /** Each command is loaded when it is called: keepalived waits for some of them. */
  load: () => Promise<Command>;
  /** Beside those that every command takes. */
  options?: readonly Option[];
}

const ALWAYS: readonly Option[] = ['config', 'socket', 'help'];
const COMMANDS = new Map<string, Entry>([
  ['check', { load: async () => (await import('./check.ts')).check, options: ['verbose'] }],
  ['notify', { load: async () => (await import('./orders.ts')).notify }],
  ['promote', { load: async () => (await import('./orders.ts')).promote, options: ['force', 'wait'] }],
  ['demote', { load: async () => (await import('./orders.ts')).demote }],
  ['switch', { load: async () => (await import('./orders.ts')).switchOver }],
  ['resolve', { load: async () => (await import('./orders.ts')).resolve, options: ['discard-my-data'] }],
  ['maintenance', { load: async () => (await import('./orders.ts')).maintenance }],
  ['status', { load: async () => (await import('./show.ts')).status, options: ['json'] }],
  ['history', { load: async () => (await import('./show.ts')).history, options: ['json', 'count'] }],
  [
    'keepalived-config',
    {
      load: async () => (await import('./writeKeepalived.ts')).writeKeepalived,
      options: ['interface', 'vip', 'router-id', 'advert-ms', 'multicast', 'auth-pass', 'mail-to', 'mail-from', 'smtp'],
    },
  ],
]);

/** An option of another command is a mistake: what it was meant to do would silently not be done. */
function refuseForeignOptions(name: string, { options = [] }: Entry, given: CommandOptions): void {
  const known: readonly string[] = [...ALWAYS, ...options];
  const foreign = Object.keys(given).find((option) => !known.includes(option));
  if (foreign !== undefined) throw new UsageError(`'${name}' takes no --${foreign}`);
}

/** The program mfsha. Resolves to its exit status (see `USAGE`). */
export async function main(argv: readonly string[]): Promise<number> {
  try {
    const { values, positionals } = parseCommandLine(argv);
    const [name, ...operands] = positionals;
    if (values.help || name === 'help') {
      process.stdout.write(USAGE);
      return 0;
    }
    const command = COMMANDS.get(name ?? '');
    if (command === undefined) throw new UsageError(name === undefined ? 'no command' : `unknown command '${name}'`);
    refuseForeignOptions(name ?? '', command, values);
    return await (await command.load())({ options: values, operands });
  } catch (error) {
    process.stderr.write(`mfsha: ${reasonOf(error)}\n`);
    if (error instanceof NodeNotRunning) return 3;
    if (!(error instanceof UsageError)) return 1;
    if (!(error instanceof FileMistake)) process.stderr.write("'mfsha -h' shows how it is used\n");
    return 2;
  }
}

if (import.meta.main) process.exitCode = await main(process.argv.slice(2));
