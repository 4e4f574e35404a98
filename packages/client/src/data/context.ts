import type { Clock } from '@alces/runtime';
import type { MasterSession } from '../contracts.ts';
import type { ChunkErrorPolicy } from '../errors.ts';
import type { Budget } from './budget.ts';
import type { LinkCache } from './linkCache.ts';
import type { ServerTable } from './servers.ts';
import type { Ticker } from './ticker.ts';

/** What all files of a data engine share. */
export interface DataContext {
  readonly session: MasterSession;
  readonly clock: Clock;
  readonly links: LinkCache;
  readonly servers: ServerTable;
  readonly ticker: Ticker;
  /** Bytes written and not acknowledged. */
  readonly writeBudget: Budget;
  /** Bytes asked for and not given up again. */
  readonly readBudget: Budget;
  /** READs under way, and chunks being written. */
  readonly readers: Budget;
  readonly writers: Budget;
  readonly ioRetries: number;
  readonly timeoutMs: number;
  readonly readAheadBytes: number;
  readonly policy: ChunkErrorPolicy;
}

export function pause(clock: Clock, ms: number): Promise<void> {
  return new Promise((resolve) => clock.timeout(ms, resolve));
}
