import { parseCommandLine, USAGE, UsageError } from './arguments.ts';
import { NodeNotRunning } from './asking.ts';
import type { Invocation } from './invocation.ts';

type Command = (invocation: Invocation) => Promise<number>;

/** Each command is loaded when it is called: keepalived waits for some of them. */
const COMMANDS = new Map<string, () => Promise<Command>>([
  ['check', async () => (await import('./check.ts')).check],
  ['notify', async () => (await import('./orders.ts')).notify],
  ['promote', async () => (await import('./orders.ts')).promote],
  ['demote', async () => (await import('./orders.ts')).demote],
  ['switch', async () => (await import('./orders.ts')).switchOver],
  ['resolve', async () => (await import('./orders.ts')).resolve],
  ['maintenance', async () => (await import('./orders.ts')).maintenance],
  ['status', async () => (await import('./show.ts')).status],
  ['history', async () => (await import('./show.ts')).history],
  ['keepalived-config', async () => (await import('./writeKeepalived.ts')).writeKeepalived],
]);

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
    return await (await command())({ options: values, operands });
  } catch (error) {
    process.stderr.write(`mfsha: ${error instanceof Error ? error.message : String(error)}\n`);
    if (error instanceof NodeNotRunning) return 3;
    if (!(error instanceof UsageError)) return 1;
    process.stderr.write("'mfsha -h' shows how it is used\n");
    return 2;
  }
}

if (import.meta.main) process.exitCode = await main(process.argv.slice(2));
