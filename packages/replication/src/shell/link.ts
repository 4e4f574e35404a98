import { encodeFrame, FrameReader } from '@alces/proto';
import type { Connection, ConnectionHandlers, Random } from '@alces/runtime';
import type { Message } from '../core/messages.ts';
import type { NodeId } from '../history.ts';
import { decodeMessage, encodeMessage, numberOf } from '../wire/codec.ts';
import { BadMessage } from '../wire/fields.ts';
import {
  CHALLENGE,
  decodeIntroduction,
  encodeIntroduction,
  HANDSHAKE_LIMIT,
  HELLO,
  isProof,
  keyOf,
  NONCE_BYTES,
  PROOF,
  proofOf,
  type Side,
  type Transcript,
  WELCOME,
} from '../wire/handshake.ts';
import { Seal } from '../wire/seal.ts';

/** Greatest payload of a frame between peers that know each other: a batch of entries, or one large entry, or a long history. */
const FRAME_LIMIT = 4 << 20;

export interface LinkOptions {
  side: Side;
  self: NodeId;
  /** Initiator: whom it expects. Acceptor: undefined. */
  expected: NodeId | undefined;
  /** True for the names of the other nodes of this journal. */
  isPeer(id: NodeId): boolean;
  cluster: string;
  secret: Buffer;
  random: Random;
  /** Milliseconds of a clock that never goes back. */
  now(): number;
  /** The peer has proved itself, and knows that this node has. */
  established(link: Link, peer: NodeId): void;
  message(link: Link, message: Message): void;
  /** The connection is over; called once, if it was established or not. */
  closed(link: Link, reason: string): void;
}

/** One connection to a peer: first each side proves that it knows the secret, then messages pass, each of them sealed. */
export class Link {
  readonly #options: LinkOptions;
  readonly #connection: Connection;
  readonly #reader = new FrameReader(() => (this.#incoming === undefined ? HANDSHAKE_LIMIT : FRAME_LIMIT));
  readonly #nonce: Buffer;
  #transcript: Transcript | undefined;
  #incoming: Seal | undefined;
  #outgoing: Seal | undefined;
  #closed = false;
  peer: NodeId | undefined;
  /** When something was last received. */
  heardMs: number;

  constructor(connection: Connection, options: LinkOptions) {
    this.#connection = connection;
    this.#options = options;
    this.#nonce = options.random.bytes(NONCE_BYTES);
    this.heardMs = options.now();
    if (options.side === 'initiator') this.#sendPlain(HELLO, encodeIntroduction(options.self, this.#nonce));
  }

  get remoteAddress(): string {
    return this.#connection.remoteAddress;
  }

  get isEstablished(): boolean {
    return this.#incoming !== undefined && !this.#closed;
  }

  /** What the connection is to be attached to. */
  get handlers(): ConnectionHandlers {
    return {
      data: (bytes) => this.#data(bytes),
      close: (error) => this.#over(`${error?.message ?? 'the peer closed the connection'}${this.#likelyCause}`),
    };
  }

  /** An acceptor that does not believe the proof closes without a word. */
  get #likelyCause(): string {
    const isProving = this.#options.side === 'initiator' && this.#transcript !== undefined && !this.isEstablished;
    return isProving
      ? ' when this node proved that it knows the secret: is SECRET_FILE the same there, and CLUSTER?'
      : '';
  }

  send(message: Message): void {
    if (this.#closed || this.#outgoing === undefined) return;
    this.#connection.write(this.#outgoing.close(numberOf(message.kind), encodeMessage(message)));
  }

  /** Closes the connection at once. */
  destroy(reason: string): void {
    if (this.#closed) return;
    this.#connection.destroy();
    this.#over(reason);
  }

  #over(reason: string): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#options.closed(this, reason);
  }

  #sendPlain(number: number, payload: Buffer): void {
    this.#connection.write(encodeFrame(number, payload));
  }

  #data(bytes: Buffer): void {
    if (this.#closed) return;
    this.heardMs = this.#options.now();
    try {
      this.#reader.push(bytes);
      for (let frame = this.#reader.next(); frame !== undefined && !this.#closed; frame = this.#reader.next()) {
        if (this.#incoming === undefined) this.#handshake(frame.type, frame.payload);
        else this.#options.message(this, decodeMessage(frame.type, this.#incoming.open(frame.type, frame.payload)));
      }
    } catch (error) {
      if (!isPeersFault(error)) throw error;
      this.destroy(error.message);
    }
  }

  #handshake(type: number, payload: Buffer): void {
    const { side } = this.#options;
    if (side === 'acceptor' && type === HELLO && this.#transcript === undefined) this.#onHello(payload);
    else if (side === 'initiator' && type === CHALLENGE && this.#transcript === undefined) this.#onChallenge(payload);
    else if (side === 'acceptor' && type === PROOF && this.#transcript !== undefined)
      this.#onProof(payload, this.#transcript);
    else if (side === 'initiator' && type === WELCOME && this.#transcript !== undefined)
      this.#onWelcome(payload, this.#transcript);
    else throw new BadMessage(`message ${type} in the middle of the introduction`);
  }

  #onHello(payload: Buffer): void {
    const { self, cluster } = this.#options;
    const { id, nonce } = decodeIntroduction(payload);
    if (!this.#options.isPeer(id)) throw new BadMessage(`'${id}' is not a node of this journal`);
    this.#transcript = { cluster, initiator: id, acceptor: self, initiatorNonce: nonce, acceptorNonce: this.#nonce };
    this.#sendPlain(CHALLENGE, encodeIntroduction(self, this.#nonce));
  }

  #onChallenge(payload: Buffer): void {
    const { self, cluster, secret, expected } = this.#options;
    const { id, nonce } = decodeIntroduction(payload);
    if (id !== expected) throw new BadMessage(`'${id}' answers where '${expected}' is expected`);
    this.#transcript = { cluster, initiator: self, acceptor: id, initiatorNonce: this.#nonce, acceptorNonce: nonce };
    this.#sendPlain(PROOF, proofOf('initiator', secret, this.#transcript));
  }

  #onProof(payload: Buffer, transcript: Transcript): void {
    const { secret } = this.#options;
    if (!isProof(payload, 'initiator', secret, transcript)) throw new BadMessage('the peer does not know the secret');
    this.#sendPlain(WELCOME, proofOf('acceptor', secret, transcript));
    this.#establish(transcript.initiator, transcript);
  }

  #onWelcome(payload: Buffer, transcript: Transcript): void {
    if (!isProof(payload, 'acceptor', this.#options.secret, transcript))
      throw new BadMessage('the peer does not know the secret');
    this.#establish(transcript.acceptor, transcript);
  }

  #establish(peer: NodeId, transcript: Transcript): void {
    const { side, secret } = this.#options;
    this.peer = peer;
    this.#outgoing = new Seal(keyOf(side, secret, transcript));
    this.#incoming = new Seal(keyOf(side === 'initiator' ? 'acceptor' : 'initiator', secret, transcript));
    this.#options.established(this, peer);
  }
}

const PEERS_FAULTS = new Set(['BadMessage', 'FrameTooLong', 'ProtocolError']);

function isPeersFault(error: unknown): error is Error {
  return error instanceof Error && PEERS_FAULTS.has(error.name);
}
