/** Sending this node's journal to a peer that lacks some of it: as its leader, or as the source of a candidate. */
import { type Entry, entryBytes } from '../entry.ts';
import {
  comparePositions,
  endOf,
  historyOfEntries,
  type LogDescription,
  type Position,
  positionBehind,
} from '../history.ts';
import type { Context, Peer, Sender } from './context.ts';
import type { ImageOffer } from './effects.ts';

const IMAGE_RETRY_MS = 1000;

export function newSender(epoch: number): Sender {
  return {
    epoch,
    mode: 'probe',
    sent: { epoch: 0, version: 0 },
    inFlight: [],
    inFlightBytes: 0,
    readId: 0,
    image: undefined,
  };
}

/** Decides from a peer's description how to bring it up to date, and begins. */
export function startSending(core: Context, peer: Peer, log: LogDescription): void {
  const sender = peer.sender;
  if (sender === undefined) return;
  sender.inFlight = [];
  sender.inFlightBytes = 0;
  sender.readId = 0;
  sender.image = undefined;
  const from = startingPoint(core, peer, log);
  if (from === undefined) {
    startImage(core, peer, sender);
    return;
  }
  sender.mode = 'stream';
  sender.sent = from;
  // Even if it lacks nothing: it cannot know that what it has behind the common point is the leader's before it is told.
  send(core, peer, sender, []);
  pump(core, peer);
}

/** Where the peer's journal parts from ours; undefined: it can only continue from an image. */
function startingPoint(core: Context, peer: Peer, log: LogDescription): Position | undefined {
  // What a node holds from before the journal may be anything, if it never took part.
  const hasOurs = log.base === peer.imageOffered && log.last === log.base;
  const isKnown = log.joined || log.last === 0 || endOf(log).epoch > 0 || hasOurs;
  const common = isKnown ? core.log.commonWith(log) : undefined;
  if (common === undefined || common.version < core.log.base || common.version < log.base) return undefined;
  if (common.version < log.commit && core.leadership !== undefined && !core.isPair)
    core.report(
      'error',
      `${peer.id} holds committed change ${log.commit}, which this leader does not have behind ${common.version}`,
    );
  return common;
}

/** Goes on with a stream in a new epoch: the peer is told even if nothing more may be under way to it. */
export function continueStream(core: Context, peer: Peer, epoch: number): void {
  const { sender } = peer;
  if (sender === undefined || !peer.connected) return;
  sender.epoch = epoch;
  send(core, peer, sender, []);
  pump(core, peer);
}

/** Sends what the peer lacks, as much as may be under way. */
export function pump(core: Context, peer: Peer): void {
  const sender = peer.sender;
  if (sender === undefined || !peer.connected) return;
  const { log, config } = core;
  while (sender.mode === 'stream' && sender.readId === 0 && sender.inFlightBytes < config.windowBytes) {
    if (comparePositions(sender.sent, log.end) >= 0) return;
    const from = sender.sent.version + 1;
    if (from <= log.base) {
      startImage(core, peer, sender);
    } else if (from > log.last || from >= log.tail.first) {
      send(core, peer, sender, log.tail.slice(from, log.last, config.batchBytes));
    } else {
      sender.readId = core.newReadId();
      core.effects.push({ kind: 'read', id: sender.readId, from, to: log.tail.first - 1, maxBytes: config.batchBytes });
    }
  }
}

function send(core: Context, peer: Peer, sender: Sender, entries: readonly Entry[]): void {
  const prev = sender.sent;
  const end = positionBehind(core.log.history, prev.version + entries.length);
  const records = core.log.history.filter((record) => record.epoch > prev.epoch && record.epoch <= end.epoch);
  sender.sent = end;
  const bytes = entries.reduce((sum, entry) => sum + entryBytes(entry), 0);
  if (entries.length > 0) {
    sender.inFlight.push({ version: end.version, bytes });
    sender.inFlightBytes += bytes;
  }
  peer.owingSinceMs ??= core.nowMs;
  core.send(peer.id, { kind: 'append', epoch: sender.epoch, prev, records, entries, commit: core.commit });
}

/** Entries read from the journal's files arrived; undefined: they are not there any more. */
export function entriesRead(core: Context, id: number, entries: readonly Entry[] | undefined): void {
  for (const peer of core.peers.values()) {
    const sender = peer.sender;
    if (sender === undefined || sender.readId !== id) continue;
    sender.readId = 0;
    if (entries === undefined || entries[0]?.version !== sender.sent.version + 1) startImage(core, peer, sender);
    else send(core, peer, sender, entries);
    pump(core, peer);
  }
}

/** The peer has everything up to `version`: more may be sent. */
export function delivered(core: Context, peer: Peer, version: number): void {
  const sender = peer.sender;
  if (sender === undefined) return;
  while (sender.inFlight.length > 0 && sender.inFlight[0].version <= version) {
    sender.inFlightBytes -= sender.inFlight.shift()?.bytes ?? 0;
  }
  pump(core, peer);
}

function startImage(core: Context, peer: Peer, sender: Sender): void {
  sender.mode = 'image';
  if (peer.witness) {
    offerEmptyImage(core, peer, sender);
    return;
  }
  if (core.isWitness) {
    core.send(peer.id, {
      kind: 'refusal',
      epoch: sender.epoch,
      promised: core.promised,
      reason: 'incomplete',
      leading: false,
    });
    peer.sender = undefined;
    return;
  }
  sender.image = { made: undefined, retryAtMs: Number.POSITIVE_INFINITY };
  core.effects.push({ kind: 'makeImage', peer: peer.id });
}

/** A witness has no state: it begins behind the entries that are gone, and keeps what any other node may still need. */
function offerEmptyImage(core: Context, peer: Peer, sender: Sender): void {
  const { base, history } = core.log;
  peer.imageOffered = base;
  core.send(peer.id, {
    kind: 'imageOffer',
    epoch: sender.epoch,
    image: 0,
    version: base,
    lengthBytes: 0,
    crc: 0,
    history: historyOfEntries(history, base),
  });
}

/** The image asked for is there; undefined: it could not be made now. */
export function imageMade(core: Context, peer: Peer, offer: ImageOffer | undefined): void {
  const image = peer.sender?.image;
  if (image === undefined) return;
  if (offer === undefined) image.retryAtMs = core.nowMs + IMAGE_RETRY_MS;
  else image.made = offer;
  offerImage(core, peer);
}

/** Offers an image that was made once everything in it is committed; asks again for one that could not be made. */
export function offerImage(core: Context, peer: Peer): void {
  const sender = peer.sender;
  if (sender?.image === undefined || !peer.connected) return;
  const { made, retryAtMs } = sender.image;
  if (made === undefined) {
    if (core.nowMs < retryAtMs) return;
    sender.image.retryAtMs = Number.POSITIVE_INFINITY;
    core.effects.push({ kind: 'makeImage', peer: peer.id });
    return;
  }
  // A source of a candidate does not know what is committed, but all that it has is in the journal that the candidate takes over.
  const limit = core.leadership === undefined ? core.log.last : core.commit;
  if (made.version > limit) return;
  sender.image = undefined;
  peer.imageOffered = made.version;
  core.send(peer.id, {
    kind: 'imageOffer',
    epoch: sender.epoch,
    ...made,
    history: historyOfEntries(core.log.history, made.version),
  });
}
