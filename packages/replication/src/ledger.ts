/**
 * Exactly-once for clients: the answers to their latest mutations, kept by session and request number. The leader records an answer with the
 * entry of the mutation (as the entry's note), followers rebuild the ledger from the notes, so that after a failover a repeated request
 * gets the recorded answer in place of a second execution.
 */

export interface RequestNote {
  session: number;
  /** Numbers of one session grow; a repeated request has the number that it had. */
  request: number;
  /** The client has the answers to all requests below this one. */
  answeredBelow: number;
  answer: Buffer;
}

const HEADER_BYTES = 24;

/** A note's bytes: session, request, answeredBelow (64 bits each, big-endian), the answer. */
export function encodeNote(note: RequestNote): Buffer {
  const bytes = Buffer.allocUnsafe(HEADER_BYTES + note.answer.length);
  bytes.writeBigUInt64BE(BigInt(note.session), 0);
  bytes.writeBigUInt64BE(BigInt(note.request), 8);
  bytes.writeBigUInt64BE(BigInt(note.answeredBelow), 16);
  note.answer.copy(bytes, HEADER_BYTES);
  return bytes;
}

/** Throws a RangeError for anything that is no note. */
export function decodeNote(bytes: Buffer): RequestNote {
  if (bytes.length < HEADER_BYTES) throw new RangeError(`a note of ${bytes.length} bytes`);
  return {
    session: Number(bytes.readBigUInt64BE(0)),
    request: Number(bytes.readBigUInt64BE(8)),
    answeredBelow: Number(bytes.readBigUInt64BE(16)),
    answer: bytes.subarray(HEADER_BYTES),
  };
}

interface SessionAnswers {
  /** Answers below this request are not kept. */
  below: number;
  answers: Map<number, Buffer>;
}

/** At most so many answers of a session are kept; a client has fewer requests under way. */
export const MAX_ANSWERS = 1024;

/** A repeated request that cannot be told from a new one: its answer is gone. The session must be ended. */
export class AnswerForgotten extends Error {
  override readonly name = 'AnswerForgotten';
}

/** The answers of all sessions. Deterministic: equal on all nodes at equal versions. */
export class RequestLedger {
  readonly #sessions = new Map<number, SessionAnswers>();

  /** The answer recorded for a request; undefined: it was not executed. Throws AnswerForgotten when nobody can tell. */
  find(session: number, request: number): Buffer | undefined {
    const known = this.#sessions.get(session);
    if (known === undefined) return undefined;
    if (request < known.below) throw new AnswerForgotten(`request ${request} of session ${session}`);
    return known.answers.get(request);
  }

  /** Records what a note says: on the leader when the mutation is appended, on a follower when its entry is applied. */
  record({ session, request, answeredBelow, answer }: RequestNote): void {
    let known = this.#sessions.get(session);
    if (known === undefined) {
      known = { below: 0, answers: new Map() };
      this.#sessions.set(session, known);
    }
    known.answers.set(request, Buffer.from(answer));
    this.#forgetBelow(known, answeredBelow);
    while (known.answers.size > MAX_ANSWERS) this.#forgetBelow(known, Math.min(...known.answers.keys()) + 1);
  }

  #forgetBelow(known: SessionAnswers, below: number): void {
    if (below <= known.below) return;
    known.below = below;
    for (const request of known.answers.keys()) if (request < below) known.answers.delete(request);
  }

  /** The session is over. */
  endSession(session: number): void {
    this.#sessions.delete(session);
  }

  /** The number of answers kept. */
  get size(): number {
    let size = 0;
    for (const { answers } of this.#sessions.values()) size += answers.size;
    return size;
  }

  /** Everything, for an image; `load` reads it. Sorted, so equal ledgers give equal bytes. */
  encode(): Buffer {
    const parts: Buffer[] = [];
    for (const [session, { below, answers }] of [...this.#sessions].sort(([a], [b]) => a - b)) {
      const head = Buffer.allocUnsafe(20);
      head.writeBigUInt64BE(BigInt(session), 0);
      head.writeBigUInt64BE(BigInt(below), 8);
      head.writeUInt32BE(answers.size, 16);
      parts.push(head);
      for (const [request, answer] of [...answers].sort(([a], [b]) => a - b)) {
        const item = Buffer.allocUnsafe(12);
        item.writeBigUInt64BE(BigInt(request), 0);
        item.writeUInt32BE(answer.length, 8);
        parts.push(item, answer);
      }
    }
    return Buffer.concat(parts);
  }

  /** Replaces everything by what `encode` gave. Throws a RangeError for anything else, and is empty then. */
  load(bytes: Buffer): void {
    this.#sessions.clear();
    let at = 0;
    try {
      while (at < bytes.length) {
        const session = Number(bytes.readBigUInt64BE(at));
        const known: SessionAnswers = { below: Number(bytes.readBigUInt64BE(at + 8)), answers: new Map() };
        const count = bytes.readUInt32BE(at + 16);
        at += 20;
        for (let index = 0; index < count; index++) {
          const length = bytes.readUInt32BE(at + 8);
          if (length > bytes.length - at - 12) throw new RangeError('an answer is cut off');
          known.answers.set(Number(bytes.readBigUInt64BE(at)), Buffer.from(bytes.subarray(at + 12, at + 12 + length)));
          at += 12 + length;
        }
        this.#sessions.set(session, known);
      }
    } catch (error) {
      this.#sessions.clear();
      throw error;
    }
  }
}
