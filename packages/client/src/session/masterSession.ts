import {
  ANTOAN_NOP,
  CLTOMA_ALCES_ATTACH,
  CLTOMA_ALCES_NUMBERED,
  CLTOMA_ALCES_PING,
  CLTOMA_FUSE_AMTIME_INODES,
  CLTOMA_FUSE_SUSTAINED_INODES,
  CLTOMA_FUSE_TIME_SYNC,
  type Frame,
  MATOCL_FUSE_CREATE,
  type Message,
  NUMBERED_REQUESTS,
  Status,
} from '@alces/proto';
import { type Cancel, type Clock, reasonOf } from '@alces/runtime';
import type { Answer, MasterSession, WithoutId } from '../contracts.ts';
import { ioError, MfsError, statusError } from '../errors.ts';
import { remainingPatience } from '../retry.ts';
import { Standstill } from '../standstill.ts';
import type { MasterAddress, SessionListener, SessionParameters, SessionState } from '../types.ts';
import type { Connector } from './connector.ts';
import { FileTimes } from './fileTimes.ts';
import { MasterClock } from './masterClock.ts';
import type { MasterConnection } from './masterConnection.ts';
import { dispatchNotification } from './notifications.ts';
import { OpenInodes } from './openInodes.ts';
import { Outbox } from './outbox.ts';
import { type Pending, PendingRequests } from './pending.ts';
import { closeSession } from './registration.ts';
import { Watch } from './watch.ts';

const TICK_MS = 1000;
const NOP_AFTER_MS = 2000;
const STANDSTILL_MS = 3000;
const TIME_SYNC_TICKS = 60;
const SUSTAINED_TICKS = 61;
const CLOSE_LIMIT_MS = 500;
/** An Alces master sends something every second; one that is silent for longer may be gone. */
const IDLE_DOUBT_MS = 2500;

export interface SessionSettings {
  readonly ioRetries: number;
  /** 0: none. */
  readonly timeoutMs: number;
  readonly silenceMs: number;
}

/** See the interface. One connection at a time; the connector makes the next one when it breaks. */
export class Session implements MasterSession {
  readonly #clock: Clock;
  readonly #connector: Connector;
  readonly #settings: SessionSettings;
  readonly #pending = new PendingRequests();
  readonly #listeners = new Set<SessionListener>();
  readonly #inodes = new OpenInodes((inode) => this.#tell((listener) => listener.inodeForgotten?.(inode)));
  readonly #times = new FileTimes();
  readonly #masterClock: MasterClock;
  #outbox = new Outbox();
  #flushScheduled = false;
  #connection: MasterConnection | undefined;
  #state: SessionState = 'normal';
  #parameters: SessionParameters | undefined;
  #address: MasterAddress | undefined;
  #ticks = 0;
  readonly #standstill: Standstill;
  #stopTicks: Cancel | undefined;
  #sustainedDue = false;
  readonly #watch: Watch;
  /** Ends the search for another master while the connection to this one stands. */
  #stopSearch: Cancel | undefined;

  constructor(connector: Connector, settings: SessionSettings, clock: Clock) {
    this.#clock = clock;
    this.#masterClock = new MasterClock(clock);
    this.#standstill = new Standstill(STANDSTILL_MS, clock.monotonicMs());
    this.#connector = connector;
    this.#settings = settings;
    this.#watch = new Watch(clock, {
      receivedAtMs: () => this.#connection?.receivedAtMs,
      isWaiting: () => this.#pending.count > 0 || this.#isTooQuiet,
      ping: () => this.#ping(),
      doubt: (isDoubtful) => this.#doubt(isDoubtful),
    });
  }

  /** First registration. With `delayed` it goes on in the background and operations fail until it succeeds. */
  async start(delayed: boolean): Promise<void> {
    this.#stopTicks = this.#clock.interval(TICK_MS, () => this.#tick());
    if (delayed) {
      this.#state = 'lost';
      this.#reconnect();
      return;
    }
    try {
      const { connection, parameters } = await this.#connector.first();
      this.#adopt(connection, parameters);
    } catch (error) {
      this.#end();
      throw error;
    }
  }

  get state(): SessionState {
    return this.#state;
  }

  get connected(): boolean {
    return this.#connection !== undefined;
  }

  get parameters(): SessionParameters {
    if (this.#parameters === undefined) throw ioError('not registered with the master yet');
    return this.#parameters;
  }

  get masterAddress(): MasterAddress {
    if (this.#address === undefined) throw ioError('not connected to the master yet');
    return this.#address;
  }

  masterTimeMicroseconds(): number {
    return this.#masterClock.nowUs();
  }

  listen(listener: SessionListener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  acquireInode(inode: number): void {
    this.#inodes.acquire(inode);
  }

  releaseInode(inode: number): void {
    this.#inodes.release(inode);
  }

  setBackgroundInodes(inodes: readonly number[]): void {
    this.#inodes.setBackground(inodes);
  }

  isAcquired(inode: number): boolean {
    return this.#inodes.isAcquired(inode);
  }

  noteRead(inode: number): void {
    this.#times.noteRead(inode, this.#masterClock.seconds());
  }

  noteWrite(inode: number): void {
    this.#times.noteWrite(inode, this.#masterClock.seconds());
  }

  pendingTimes(inode: number): { readonly atime: number; readonly mtime: number } {
    return this.#times.pending(inode);
  }

  forgetTimes(inode: number, atime: boolean, mtime: boolean): void {
    this.#times.forget(inode, atime, mtime);
  }

  request<Q, R, L extends string = 'data'>(
    request: Message<Q>,
    reply: Message<R>,
    fields: WithoutId<Q>,
    layout?: L,
  ): Promise<Answer<R, L>> {
    return new Promise((resolve, reject) => {
      if (this.#state !== 'normal') throw ioError(`session ${this.#state}`);
      const id = this.#pending.nextId();
      fields.msgid = id;
      const numberedIn = this.#numbersIn(request.number);
      const frame = this.#outbox.add(request, fields as Q, numberedIn === 0 ? 0 : this.#pending.nextSequence);
      const deliver = (_type: number, payload: Buffer): void => {
        const refusal = payload.length === 5 ? payload[4] : Status.OK;
        if (refusal === Status.OK) resolve(this.#decode(reply, payload, layout, reject) as Answer<R, L>);
        else reject(statusError(refusal));
      };
      this.#register(id, frame, reply as Message<unknown>, deliver, reject, numberedIn);
    });
  }

  forward(type: number, payload: Buffer): Promise<{ type: number; payload: Buffer }> {
    return new Promise((resolve, reject) => {
      if (this.#state !== 'normal') throw ioError(`session ${this.#state}`);
      const id = this.#pending.nextId();
      const frame = Buffer.allocUnsafe(8 + payload.length);
      frame.writeUInt32BE(type, 0);
      frame.writeUInt32BE(payload.length, 4);
      frame.set(payload, 8);
      frame.writeUInt32BE(id, 8);
      const numberedIn = this.#numbersIn(type);
      if (numberedIn !== 0) this.#outbox.add(CLTOMA_ALCES_NUMBERED, { request: this.#pending.nextSequence });
      this.#outbox.addBytes(frame);
      const toolId = payload.readUInt32BE(0);
      const deliver = (answerType: number, answer: Buffer): void => {
        answer.writeUInt32BE(toolId, 0);
        resolve({ type: answerType, payload: answer });
      };
      this.#register(id, frame, undefined, deliver, reject, numberedIn);
    });
  }

  async close(): Promise<void> {
    if (this.#state === 'closed') return;
    const connection = this.#connection;
    if (connection !== undefined && this.#parameters !== undefined) {
      this.#reportTimes();
      this.#outbox.add(CLTOMA_FUSE_SUSTAINED_INODES, { inodes: this.#inodes.list() });
      this.#flush();
      this.#connection = undefined;
      // The session is gone for us whatever the answer is.
      await closeSession(connection, this.#parameters, CLOSE_LIMIT_MS).catch(() => {});
      connection.destroy();
    }
    this.#end();
  }

  #end(): void {
    this.#state = 'closed';
    this.#connector.stop();
    this.#stopSearch?.();
    this.#watch.stop();
    this.#stopTicks?.();
    this.#connection?.destroy();
    this.#connection = undefined;
    for (const pending of this.#pending.inOrder()) this.#fail(pending, 'session closed');
  }

  #tell(what: (listener: SessionListener) => void): void {
    for (const listener of this.#listeners) what(listener);
  }

  #register(
    id: number,
    frame: Buffer,
    reply: Message<unknown> | undefined,
    deliver: Pending['resolve'],
    reject: Pending['reject'],
    numberedIn: number,
  ): void {
    const { timeoutMs, ioRetries } = this.#settings;
    const now = this.#clock.monotonicMs();
    const deadline = timeoutMs > 0 ? now + timeoutMs : Number.POSITIVE_INFINITY;
    let patienceEnd = Number.POSITIVE_INFINITY;
    if (this.#connection === undefined) {
      patienceEnd = now + remainingPatience(1, ioRetries);
      // It goes out with all that wait, once there is a connection.
      this.#outbox.take();
    } else {
      this.#scheduleFlush();
    }
    this.#pending.add(id, frame, reply, deliver, reject, deadline, patienceEnd).numberedIn = numberedIn;
    if (this.#connection?.isAlces) this.#watch.begin();
  }

  /**
   * The session in which a request of this type has a number, by which an Alces master executes it once however often it comes
   * (docs/decisions/0150); 0: it has none.
   */
  #numbersIn(type: number): number {
    return this.#connection?.isAlces && NUMBERED_REQUESTS.has(type) ? this.#parameters!.sessionId : 0;
  }

  /** An Alces master is never silent for so long. */
  get #isTooQuiet(): boolean {
    if (!this.#connection?.isAlces) return false;
    return this.#clock.monotonicMs() - this.#connection.receivedAtMs > IDLE_DOUBT_MS;
  }

  #ping(): void {
    this.#outbox.add(CLTOMA_ALCES_PING, {});
    this.#flush();
  }

  /** While the master is silent another is looked for; whichever answers first is the one. */
  #doubt(isDoubtful: boolean): void {
    this.#stopSearch?.();
    this.#stopSearch = undefined;
    if (!isDoubtful) return;
    const silent = this.#connection;
    this.#stopSearch = this.#connector.again(this.#parameters, {
      connected: (connection, parameters) => {
        this.#stopSearch = undefined;
        if (silent !== undefined && this.#connection === silent) this.#leave(new Error('the master was silent'));
        this.#adopt(connection, parameters);
      },
      sessionLost: () => {},
    });
  }

  #scheduleFlush(): void {
    if (this.#flushScheduled) return;
    this.#flushScheduled = true;
    queueMicrotask(() => this.#flush());
  }

  #flush(): void {
    this.#flushScheduled = false;
    if (this.#connection === undefined) return;
    for (const bytes of this.#outbox.take()) this.#connection.write(bytes);
  }

  /** Throws, so that the connection is closed, when the answer has a wrong form; the operation fails (spec 00 §1.4). */
  #decode<R>(
    reply: Message<R>,
    payload: Buffer,
    layout: string | undefined,
    reject: (error: Error) => void,
  ): R | undefined {
    try {
      return reply.decode(payload, { layout: layout ?? 'data' });
    } catch (error) {
      reject(ioError(reasonOf(error)));
      throw error;
    }
  }

  /** A packet from the master. What it throws closes the connection. */
  #received(frame: Frame): void {
    const { type, payload } = frame;
    if (payload.length < 4) throw new Error(`message ${type} of ${payload.length} bytes`);
    const id = payload.readUInt32BE(0);
    if (id === 0) {
      if (!dispatchNotification(frame, this.#listeners, (timeUs) => this.#masterClock.answered(timeUs))) {
        throw new Error(`unexpected message ${type} of ${payload.length} bytes`);
      }
      return;
    }
    const pending = this.#pending.get(id);
    if (pending === undefined) throw new Error(`message ${type} for no request`);
    if (pending.reply !== undefined && pending.reply.number !== type) {
      if (type !== 1 && type !== 2) throw new Error(`message ${type} instead of ${pending.reply.name}`);
      this.#pending.remove(pending);
      pending.reject(new MfsError(Status.ENOTSUP));
      return;
    }
    this.#pending.remove(pending);
    if (!pending.abandoned) pending.resolve(type, payload);
  }

  /** Takes over a registered connection. */
  #adopt(connection: MasterConnection, parameters: SessionParameters | undefined): void {
    const replaced = this.#parameters !== undefined && parameters?.sessionId !== this.#parameters.sessionId;
    if (parameters !== undefined) this.#parameters = parameters;
    this.#state = 'normal';
    this.#connection = connection;
    this.#address = connection.address;
    this.#outbox = new Outbox();
    connection.attach({ frame: (frame) => this.#received(frame), closed: (reason) => this.#lost(reason) });
    if (this.#connection !== connection) return;
    this.#announce();
    for (const pending of this.#pending.inOrder()) this.#sendAgain(pending);
    this.#flush();
    if (connection.isAlces && this.#pending.count > 0) this.#watch.begin();
    const known = this.#parameters!;
    this.#tell((listener) => listener.connected?.(known));
    if (parameters !== undefined && replaced) this.#tell((listener) => listener.sessionReplaced?.(known));
  }

  #sendAgain(pending: Pending): void {
    const { numberedIn, sequence, frame } = pending;
    if (numberedIn !== 0 && numberedIn !== this.#parameters!.sessionId) {
      this.#fail(pending, 'the session ended, and nobody can tell whether the request was executed');
      return;
    }
    pending.patienceEndMs = Number.POSITIVE_INFINITY;
    const session = this.#numbersIn(frame.readUInt32BE(0));
    if (session !== 0) {
      this.#outbox.add(CLTOMA_ALCES_NUMBERED, { request: sequence });
      pending.numberedIn = session;
    }
    this.#outbox.addBytes(frame);
  }

  /** What the master is told first on each connection. */
  #announce(): void {
    if (this.#connection?.isAlces) this.#outbox.add(CLTOMA_ALCES_ATTACH, {});
    this.#askTime();
    this.#ticks = 0;
    this.#sustainedDue = this.#inodes.list().length > 0;
    this.#reportInodes();
  }

  #askTime(): void {
    this.#masterClock.asked();
    this.#outbox.add(CLTOMA_FUSE_TIME_SYNC, { msgid: 0 });
  }

  /** A list that lacks a file just being created would close it, so it waits while a CREATE is under way. */
  #reportInodes(): void {
    if (!this.#sustainedDue) return;
    if (this.#pending.inOrder().some(({ reply }) => reply === MATOCL_FUSE_CREATE)) return;
    this.#sustainedDue = false;
    this.#outbox.add(CLTOMA_FUSE_SUSTAINED_INODES, { inodes: this.#inodes.report() });
  }

  #reportTimes(): void {
    const entries = this.#times.report();
    if (entries.length > 0) this.#outbox.add(CLTOMA_FUSE_AMTIME_INODES, { entries });
  }

  #disconnect(reason: Error): void {
    this.#connection?.destroy();
    this.#lost(reason);
  }

  #lost(reason: Error): void {
    if (this.#connection === undefined) return;
    this.#leave(reason);
    this.#reconnect();
  }

  /** The connection is not used any more. */
  #leave(reason: Error): void {
    this.#connection?.destroy();
    this.#connection = undefined;
    this.#watch.stop();
    this.#outbox = new Outbox();
    const now = this.#clock.monotonicMs();
    for (const pending of this.#pending.inOrder()) this.#countTry(pending, now);
    this.#tell((listener) => listener.locationsInvalid?.());
    this.#tell((listener) => listener.disconnected?.(reason));
  }

  #countTry(pending: Pending, now: number): void {
    const patience = remainingPatience(pending.tries, this.#settings.ioRetries);
    pending.tries++;
    if (pending.abandoned) this.#pending.remove(pending);
    else if (pending.tries > this.#settings.ioRetries) this.#fail(pending, 'connection to the master lost too often');
    else pending.patienceEndMs = now + patience;
  }

  #fail(pending: Pending, reason: string): void {
    this.#pending.remove(pending);
    pending.reject(ioError(reason));
  }

  #reconnect(): void {
    this.#connector.again(this.#parameters, {
      connected: (connection, parameters) => this.#adopt(connection, parameters),
      sessionLost: () => {
        this.#state = 'lost';
        for (const pending of this.#pending.inOrder()) this.#fail(pending, 'the master serves another file system');
      },
    });
  }

  #tick(): void {
    const now = this.#clock.monotonicMs();
    this.#expire(now);
    const connection = this.#connection;
    const stoodStill = this.#standstill.happened(now);
    if (connection === undefined) return;
    if (!stoodStill && now - connection.receivedAtMs > this.#settings.silenceMs) {
      this.#disconnect(new Error('nothing came from the master for too long'));
      return;
    }
    if (this.#isTooQuiet) this.#watch.begin();
    this.#ticks++;
    if (now - connection.sentAtMs > NOP_AFTER_MS) this.#outbox.add(ANTOAN_NOP, { msgid: 0 });
    if (this.#ticks % TIME_SYNC_TICKS === 0) this.#askTime();
    if (this.#ticks % SUSTAINED_TICKS === 0) this.#sustainedDue = true;
    this.#reportInodes();
    this.#reportTimes();
    this.#flush();
  }

  #expire(now: number): void {
    if (this.#connection !== undefined && this.#settings.timeoutMs === 0) return;
    for (const pending of this.#pending.inOrder()) {
      if (Math.min(pending.deadlineMs, pending.patienceEndMs) > now || pending.abandoned) continue;
      if (this.#connection === undefined) {
        this.#fail(pending, 'no connection to the master');
      } else {
        pending.abandoned = true;
        pending.reject(ioError('no answer from the master in time'));
      }
    }
  }
}
