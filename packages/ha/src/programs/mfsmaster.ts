import { masterDaemon } from '@alces/master';
import { runNodeProgram } from './nodeProgram.ts';

/** The program mfsmaster: a plain master, or with mfsha.cfg a node of the journal. Resolves to its exit status. */
export function main(argv: readonly string[]): Promise<number> {
  return runNodeProgram('mfsmaster', masterDaemon, argv);
}

if (import.meta.main) process.exitCode = await main(process.argv.slice(2));
