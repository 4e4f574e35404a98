import { type EpochRecord, endOf, type NodeId } from '../history.ts';
import type { Context, Peer } from './context.ts';
import { leaseValid } from './leading.ts';
import { leaderAlive } from './transitions.ts';

/** DRBD's words for the same ideas. */
export type RoleWord = 'Primary' | 'Secondary' | 'Unknown';
export type ConnectionWord = 'StandAlone' | 'WFConnection' | 'Connected' | 'SyncSource' | 'SyncTarget';
export type DataWord = 'UpToDate' | 'Consistent' | 'Outdated' | 'Inconsistent' | 'DUnknown';

export interface PeerStatus {
  id: NodeId;
  witness: boolean;
  role: RoleWord;
  connection: ConnectionWord;
  data: DataWord;
  /** The last version that it is known to have, and how many it is behind this node. */
  version: number;
  behind: number;
}

export interface CoreStatus {
  self: NodeId;
  witness: boolean;
  role: RoleWord;
  data: DataWord;
  /** This node counts for a quorum: it has been in step, and its disk still knows. */
  joined: boolean;
  /** The epoch of the newest record in the journal, and the highest that this node promised. */
  epoch: number;
  promised: number;
  leader: NodeId | undefined;
  /** What this node is doing about leading. */
  phase: 'following' | 'gathering' | 'promising' | 'fetching' | 'opening' | 'leading';
  /** True while reads may be answered. */
  leaseValid: boolean;
  base: number;
  version: number;
  stored: number;
  committed: number;
  /** The last version that the leader spoke of as committed. */
  leaderCommitted: number;
  /** Entries up to this version are on the disks of all nodes with a state machine. */
  retain: number;
  wanted: boolean;
  splitBrain: boolean;
  /** Why this node cannot lead though it should; empty: it can, or should not. */
  problem: string;
  peers: PeerStatus[];
  history: readonly EpochRecord[];
}

/** A peer that is fewer changes behind than this counts as in step. */
const IN_STEP = 1024;

export function coreStatus(core: Context): CoreStatus {
  const peers = [...core.peers.values()];
  const { log } = core;
  return {
    self: core.self,
    witness: core.isWitness,
    role: core.leadership?.serving ? 'Primary' : 'Secondary',
    data: ownData(core),
    joined: core.joined,
    epoch: endOf(log).epoch,
    promised: core.promised,
    leader: core.leadership !== undefined ? core.self : leaderAlive(core) ? core.leader : undefined,
    phase: phaseOf(core),
    leaseValid: leaseValid(core),
    base: log.base,
    version: log.last,
    stored: log.stored.version,
    committed: core.commit,
    leaderCommitted: core.leadership !== undefined ? core.commit : core.leaderCommit,
    retain: core.retain,
    wanted: core.wanted !== undefined,
    splitBrain: peers.some((peer) => peer.splitBrain),
    problem: core.wanted !== undefined && !core.leadership?.serving ? core.lastProblem : '',
    peers: peers.map((peer) => peerStatus(core, peer)),
    history: log.history,
  };
}

function phaseOf(core: Context): CoreStatus['phase'] {
  if (core.leadership !== undefined) return core.leadership.serving ? 'leading' : 'opening';
  return core.candidacy?.phase ?? 'following';
}

function ownData(core: Context): DataWord {
  if (core.leadership?.serving) return 'UpToDate';
  if (!core.joined || core.incoming !== undefined) return 'Inconsistent';
  const members = core.log.history.at(-1)?.members ?? [];
  if (members.length > 0 && !members.includes(core.self)) return 'Outdated';
  if (!leaderAlive(core)) return 'Consistent';
  return core.matched >= 0 && core.commit >= core.leaderCommit ? 'UpToDate' : 'Outdated';
}

function peerStatus(core: Context, peer: Peer): PeerStatus {
  const { id, witness } = peer;
  const version = core.leadership !== undefined ? Math.max(peer.stored, peer.last) : peer.last;
  const behind = Math.max(0, core.log.last - version);
  return {
    id,
    witness,
    role: peerRole(peer),
    connection: connectionOf(core, peer),
    data: peerData(core, peer),
    version,
    behind,
  };
}

function peerRole(peer: Peer): RoleWord {
  if (!peer.connected) return 'Unknown';
  return peer.role === 'leader' ? 'Primary' : 'Secondary';
}

function connectionOf(core: Context, peer: Peer): ConnectionWord {
  if (peer.splitBrain) return 'StandAlone';
  if (!peer.connected) return 'WFConnection';
  if (peer.sender !== undefined) return isBehind(core, peer) ? 'SyncSource' : 'Connected';
  if (core.incoming?.peer === peer.id) return 'SyncTarget';
  return core.leader === peer.id && core.commit + IN_STEP < core.leaderCommit ? 'SyncTarget' : 'Connected';
}

function isBehind(core: Context, peer: Peer): boolean {
  return peer.sender?.mode !== 'stream' || peer.taken + IN_STEP < core.log.last;
}

function peerData(core: Context, peer: Peer): DataWord {
  if (!peer.connected) return 'DUnknown';
  if (peer.role === 'leader') return 'UpToDate';
  if (peer.about !== undefined && !peer.about.log.joined && peer.stored < 0) return 'Inconsistent';
  if (core.leadership === undefined) return 'Consistent';
  if (peer.sender?.mode === 'image') return 'Inconsistent';
  return isBehind(core, peer) ? 'Outdated' : 'UpToDate';
}
