import type { Entry } from '../entry.ts';
import type { EpochRecord, LogDescription, NodeId, Position } from '../history.ts';

/** What a node is doing, as it tells its peers. */
export type ClaimedRole = 'leader' | 'candidate' | 'follower';

/** What a node says about itself. */
export interface About {
  role: ClaimedRole;
  /** The highest epoch that it promised. */
  promised: number;
  /** Its own changes after a split brain may be set aside. */
  discard: boolean;
  /** Its operator does not want it to lead. */
  maintenance: boolean;
  log: LogDescription;
}

/** Time during which reads may be served by a leader that the answering node acknowledged. */
export interface Grant {
  /** Empty: the node has restarted and does not know whom it acknowledged. */
  leader: NodeId;
  remainingMs: number;
}

export type RefusalReason = 'epoch' | 'leaderAlive' | 'splitBrain' | 'incomplete';

/** The messages between nodes; `sentMs` and `echoMs` are the leader's monotonic clock, returned unchanged. */
export type Message =
  | { kind: 'hello'; about: About }
  | { kind: 'ping'; role: ClaimedRole; promised: number; last: number; commit: number }
  /** Candidate: promise me this epoch. `order`: somebody asked for it just now, so a living leader is no reason to refuse. */
  | { kind: 'promiseRequest'; epoch: number; order: boolean; about: About }
  | { kind: 'promiseReply'; epoch: number; grants: readonly Grant[]; about: About }
  /** `epoch`: of the message that is refused; `promised`: the highest that the refusing node promised. */
  | { kind: 'refusal'; epoch: number; promised: number; reason: RefusalReason; leading: boolean }
  /** Candidate to the node with the most advanced journal: send me what I lack. */
  | { kind: 'fetch'; epoch: number; about: About }
  /** Leader: I lead this epoch; what do you have? */
  | { kind: 'query'; epoch: number; sentMs: number; about: About }
  | { kind: 'describe'; epoch: number; echoMs: number; about: About }
  /** Records behind `prev`: beginnings of epochs, and the entries from `prev.version + 1` on. */
  | {
      kind: 'append';
      epoch: number;
      prev: Position;
      records: readonly EpochRecord[];
      entries: readonly Entry[];
      commit: number;
    }
  /** `retain`: the last version that every node with a state machine has on its disk. */
  | { kind: 'heartbeat'; epoch: number; sentMs: number; commit: number; retain: number }
  /**
   * `stored`: up to where this node has the leader's journal in its files (with protocol C: safe from the loss of power); -1: not even the
   * beginning of the epoch. `taken`: the same, be it of older epochs, so that more may be sent; -1: nothing is known to agree yet.
   */
  | { kind: 'ack'; epoch: number; echoMs: number; stored: number; taken: number }
  /** An image in place of entries that are gone. A length of 0 is for witnesses: nothing to load. */
  | {
      kind: 'imageOffer';
      epoch: number;
      image: number;
      version: number;
      lengthBytes: number;
      crc: number;
      history: readonly EpochRecord[];
    }
  | { kind: 'imageGet'; image: number; offset: number; lengthBytes: number }
  | { kind: 'imageData'; image: number; offset: number; crc: number; bytes: Buffer }
  | { kind: 'imageGone'; image: number }
  /** The leader of this epoch serves no more. */
  | { kind: 'release'; epoch: number }
  /** The leader of this epoch resigned in favour of the receiver. */
  | { kind: 'takeOver'; epoch: number };

export type MessageOf<K extends Message['kind']> = Extract<Message, { kind: K }>;

/** Image transfer is not the core's business: these go to the shell. */
export type ImageMessage = MessageOf<'imageGet' | 'imageData' | 'imageGone'>;
