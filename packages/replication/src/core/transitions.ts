/** Changes of role and epoch that every part of the core can cause. */
import type { NodeId } from '../history.ts';
import type { Context, Peer } from './context.ts';
import type { About, Grant } from './messages.ts';
import { judge } from './splitBrain.ts';

/** What an acknowledgement of the leader allows it: the lease, and an eighth more for clocks that run apart. */
export function grantMs(core: Context): number {
  return (core.timings.leaseMs * 9) / 8;
}

/** Notes that `leader` was acknowledged now. */
export function noteGrant(core: Context, leader: NodeId): void {
  core.grants.set(leader, core.nowMs + grantMs(core));
}

/** The grants that are not over. */
export function activeGrants(core: Context): Grant[] {
  const result: Grant[] = [];
  for (const [leader, untilMs] of core.grants) {
    if (untilMs > core.nowMs) result.push({ leader, remainingMs: untilMs - core.nowMs });
    else core.grants.delete(leader);
  }
  return result;
}

/** True while the leader that this node follows is heard. */
export function leaderAlive(core: Context): boolean {
  return core.leader !== undefined && core.nowMs - core.leaderSeenMs < core.timings.leaderTimeoutMs;
}

/** Tells all connected peers what this node is now. */
export function announce(core: Context): void {
  for (const peer of core.peers.values()) core.send(peer.id, { kind: 'hello', about: core.about });
}

/** Forgets what is known of the peers as their leader or source. */
export function dropSenders(core: Context): void {
  for (const peer of core.peers.values()) {
    peer.sender = undefined;
    peer.stored = -1;
    peer.taken = -1;
    peer.echoMs = Number.NEGATIVE_INFINITY;
    peer.owingSinceMs = undefined;
  }
}

/** Stops to lead, at once; clients are told nothing any more. */
export function stepDown(core: Context, reason: string): void {
  const { leadership } = core;
  if (leadership === undefined) return;
  core.leadership = undefined;
  core.candidacy = undefined;
  core.matched = -1;
  core.leader = undefined;
  dropSenders(core);
  if (leadership.serving) {
    core.effects.push({ kind: 'follow', reason });
    core.report('warn', `no longer the leader of epoch ${leadership.epoch}: ${reason}`);
  }
  announce(core);
}

/** Promises an epoch to a node: everything of a lower one is refused from now on. The promise is on disk when the state is. */
export function promiseEpoch(core: Context, epoch: number, to: NodeId): void {
  if (epoch <= core.promised) throw new Error(`epoch ${epoch} after ${core.promised} was promised`);
  stepDown(core, `${to} was promised epoch ${epoch}`);
  core.candidacy = undefined;
  dropSenders(core);
  core.promised = epoch;
  core.promisedTo = to;
  core.seenEpoch = Math.max(core.seenEpoch, epoch);
  core.leader = undefined;
  core.matched = -1;
  core.incoming = undefined;
  core.storeState();
  // It cannot lead before leases are over. Who stands against it at once because nobody leads yet makes it begin anew, and that again and again.
  const { wanted } = core;
  if (wanted !== undefined && core.nowMs >= wanted.orderUntilMs)
    wanted.retryAtMs = core.nowMs + core.timings.leaderTimeoutMs;
}

/** Refuses a message of `epoch`. */
export function refuse(
  core: Context,
  peer: Peer,
  epoch: number,
  reason: 'epoch' | 'leaderAlive' | 'splitBrain' | 'incomplete',
): void {
  const leading = core.leadership !== undefined;
  core.send(peer.id, { kind: 'refusal', epoch, promised: core.promised, reason, leading });
}

/** Takes note of what a peer says about itself; in a pair this may uncover a split brain, or end it. */
export function noteAbout(core: Context, peer: Peer, about: About): void {
  peer.about = about;
  peer.role = about.role;
  peer.last = about.log.last;
  peer.commit = about.log.commit;
  core.seenEpoch = Math.max(core.seenEpoch, about.promised);
  if (core.isPair) weigh(core, peer, about);
  else if (about.discard) peer.splitBrain = false;
}

function weigh(core: Context, peer: Peer, about: About): void {
  const mine = { id: core.self, primary: core.leadership !== undefined, discard: core.discard, log: core.description };
  const theirs = { id: peer.id, primary: about.role === 'leader', discard: about.discard, log: about.log };
  const verdict = judge(mine, theirs, core.config.policies);
  if (!verdict.splitBrain || verdict.victim === peer.id) {
    if (peer.splitBrain) core.report('info', `the split brain with ${peer.id} is over`);
    peer.splitBrain = false;
    return;
  }
  if (verdict.victim === core.self) {
    peer.splitBrain = false;
    giveWay(core, peer);
    return;
  }
  if (peer.splitBrain) return;
  peer.splitBrain = true;
  peer.sender = undefined;
  core.report(
    'error',
    `SPLIT BRAIN: ${peer.id} and this node both went on alone; neither follows the other until one discards its changes`,
  );
}

/** This node's changes are the ones that are set aside. */
function giveWay(core: Context, peer: Peer): void {
  if (core.discard) return;
  core.discard = true;
  core.wanted = undefined;
  core.report('warn', `split brain with ${peer.id}: this node's changes will be set aside as the policies demand`);
  if (core.leadership === undefined) announce(core);
  else stepDown(core, `split brain with ${peer.id}, whose changes are kept`);
}
