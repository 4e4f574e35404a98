import { AnswerForgotten, NO_SESSION, type RequestKey, type RequestNote, type Reservation } from '@alces/journal';
import {
  CLTOMA_ALCES_ATTACH,
  CLTOMA_ALCES_NUMBERED,
  CLTOMA_ALCES_PING,
  CLTOMA_FUSE_CREATE,
  encodeFrame,
  MATOCL_ALCES_PONG,
  MATOCL_FUSE_CREATE,
  NUMBERED_REQUESTS,
  Status,
} from '@alces/proto';
import type { Core } from '../core.ts';
import { acquire } from '../sessions/openFiles.ts';
import { type Client, ClientKind } from './client.ts';
import { type DispatchTable, ProtocolViolation } from './dispatch.ts';
import { MOUNTS } from './requests.ts';

/** A request that is executed once however often it comes (decision 0150), while it is executed. */
export interface NumberedRequest extends RequestKey {
  /** Version of the change that decides whether the request was executed. Default: the last that it made. */
  decidedBy?: number;
  /** Its handler records the answer itself, because it comes later or others are answered in between. */
  recordsItself?: boolean;
}

/** A change of a chunk that was begun: what `undo` needs. */
export interface BegunChunkWork {
  readonly inode: number;
  readonly index: number;
  readonly previousChunkId: number;
  readonly chunkId: number;
}

/** Slots are numbers of 32 bits. */
const SLOTS = 2 ** 32;

/** Executes numbered requests once: answers repeated ones with what is recorded, and records the answers of new ones. */
export class NumberedRequests {
  readonly #core: Core;

  constructor(core: Core) {
    this.#core = core;
  }

  /** Registers the messages with which Alces clients go beyond the protocol. `drop` closes a connection at once. */
  register(table: DispatchTable, drop: (client: Client) => void): void {
    table.on(CLTOMA_ALCES_ATTACH, MOUNTS, (client) => {
      for (const other of [...client.session!.connections])
        if (other !== client && other.kind === ClientKind.mount) drop(other);
    });
    table.on(CLTOMA_ALCES_NUMBERED, MOUNTS, (client, { request }) => {
      if (request === 0) throw new ProtocolViolation('CLTOMA_ALCES_NUMBERED: 0 is no number');
      client.announced = request;
    });
    const pong = MATOCL_ALCES_PONG.encode({ msgid: 0 });
    // Answers that wait for the journal are overtaken: a master whose disk is slow is alive.
    table.on(CLTOMA_ALCES_PING, MOUNTS, (client) => client.connection.write(pong));
    table.executeNumbered = (client, type, payload, execute) => this.#run(client, type, payload, execute);
  }

  #run(client: Client, type: number, payload: Buffer, execute: () => void): void {
    const request = client.announced;
    client.announced = 0;
    if (!NUMBERED_REQUESTS.has(type) || payload.length < 4)
      throw new ProtocolViolation(`message ${type} behind CLTOMA_ALCES_NUMBERED`);
    const numbered: NumberedRequest = { session: client.session!.id, slot: payload.readUInt32BE(0), request };
    if (this.#answerRepeated(client, type, numbered)) return;
    const { state } = this.#core;
    const before = state.metaversion;
    client.executing = numbered;
    try {
      execute();
    } finally {
      client.executing = undefined;
    }
    if (numbered.recordsItself || state.metaversion === before) return;
    this.answered(client, numbered, numbered.decidedBy ?? state.metaversion - 1);
  }

  /** The answer that was just added for the client belongs to the change of this version, made in the same turn. */
  answered(client: Client, numbered: NumberedRequest, version: number): void {
    if (client.closed) return;
    this.#note(version, numbered, 0, answerOf(client));
  }

  /** The answer that was just added tells of something that is no metadata; it is kept as long as this master runs. */
  answeredInMemory(client: Client, { session, slot, request }: NumberedRequest): void {
    client.session?.answers.record({ session, slot, request, chunkId: 0, answer: answerOf(client) });
  }

  /** The change just made stands for room that was given to an append, which the next master must know. */
  reserved(client: Client, numbered: NumberedRequest | undefined, append: Reservation): void {
    const note =
      numbered === undefined || client.closed
        ? { session: NO_SESSION, slot: 0, request: 0, answer: Buffer.alloc(0) }
        : { session: numbered.session, slot: numbered.slot, request: numbered.request, answer: answerOf(client) };
    this.#core.note(this.#core.state.metaversion - 1, { ...note, chunkId: 0, append });
  }

  /** A file is about to be cut off: its reservation is void. */
  reservationIsVoid(inode: number, now: number): void {
    const { reservations, sharesJournal, commit, state, note } = this.#core;
    if (reservations.of(inode) === 0) return;
    reservations.drop(inode);
    if (!sharesJournal) return;
    commit({ op: 'IDLE' }, now);
    const append = { inode, end: 0, length: 0 };
    note(state.metaversion - 1, {
      session: NO_SESSION,
      slot: 0,
      request: 0,
      chunkId: 0,
      answer: Buffer.alloc(0),
      append,
    });
  }

  /** Records a status answer with the change of this version. */
  answeredStatus(numbered: NumberedRequest, version: number, type: number, status: number): void {
    const answer = Buffer.alloc(5, status);
    answer.writeUInt32BE(type, 0);
    this.#note(version, numbered, 0, answer);
  }

  /** The change just made began work for a request without a number. */
  beganUnnumbered({ session }: Client, work: BegunChunkWork): void {
    this.began({ session: session!.id, slot: work.chunkId % SLOTS, request: this.#core.state.metaversion - 1 }, work);
  }

  /**
   * A WRITE_CHUNK without a number meets a locked chunk. If an earlier connection of the same session began that lock, the answer was lost
   * and this is the request again (a mount has one writer per chunk, and ends its write before it asks anew): the lock is undone.
   */
  freesOwnLock({ session, attachedAt }: Client, chunkId: number): boolean {
    const { ledger, chunks } = this.#core;
    const note = ledger.ofChunk(chunkId);
    if (note?.session !== session?.id || note === undefined || note.request >= attachedAt) return false;
    if (chunks.liveCopies(chunkId) > 0) chunks.unlock(chunkId);
    else this.#undo(note);
    return true;
  }

  /** The change just made began work on a chunk whose end will be the answer. */
  began(numbered: NumberedRequest, { inode, index, previousChunkId, chunkId }: BegunChunkWork): void {
    const undo = Buffer.allocUnsafe(16);
    undo.writeUInt32BE(inode, 0);
    undo.writeUInt32BE(index, 4);
    undo.writeBigUInt64BE(BigInt(previousChunkId), 8);
    this.#note(this.#core.state.metaversion - 1, numbered, chunkId, undo);
  }

  #note(version: number, { session, slot, request }: RequestKey, chunkId: number, answer: Buffer): void {
    this.#core.note(version, { session, slot, request, chunkId, answer });
  }

  /** True when the request needs no execution any more. */
  #answerRepeated(client: Client, type: number, numbered: NumberedRequest): boolean {
    const { slot, request, session } = numbered;
    let known: RequestNote | undefined;
    try {
      const inMemory = client.session?.answers.find(numbered);
      known = inMemory?.request === request ? inMemory : this.#core.ledger.find(numbered);
    } catch (error) {
      if (!(error instanceof AnswerForgotten)) throw error;
      this.#core.log.warn(`request ${request} of session ${session} came again, but its answer is not kept any more`);
      client.sendStatus(type + 1, slot, Status.IO);
      return true;
    }
    if (known?.request !== request) return false;
    if (known.chunkId !== 0) {
      this.#undo(known);
      return false;
    }
    this.#repeatAnswer(client, type, slot, known.answer);
    return true;
  }

  #repeatAnswer(client: Client, type: number, slot: number, answer: Buffer): void {
    const msgid = Buffer.allocUnsafe(4);
    msgid.writeUInt32BE(slot, 0);
    const payload = Buffer.concat([msgid, answer.subarray(4)]);
    if (type === CLTOMA_FUSE_CREATE.number && payload.length > 5) {
      // The file was made; that it is open may have been lost with the tail of the journal.
      const { inode } = MATOCL_FUSE_CREATE.decode(payload, { layout: 'data' }) as { inode: number };
      acquire(this.#core, client.session!.id, inode, this.#core.clock.unixSeconds());
    }
    client.sendFrame(encodeFrame(answer.readUInt32BE(0), payload));
  }

  /**
   * Takes back what a WRITE_CHUNK or TRUNCATE began for a client that never got the answer, as if it had gone: nobody has written to the
   * chunk since, and the lock on it would be in the way of the same request.
   */
  #undo({ chunkId, answer }: RequestNote): void {
    const { chunks, state } = this.#core;
    const inode = answer.readUInt32BE(0);
    const index = answer.readUInt32BE(4);
    const previousChunkId = Number(answer.readBigUInt64BE(8));
    const isGone = previousChunkId !== 0 && state.chunks.find(previousChunkId) === 0;
    if (isGone) chunks.unlock(chunkId);
    else chunks.rollBack(inode, index, previousChunkId, chunkId);
  }
}

/** Type and payload without msgid of the frame that was added last. */
function answerOf(client: Client): Buffer {
  const frame = client.outbox.lastFrame;
  const answer = Buffer.allocUnsafe(frame.length - 8);
  frame.copy(answer, 0, 0, 4);
  frame.copy(answer, 4, 12);
  return answer;
}
