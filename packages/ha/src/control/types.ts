import type { NodeStatus, Protocol } from '@alces/replication';

/** What may be asked of a node through its control socket. */
export type ControlRequest =
  | { command: 'status' }
  | { command: 'promote'; force?: boolean; waitMs?: number }
  | { command: 'demote' }
  | { command: 'switch'; to?: string }
  | { command: 'resolve'; discardMyData: true }
  | { command: 'maintenance'; on: boolean }
  | { command: 'history'; count?: number };

/** The state of a node of the journal and of the daemon that it is. */
export interface NodeReport extends Omit<NodeStatus, 'sync'> {
  daemon: 'mfsmaster' | 'mfsmetalogger';
  /** Clients are served. */
  serving: boolean;
  maintenance: boolean;
  /** The configured VIP; `held`: it is on this host. */
  vip: { address: string; held: boolean } | null;
  /** Connections of clients. */
  clients: number;
  /** Wall clock, milliseconds. */
  startedAt: number;
  protocol: Protocol;
  quorum: number;
  /** An image that is being fetched. */
  sync?: { bytes: number; totalBytes: number; elapsedMs: number };
}

/** Something that happened on a node. */
export interface HistoryEvent {
  timeMs: number;
  epoch: number;
  what: string;
}

export type ControlAnswer = { ok: false; error: string } | { ok: true; [key: string]: unknown };
