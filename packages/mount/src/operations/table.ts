import type { Operations } from '@alces/fuse';
import type { MountContext } from '../context.ts';
import { errnoOf } from '../errors.ts';
import { directoryOperations } from './directories.ts';
import { fileOperations } from './files.ts';
import { lockOperations } from './locks.ts';
import { nameOperations } from './names.ts';
import { nodeOperations } from './nodes.ts';
import { xattrOperations } from './xattrs.ts';

type Run = (...args: unknown[]) => unknown;

/** Turns refusals, thrown or rejected, into errnos. */
export function withErrnos(operations: Operations): Operations {
  const wrapped: Record<string, Run> = {};
  for (const [name, operation] of Object.entries(operations)) {
    const run = operation as Run;
    wrapped[name] = (...args) => {
      try {
        const outcome = run(...args);
        return outcome instanceof Promise ? outcome.catch(errnoOf) : outcome;
      } catch (error) {
        return errnoOf(error);
      }
    };
  }
  return wrapped as Operations;
}

/** Everything a mounted file system does for the kernel, special files apart. */
export function mountOperations(context: MountContext): Operations {
  return withErrnos({
    ...nodeOperations(context),
    ...nameOperations(context),
    ...fileOperations(context),
    ...directoryOperations(context),
    ...lockOperations(context),
    ...xattrOperations(context),
  });
}
