import { metaloggerDaemon } from '@alces/metalogger';
import { runNodeProgram } from './nodeProgram.ts';

/** The program mfsmetalogger: a plain metalogger, or with mfsha.cfg a node of the journal. Resolves to its exit status. */
export function main(argv: readonly string[]): Promise<number> {
  return runNodeProgram('mfsmetalogger', metaloggerDaemon, argv);
}

if (import.meta.main) process.exitCode = await main(process.argv.slice(2));
