import type { NodeId } from './history.ts';

/** One of the nodes of a journal. */
export interface NodeConfig {
  id: NodeId;
  host: string;
  port: number;
  /** Votes, and keeps promises and the tail of the journal; has no state machine and never leads. */
  witness: boolean;
}

/** What the reply to a client waits for: A the local write, B the quorum's memory (its kernels: the
 * entries are written there and survive the end of all processes), C the quorum's disk. DRBD's names. */
export type Protocol = 'A' | 'B' | 'C';

/** What to do about a split brain when neither side leads. `victim` is whose changes are set aside. */
export type PolicyWithoutPrimary =
  | 'disconnect'
  | 'discard-younger-primary'
  | 'discard-older-primary'
  | 'discard-zero-changes'
  | 'discard-least-changes'
  | `discard-node-${string}`;
/** What to do about it when one side leads. */
export type PolicyWithPrimary =
  | 'disconnect'
  | 'consensus'
  | 'discard-secondary'
  | 'violently-as0p'
  | 'call-pri-lost-after-sb';
/** What to do about it when both sides lead. */
export type PolicyWithPrimaries = 'disconnect' | 'violently-as0p' | 'call-pri-lost-after-sb';

/** DRBD's after-sb-0pri, after-sb-1pri and after-sb-2pri. */
export interface SplitBrainPolicies {
  after0: PolicyWithoutPrimary;
  after1: PolicyWithPrimary;
  after2: PolicyWithPrimaries;
}

/** All in milliseconds. */
export interface Timings {
  tickMs: number;
  /** A leader says that often that it is there. */
  heartbeatMs: number;
  /** Reads are served that long after the quorum was last asked. */
  leaseMs: number;
  /** No leader was heard for that long: there is none. */
  leaderTimeoutMs: number;
  /** Nothing was heard of a connected peer for that long: the connection is dead. */
  peerTimeoutMs: number;
  /** A leader that cannot reach its quorum for that long resigns. */
  resignAfterMs: number;
  /** An order to promote may take the lead from another node for that long. */
  orderMs: number;
  /** A pair's node that is asked for a promise and does not answer for that long counts as gone. */
  promiseTimeoutMs: number;
  /** A planned switch waits that long for the target to have everything. */
  handoverMs: number;
  /**
   * A pair's node that started and has not seen its peer since refuses to lead for that long, as the peer may know more;
   * 0: until the peer is there or the operator insists. DRBD's wfc-timeout.
   */
  wfcTimeoutMs: number;
}

export const DEFAULT_TIMINGS: Timings = {
  tickMs: 25,
  heartbeatMs: 75,
  leaseMs: 300,
  leaderTimeoutMs: 600,
  peerTimeoutMs: 1500,
  resignAfterMs: 5000,
  orderMs: 10_000,
  promiseTimeoutMs: 1000,
  handoverMs: 3000,
  wfcTimeoutMs: 0,
};

export const DEFAULT_POLICIES: SplitBrainPolicies = {
  after0: 'discard-zero-changes',
  after1: 'consensus',
  after2: 'disconnect',
};

export interface ReplicationConfig {
  self: NodeId;
  nodes: readonly NodeConfig[];
  /** How many nodes must promise and store: a majority, or 1 of two (then a split brain is possible). */
  quorum: number;
  protocol: Protocol;
  timings: Timings;
  policies: SplitBrainPolicies;
  /** Entries kept in memory for peers that are a little behind, in bytes. */
  memoryBytes: number;
  /** What may be under way to a peer, in bytes. */
  windowBytes: number;
  /** Greatest size of one message's entries, in bytes. */
  batchBytes: number;
}

/** Two nodes that each may go on alone. */
export function isPair(config: ReplicationConfig): boolean {
  return config.nodes.length === 2 && config.quorum === 1;
}

export function majority(nodes: number): number {
  return Math.floor(nodes / 2) + 1;
}

/** The whole configuration from what has no default. Throws an Error that says what is wrong. */
export function replicationConfig(
  given: Pick<ReplicationConfig, 'self' | 'nodes'> &
    Partial<Omit<ReplicationConfig, 'timings'>> & { timings?: Partial<Timings> },
): ReplicationConfig {
  const config: ReplicationConfig = {
    quorum: majority(given.nodes.length),
    protocol: 'C',
    policies: DEFAULT_POLICIES,
    memoryBytes: 64 << 20,
    windowBytes: 8 << 20,
    batchBytes: 1 << 20,
    ...given,
    timings: { ...DEFAULT_TIMINGS, ...given.timings },
  };
  checkConfig(config);
  return config;
}

function checkConfig(config: ReplicationConfig): void {
  const { nodes, quorum, timings } = config;
  const ids = new Set(nodes.map((node) => node.id));
  if (ids.size !== nodes.length) throw new Error('two journal nodes have the same name');
  for (const { id } of nodes) {
    if (!/^[A-Za-z0-9._-]{1,64}$/.test(id)) throw new Error(`'${id}' is not a name for a journal node`);
  }
  if (!ids.has(config.self)) throw new Error(`this node, '${config.self}', is not among the journal nodes`);
  if (nodes.length > 15) throw new Error(`${nodes.length} journal nodes are more than 15`);
  if (nodes.every((node) => node.witness)) throw new Error('all journal nodes are witnesses');
  if (!Number.isInteger(quorum) || quorum < 1 || quorum > nodes.length)
    throw new Error(`a quorum of ${quorum} of ${nodes.length} journal nodes is not possible`);
  if (quorum * 2 <= nodes.length) {
    if (!isPair(config)) throw new Error(`a quorum of ${quorum} of ${nodes.length} journal nodes is no majority`);
    if (nodes.some((node) => node.witness)) throw new Error('a quorum of 1 is for two nodes that both can lead');
  }
  if (timings.heartbeatMs * 2 > timings.leaseMs) throw new Error('the lease must be at least two heartbeats long');
}
