import {
  ALCES_MSGID,
  ALCES_VERSION_STRING,
  ANTOAN_GET_VERSION,
  ANTOAN_NOP,
  ANTOAN_VERSION,
  type Frame,
  FrameReader,
  MATOCL_FUSE_READDIR,
  MATOCL_FUSE_REGISTER,
} from '@alces/proto';
import type { Clock, Connection, Net } from '@alces/runtime';
import type { MasterAddress } from '../types.ts';

/** A mount knows no limit (spec 00 §1.3); these are beyond anything a master can mean, listings of huge directories included. */
const LIMIT_BYTES = 64 << 20;
const LISTING_LIMIT_BYTES = 1 << 30;

/** The peer answers, but not as a master of a version we know does; asking again will not help. */
export class NotAMaster extends Error {
  override readonly name = 'NotAMaster';
}

interface Question {
  /** Type of the answer. */
  readonly answer: number;
  readonly resolve: (payload: Buffer) => void;
  readonly reject: (error: Error) => void;
}

export interface MasterConnectionUser {
  frame(frame: Frame): void;
  /** Called once; not after `destroy`. */
  closed(reason: Error): void;
}

/** A TCP connection to a master: first a dialog of registration packets, then frames for its user. */
export class MasterConnection {
  readonly address: MasterAddress;
  readonly #clock: Clock;
  readonly #reader = new FrameReader((type) =>
    type === MATOCL_FUSE_READDIR.number ? LISTING_LIMIT_BYTES : LIMIT_BYTES,
  );
  #connection: Connection | undefined;
  #question: Question | undefined;
  #user: MasterConnectionUser | undefined;
  /** It understands what only Alces masters do. */
  isAlces = false;
  receivedAtMs: number;
  sentAtMs: number;

  private constructor(address: MasterAddress, clock: Clock) {
    this.address = address;
    this.#clock = clock;
    this.receivedAtMs = clock.monotonicMs();
    this.sentAtMs = this.receivedAtMs;
  }

  static async open(
    net: Net,
    clock: Clock,
    address: MasterAddress,
    timeoutMs: number,
    bindHost?: string,
  ): Promise<MasterConnection> {
    const opened = new MasterConnection(address, clock);
    const options = { ...address, timeoutMs, ...(bindHost !== undefined && { bindHost }) };
    await net.connect(options, (connection) => {
      opened.#connection = connection;
      return {
        data: (bytes) => opened.#received(bytes),
        close: (error) => opened.#fail(error ?? new Error('the master closed the connection')),
      };
    });
    return opened;
  }

  get remoteAddress(): string {
    return this.#connection?.remoteAddress ?? '';
  }

  /** Hands everything that comes from now on to `user`. */
  attach(user: MasterConnectionUser): void {
    this.#user = user;
    this.#deliver();
  }

  write(bytes: Buffer): void {
    this.sentAtMs = this.#clock.monotonicMs();
    this.#connection?.write(bytes);
  }

  /** Asks for the version in the way that makes an Alces master known; every master answers. */
  async askVersion(limitMs: number): Promise<void> {
    const question = ANTOAN_GET_VERSION.encode({ msgid: ALCES_MSGID });
    const answer = ANTOAN_VERSION.decode(await this.ask(question, limitMs, ANTOAN_VERSION.number), { layout: 'msgid' });
    this.isAlces = answer.text.toString('latin1') === ALCES_VERSION_STRING;
  }

  /** Sends a packet and resolves with the payload of its answer, by default to a registration. */
  ask(frame: Buffer, limitMs: number, answer: number = MATOCL_FUSE_REGISTER.number): Promise<Buffer> {
    return new Promise((resolve, reject) => {
      if (this.#connection === undefined) throw new Error('the connection is closed');
      const cancel = this.#clock.timeout(limitMs, () => {
        this.destroy();
        reject(new Error('no answer from the master'));
      });
      this.#question = {
        answer,
        resolve(payload) {
          cancel();
          resolve(payload);
        },
        reject(error) {
          cancel();
          reject(error);
        },
      };
      this.write(frame);
    });
  }

  /** Closes at once; only whoever waits for an answer to `ask` is told. */
  destroy(): void {
    const connection = this.#connection;
    const question = this.#question;
    this.#connection = undefined;
    this.#user = undefined;
    this.#question = undefined;
    connection?.destroy();
    question?.reject(new Error('the connection was closed'));
  }

  #received(bytes: Buffer): void {
    if (this.#connection === undefined) return;
    this.receivedAtMs = this.#clock.monotonicMs();
    this.#reader.push(bytes);
    this.#deliver();
  }

  /** Hands on complete frames; those behind an answer stay in the reader until it is known who wants them. */
  #deliver(): void {
    try {
      while (this.#connection !== undefined && (this.#question !== undefined || this.#user !== undefined)) {
        const frame = this.#reader.next();
        if (frame === undefined) return;
        if (this.#question !== undefined) this.#answer(frame);
        else this.#user?.frame(frame);
      }
    } catch (error) {
      this.#fail(error instanceof Error ? error : new Error(String(error)));
    }
  }

  #answer(frame: Frame): void {
    if (frame.type === ANTOAN_NOP.number) return;
    const question = this.#question!;
    if (frame.type !== question.answer) throw new NotAMaster(`message ${frame.type} during the registration`);
    this.#question = undefined;
    question.resolve(frame.payload);
  }

  #fail(reason: Error): void {
    if (this.#connection === undefined) return;
    const user = this.#user;
    const question = this.#question;
    this.#question = undefined;
    this.destroy();
    question?.reject(reason);
    user?.closed(reason);
  }
}
