import type { Entry } from '../entry.ts';
import type { EpochRecord, NodeId } from '../history.ts';
import type { Message } from './messages.ts';

/** What a node must remember over the loss of power, beside the entries. */
export interface PersistentState {
  /** The highest epoch promised, and to whom: nothing of a lower one is accepted any more. */
  promised: number;
  promisedTo: NodeId;
  joined: boolean;
  /** A version that is known to be committed; the newest known is not always recorded. */
  commit: number;
  history: readonly EpochRecord[];
}

/** A change of what is on disk. They are made strictly in the order in which they are asked for. */
export type StoreOperation =
  /** `sync`: done means that it survives the loss of power; without: the end of the process. */
  | { kind: 'append'; entries: readonly Entry[]; sync: boolean }
  /** Removes the entries after `version`, keeping them in a file named for the epoch of the first of them. Durable when done. */
  | { kind: 'truncate'; version: number; epoch: number }
  /** Durable when done, as is everything that was asked for before. */
  | { kind: 'state'; state: PersistentState }
  /** All entries give way to an image that was fetched (none for a witness) of the state behind `version`. Durable when done. */
  | { kind: 'install'; version: number; image: number; state: PersistentState }
  /** Entries up to `version` are not needed any more. */
  | { kind: 'prune'; version: number };

/** An image that a peer offers. */
export interface ImageOffer {
  image: number;
  version: number;
  lengthBytes: number;
  /** Of all its bytes (CRC-32, IEEE). */
  crc: number;
}

/** What the core asks of the outside world. */
export type Effect =
  | { kind: 'send'; peer: NodeId; message: Message }
  | { kind: 'store'; id: number; operation: StoreOperation }
  /** Read entries of the journal's files for a peer, none after `to`; answer with `readDone`. */
  | { kind: 'read'; id: number; from: number; to: number; maxBytes: number }
  /** Entries up to this version are committed: followers apply them. */
  | { kind: 'committed'; version: number }
  /** Replies about entries up to this version may leave. */
  | { kind: 'acknowledged'; version: number }
  /** Reads that were waiting for a proof of leadership may check again. */
  | { kind: 'confirmed' }
  /** This node leads: once everything up to `version` is applied it serves. */
  | { kind: 'lead'; epoch: number; version: number }
  /** This node leads no more and must not answer anybody from now on. */
  | { kind: 'follow'; reason: string }
  /** A planned switch is under way: take no new changes; or it failed: take them again. */
  | { kind: 'freeze'; frozen: boolean }
  /** Entries after `version` were removed from the journal; a state that contains them must be made anew. */
  | { kind: 'rewind'; version: number }
  /** Make an image for a peer; answer with `imageMade`. */
  | { kind: 'makeImage'; peer: NodeId }
  /** Fetch an image from a peer; answer with `imageFetched`. */
  | { kind: 'fetchImage'; peer: NodeId; offer: ImageOffer }
  | { kind: 'report'; level: 'info' | 'warn' | 'error'; text: string };
