import type { Reporter } from '@alces/journal';
import type { Environment } from '@alces/runtime';
import type { Archive } from '../archive/archive.ts';
import type { MetaloggerConfig } from '../config.ts';
import type { Partial } from '../link/fetch.ts';
import type { ImageChecker } from '../shadow/checkImage.ts';
import type { ShadowKeeper } from '../shadow/keeper.ts';
import type { DigestVerdict } from './digestExchange.ts';

/** Why what is on disk can't be continued. */
export type RebuildReason = 'nothing' | 'gap' | 'diverged' | 'foreign';

/** What outlives a connection to the master. */
export interface Host {
  readonly environment: Environment;
  /** DATA_PATH. */
  readonly folder: string;
  readonly report: Reporter;
  readonly archive: Archive;
  readonly keeper: ShadowKeeper;
  readonly checker: ImageChecker;
  /** What is there of an image of an interrupted download. */
  readonly partial: Partial;
  config: MetaloggerConfig;
  /** Set when the files must be made anew at the next opportunity. */
  rebuildReason: RebuildReason | undefined;
  /** The files were made anew because of a digest, and none has been equal since. */
  rebuiltForDigest: boolean;
  /** The last version at which changes were missing. */
  gapAt: number;
  /** Masters before 3.0 close the connection when asked for their version; after that happened they are not asked at the next one. */
  asksVersion: boolean;
  /** Number of the last period in which an image was fetched or written. */
  downloadPeriod: number;
  /** Lets changes flow again after the shadow was made. */
  proceed: () => void;
  lastVerdict: DigestVerdict | undefined;
}

/** Resolves after a while. */
export function pause(host: Host, delayMs: number): Promise<void> {
  return new Promise((resolve) => {
    host.environment.clock.timeout(delayMs, resolve);
  });
}
