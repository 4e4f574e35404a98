import type { Clock } from '@alces/runtime';
import type { Core } from '../../core.ts';
import type { MasterStatistics } from '../../statistics.ts';
import { ClientKind } from '../client.ts';

/** Monitors need no registration; connections registered as tools are refused (spec 70 §1.3). */
export const MONITORS = ClientKind.unregistered | ClientKind.mount;

/** The latest metadata save, for INFO. */
export interface LastStore {
  /** Unix seconds, 0 = none since the start. */
  time: number;
  durationMs: number;
  /** 0 saved in the background, 2 at exit. */
  status: number;
}

/** Where monitoring messages find what they tell. */
export interface MonitorSources {
  readonly core: Core;
  readonly clock: Clock;
  readonly statistics: MasterStatistics;
  metaloggers(): { version: number; ip: number }[];
  lastStore(): LastStore;
  /** Text of an option in mfsmaster.cfg, '' when it is absent or secret. */
  configText(name: string): string;
}
