/**
 * Exactly-once for clients: the answers to their latest changes. The leader records an answer with the change that it is about (as the
 * entry's note), followers rebuild the ledger from the notes, so that after a failover a repeated request gets the recorded answer in
 * place of a second execution. See docs/decisions/0150.
 */
import type { Operation } from '@alces/metadata';
import { AppendReservations, type Reservation } from './appends.ts';

/** Which request of which client. */
export interface RequestKey {
  session: number;
  /** One request of a session is under way in a slot at a time: a new one in it says that the one before was answered. */
  slot: number;
  /** Numbers of one slot grow; a repeated request has the number that it had. */
  request: number;
}

export interface RequestNote extends RequestKey {
  /**
   * 0: the answer is final. Else the request only began to work on this locked chunk, and what `answer` says holds until the chunk
   * is unlocked, rolled back or given to somebody else.
   */
  chunkId: number;
  answer: Buffer;
  /** The answer gave room for an append. */
  append?: Reservation;
}

/** In the place of a session, for what concerns none. */
export const NO_SESSION = 0;

const HEADER_BYTES = 28;
/** In the place of a chunk: a reservation follows, inode u32, end u64, length u64. */
const RESERVATION_MARK = Number.MAX_SAFE_INTEGER;
const RESERVATION_BYTES = 20;
const TWO_32 = 0x1_0000_0000;

function writeU64(bytes: Buffer, value: number, at: number): void {
  bytes.writeUInt32BE(Math.floor(value / TWO_32), at);
  bytes.writeUInt32BE(value % TWO_32, at + 4);
}

function readU64(bytes: Buffer, at: number): number {
  return bytes.readUInt32BE(at) * TWO_32 + bytes.readUInt32BE(at + 4);
}

/** A note's bytes: session u64, slot u32, request u64, chunk u64 (big-endian), the reservation if there is one, the answer. */
export function encodeNote(note: RequestNote): Buffer {
  const { append } = note;
  const answerAt = HEADER_BYTES + (append === undefined ? 0 : RESERVATION_BYTES);
  const bytes = Buffer.allocUnsafe(answerAt + note.answer.length);
  writeU64(bytes, note.session, 0);
  bytes.writeUInt32BE(note.slot, 8);
  writeU64(bytes, note.request, 12);
  writeU64(bytes, append === undefined ? note.chunkId : RESERVATION_MARK, 20);
  if (append !== undefined) {
    bytes.writeUInt32BE(append.inode, HEADER_BYTES);
    writeU64(bytes, append.end, HEADER_BYTES + 4);
    writeU64(bytes, append.length, HEADER_BYTES + 12);
  }
  note.answer.copy(bytes, answerAt);
  return bytes;
}

function reservationIn(bytes: Buffer): Reservation {
  if (bytes.length < HEADER_BYTES + RESERVATION_BYTES) throw new RangeError('a reservation is cut off');
  return {
    inode: bytes.readUInt32BE(HEADER_BYTES),
    end: readU64(bytes, HEADER_BYTES + 4),
    length: readU64(bytes, HEADER_BYTES + 12),
  };
}

/** A note with an answer of its own, that refers to nothing of `bytes`. Throws a RangeError for anything that is no note. */
export function decodeNote(bytes: Buffer): RequestNote {
  if (bytes.length < HEADER_BYTES) throw new RangeError(`a note of ${bytes.length} bytes`);
  const key = { session: readU64(bytes, 0), slot: bytes.readUInt32BE(8), request: readU64(bytes, 12) };
  const chunkId = readU64(bytes, 20);
  if (chunkId !== RESERVATION_MARK) return { ...key, chunkId, answer: Buffer.from(bytes.subarray(HEADER_BYTES)) };
  const append = reservationIn(bytes);
  return { ...key, chunkId: 0, answer: Buffer.from(bytes.subarray(HEADER_BYTES + RESERVATION_BYTES)), append };
}

interface SessionAnswers {
  /** In the order in which they were recorded. */
  readonly slots: Map<number, RequestNote>;
  /** Greatest number of a request whose answer had to be given up. */
  forgotten: number;
}

/** At most so many answers of a session are kept; a client has fewer requests under way. */
export const MAX_ANSWERS = 16_384;

/** A repeated request that cannot be told from a new one: its answer is gone. Nobody knows whether it was executed. */
export class AnswerForgotten extends Error {
  override readonly name = 'AnswerForgotten';
}

/** A session u64, the number of its forgotten requests u64, how many notes u32; each with its length u32. */
function encodeSession(parts: Buffer[], session: number, forgotten: number, notes: readonly RequestNote[]): void {
  const head = Buffer.allocUnsafe(20);
  writeU64(head, session, 0);
  writeU64(head, forgotten, 8);
  head.writeUInt32BE(notes.length, 16);
  parts.push(head);
  for (const note of notes) {
    const bytes = encodeNote(note);
    const length = Buffer.allocUnsafe(4);
    length.writeUInt32BE(bytes.length);
    parts.push(length, bytes);
  }
}

/** The answers of all sessions. Deterministic: equal on all nodes at equal versions. */
export class RequestLedger {
  readonly #sessions = new Map<number, SessionAnswers>();
  readonly #chunks = new Map<number, RequestNote>();
  readonly appends = new AppendReservations();

  /** What is recorded of a request; undefined: it was not executed. Throws AnswerForgotten when nobody can tell. */
  find({ session, slot, request }: RequestKey): RequestNote | undefined {
    const known = this.#sessions.get(session);
    const latest = known?.slots.get(slot);
    if (known === undefined || latest?.request === request) return latest;
    if (latest !== undefined ? request < latest.request : request <= known.forgotten)
      throw new AnswerForgotten(`request ${request} of session ${session}`);
    return undefined;
  }

  /**
   * An entry of the journal, with its note: on the leader when it is appended (the note may follow by `record`), on a follower when it is
   * applied. Locks on chunks end what was noted about them, the end of a session ends everything of it.
   */
  applied(operation: Operation, note?: RequestNote): void {
    this.appends.applied(operation);
    switch (operation.op) {
      case 'UNLOCK':
      case 'ROLLBACK':
      case 'WRITE':
      case 'TRUNC':
      case 'CHUNKDEL':
        this.#released(operation.chunkid);
        break;
      case 'SESDEL':
        this.endSession(operation.sessionid);
        break;
    }
    if (note !== undefined) this.record(note);
  }

  /** Records what a note says, and keeps the note, which must not be changed any more. */
  record({ append, ...note }: RequestNote): void {
    if (append !== undefined) this.appends.reserve(append);
    if (note.session !== NO_SESSION) this.#recordAnswer(note);
  }

  #recordAnswer(note: RequestNote): void {
    const { session, slot, chunkId } = note;
    let known = this.#sessions.get(session);
    if (known === undefined) {
      known = { slots: new Map(), forgotten: 0 };
      this.#sessions.set(session, known);
    }
    const before = known.slots.get(slot);
    if (before !== undefined) {
      if (before.request > note.request) return;
      this.#drop(known, before);
    }
    if (chunkId !== 0) this.#released(chunkId);
    known.slots.set(slot, note);
    if (chunkId !== 0) this.#chunks.set(chunkId, note);
    if (known.slots.size > MAX_ANSWERS) this.#forgetOldest(known);
  }

  /** What is noted about the lock on a chunk. */
  ofChunk(chunkId: number): RequestNote | undefined {
    return this.#chunks.get(chunkId);
  }

  #forgetOldest(known: SessionAnswers): void {
    for (const oldest of known.slots.values()) {
      this.#drop(known, oldest);
      known.forgotten = Math.max(known.forgotten, oldest.request);
      return;
    }
  }

  #drop(known: SessionAnswers, note: RequestNote): void {
    known.slots.delete(note.slot);
    if (this.#chunks.get(note.chunkId) === note) this.#chunks.delete(note.chunkId);
  }

  #released(chunkId: number): void {
    const note = this.#chunks.get(chunkId);
    if (note === undefined) return;
    const known = this.#sessions.get(note.session);
    if (known !== undefined) this.#drop(known, note);
  }

  /** The session is over. */
  endSession(session: number): void {
    const known = this.#sessions.get(session);
    if (known === undefined) return;
    for (const note of known.slots.values()) this.#drop(known, note);
    this.#sessions.delete(session);
  }

  /** Forgets notes that do not fit a state: of sessions and of locks on chunks that it does not have. */
  keepOnly(fits: { session(id: number): boolean; lockedChunk(id: number): boolean }): void {
    for (const session of [...this.#sessions.keys()]) if (!fits.session(session)) this.endSession(session);
    for (const chunkId of [...this.#chunks.keys()]) if (!fits.lockedChunk(chunkId)) this.#released(chunkId);
  }

  /** The number of answers kept. */
  get size(): number {
    let size = 0;
    for (const { slots } of this.#sessions.values()) size += slots.size;
    return size;
  }

  /** Everything, for an image; `load` reads it. Equal ledgers give equal bytes. */
  encode(): Buffer {
    const parts: Buffer[] = [];
    const reservations = [...this.appends.all()].map((append): RequestNote => {
      return { session: NO_SESSION, slot: 0, request: 0, chunkId: 0, answer: Buffer.alloc(0), append };
    });
    if (reservations.length > 0) encodeSession(parts, NO_SESSION, 0, reservations);
    for (const [session, { slots, forgotten }] of [...this.#sessions].sort(([a], [b]) => a - b)) {
      encodeSession(parts, session, forgotten, [...slots.values()]);
    }
    return Buffer.concat(parts);
  }

  /** Replaces everything by what `encode` gave. Throws a RangeError for anything else, and is empty then. */
  load(bytes: Buffer): void {
    this.#clear();
    let at = 0;
    try {
      while (at < bytes.length) {
        const session = readU64(bytes, at);
        const forgotten = readU64(bytes, at + 8);
        const count = bytes.readUInt32BE(at + 16);
        at += 20;
        if (session !== NO_SESSION) this.#sessions.set(session, { slots: new Map(), forgotten });
        for (let index = 0; index < count; index++) {
          const end = at + 4 + bytes.readUInt32BE(at);
          if (end > bytes.length) throw new RangeError('an answer is cut off');
          const note = decodeNote(bytes.subarray(at + 4, end));
          if (note.session !== session) throw new RangeError('an answer of another session');
          this.record(note);
          at = end;
        }
      }
    } catch (error) {
      this.#clear();
      throw error;
    }
  }

  #clear(): void {
    this.#sessions.clear();
    this.#chunks.clear();
    this.appends.clear();
  }
}
