/** Following a leader, and taking over from a source what a candidate lacks. */
import {
  commonPoint,
  comparePositions,
  containsPosition,
  endOf,
  historyDefect,
  historyUpTo,
  ORIGIN,
  type Position,
} from '../history.ts';
import { fetched } from './candidacy.ts';
import type { Context, Peer } from './context.ts';
import type { MessageOf } from './messages.ts';
import { isDirty } from './splitBrain.ts';
import { noteAbout, noteGrant, promiseEpoch, refuse, stepDown } from './transitions.ts';

/** A frame that no correct peer sends: the connection must be closed. */
export class ProtocolError extends Error {
  override readonly name = 'ProtocolError';
}

/** Checks that a frame of a leader, or of one that becomes it, may be obeyed, promising its epoch if that is new. */
function accepts(core: Context, peer: Peer, epoch: number): boolean {
  if (core.rules.isStale(epoch, core.promised) || (epoch === core.promised && core.promisedTo !== peer.id)) {
    refuse(core, peer, epoch, 'epoch');
    return false;
  }
  if (core.isPair && peer.splitBrain) {
    refuse(core, peer, epoch, 'splitBrain');
    return false;
  }
  if (epoch > core.promised) promiseEpoch(core, epoch, peer.id);
  if (core.leadership !== undefined) return false;
  core.leader = peer.id;
  core.leaderSeenMs = core.nowMs;
  yieldTo(core, epoch);
  return true;
}

/** The same for a node that leads: an order to this one that is older than its epoch is over. */
function acceptsLeader(core: Context, peer: Peer, epoch: number): boolean {
  if (!accepts(core, peer, epoch)) return false;
  const { wanted } = core;
  if (wanted !== undefined && !wanted.standing && epoch > wanted.epoch) core.wanted = undefined;
  return true;
}

/** A leader that began after this node was ordered to lead has the newer order; one that lives is no reason to stand up unasked. */
function yieldTo(core: Context, epoch: number): void {
  const { wanted, candidacy } = core;
  if (wanted !== undefined && epoch > wanted.epoch) wanted.orderUntilMs = Number.NEGATIVE_INFINITY;
  if (candidacy !== undefined && core.nowMs >= (wanted?.orderUntilMs ?? 0)) core.candidacy = undefined;
}

export function onQuery(core: Context, peer: Peer, message: MessageOf<'query'>): void {
  noteAbout(core, peer, message.about);
  if (!accepts(core, peer, message.epoch)) return;
  noteGrant(core, peer.id);
  core.joinTarget = { leader: peer.id, version: message.about.log.last };
  describeTo(core, peer, message.epoch, message.sentMs);
}

/** Says what this node has, once its promise of the epoch is on disk. */
function describeTo(core: Context, peer: Peer, epoch: number, echoMs: number): void {
  core.whenStateStored(() => {
    if (core.promised === epoch && core.leadership === undefined)
      core.send(peer.id, { kind: 'describe', epoch, echoMs, about: core.about });
  });
}

export function onHeartbeat(core: Context, peer: Peer, message: MessageOf<'heartbeat'>): void {
  if (!acceptsLeader(core, peer, message.epoch)) return;
  noteGrant(core, peer.id);
  core.retain = Math.max(core.retain, message.retain);
  learnCommit(core, message.commit);
  maybeTakePart(core);
  acknowledge(core, message.sentMs);
}

/** What this node has of its leader's journal, as an acknowledgement says it. */
function standing(core: Context): { epoch: number; stored: number; taken: number } {
  const epoch = core.promised;
  const stored = core.votes ? Math.min(core.log.storedIn(epoch), core.matched) : -1;
  return { epoch, stored, taken: Math.min(core.log.stored.version, core.matched) };
}

/** Tells the leader what this node has; `echoMs` proves when it was heard, -Infinity: nothing of the kind. */
export function acknowledge(core: Context, echoMs: number): void {
  if (core.leader === undefined) return;
  core.acknowledged = standing(core);
  core.send(core.leader, { kind: 'ack', echoMs, ...core.acknowledged });
}

/** After something was stored: the leader is told when that is news. */
export function acknowledgeStored(core: Context): void {
  if (core.leader === undefined || core.matched < 0) return;
  maybeTakePart(core);
  const { epoch, stored, taken } = standing(core);
  const { acknowledged } = core;
  if (epoch !== acknowledged.epoch || stored > acknowledged.stored || taken > acknowledged.taken)
    acknowledge(core, Number.NEGATIVE_INFINITY);
}

function learnCommit(core: Context, commit: number): void {
  core.leaderCommit = Math.max(core.leaderCommit, commit);
  raiseCommit(core, Math.min(commit, core.matched));
}

function raiseCommit(core: Context, version: number): void {
  if (version <= core.commit) return;
  core.commit = version;
  core.effects.push({ kind: 'committed', version });
}

export function onAppend(core: Context, peer: Peer, message: MessageOf<'append'>): void {
  const { candidacy } = core;
  if (candidacy?.phase === 'fetching' && candidacy.epoch === message.epoch && candidacy.source === peer.id) {
    if (!takeRecords(core, peer, message)) return;
    core.send(peer.id, {
      kind: 'ack',
      epoch: message.epoch,
      echoMs: Number.NEGATIVE_INFINITY,
      stored: -1,
      taken: core.log.last,
    });
    raiseCommit(core, Math.min(message.commit, core.log.last));
    fetched(core);
    return;
  }
  if (!acceptsLeader(core, peer, message.epoch)) return;
  if (!takeRecords(core, peer, message)) return;
  core.matched = Math.max(core.matched, message.prev.version + message.entries.length);
  learnCommit(core, message.commit);
}

/** Makes this journal continue behind `prev` as the sender's does. False: it could not, and the sender was told. */
function takeRecords(core: Context, peer: Peer, message: MessageOf<'append'>): boolean {
  const { log } = core;
  const { prev, records, entries } = message;
  if (!containsPosition(log, prev)) {
    askAgain(core, peer, message.epoch);
    return false;
  }
  const theirs = { history: [...historyUpTo(log.history, prev), ...records], last: prev.version + entries.length };
  const defect = historyDefect(theirs.history, theirs.last);
  if (defect !== undefined) throw new ProtocolError(`${peer.id} sent an impossible history: ${defect}`);
  const common = commonPoint(theirs, log) ?? prev;
  if (comparePositions(common, endOf(theirs)) === 0) return true;
  if (comparePositions(common, log.end) !== 0 && !removeTail(core, peer, common, message.epoch)) return false;
  appendRecords(core, message);
  return true;
}

/** The sender's idea of this journal is wrong: it is told what there is. */
function askAgain(core: Context, peer: Peer, epoch: number): void {
  if (core.candidacy?.source === peer.id) core.send(peer.id, { kind: 'fetch', epoch, about: core.about });
  else describeTo(core, peer, epoch, Number.NEGATIVE_INFINITY);
}

/**
 * A node that does not remember what it promised and stored, as it is new or lost its disk, takes part when that can do no harm: no other
 * node promised more than what it promised anew (whom it made leader before has promised that himself), and it has whatever it may have
 * acknowledged before.
 */
function maybeTakePart(core: Context): void {
  const { joinTarget, leader, log, promised } = core;
  if (core.joined || leader === undefined || joinTarget?.leader !== leader) return;
  const knowsPromises = [...core.peers.values()].every(({ about }) => (about?.promised ?? promised + 1) <= promised);
  const stored = Math.min(log.storedIn(promised), core.matched);
  if (stored < 0 || !core.rules.mayTakePart(knowsPromises, stored >= joinTarget.version)) return;
  core.joined = true;
  core.report('info', `in step with ${leader}: this node counts for the quorum`);
  core.storeState();
}

function appendRecords(core: Context, message: MessageOf<'append'>): void {
  const { log } = core;
  const end = log.end;
  let index = 0;
  const pushUpTo = (version: number) => {
    for (; index < message.entries.length && message.entries[index].version <= version; index++) {
      if (message.entries[index].version > log.last) log.push(message.entries[index]);
    }
  };
  for (const record of message.records) {
    if (record.epoch <= end.epoch) continue;
    pushUpTo(record.first - 1);
    const done = log.beginEpoch(record);
    // This journal is its leader's from now on, up to where it ends.
    if (record.epoch === message.epoch && core.leader !== undefined) core.discard = false;
    core.storeState(done);
  }
  pushUpTo(Number.POSITIVE_INFINITY);
  log.write();
}

/** Removes what the sender does not have. False: it must not be removed, and this node follows nobody until that is settled. */
function removeTail(core: Context, peer: Peer, common: Position, epoch: number): boolean {
  const { log } = core;
  if (!mayRemove(core, peer, common)) {
    refuse(core, peer, epoch, 'splitBrain');
    return false;
  }
  const kept = core.rules.kept(common.version, log.last);
  if (log.last > kept)
    core.report('warn', `changes ${kept + 1}-${log.last} are not in the journal of ${peer.id} and are set aside`);
  core.commit = Math.min(core.commit, common.version);
  log.truncate({ epoch: common.epoch, version: kept });
  core.storeState();
  core.effects.push({ kind: 'rewind', version: kept });
  return true;
}

function mayRemove(core: Context, peer: Peer, common: Position): boolean {
  if (core.discard) return true;
  const dirty = core.isPair && isDirty(core.description, common, peer.id);
  if (common.version >= core.commit && !dirty) return true;
  if (!peer.splitBrain) {
    peer.splitBrain = true;
    core.report('error', `${peer.id} lacks committed changes ${common.version + 1}-${core.commit}: not following it`);
  }
  return false;
}

export function onImageOffer(core: Context, peer: Peer, message: MessageOf<'imageOffer'>): void {
  const { candidacy } = core;
  const fromSource =
    candidacy?.phase === 'fetching' && candidacy.epoch === message.epoch && candidacy.source === peer.id;
  if (!fromSource && !acceptsLeader(core, peer, message.epoch)) return;
  const { epoch, image, version, lengthBytes, crc, history } = message;
  const defect = historyDefect(history, version);
  if (defect !== undefined) throw new ProtocolError(`${peer.id} sent an impossible history: ${defect}`);
  if (core.joined && version <= core.commit && version >= core.log.base && version <= core.log.last) {
    askAgain(core, peer, epoch);
    return;
  }
  core.incoming = { peer: peer.id, epoch, offer: { image, version, lengthBytes, crc }, history };
  if (lengthBytes === 0) imageFetched(core, image);
  else core.effects.push({ kind: 'fetchImage', peer: peer.id, offer: core.incoming.offer });
}

/** An image that was offered is here, checked and on disk. */
export function imageFetched(core: Context, image: number): void {
  const { incoming, log } = core;
  if (incoming === undefined || incoming.offer.image !== image || incoming.epoch !== core.promised) return;
  core.incoming = undefined;
  const peer = core.peers.get(incoming.peer);
  if (peer === undefined) return;
  const { version } = incoming.offer;
  const common = log.commonWith({ history: incoming.history, last: version }) ?? ORIGIN;
  if (core.joined && common.version < log.last && log.last > log.base) {
    if (!mayRemove(core, peer, common)) {
      refuse(core, peer, incoming.epoch, 'splitBrain');
      return;
    }
    log.truncate({ epoch: common.epoch, version: Math.max(common.version, log.base) });
  }
  const replaced = log.replace(version, incoming.history);
  core.commit = version;
  core.matched = -1;
  if (core.leader === incoming.peer) core.discard = false;
  core.report('info', `continuing from an image of ${incoming.peer} with changes up to ${version}`);
  core.store({ kind: 'install', version, image, state: core.persistent }, () => {
    replaced();
    if (core.promised !== incoming.epoch) return;
    fetched(core);
    // A candidate that has everything now needs no more.
    if (core.leadership === undefined) askAgain(core, peer, incoming.epoch);
  });
}

/** An image could not be fetched: the sender is told what there is, and decides again. */
export function imageFailed(core: Context, image: number): void {
  const { incoming } = core;
  if (incoming === undefined || incoming.offer.image !== image) return;
  core.incoming = undefined;
  const peer = core.peers.get(incoming.peer);
  if (peer !== undefined && incoming.epoch === core.promised) askAgain(core, peer, incoming.epoch);
}

/** Makes this a new node, which gets everything from the leader. It was about to lead, perhaps: without a state nobody does. */
export function forget(core: Context): void {
  stepDown(core, 'its state cannot be continued');
  core.candidacy = undefined;
  const replaced = core.log.replace(0, []);
  core.commit = 0;
  core.matched = -1;
  core.joined = false;
  core.votes = false;
  core.incoming = undefined;
  core.store({ kind: 'install', version: 0, image: 0, state: core.persistent }, () => {
    replaced();
    const peer = core.peers.get(core.leader ?? '');
    if (peer !== undefined) askAgain(core, peer, core.promised);
  });
}

export function onRelease(core: Context, peer: Peer): void {
  core.grants.delete(peer.id);
  if (core.leader !== peer.id) return;
  core.leader = undefined;
  core.leaderSeenMs = Number.NEGATIVE_INFINITY;
  if (core.wanted !== undefined) core.wanted.retryAtMs = Math.min(core.wanted.retryAtMs, core.nowMs);
}
