import { parseArgs } from 'node:util';
import { down } from './down.ts';
import { FILE_COMMANDS } from './files.ts';
import { HA_USAGE, ha } from './ha/commands.ts';
import { metaDiff } from './metaDiff.ts';
import { status } from './status.ts';
import { up } from './up.ts';

const USAGE = `usage: alces COMMAND [options]

a cluster on this machine, to play with and to develop against:
  up [--ha] [--dir D] [--mount M] [--chunkservers N]   start it (made anew when D has none), mount it, show what runs where
  status [--dir D]                              what runs, and the space
  down [--dir D]                                stop it; the data stay

three nodes that take over for each other ("up --ha"; as root):
${HA_USAGE}

files without a mount (PATH is in the file system, LOCAL on this machine):
  ls [-l] [PATH]        cat PATH...        put LOCAL... PATH        cp PATH PATH        rm [-r] PATH...

metadata images:
  meta diff IMAGE IMAGE   records that stand in only one of them (exit status 1 when there are any, 2 on trouble)

  --dir D             folder of the cluster (default: $ALCES_DIR, else ~/.alces)
  --master HOST[:PORT]  another master than that of the cluster in D (file commands)
`;

const OPTIONS = {
  dir: { type: 'string' },
  mount: { type: 'string' },
  chunkservers: { type: 'string' },
  master: { type: 'string' },
  long: { type: 'boolean', short: 'l' },
  recursive: { type: 'boolean', short: 'r' },
  ha: { type: 'boolean' },
  help: { type: 'boolean', short: 'h' },
} as const;

/** Runs one `alces` command; answers the exit status (2: the command line is wrong). */
export async function main(argv: readonly string[]): Promise<number> {
  let parsed: ReturnType<typeof parse>;
  try {
    parsed = parse(argv);
  } catch (error) {
    process.stderr.write(`alces: ${error instanceof Error ? error.message : error}\n\n${USAGE}`);
    return 2;
  }
  const { values, positionals } = parsed;
  const [command, ...operands] = positionals;
  if (values.help || command === 'help') {
    process.stdout.write(USAGE);
    return 0;
  }
  const fileCommand = FILE_COMMANDS.get(command ?? '');
  try {
    if (fileCommand) return await fileCommand(operands, { ...values, dir: values.dir, master: values.master });
    if (command === 'meta' && operands[0] === 'diff') return await metaDiff(operands.slice(1));
    if (command === 'ha') {
      const status = await ha(operands, values.dir);
      if (status !== undefined) return status;
    }
    if (operands.length === 0) {
      if (command === 'up')
        return await up({ dir: values.dir, mount: values.mount, chunkservers: values.chunkservers, ha: values.ha });
      if (command === 'down') return await down({ dir: values.dir });
      if (command === 'status') return await status({ dir: values.dir });
    }
  } catch (error) {
    process.stderr.write(`alces ${command}: ${error instanceof Error ? error.message : error}\n`);
    return command === 'meta' ? 2 : 1;
  }
  process.stderr.write(USAGE);
  return 2;
}

function parse(argv: readonly string[]) {
  return parseArgs({ args: [...argv], options: OPTIONS, allowPositionals: true });
}

if (import.meta.main) process.exit(await main(process.argv.slice(2)));
