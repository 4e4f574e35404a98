/** Leading an epoch: entries to the peers, acknowledgements from them, the lease, and its end. */
import type { Entry } from '../entry.ts';
import type { NodeId } from '../history.ts';
import type { Context, Leadership, Peer } from './context.ts';
import type { MessageOf } from './messages.ts';
import { continueStream, delivered, newSender, offerImage, pump, startSending } from './sending.ts';
import { announce, noteAbout, stepDown } from './transitions.ts';

/** A pair's returning node waits for nothing more when it is that close behind. */
const NEARLY_IN_STEP = 64;

/** Begins an epoch that was promised to this node. A leader that begins another one goes on without interruption. */
export function openEpoch(core: Context, epoch: number, members: readonly NodeId[], waitUntilMs: number): void {
  const previous = core.leadership;
  const before = core.log.last;
  core.leadership = {
    epoch,
    before,
    members,
    opened: false,
    serving: previous?.serving ?? false,
    waitUntilMs: Math.max(waitUntilMs, previous?.waitUntilMs ?? 0),
    lostSinceMs: previous?.lostSinceMs,
    contestedSinceMs: undefined,
    heartbeatAtMs: core.nowMs,
    handover: previous?.handover,
  };
  core.leader = undefined;
  core.joined = true;
  // What was to be set aside is; what comes now is not.
  core.discard = false;
  const id = core.random.bytes(8).toString('hex');
  const done = core.log.beginEpoch({
    epoch,
    first: before + 1,
    leader: core.self,
    id,
    members,
    startedMs: core.wallMs,
  });
  core.storeState(done);
  core.report(
    'info',
    `epoch ${epoch} begins at change ${before + 1}${members.length === 1 ? ', without the other node' : ''}`,
  );
  for (const peer of core.peers.values()) beginWith(core, peer, epoch, previous?.epoch);
  if (core.isPair) announce(core);
}

/**
 * Takes a peer along into a new epoch, or begins to bring it up to date. A stream of another time, as the source of a candidate, says nothing
 * about what the peer has now.
 */
function beginWith(core: Context, peer: Peer, epoch: number, previousEpoch: number | undefined): void {
  peer.stored = -1;
  peer.taken = -1;
  if (peer.sender?.mode === 'stream' && peer.sender.epoch === previousEpoch) continueStream(core, peer, epoch);
  else query(core, peer);
}

/** Asks a peer what it has. */
export function query(core: Context, peer: Peer): void {
  const { leadership } = core;
  if (leadership === undefined || !peer.connected || peer.splitBrain) return;
  peer.sender = newSender(leadership.epoch);
  peer.owingSinceMs ??= core.nowMs;
  core.send(peer.id, { kind: 'query', epoch: leadership.epoch, sentMs: core.nowMs, about: core.about });
}

export function onDescribe(core: Context, peer: Peer, message: MessageOf<'describe'>): void {
  noteAbout(core, peer, message.about);
  if (core.leadership?.epoch !== message.epoch || peer.sender?.epoch !== message.epoch) return;
  noteEcho(core, peer, message.echoMs);
  peer.owingSinceMs = undefined;
  if (!message.about.log.joined) {
    // A new one in the place of one that may have had more.
    peer.stored = -1;
    peer.taken = -1;
    peer.durable = 0;
  }
  startSending(core, peer, message.about.log);
}

export function onAck(core: Context, peer: Peer, message: MessageOf<'ack'>): void {
  const { leadership } = core;
  if (leadership?.epoch !== message.epoch) {
    if (peer.sender?.epoch === message.epoch) delivered(core, peer, message.taken);
    return;
  }
  const { last } = core.log;
  if (message.stored > last || message.taken > last) return;
  noteEcho(core, peer, message.echoMs);
  if (message.stored > peer.stored || message.taken > peer.taken) peer.owingSinceMs = core.nowMs;
  peer.stored = Math.max(peer.stored, message.stored);
  peer.taken = Math.max(peer.taken, message.taken);
  peer.durable = Math.max(peer.durable, message.stored);
  if (peer.stored >= last) peer.owingSinceMs = undefined;
  delivered(core, peer, message.taken);
  advanceCommit(core);
}

function noteEcho(core: Context, peer: Peer, echoMs: number): void {
  if (echoMs > core.nowMs || echoMs <= peer.echoMs) return;
  peer.echoMs = echoMs;
  maybeServe(core);
  if (leaseValid(core)) core.effects.push({ kind: 'confirmed' });
}

/** The last version that everybody needed has. */
function committedVersion(core: Context, leadership: Leadership): number {
  const versions = [core.log.storedIn(leadership.epoch)];
  const ids = [core.self];
  for (const peer of core.peers.values()) {
    versions.push(peer.stored);
    ids.push(peer.id);
  }
  const { members } = leadership;
  if (members.length === 0) return core.rules.committed(versions, core.config.quorum);
  const counting = versions.filter((_, index) => members.includes(ids[index]));
  return core.rules.committed(counting, members.length);
}

/** Looks what acknowledgements and completed writes have made safe. */
export function advanceCommit(core: Context): void {
  const { leadership } = core;
  if (leadership === undefined) return;
  const version = committedVersion(core, leadership);
  // Entries of older epochs count as committed only with an own record behind them (Raft, 5.4.2): the beginning of this epoch.
  if (version >= leadership.before) {
    leadership.opened = true;
    if (version > core.commit) {
      core.commit = version;
      core.effects.push({ kind: 'committed', version });
      for (const peer of core.peers.values()) offerImage(core, peer);
    }
    maybeServe(core);
  }
  if (!leadership.serving) return;
  const local = Math.max(core.log.storedIn(leadership.epoch), core.commit);
  core.effects.push({ kind: 'acknowledged', version: core.config.protocol === 'A' ? local : core.commit });
}

/** Until when this node may answer reads: nobody else can have been made leader before. */
export function leaseUntilMs(core: Context): number {
  const { leadership } = core;
  if (leadership === undefined) return Number.NEGATIVE_INFINITY;
  const { members } = leadership;
  const counting = [...core.peers.values()].filter((peer) => members.length === 0 || members.includes(peer.id));
  const echoes = counting.map((peer) => peer.echoMs).sort((a, b) => b - a);
  const needed = (members.length === 0 ? core.config.quorum : members.length) - 1;
  if (needed === 0) return Number.POSITIVE_INFINITY;
  const proof = echoes[needed - 1] ?? Number.NEGATIVE_INFINITY;
  return proof < core.leaseFloorMs ? Number.NEGATIVE_INFINITY : proof + core.timings.leaseMs;
}

export function leaseValid(core: Context): boolean {
  return core.nowMs < leaseUntilMs(core);
}

/** Begins to serve once the epoch is open, no older leader can answer reads any more, and the quorum is there. */
export function maybeServe(core: Context): void {
  const { leadership } = core;
  if (leadership === undefined || leadership.serving || !leadership.opened) return;
  if (core.nowMs < leadership.waitUntilMs || !leaseValid(core)) return;
  leadership.serving = true;
  // The order is carried out: it is not repeated against another one, or two nodes would take the lead from each other.
  if (core.wanted !== undefined) core.wanted.orderUntilMs = Number.NEGATIVE_INFINITY;
  core.report('info', `leader of epoch ${leadership.epoch}`);
  core.effects.push({ kind: 'lead', epoch: leadership.epoch, version: core.log.last });
  announce(core);
}

/** Takes entries of the application. They must be the next versions, and this node must be serving. */
export function append(core: Context, entries: readonly Entry[]): void {
  const { leadership } = core;
  if (!leadership?.serving || leadership.handover !== undefined) throw new Error('append on a node that does not lead');
  for (const entry of entries) core.log.push(entry);
}

/** Hands what was appended to the disk and to the peers. */
export function flush(core: Context): void {
  if (core.leadership === undefined) return;
  core.log.write();
  for (const peer of core.peers.values()) pump(core, peer);
  advanceCommit(core);
}

/** Regular work of a leader. */
export function leaderTick(core: Context): void {
  const { leadership } = core;
  if (leadership === undefined) return;
  if (core.nowMs >= leadership.heartbeatAtMs) sendHeartbeats(core, leadership);
  maybeServe(core);
  watchQuorum(core, leadership);
  if (core.isPair) watchPair(core, leadership);
  watchHandover(core);
}

function sendHeartbeats(core: Context, leadership: Leadership): void {
  leadership.heartbeatAtMs = core.nowMs + core.timings.heartbeatMs;
  const retain = retainedVersion(core);
  core.retain = Math.max(core.retain, retain);
  for (const peer of core.peers.values()) {
    if (peer.sender === undefined) query(core, peer);
    else if (peer.sender.epoch === leadership.epoch)
      core.send(peer.id, {
        kind: 'heartbeat',
        epoch: leadership.epoch,
        sentMs: core.nowMs,
        commit: core.commit,
        retain,
      });
  }
}

/** The last version that every node with a state machine has on its disk. */
function retainedVersion(core: Context): number {
  let version = core.commit;
  for (const peer of core.peers.values()) if (!peer.witness) version = Math.min(version, peer.durable);
  // Of a peer that has not told it is not known what it has.
  return Math.max(0, version);
}

function watchQuorum(core: Context, leadership: Leadership): void {
  if (leaseValid(core)) {
    leadership.lostSinceMs = undefined;
    return;
  }
  leadership.lostSinceMs ??= core.nowMs;
  if (core.nowMs - leadership.lostSinceMs >= core.timings.resignAfterMs) stepDown(core, 'the quorum cannot be reached');
}

/** A pair's leader goes on alone when the other node is gone, and takes it back when it is in step again. */
function watchPair(core: Context, leadership: Leadership): void {
  const [peer] = core.peers.values();
  const together = leadership.members.includes(peer.id);
  const late = peer.owingSinceMs !== undefined && core.nowMs - peer.owingSinceMs >= core.timings.peerTimeoutMs;
  if (together && (!peer.connected || late || peer.splitBrain)) {
    core.report('warn', `${peer.id} does not answer: going on without it`);
    nextEpochInPair(core, [core.self]);
  } else if (
    !together &&
    peer.connected &&
    peer.stored >= core.log.last - NEARLY_IN_STEP &&
    peer.stored >= leadership.before
  ) {
    core.report('info', `${peer.id} is in step again`);
    nextEpochInPair(core, [core.self, peer.id]);
  }
}

/** In a pair each node is a quorum: it promises itself the next epoch. */
export function nextEpochInPair(core: Context, members: readonly NodeId[]): void {
  core.promised = Math.max(core.promised, core.seenEpoch) + 1;
  core.promisedTo = core.self;
  core.seenEpoch = core.promised;
  openEpoch(core, core.promised, members, core.nowMs);
}

/** Begins a planned switch: no new entries, and the lead to the target once it has everything. */
export function beginHandover(core: Context, to: NodeId): string | undefined {
  const { leadership } = core;
  const peer = core.peers.get(to);
  if (!leadership?.serving) return 'this node does not lead';
  if (peer === undefined || peer.witness) return `${to} is not a node that can lead`;
  if (peer.about?.maintenance) return `${to} is in maintenance`;
  if (!peer.connected || peer.splitBrain || peer.sender?.mode !== 'stream') return `${to} is not in step`;
  leadership.handover = { to, untilMs: core.nowMs + core.timings.handoverMs };
  core.effects.push({ kind: 'freeze', frozen: true });
  return undefined;
}

function watchHandover(core: Context): void {
  const { leadership } = core;
  if (leadership?.handover === undefined) return;
  const { to, untilMs } = leadership.handover;
  const peer = core.peers.get(to);
  if (peer === undefined) return;
  if (peer.stored >= core.log.last && core.commit >= core.log.last) {
    const { epoch } = leadership;
    resign(core, `planned switch to ${to}`);
    core.send(to, { kind: 'takeOver', epoch });
  } else if (core.nowMs >= untilMs) {
    leadership.handover = undefined;
    core.effects.push({ kind: 'freeze', frozen: false });
    core.report('warn', `the switch to ${to} was given up: it did not get into step in time`);
  }
}

/** Resigns in order: nobody waits for the lease. */
export function resign(core: Context, reason: string): void {
  const { leadership } = core;
  if (leadership === undefined) return;
  core.wanted = undefined;
  stepDown(core, reason);
  for (const peer of core.peers.values()) core.send(peer.id, { kind: 'release', epoch: leadership.epoch });
}
