import { Status } from '@alces/proto';
import type { MasterSession, TruncateResult } from '../contracts.ts';
import { MfsError } from '../errors.ts';
import { truncate } from '../operations/files.ts';
import { pauseAfterTry } from '../retry.ts';
import type { Caller } from '../types.ts';
import { type DataContext, pause } from './context.ts';

const LOCKED_PAUSE_MS = 10;

const FINAL: ReadonlySet<number> = new Set([
  Status.EROFS,
  Status.EACCES,
  Status.EPERM,
  Status.ENOENT,
  Status.EINVAL,
  Status.INDEXTOOBIG,
  Status.QUOTA,
  Status.NOSPACE,
  Status.CHUNKLOST,
  // The session has tried long enough already.
  Status.IO,
]);

/** TRUNCATE with the mount's retries (spec 20 §6.8): while the chunk is locked without end, otherwise a number of times. */
export async function truncateWithRetries(
  context: Pick<DataContext, 'clock' | 'ioRetries'> & { readonly session: MasterSession },
  inode: number,
  length: number,
  flags: number,
  caller: Caller,
): Promise<TruncateResult> {
  for (let tries = 1; ; ) {
    try {
      return await truncate(context.session, inode, length, flags, caller);
    } catch (error) {
      if (!(error instanceof MfsError) || FINAL.has(error.status)) throw error;
      if (error.status === Status.LOCKED) {
        await pause(context.clock, LOCKED_PAUSE_MS);
        continue;
      }
      if (tries >= context.ioRetries) throw error;
      await pause(context.clock, pauseAfterTry(tries++));
    }
  }
}
