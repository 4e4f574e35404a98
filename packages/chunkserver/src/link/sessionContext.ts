import type { Clock } from '@alces/runtime';
import type { Identity } from '../disks/identity.ts';
import type { Generation } from './begin.ts';
import type { OrderContext } from './orders.ts';
import type { ReportHub } from './reportHub.ts';
import type { MasterSession } from './session.ts';
import type { LinkSettings } from './settings.ts';

/** What a connection to the master needs from the rest of the server. */
export interface SessionContext extends OrderContext {
  clock: Clock;
  reports: ReportHub;
  settings(): LinkSettings;
  identity(): Identity;
  /** 3 = local rebalance in progress, as far as the master should know; undefined: none. */
  rebalanceStatus(): number | undefined;
  /** The master said who we are; false: it is the master of another instance. */
  identified(chunkserverId: number, metaId: bigint): boolean;
  /** The master sends us elsewhere; 0 = resolve the name again. */
  redirected(ip: number): void;
  /** The master is one of the nodes of a journal, or not (no nodes): these follow it. */
  following(nodes: readonly StandbyNode[]): void;
  /** The node that this session is with followed and leads now; false: a later leader is known. */
  takesLead(session: MasterSession, epoch: number): boolean;
  /** A node that follows heard that a node on this host leads in this epoch. */
  heardOfLeader(epoch: number, host: string): void;
  log: { info(message: string): void; warn(message: string): void };
}

/** A node that may lead one day, and where it takes registrations until then. */
export interface StandbyNode {
  host: string;
  port: number;
}

/** How a session begins. */
export interface SessionStart {
  /** `standby`: with a node that follows; it learns everything and orders nothing. */
  role: 'master' | 'standby';
  generation: Generation;
  /** Seconds of silence after which the connection is given up, until the master says what is right. */
  timeoutSeconds: number;
  /** The connection has ended, for whatever reason. Called once. */
  ended(session: MasterSession): void;
}
