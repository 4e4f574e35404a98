import {
  ALCES_MSGID,
  ANTOAN_BAD_COMMAND_SIZE,
  ANTOAN_GET_VERSION,
  ANTOAN_NOP,
  ANTOAN_UNKNOWN_COMMAND,
  ANTOAN_VERSION,
  ANTOMA_REGISTER,
  type DecodeContext,
  DecodeError,
  FrameReader,
  FrameTooLong,
  frameLimit,
  MATOAN_ALCES_DIGEST,
  MATOAN_ALCES_DIGEST_AT,
  MATOAN_METACHANGES_LOG,
  type Message,
  VERSION,
} from '@alces/proto';
import type { Cancel, Clock, Connection, ConnectionHandlers, Net } from '@alces/runtime';
import { LinkLost, ProtocolViolation } from './errors.ts';
import { Inbox, type TakePushed } from './inbox.ts';

const NOP = Buffer.alloc(8);
const TICK_MS = 500;
/** A main loop that stood still for longer does not count as silence of the master. */
const STALL_MS = 1000;
/** "Each attempt waits at most one second" (spec 52 §4.1). */
const CONNECT_MS = 1000;
/** A master that serves files but answers none for so long is given up. */
const REPLY_MS = 60_000;
/** Longest text of a change that the real programs read (spec 51 §2), its final zero left out. */
const LONGEST_TEXT_BYTES = 199_999;
/** Changes that wait in memory for something else to be finished. */
const HELD_BYTES = 256 << 20;
const NEWLINE = 10;

export interface LinkOptions {
  net: Net;
  clock: Clock;
  host: string;
  port: number;
  bindHost: string;
  timeoutSeconds: number;
}

/** What an Alces master says without being asked for it directly. */
export interface DigestListener {
  /** The digest will be that of this version: it has to be taken when the shadow gets there. */
  digestAt(version: number, time: number): void;
  digest(version: number, tables: ReadonlyMap<string, bigint>): void;
}

interface Pending {
  readonly type: number;
  readonly sinceMs: number;
  take(payload: Buffer): void;
  fail(error: Error): void;
}

const silent: DigestListener = { digestAt() {}, digest() {} };

/** A connection to a master's port 9419 (spec 52). */
export class MasterLink {
  /** Why the connection ended; never rejects. */
  readonly ended: Promise<string>;
  listener: DigestListener = silent;
  readonly #inbox = new Inbox();
  readonly #clock: Clock;
  readonly #timeoutMs: number;
  readonly #timeoutSeconds: number;
  readonly #connection: Connection;
  readonly #reader = new FrameReader(frameLimit('ML', 'reply'));
  readonly #cancelTick: Cancel;
  readonly #handlers: ReadonlyMap<number, (payload: Buffer) => void>;
  #end: (reason: string) => void = () => {};
  #pending: Pending | undefined;
  #lastReadMs: number;
  #lastWriteMs: number;
  #lastTickMs: number;
  #paused = false;
  #closed: string | undefined;

  private constructor(connection: Connection, { clock, timeoutSeconds }: LinkOptions) {
    this.#connection = connection;
    this.#clock = clock;
    this.#timeoutSeconds = timeoutSeconds;
    this.#timeoutMs = timeoutSeconds * 1000;
    this.#lastReadMs = clock.monotonicMs();
    this.#lastWriteMs = this.#lastReadMs;
    this.#lastTickMs = this.#lastReadMs;
    this.#handlers = this.#makeHandlers();
    this.ended = new Promise((resolve) => {
      this.#end = resolve;
    });
    this.#cancelTick = clock.interval(TICK_MS, () => this.#tick());
  }

  /** @throws when there is no connection */
  static async open(options: LinkOptions): Promise<MasterLink> {
    const { host, port, bindHost } = options;
    let link: MasterLink | undefined;
    await options.net.connect({ host, port, bindHost, timeoutMs: CONNECT_MS }, (connection) => {
      link = new MasterLink(connection, options);
      return link.#connectionHandlers();
    });
    return link!;
  }

  get isClosed(): boolean {
    return this.#closed !== undefined;
  }

  /** Asks for the version in the way that makes an Alces master known, and be known. Resolves to its text. */
  async askVersion(): Promise<string> {
    const question = ANTOAN_GET_VERSION.encode({ msgid: ALCES_MSGID });
    const { text } = await this.request(question, ANTOAN_VERSION, { layout: 'msgid' });
    return text.toString('latin1');
  }

  /** Registers: `fromVersion` is the first change that is wanted, undefined: all from now on. */
  register(fromVersion: number | undefined): void {
    const common = { version: VERSION, timeout: this.#timeoutSeconds };
    this.send(
      fromVersion === undefined
        ? ANTOMA_REGISTER.encode({ layout: 'fromNow', ...common })
        : ANTOMA_REGISTER.encode({ layout: 'fromVersion', ...common, metaVersion: fromVersion }),
    );
  }

  send(frame: Buffer): void {
    if (this.#closed !== undefined) return;
    this.#lastWriteMs = this.#clock.monotonicMs();
    this.#connection.write(frame);
  }

  /** Sends a request and waits for its answer; one at a time. @throws LinkLost */
  request<Fields>(frame: Buffer, answer: Message<Fields>, context?: DecodeContext): Promise<Fields> {
    if (this.#closed !== undefined) return Promise.reject(new LinkLost(this.#closed));
    if (this.#pending) throw new Error(`${answer.name} is wanted while another answer is awaited`);
    return new Promise((resolve, reject) => {
      this.#pending = {
        type: answer.number,
        sinceMs: this.#clock.monotonicMs(),
        take: (payload) => resolve(answer.decode(payload, context)),
        fail: reject,
      };
      this.send(frame);
    });
  }

  /** What the master pushes waits from now on. */
  hold(): void {
    this.#inbox.hold();
  }

  /** What the master pushes, and what waits of it, goes to `take` from now on. */
  release(take: TakePushed): void {
    this.#inbox.release(take);
    if (this.#inbox.bytes <= HELD_BYTES) this.resume();
  }

  /** Version of the first change that waits. */
  get heldVersion(): number | undefined {
    return this.#inbox.firstVersion;
  }

  /** Reads nothing more until `resume`: the master has to wait. Not while an answer is awaited. */
  pause(): void {
    if (this.#paused || this.#pending !== undefined) return;
    this.#paused = true;
    this.#connection.pause();
  }

  resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    this.#lastReadMs = this.#clock.monotonicMs();
    this.#connection.resume();
  }

  close(reason: string): void {
    if (this.#closed === undefined) this.#connection.destroy();
    this.#finish(reason);
  }

  /** Closes when everything is sent. */
  closeAfterSending(reason: string): void {
    if (this.#closed === undefined) this.#connection.end();
    this.#finish(reason);
  }

  #finish(reason: string): void {
    if (this.#closed !== undefined) return;
    this.#closed = reason;
    this.#cancelTick();
    const pending = this.#pending;
    this.#pending = undefined;
    pending?.fail(new LinkLost(reason));
    this.#end(reason);
  }

  #connectionHandlers(): ConnectionHandlers {
    return {
      data: (bytes) => {
        if (this.#closed !== undefined) return;
        this.#lastReadMs = this.#clock.monotonicMs();
        this.#reader.push(bytes);
        this.#work();
      },
      close: (error) =>
        this.close(error ? `connection was reset by Master: ${error.message}` : 'connection was closed by Master'),
    };
  }

  #work(): void {
    try {
      for (let frame = this.#reader.next(); frame !== undefined; frame = this.#reader.next()) {
        if (this.#closed !== undefined) return;
        this.#handle(frame.type, frame.payload);
      }
    } catch (error) {
      const violation =
        error instanceof DecodeError || error instanceof FrameTooLong || error instanceof ProtocolViolation;
      if (!violation) throw error;
      this.close(`${error.message} - connection closed`);
    }
  }

  #handle(type: number, payload: Buffer): void {
    const handler = this.#handlers.get(type);
    if (handler) return handler(payload);
    const pending = this.#pending;
    if (pending?.type !== type) throw new ProtocolViolation(`got unknown message from Master (type:${type})`);
    pending.take(payload);
    this.#pending = undefined;
  }

  #makeHandlers(): ReadonlyMap<number, (payload: Buffer) => void> {
    const ignore = () => {};
    return new Map<number, (payload: Buffer) => void>([
      [ANTOAN_NOP.number, ignore],
      [ANTOAN_UNKNOWN_COMMAND.number, ignore],
      [ANTOAN_BAD_COMMAND_SIZE.number, ignore],
      [MATOAN_METACHANGES_LOG.number, (payload) => this.#pushed(payload)],
      [
        MATOAN_ALCES_DIGEST_AT.number,
        (payload) => {
          const { metaVersion, time } = MATOAN_ALCES_DIGEST_AT.decode(payload);
          this.listener.digestAt(metaVersion, time);
        },
      ],
      [
        MATOAN_ALCES_DIGEST.number,
        (payload) => {
          const { metaVersion, tables } = MATOAN_ALCES_DIGEST.decode(payload);
          this.listener.digest(
            metaVersion,
            new Map(tables.map(({ name, digest }) => [name.toString('latin1'), digest])),
          );
        },
      ],
    ]);
  }

  #pushed(payload: Buffer): void {
    const message = MATOAN_METACHANGES_LOG.decode(payload);
    if (message.layout === 'rotate') return this.#inbox.push('rotated');
    const { metaVersion: version, text } = message;
    if (version === 0 || text.length > LONGEST_TEXT_BYTES || text.includes(NEWLINE) || text.includes(0))
      throw new ProtocolViolation(`change ${version} is not a line of a change log`);
    this.#inbox.push({ version, text });
    if (this.#inbox.bytes <= HELD_BYTES) return;
    if (this.#pending !== undefined)
      throw new ProtocolViolation(`more than ${HELD_BYTES} bytes of changes came while a file was asked for`);
    this.pause();
  }

  #tick(): void {
    const nowMs = this.#clock.monotonicMs();
    const stallMs = nowMs - this.#lastTickMs - TICK_MS;
    this.#lastTickMs = nowMs;
    if (stallMs > STALL_MS || this.#paused) this.#lastReadMs = nowMs;
    if (nowMs - this.#lastReadMs > this.#timeoutMs) return this.close('connection timed out');
    if (this.#pending !== undefined && nowMs - this.#pending.sinceMs > REPLY_MS)
      return this.close('the master does not answer');
    if (nowMs - this.#lastWriteMs > this.#timeoutMs / 3 && this.#connection.queuedBytes === 0) this.send(NOP);
  }
}
