import type { Message } from '@alces/proto';
import type { Connection } from '@alces/runtime';
import type { CommitGate } from '../commitGate.ts';
import type { ClientTraffic } from './service.ts';

const SLAB_BYTES = 64 * 1024;
const HEADER_BYTES = 8;
/** Longer frames are passed on as they are instead of being copied into the slab. */
const COPY_LIMIT_BYTES = 8 * 1024;

/**
 * The answers of one connection. Frames made while one batch of requests is worked off are gathered and leave with one write,
 * as soon as the journal has what they speak of.
 */
export class Outbox {
  readonly #connection: Connection;
  readonly #gate: CommitGate;
  readonly #released: () => void;
  readonly #traffic: ClientTraffic;
  #slab: Buffer = Buffer.alloc(0);
  #start = 0;
  #end = 0;
  #ready: Buffer[] = [];
  #heldBytes = 0;
  #closed = false;
  #lastStart = 0;
  #lastWhole: Buffer | undefined;

  /** `released` is called when frames that waited for the journal went on to the connection. */
  constructor(connection: Connection, gate: CommitGate, traffic: ClientTraffic, released: () => void) {
    this.#connection = connection;
    this.#gate = gate;
    this.#traffic = traffic;
    this.#released = released;
  }

  /** Bytes that the peer has not taken yet, wherever they wait. */
  get queuedBytes(): number {
    return this.#heldBytes + this.#connection.queuedBytes;
  }

  /** Adds a whole frame. The caller must not change it afterwards. */
  add(frame: Buffer): void {
    if (frame.length <= COPY_LIMIT_BYTES) {
      const offset = this.reserve(frame.length);
      frame.copy(this.#slab, offset);
      return;
    }
    this.#cut();
    this.#ready.push(frame);
    this.#lastWhole = frame;
    this.#heldBytes += frame.length;
  }

  /** Encodes a message into the slab, or a big one into a buffer of its own. */
  addMessage<Fields>(message: Message<Fields>, fields: Fields): void {
    const length = HEADER_BYTES + message.size(fields);
    if (length > COPY_LIMIT_BYTES) {
      this.add(message.encode(fields));
      return;
    }
    const offset = this.reserve(length);
    message.encodeInto(this.#slab, offset, fields);
  }

  /** Room for a frame of exactly `length` bytes; the caller fills `slab` from the returned offset on. */
  reserve(length: number): number {
    if (this.#end + length > this.#slab.length) {
      this.#cut();
      this.#slab = Buffer.allocUnsafeSlow(Math.max(SLAB_BYTES, length));
      this.#start = 0;
      this.#end = 0;
    }
    const offset = this.#end;
    this.#lastStart = offset;
    this.#lastWhole = undefined;
    this.#end += length;
    this.#heldBytes += length;
    return offset;
  }

  /** The buffer that `reserve` gave an offset into. */
  get slab(): Buffer {
    return this.#slab;
  }

  /** The frame that was added last: a view, valid until the next one is added. */
  get lastFrame(): Buffer {
    return this.#lastWhole ?? this.#slab.subarray(this.#lastStart, this.#end);
  }

  /** Sends what was gathered, when the journal has it. */
  flush(): void {
    this.#cut();
    if (this.#ready.length === 0) return;
    const frames = this.#ready;
    this.#ready = [];
    this.#gate.afterCommit(() => {
      this.#write(frames);
      this.#released();
    });
  }

  /** The connection is gone: what still waits is dropped. */
  close(): void {
    this.#closed = true;
  }

  /** Turns the gathered part of the slab into a buffer of its own. */
  #cut(): void {
    if (this.#end === this.#start) return;
    this.#ready.push(this.#slab.subarray(this.#start, this.#end));
    this.#start = this.#end;
  }

  #write(frames: readonly Buffer[]): void {
    for (const frame of frames) {
      this.#heldBytes -= frame.length;
      if (this.#closed) continue;
      this.#traffic.bytesSent += frame.length;
      this.#connection.write(frame);
    }
  }
}
