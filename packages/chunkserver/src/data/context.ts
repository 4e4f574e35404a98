import type { Clock } from '@alces/runtime';
import type { Jobs } from '../jobs.ts';
import type { Streams } from '../net/stream.ts';
import type { Store } from '../store/context.ts';
import type { ConnectionCache } from './connectionCache.ts';

/** What the data service's connections share. */
export interface DataContext {
  readonly store: Store;
  readonly clock: Clock;
  readonly jobs: Jobs;
  readonly streams: Streams;
  /** Idle connections to other chunkservers. */
  readonly cache: ConnectionCache;
  /** Runs something at the end of this turn of the event loop, after everything that has arrived. */
  defer(run: () => void): void;
  /** Answers queries that are not about a chunk. Undefined: no such query. */
  query(type: number, payload: Buffer): Buffer | undefined;
}
