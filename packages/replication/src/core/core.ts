import type { Random } from '@alces/runtime';
import type { ReplicationConfig } from '../config.ts';
import type { Entry } from '../entry.ts';
import type { NodeId } from '../history.ts';
import {
  beginCandidacy,
  candidacyLost,
  candidateTick,
  onPromiseRefused,
  onPromiseReply,
  onPromiseRequest,
  requestPromise,
} from './candidacy.ts';
import { Context, type Peer, type Time } from './context.ts';
import type { Effect, ImageOffer, PersistentState } from './effects.ts';
import {
  acknowledgeStored,
  forget,
  imageFailed,
  imageFetched,
  onAppend,
  onHeartbeat,
  onImageOffer,
  onQuery,
  onRelease,
} from './following.ts';
import {
  advanceCommit,
  append,
  beginHandover,
  flush,
  leaderTick,
  leaseUntilMs,
  leaseValid,
  nextEpochInPair,
  onAck,
  onDescribe,
  query,
  resign,
} from './leading.ts';
import type { RecoveredLog } from './log.ts';
import type { ImageMessage, Message, MessageOf } from './messages.ts';
import { type Rules, strictRules } from './rules.ts';
import { entriesRead, imageMade, newSender, offerImage, startSending } from './sending.ts';
import { type CoreStatus, coreStatus } from './status.ts';
import { activeGrants, announce, grantMs, leaderAlive, noteAbout } from './transitions.ts';

const PING_MS = 500;
/** More than that between what the two clocks say about the time that passed means that one of them is not to be trusted. */
const CLOCK_TOLERANCE_MS = 50;

/** How a node is ordered to lead. */
export interface PromoteOptions {
  /** An operator vouches that this node's data are the right ones. */
  force: boolean;
  /** Holds until `demote`: for who says only once that this node is the one, as keepalived. */
  standing: boolean;
}

/** An order without anything special. */
export const ORDER: PromoteOptions = { force: false, standing: false };

/**
 * The replicated journal of one node: what happens goes in through the methods, what shall happen comes out as effects, which the
 * caller takes and performs in order after each call. Nothing here waits, and nothing reads a clock.
 */
export class ReplicaCore {
  readonly #core: Context;
  #pingAtMs = 0;
  #lastTime: Time | undefined;

  /** `recovered`: what the node's disk holds. */
  constructor(
    config: ReplicationConfig,
    random: Random,
    recovered: RecoveredLog & { state: PersistentState; mayBegin?: boolean },
    time: Time,
    rules: Rules = strictRules,
  ) {
    this.#core = new Context(config, rules, random, recovered.state, recovered);
    this.#core.mayBegin = recovered.mayBegin ?? true;
    this.#at(time);
    this.#core.startedMs = time.monotonicMs;
    // Whom this node acknowledged before it stopped is forgotten; it may have been just now.
    this.#core.grants.set('', time.monotonicMs + grantMs(this.#core));
  }

  /** The effects since the last call. */
  takeEffects(): Effect[] {
    return this.#core.effects.splice(0);
  }

  #at(time: Time): Context {
    const core = this.#core;
    const last = this.#lastTime;
    if (last !== undefined) {
      const disagreementMs = time.wallMs - last.wallMs - (time.monotonicMs - last.monotonicMs);
      if (Math.abs(disagreementMs) > CLOCK_TOLERANCE_MS) core.leaseFloorMs = time.monotonicMs;
    }
    this.#lastTime = time;
    core.nowMs = time.monotonicMs;
    core.wallMs = time.wallMs;
    return core;
  }

  #peer(id: NodeId): Peer {
    const peer = this.#core.peers.get(id);
    if (peer === undefined) throw new Error(`${id} is not a node of this journal`);
    return peer;
  }

  /** An authenticated connection to a peer is there. One that was there before is replaced. */
  connected(id: NodeId, time: Time): void {
    const core = this.#at(time);
    const peer = this.#peer(id);
    if (peer.connected) this.disconnected(id, time);
    peer.connected = true;
    peer.met = true;
    core.send(id, { kind: 'hello', about: core.about });
    if (core.leadership !== undefined) query(core, peer);
    requestPromise(core, peer);
    if (core.candidacy !== undefined) candidateTick(core);
  }

  disconnected(id: NodeId, time: Time): void {
    const core = this.#at(time);
    const peer = this.#peer(id);
    peer.connected = false;
    peer.sender = undefined;
    peer.imageOffered = -1;
    peer.owingSinceMs = undefined;
    if (core.leader === id) core.matched = -1;
    if (core.incoming?.peer === id) core.incoming = undefined;
    candidacyLost(core, peer);
  }

  /** A message of a connected peer. Throws a ProtocolError when no correct peer sends it. */
  receive(id: NodeId, message: Exclude<Message, ImageMessage>, time: Time): void {
    const core = this.#at(time);
    const peer = this.#peer(id);
    if (!peer.connected) return;
    switch (message.kind) {
      case 'hello':
        noteAbout(core, peer, message.about);
        break;
      case 'ping':
        this.#onPing(peer, message);
        break;
      case 'promiseRequest':
        onPromiseRequest(core, peer, message);
        break;
      case 'promiseReply':
        onPromiseReply(core, peer, message);
        break;
      case 'refusal':
        this.#onRefusal(peer, message);
        break;
      case 'fetch':
        this.#onFetch(peer, message);
        break;
      case 'query':
        onQuery(core, peer, message);
        break;
      case 'describe':
        onDescribe(core, peer, message);
        break;
      case 'append':
        onAppend(core, peer, message);
        break;
      case 'heartbeat':
        onHeartbeat(core, peer, message);
        break;
      case 'ack':
        onAck(core, peer, message);
        break;
      case 'imageOffer':
        onImageOffer(core, peer, message);
        break;
      case 'release':
        onRelease(core, peer);
        break;
      case 'takeOver':
        if (core.promised === message.epoch && core.promisedTo === id) this.promote(time, ORDER);
        break;
    }
  }

  #onPing(peer: Peer, message: MessageOf<'ping'>): void {
    peer.role = message.role;
    peer.last = message.last;
    peer.commit = message.commit;
    this.#core.seenEpoch = Math.max(this.#core.seenEpoch, message.promised);
  }

  #onRefusal(peer: Peer, message: MessageOf<'refusal'>): void {
    const core = this.#core;
    core.seenEpoch = Math.max(core.seenEpoch, message.promised);
    const { leadership } = core;
    if (leadership !== undefined && leadership.epoch === message.epoch) {
      if (message.reason === 'splitBrain') {
        peer.splitBrain = true;
        peer.sender = undefined;
      } else {
        leadership.contestedSinceMs ??= core.nowMs;
      }
    }
    onPromiseRefused(core, peer, message);
  }

  #onFetch(peer: Peer, message: MessageOf<'fetch'>): void {
    const core = this.#core;
    noteAbout(core, peer, message.about);
    if (message.epoch !== core.promised || core.promisedTo !== peer.id) return;
    peer.sender = newSender(message.epoch);
    startSending(core, peer, message.about.log);
  }

  /** To be called every `tickMs`. */
  tick(time: Time): void {
    const core = this.#at(time);
    activeGrants(core);
    if (core.leadership !== undefined) this.#leaderTick();
    for (const peer of core.peers.values()) offerImage(core, peer);
    if (core.candidacy !== undefined) candidateTick(core);
    this.#pursueWish();
    core.log.tail.trim(core.config.memoryBytes, Math.min(core.log.stored.version, core.commit));
    if (core.nowMs < this.#pingAtMs) return;
    this.#pingAtMs = core.nowMs + PING_MS;
    const { role, promised, commit } = core;
    for (const peer of core.peers.values())
      core.send(peer.id, { kind: 'ping', role, promised, last: core.log.last, commit });
  }

  #leaderTick(): void {
    const core = this.#core;
    leaderTick(core);
    const { leadership } = core;
    if (leadership?.contestedSinceMs === undefined || core.candidacy !== undefined) return;
    if (core.nowMs - leadership.contestedSinceMs < core.timings.leaderTimeoutMs / 2) return;
    leadership.contestedSinceMs = core.nowMs;
    if (core.isPair) nextEpochInPair(core, leadership.members);
    else beginCandidacy(core, false, false);
  }

  /** Stands for the lead when somebody wants that and nobody else has it. */
  #pursueWish(): void {
    const core = this.#core;
    const { wanted } = core;
    if (wanted === undefined || core.leadership !== undefined || core.candidacy !== undefined) return;
    if (core.nowMs < wanted.retryAtMs) return;
    const ordered = core.nowMs < wanted.orderUntilMs;
    if (ordered || !leaderAlive(core)) beginCandidacy(core, ordered, wanted.force);
  }

  /** A store effect is done, and with it all before it. */
  stored(id: number, time: Time): void {
    const core = this.#at(time);
    core.stored(id);
    if (core.leadership !== undefined) advanceCommit(core);
    else acknowledgeStored(core);
  }

  /** Answers a read effect; undefined: the entry asked for is not in the files any more. */
  readDone(id: number, entries: readonly Entry[] | undefined, time: Time): void {
    entriesRead(this.#at(time), id, entries);
  }

  /** Answers a makeImage effect; undefined: it could not be made now. */
  imageMade(id: NodeId, offer: ImageOffer | undefined, time: Time): void {
    imageMade(this.#at(time), this.#peer(id), offer);
  }

  /** Answers a fetchImage effect: all of it is here, checked and on disk. */
  imageFetched(image: number, time: Time): void {
    imageFetched(this.#at(time), image);
  }

  /** A fetchImage effect failed: the peer is asked again what to do. */
  imageFailed(image: number, time: Time): void {
    imageFailed(this.#at(time), image);
  }

  /**
   * Takes entries of the application, the next versions. They go to the disk and the peers with the next `flush`.
   * Throws when this node does not lead or a planned switch is under way.
   */
  append(entries: readonly Entry[], time: Time): void {
    append(this.#at(time), entries);
  }

  /** Puts a note on an entry that was appended in this turn. */
  annotate(version: number, note: Buffer): void {
    this.#core.log.tail.annotate(version, note);
  }

  /** To be called at the end of a turn in which something was appended. */
  flush(time: Time): void {
    flush(this.#at(time));
  }

  /**
   * Somebody orders this node to lead. Safe at any time; it succeeds as soon as a quorum can be reached. Unless it is standing, it is
   * over when a node leads that became leader after it was given.
   */
  promote(time: Time, options: PromoteOptions): void {
    const core = this.#at(time);
    if (core.isWitness) {
      core.report('warn', 'a witness cannot lead');
      return;
    }
    // A node that serves has obeyed already: it does not take the lead back from who is ordered next.
    const orderUntilMs = core.leadership?.serving ? Number.NEGATIVE_INFINITY : core.nowMs + core.timings.orderMs;
    const standing = options.standing || core.wanted?.standing === true;
    core.wanted = { ...options, standing, epoch: core.seenEpoch, orderUntilMs, retryAtMs: core.nowMs };
    core.lastProblem = '';
    if (core.leadership !== undefined) return;
    if (core.candidacy === undefined || core.candidacy.phase === 'gathering') beginCandidacy(core, true, options.force);
  }

  /** Somebody orders this node not to lead. Safe at any time. */
  demote(time: Time): void {
    const core = this.#at(time);
    core.wanted = undefined;
    if (core.leadership !== undefined) resign(core, 'demoted');
    core.candidacy = undefined;
  }

  /** Nobody leads as far as this node knows, and a failure detector thinks that it should. */
  suggest(time: Time): void {
    const core = this.#at(time);
    if (core.isWitness || core.leadership !== undefined || core.candidacy !== undefined || leaderAlive(core)) return;
    beginCandidacy(core, false, false);
  }

  /** A planned switch to another node. Returns why it is not possible; undefined: it is under way. */
  switchTo(id: NodeId, time: Time): string | undefined {
    return beginHandover(this.#at(time), id);
  }

  /** The operator's word after a split brain: what this node committed alone may be set aside. */
  discardMyData(time: Time): void {
    const core = this.#at(time);
    core.discard = true;
    for (const peer of core.peers.values()) peer.splitBrain = false;
    if (core.leadership !== undefined) resign(core, 'its data are to be discarded');
    core.wanted = undefined;
    announce(core);
  }

  /** Whether the operator does not want this node to lead: others do not hand the lead over to it. */
  setMaintenance(on: boolean, time: Time): void {
    const core = this.#at(time);
    core.maintenance = on;
    announce(core);
  }

  /** Entries up to `version` are in the application's image on disk and may be forgotten by the journal. */
  pruned(version: number, time: Time): void {
    const core = this.#at(time);
    const upTo = Math.min(version, core.log.stored.version, core.commit);
    if (upTo <= core.log.base) return;
    core.log.base = upTo;
    core.store({ kind: 'prune', version: upTo });
  }

  /** True when a read may be answered from this node's state now. */
  mayRead(time: Time): boolean {
    const core = this.#at(time);
    return core.leadership?.serving === true && leaseValid(core);
  }

  /** The newest moment (of the monotonic clock) for which the quorum has proved that this node leads. */
  provedAtMs(): number {
    return leaseUntilMs(this.#core) - this.#core.timings.leaseMs;
  }

  /**
   * The application cannot continue its state from the journal. Everything is forgotten, as on a new node, and comes again from
   * the leader.
   */
  forget(time: Time): void {
    forget(this.#at(time));
  }

  /** Entries up to this version are on the disk of every node with a state machine. */
  get retainVersion(): number {
    return this.#core.retain;
  }

  /** Entries up to this version are not in the journal any more. */
  get baseVersion(): number {
    return this.#core.log.base;
  }

  /** True when the application may append. */
  mayAppend(): boolean {
    const { leadership } = this.#core;
    return leadership?.serving === true && leadership.handover === undefined;
  }

  get lastVersion(): number {
    return this.#core.log.last;
  }

  get committedVersion(): number {
    return this.#core.commit;
  }

  /** The last version on this node's disk. */
  get storedVersion(): number {
    return this.#core.log.stored.version;
  }

  /** Entries before this version are in the journal's files; what is there from this version on may be out of date. */
  get firstInMemory(): number {
    return this.#core.log.tail.first;
  }

  /** An entry that is still in memory. */
  entry(version: number): Entry | undefined {
    return this.#core.log.tail.get(version);
  }

  status(time: Time): CoreStatus {
    return coreStatus(this.#at(time));
  }
}
