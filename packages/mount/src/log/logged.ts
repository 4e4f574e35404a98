import type { Operations, Request } from '@alces/fuse';
import { errnoText } from '../errors.ts';
import type { Counter, Statistics } from '../statistics.ts';
import { HEADS, resultText } from './describe.ts';
import type { OperationLog } from './operationLog.ts';

type Run = (request: Request, ...args: unknown[]) => unknown;

function outcomeText(request: Request, outcome: unknown, name: string, args: readonly unknown[]): string {
  if (typeof outcome === 'number' && outcome !== 0) return errnoText(outcome);
  return `OK${resultText(request, outcome as object | 0, name, args)}${request.outcome}`;
}

/** Which counter an operation adds to. */
function counterOf(name: string, args: readonly unknown[]): Counter {
  if (name === 'setlk' && (args[0] as { flock: boolean }).flock) return 'flock';
  return name as Counter;
}

/** Counts every operation, and writes it with its outcome into the log. `unlogged`: reads of these nodes are left out. */
export function logged(
  operations: Operations,
  log: OperationLog,
  statistics: Statistics,
  unlogged: (node: number) => boolean,
): Operations {
  const wrapped: Record<string, unknown> = {};
  for (const [name, operation] of Object.entries(operations)) {
    const head = HEADS[name] as ((request: Request, ...args: unknown[]) => string) | undefined;
    const run = operation as Run;
    if (head === undefined) {
      wrapped[name] = run;
      continue;
    }
    const finish = (request: Request, args: unknown[], outcome: unknown): unknown => {
      // Reading the log must not fill the log.
      if (name === 'read' && unlogged(request.node)) return outcome;
      const { uid, gid, pid } = request;
      const text = `${head(request, ...args)}${request.remark}: ${outcomeText(request, outcome, name, args)}`;
      log.add(`uid:${uid} gid:${gid} pid:${pid} cmd:${text}`);
      return outcome;
    };
    wrapped[name] = (request: Request, ...args: unknown[]) => {
      statistics.count(counterOf(name, args));
      const outcome = run(request, ...args);
      if (!(outcome instanceof Promise)) return finish(request, args, outcome);
      return outcome.then((value) => finish(request, args, value));
    };
  }
  return wrapped as Operations;
}
