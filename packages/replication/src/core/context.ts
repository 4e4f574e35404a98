import type { Random } from '@alces/runtime';
import { isPair, type ReplicationConfig } from '../config.ts';
import type { EpochRecord, LogDescription, NodeId, Position } from '../history.ts';
import type { Effect, ImageOffer, PersistentState, StoreOperation } from './effects.ts';
import { LocalLog, type RecoveredLog } from './log.ts';
import type { About, ClaimedRole, Message } from './messages.ts';
import type { Rules } from './rules.ts';

/** The time of an event: `monotonicMs` never goes back, `wallMs` may jump. */
export interface Time {
  monotonicMs: number;
  wallMs: number;
}

/** What was under way to a peer and not acknowledged. */
interface InFlight {
  version: number;
  bytes: number;
}

/** The sending of this node's journal to one peer: as the leader, or as the source of a candidate that lacks something. */
export interface Sender {
  /** The epoch under which it is sent. */
  epoch: number;
  /** Waiting for the peer's description; sending records; waiting for the peer to load an image. */
  mode: 'probe' | 'stream' | 'image';
  /** What the peer has when everything sent arrives. */
  sent: Position;
  inFlight: InFlight[];
  inFlightBytes: number;
  /** The read of the journal's files that is under way; 0: none. */
  readId: number;
  /** An image is being made or waits for its version to be committed. */
  image: { made: ImageOffer | undefined; retryAtMs: number } | undefined;
}

/** Another node. */
export interface Peer {
  readonly id: NodeId;
  readonly witness: boolean;
  connected: boolean;
  /** It was connected at some time since this node started. */
  met: boolean;
  /** What it last said about itself. */
  about: About | undefined;
  /** Its role and versions of a later ping. */
  role: ClaimedRole;
  last: number;
  commit: number;
  /** Its journal and ours have both gone on alone: neither follows the other. */
  splitBrain: boolean;
  sender: Sender | undefined;
  /** The version of the image that it was offered last on this connection; -1: none. */
  imageOffered: number;
  /** As its leader: up to where it has my journal in its files; -1: not even the beginning of my epoch. */
  stored: number;
  /** The same, be it of older epochs. */
  taken: number;
  /** As its leader: when the newest of my messages that it answered was sent. */
  echoMs: number;
  /** As its leader: since when it owes an acknowledgement; undefined: it does not. */
  owingSinceMs: number | undefined;
  /** The last version that it is known to have on its disk, whoever led; 0: unknown. */
  durable: number;
}

export interface PromiseGiven {
  about: About;
  /** When the grants that its node gave are over, by our clock. */
  grants: Map<NodeId, number>;
}

/** An attempt to become the leader (or, as a leader, to get a higher epoch). */
export interface Candidacy {
  phase: 'gathering' | 'promising' | 'fetching';
  order: boolean;
  force: boolean;
  epoch: number;
  /** Undefined until this node's own promise is on disk. */
  ownPromise: boolean;
  promises: Map<NodeId, PromiseGiven>;
  refused: Set<NodeId>;
  startedMs: number;
  source: NodeId | undefined;
  /** What the source said it has. */
  target: LogDescription | undefined;
}

/** The lead of an epoch that a quorum promised. */
export interface Leadership {
  epoch: number;
  /** The last version before the epoch. */
  before: number;
  members: readonly NodeId[];
  /** A quorum stored the beginning of the epoch. */
  opened: boolean;
  /** The application was told to lead. */
  serving: boolean;
  /** Until then an older leader may still answer reads. */
  waitUntilMs: number;
  /** Since when the quorum does not answer. */
  lostSinceMs: number | undefined;
  /** Since when a node refuses this epoch, having promised a higher one. */
  contestedSinceMs: number | undefined;
  heartbeatAtMs: number;
  handover: { to: NodeId; untilMs: number } | undefined;
}

/** An image on its way to this node. */
export interface Incoming {
  peer: NodeId;
  epoch: number;
  offer: ImageOffer;
  history: readonly EpochRecord[];
}

/** Somebody wants this node to lead. */
export interface Wanted {
  /** The highest epoch known when it was ordered. */
  epoch: number;
  /** Until then the order may take the lead from another node. */
  orderUntilMs: number;
  force: boolean;
  /** It holds until it is taken back, also when another node led meanwhile. */
  standing: boolean;
  retryAtMs: number;
}

/** Everything that the parts of the core work on. They are functions; this is their state. */
export class Context {
  readonly config: ReplicationConfig;
  readonly rules: Rules;
  readonly random: Random;
  readonly log: LocalLog;
  readonly peers = new Map<NodeId, Peer>();
  readonly isWitness: boolean;
  readonly isPair: boolean;

  nowMs = 0;
  wallMs = 0;
  startedMs = 0;
  /** Answers to messages sent before do not prove the lead any more: the clocks disagreed about how much time passed. */
  leaseFloorMs = Number.NEGATIVE_INFINITY;

  promised: number;
  promisedTo: NodeId;
  /** This node remembers what it promised and stored (`LogDescription.joined`). */
  joined: boolean;
  /** The same, and its disk says so: what it stores counts for a quorum. */
  votes: boolean;
  /** Of a node that does not: what the leader had in its journal when they met. It may be what this node had stored before it lost its disk. */
  joinTarget: { leader: NodeId; version: number } | undefined;
  commit: number;
  /** The highest epoch that anybody mentioned. */
  seenEpoch: number;
  /** This node may lead a journal in which nothing has ever been, which is the beginning of new data. */
  mayBegin = true;
  /** Own changes after a split brain may be set aside. */
  discard = false;
  /** The operator does not want this node to lead. The others are told; orders on this node are the caller's business. */
  maintenance = false;

  candidacy: Candidacy | undefined;
  leadership: Leadership | undefined;
  wanted: Wanted | undefined;
  /** The leader that this node follows, of the epoch promised. */
  leader: NodeId | undefined;
  leaderSeenMs = Number.NEGATIVE_INFINITY;
  /** The version up to which the journal is known to be the leader's, in the epoch promised; -1: not known. */
  matched = -1;
  /** What was last acknowledged to the leader. */
  acknowledged = { epoch: 0, stored: -1, taken: -1 };
  /** The last version that the leader spoke of as committed. */
  leaderCommit = 0;
  /** Until when each leader that was acknowledged may answer reads. */
  readonly grants = new Map<NodeId, number>();
  incoming: Incoming | undefined;
  /** Entries up to this version need not be kept for other nodes. */
  retain = 0;
  /** An older leader's refusal, a failed promotion: said once. */
  lastProblem = '';

  readonly effects: Effect[] = [];
  #storeId = 0;
  #reading = 0;
  readonly #pending: { id: number; done: (() => void) | undefined }[] = [];
  #unstoredStates = 0;
  #afterState: (() => void)[] = [];

  constructor(config: ReplicationConfig, rules: Rules, random: Random, state: PersistentState, log: RecoveredLog) {
    this.config = config;
    this.rules = rules;
    this.random = random;
    this.isPair = isPair(config);
    this.isWitness = config.nodes.some((node) => node.id === config.self && node.witness);
    this.promised = state.promised;
    this.promisedTo = state.promisedTo;
    // A journal that ends before what was committed has lost its files.
    this.joined = state.joined && state.commit <= log.last;
    this.votes = this.joined;
    if (state.joined && !this.joined)
      this.report(
        'error',
        `the journal ends with change ${log.last}, and ${state.commit} was committed: files are missing`,
      );
    this.commit = Math.max(Math.min(state.commit, log.last), log.base);
    this.seenEpoch = state.promised;
    this.log = new LocalLog(log, config.protocol === 'C', (operation, done) => this.store(operation, done));
    for (const { id, witness } of config.nodes) {
      if (id !== config.self) this.peers.set(id, newPeer(id, witness));
    }
  }

  get self(): NodeId {
    return this.config.self;
  }

  get timings() {
    return this.config.timings;
  }

  get role(): ClaimedRole {
    if (this.leadership !== undefined) return 'leader';
    return this.candidacy === undefined ? 'follower' : 'candidate';
  }

  get description(): LogDescription {
    const { history, base, last } = this.log;
    return { history, base, last, commit: this.commit, joined: this.joined };
  }

  get about(): About {
    const { role, promised, discard, maintenance, description: log } = this;
    return { role, promised, discard, maintenance, log };
  }

  get persistent(): PersistentState {
    const { promised, promisedTo, joined, commit } = this;
    return { promised, promisedTo, joined, commit, history: this.log.history };
  }

  send(peer: NodeId, message: Message): void {
    if (this.peers.get(peer)?.connected) this.effects.push({ kind: 'send', peer, message });
  }

  report(level: 'info' | 'warn' | 'error', text: string): void {
    this.effects.push({ kind: 'report', level, text });
  }

  /** Reports a problem unless it was the last one reported. */
  problem(text: string): void {
    if (text === this.lastProblem) return;
    this.lastProblem = text;
    this.report('warn', text);
  }

  store(operation: StoreOperation, done?: () => void): void {
    const id = ++this.#storeId;
    this.#pending.push({ id, done });
    this.effects.push({ kind: 'store', id, operation });
  }

  /** Stores promise, history and the rest. */
  storeState(done?: () => void): void {
    this.#unstoredStates++;
    const { joined } = this;
    this.store({ kind: 'state', state: this.persistent }, () => {
      this.#unstoredStates--;
      this.votes = joined && this.joined;
      done?.();
      this.#stateStored();
    });
  }

  /** The operation of this number, and all before it, are done. */
  stored(id: number): void {
    while (this.#pending.length > 0 && this.#pending[0].id <= id) this.#pending.shift()?.done?.();
  }

  /** Runs when every state asked for so far is on disk: now, if it is. */
  whenStateStored(run: () => void): void {
    if (this.#unstoredStates === 0) run();
    else this.#afterState.push(run);
  }

  #stateStored(): void {
    if (this.#unstoredStates > 0) return;
    const waiting = this.#afterState;
    this.#afterState = [];
    for (const run of waiting) run();
  }

  newReadId(): number {
    return ++this.#reading;
  }

  /** Milliseconds in [0, limit), to keep nodes from doing the same at the same time. */
  jitterMs(limitMs: number): number {
    return this.random.below(limitMs);
  }
}

function newPeer(id: NodeId, witness: boolean): Peer {
  return {
    id,
    witness,
    connected: false,
    met: false,
    about: undefined,
    role: 'follower',
    last: 0,
    commit: 0,
    splitBrain: false,
    sender: undefined,
    imageOffered: -1,
    stored: -1,
    taken: -1,
    echoMs: Number.NEGATIVE_INFINITY,
    owingSinceMs: undefined,
    durable: 0,
  };
}
