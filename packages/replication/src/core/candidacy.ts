/** Becoming the leader: promises of a quorum, then what the most advanced of them has, then the beginning of a new epoch. */
import { comparePositions, endOf, type NodeId, type Position } from '../history.ts';
import type { Candidacy, Context, Peer, PromiseGiven } from './context.ts';
import { openEpoch } from './leading.ts';
import type { MessageOf } from './messages.ts';
import { isDirty, judge } from './splitBrain.ts';
import { activeGrants, grantMs, leaderAlive, noteAbout, promiseEpoch, refuse, stepDown } from './transitions.ts';

/** An attempt that failed because another node was faster is made again after about this time. */
const RETRY_MS = 100;
/** An attempt that cannot succeed at present. */
const LONG_RETRY_MS = 1000;
/** An attempt that got nowhere for that long is begun anew. */
const STUCK_MS = 5000;

/** Begins an attempt. As a leader (whose epoch a node refuses) it is for a higher epoch, and the service goes on meanwhile. */
export function beginCandidacy(core: Context, order: boolean, force: boolean): void {
  core.candidacy = {
    phase: 'gathering',
    order,
    force,
    epoch: 0,
    ownPromise: false,
    promises: new Map(),
    refused: new Set(),
    startedMs: core.nowMs,
    source: undefined,
    target: undefined,
  };
  advanceGathering(core);
}

/** Asks for promises as soon as enough nodes can be asked. */
export function advanceGathering(core: Context): void {
  const { candidacy } = core;
  if (candidacy?.phase !== 'gathering') return;
  const connected = [...core.peers.values()].filter((peer) => peer.connected).length;
  if (connected + 1 < core.config.quorum) {
    core.problem(
      `cannot lead: connected to ${connected} of ${core.peers.size} other journal nodes, which makes no quorum`,
    );
    return;
  }
  if (core.isPair && connected === 0) {
    const obstacle = obstacleAlone(core, candidacy.force);
    if (obstacle !== undefined) {
      core.problem(`cannot lead: ${obstacle}`);
      return;
    }
  }
  askForPromises(core, candidacy);
}

/** Why a node of a pair must not lead without its peer; undefined: it may. */
function obstacleAlone(core: Context, force: boolean): string | undefined {
  if (force) return undefined;
  if (core.discard) return "this node's own changes are to be set aside, which takes the other one";
  if (!core.joined) return 'this node has not been in step with the other one yet';
  const [peer] = core.peers.values();
  const members = core.log.history.at(-1)?.members ?? [];
  if (members.length > 0 && !members.includes(core.self))
    return `${peer.id} went on without this node, which is outdated`;
  if (peerWentOn(core, peer)) return `${peer.id} has changes of its own, and this node is outdated`;
  const degraded = members.length === 1;
  const { wfcTimeoutMs } = core.timings;
  const waited = wfcTimeoutMs > 0 && core.nowMs - core.startedMs >= wfcTimeoutMs;
  if (!peer.met && !degraded && !waited) return `${peer.id} was not seen since the start and may know more`;
  return undefined;
}

/** The peer said that it had committed something without this node, and this node cannot say the same. */
function peerWentOn(core: Context, peer: Peer): boolean {
  if (peer.about === undefined || !peer.about.log.joined) return false;
  const common = core.log.commonWith(peer.about.log);
  return (
    common !== undefined && isDirty(peer.about.log, common, core.self) && !isDirty(core.description, common, peer.id)
  );
}

function askForPromises(core: Context, candidacy: Candidacy): void {
  candidacy.phase = 'promising';
  candidacy.epoch = Math.max(core.promised, core.seenEpoch) + 1;
  candidacy.startedMs = core.nowMs;
  core.promised = candidacy.epoch;
  core.promisedTo = core.self;
  core.seenEpoch = candidacy.epoch;
  if (core.leadership === undefined) {
    core.leader = undefined;
    core.matched = -1;
    core.incoming = undefined;
  }
  core.storeState(() => {
    if (core.candidacy !== candidacy) return;
    candidacy.ownPromise = true;
    for (const peer of core.peers.values()) requestPromise(core, peer);
    conclude(core);
  });
}

/** Asks a peer for its promise, if it is connected and the attempt is at that point. */
export function requestPromise(core: Context, peer: Peer): void {
  const { candidacy } = core;
  if (candidacy === undefined || candidacy.phase === 'gathering' || !candidacy.ownPromise) return;
  if (candidacy.promises.has(peer.id)) return;
  candidacy.refused.delete(peer.id);
  core.send(peer.id, { kind: 'promiseRequest', epoch: candidacy.epoch, order: candidacy.order, about: core.about });
}

/** The other side: a candidate asks for a promise. */
export function onPromiseRequest(core: Context, peer: Peer, message: MessageOf<'promiseRequest'>): void {
  const { epoch, about } = message;
  noteAbout(core, peer, about);
  core.seenEpoch = Math.max(core.seenEpoch, epoch);
  // A candidate that lost its disk may stand for an epoch that it has led before.
  const again = epoch === core.promised && core.promisedTo === peer.id && about.log.joined;
  if (epoch <= core.promised && !again) {
    refuse(core, peer, epoch, 'epoch');
    return;
  }
  if (peer.splitBrain) {
    refuse(core, peer, epoch, 'splitBrain');
    return;
  }
  if (!message.order && obeysAnother(core, peer)) {
    refuse(core, peer, epoch, 'leaderAlive');
    return;
  }
  if (!again) promiseEpoch(core, epoch, peer.id);
  core.whenStateStored(() => {
    if (core.promised === epoch)
      core.send(peer.id, { kind: 'promiseReply', epoch, grants: activeGrants(core), about: core.about });
  });
}

/** A living leader other than the candidate: this node itself or the one it follows. */
function obeysAnother(core: Context, peer: Peer): boolean {
  if (core.leadership?.serving) return core.leadership.lostSinceMs === undefined;
  return leaderAlive(core) && core.leader !== peer.id;
}

export function onPromiseReply(core: Context, peer: Peer, message: MessageOf<'promiseReply'>): void {
  noteAbout(core, peer, message.about);
  const { candidacy } = core;
  if (candidacy === undefined || candidacy.epoch !== message.epoch || candidacy.phase === 'gathering') return;
  const longest = grantMs(core);
  const grants = new Map(
    message.grants.map(({ leader, remainingMs }) => [leader, core.nowMs + (Math.min(remainingMs, longest) * 9) / 8]),
  );
  candidacy.promises.set(peer.id, { about: message.about, grants });
  conclude(core);
}

/** A promise was refused. */
export function onPromiseRefused(core: Context, peer: Peer, message: MessageOf<'refusal'>): void {
  const { candidacy } = core;
  if (candidacy === undefined || candidacy.epoch !== message.epoch) return;
  switch (message.reason) {
    case 'epoch':
      giveUp(core, core.jitterMs(RETRY_MS), `${peer.id} promised epoch ${message.promised}`);
      return;
    case 'incomplete':
      giveUp(core, LONG_RETRY_MS, `only ${peer.id} has the newest changes, and not all that this node lacks`);
      return;
    case 'splitBrain':
      peer.splitBrain = true;
      if (message.leading) giveUp(core, LONG_RETRY_MS, `split brain, and ${peer.id} leads`);
      else conclude(core);
      return;
    case 'leaderAlive':
      candidacy.refused.add(peer.id);
      if (candidacy.refused.size > core.config.nodes.length - core.config.quorum || core.isPair)
        giveUp(core, core.timings.leaderTimeoutMs, `${peer.id} has a leader`);
  }
}

function giveUp(core: Context, retryMs: number, why: string): void {
  core.problem(`cannot lead: ${why}`);
  core.candidacy = undefined;
  if (core.wanted !== undefined) core.wanted.retryAtMs = core.nowMs + retryMs;
}

/** Regular work of a candidate. */
export function candidateTick(core: Context): void {
  advanceGathering(core);
  conclude(core);
  const { candidacy } = core;
  if (candidacy === undefined || candidacy.phase === 'gathering' || core.incoming !== undefined) return;
  if (core.nowMs - candidacy.startedMs >= STUCK_MS) giveUp(core, core.jitterMs(RETRY_MS), 'no progress');
}

/** A peer's connection is gone: what it promised holds, but nothing can be fetched from it. */
export function candidacyLost(core: Context, peer: Peer): void {
  const { candidacy } = core;
  if (candidacy === undefined || candidacy.phase === 'gathering') return;
  if (candidacy.phase === 'fetching' && candidacy.source === peer.id) {
    candidacy.promises.delete(peer.id);
    candidacy.phase = 'promising';
    candidacy.source = undefined;
    core.incoming = undefined;
  }
  conclude(core);
}

/** Goes on when the promises suffice. */
export function conclude(core: Context): void {
  const { candidacy } = core;
  if (candidacy?.phase !== 'promising' || !candidacy.ownPromise) return;
  const ready = core.isPair ? concludePair(core, candidacy) : quorumPromised(core, candidacy);
  if (!ready) return;
  const source = core.isPair ? sourceInPair(core, candidacy) : mostAdvanced(core, candidacy);
  if (source === undefined) lead(core, candidacy);
  else fetchFrom(core, candidacy, source);
}

/** A quorum of nodes that remember what they did, or all nodes there are. */
function quorumPromised(core: Context, candidacy: Candidacy): boolean {
  const { promises } = candidacy;
  if (promises.size + 1 === core.config.nodes.length) return true;
  const own = core.joined || candidacy.force ? 1 : 0;
  const remembering = [...promises.values()].filter(({ about }) => about.log.joined).length;
  if (remembering + own >= core.config.quorum) return true;
  if (promises.size + 1 >= core.config.quorum)
    core.problem('cannot lead: too few of the reachable nodes have been in step before; all nodes must be there');
  return false;
}

/** The peer promised, or it is not there and this node may do without. */
function concludePair(core: Context, candidacy: Candidacy): boolean {
  const [peer] = core.peers.values();
  if (candidacy.promises.has(peer.id)) return true;
  const silent = core.nowMs - candidacy.startedMs >= core.timings.promiseTimeoutMs;
  if (peer.connected && !peer.splitBrain && !silent) return false;
  const obstacle = obstacleAlone(core, candidacy.force);
  if (obstacle === undefined) return true;
  giveUp(core, LONG_RETRY_MS, obstacle);
  return false;
}

/** The node from which something must be fetched; undefined: this one has everything that any of the promising ones has. */
function mostAdvanced(core: Context, candidacy: Candidacy): NodeId | undefined {
  const all = candidacy.promises.size + 1 === core.config.nodes.length;
  let best: { id: NodeId; end: Position; witness: boolean } | undefined;
  for (const [id, { about }] of candidacy.promises) {
    if (!about.log.joined && !all) continue;
    const end = endOf(about.log);
    const witness = core.peers.get(id)?.witness ?? false;
    const order = best === undefined ? 1 : comparePositions(end, best.end);
    if (order > 0 || (order === 0 && best?.witness && !witness)) best = { id, end, witness };
  }
  return best !== undefined && comparePositions(best.end, core.log.end) > 0 ? best.id : undefined;
}

function sourceInPair(core: Context, candidacy: Candidacy): NodeId | undefined {
  const [peer] = core.peers.values();
  const promise = candidacy.promises.get(peer.id);
  if (promise === undefined) return undefined;
  return mustFetch(core, peer, promise) ? peer.id : undefined;
}

/** In a pair what was committed alone goes before what was not, whatever the epochs. */
function mustFetch(core: Context, peer: Peer, { about }: PromiseGiven): boolean {
  const theirs = about.log;
  const advanced = comparePositions(endOf(theirs), core.log.end) > 0;
  if (!core.joined || !theirs.joined) return core.joined === theirs.joined ? advanced : theirs.joined;
  const common = core.log.commonWith(theirs);
  if (common === undefined) return core.discard;
  if (comparePositions(endOf(theirs), common) === 0) return false;
  if (comparePositions(core.log.end, common) === 0) return true;
  const verdict = judge(
    { id: core.self, primary: core.leadership !== undefined, discard: core.discard, log: core.description },
    { id: peer.id, primary: false, discard: about.discard, log: theirs },
    core.config.policies,
  );
  if (verdict.splitBrain) return verdict.victim === core.self;
  if (isDirty(theirs, common, core.self)) return true;
  return !isDirty(core.description, common, peer.id) && advanced;
}

function fetchFrom(core: Context, candidacy: Candidacy, source: NodeId): void {
  const promise = candidacy.promises.get(source);
  if (promise === undefined) return;
  if (core.leadership !== undefined) {
    // Somebody led after this node: what it appended since may give way, so it must serve no more.
    stepDown(core, `${source} has newer changes`);
    core.candidacy = candidacy;
  }
  candidacy.phase = 'fetching';
  candidacy.source = source;
  candidacy.target = promise.about.log;
  core.report('info', `fetching changes up to ${candidacy.target.last} from ${source}`);
  core.send(source, { kind: 'fetch', epoch: candidacy.epoch, about: core.about });
}

/** Something arrived from the source; when this journal continues as the source's does up to its end, this node leads. */
export function fetched(core: Context): void {
  const { candidacy } = core;
  if (candidacy?.phase !== 'fetching' || candidacy.target === undefined) return;
  candidacy.startedMs = core.nowMs;
  // Numbers are not enough: two nodes of a pair may both have begun an epoch of the same number.
  const common = core.log.commonWith(candidacy.target);
  if (common !== undefined && comparePositions(common, endOf(candidacy.target)) === 0) lead(core, candidacy);
}

/** Nobody has anything, and nobody said that new data may begin here. */
function mustNotBegin(core: Context, { force, promises }: Candidacy): boolean {
  if (core.mayBegin || force || core.joined || core.log.last > 0) return false;
  return ![...promises.values()].some(({ about }) => about.log.joined);
}

function lead(core: Context, candidacy: Candidacy): void {
  if (mustNotBegin(core, candidacy)) {
    giveUp(core, LONG_RETRY_MS, 'no node has any data, and nobody said that new ones may begin on this node');
    return;
  }
  const promisers = [core.self, ...candidacy.promises.keys()];
  const grants = [...candidacy.promises.values()].flatMap((promise) => [...promise.grants]);
  const own = activeGrants(core).map(({ leader, remainingMs }): [NodeId, number] => [leader, core.nowMs + remainingMs]);
  // A node that promised serves no more (or never knew better), so what was granted to it is void.
  const waits = [...grants, ...own].filter(([leader]) => !promisers.includes(leader)).map(([, untilMs]) => untilMs);
  core.candidacy = undefined;
  core.lastProblem = '';
  const members = core.isPair ? promisers : [];
  openEpoch(core, candidacy.epoch, members, Math.max(core.nowMs, ...waits));
}
