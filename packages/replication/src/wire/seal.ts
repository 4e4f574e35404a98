import { createCipheriv, createDecipheriv, createSecretKey, type KeyObject } from 'node:crypto';
import { encodeFrame } from '@alces/proto';
import { BadMessage } from './fields.ts';

const CIPHER = 'aes-256-gcm';
const TAG_BYTES = 16;
const NONCE_BYTES = 12;

/**
 * The frames of one direction of a connection, each encrypted with AES-256-GCM under its place in the sequence, its number authenticated with
 * it: nothing can be read, forged, changed, repeated or left out. The key is of this direction of this connection only, so no nonce comes twice.
 */
export class Seal {
  readonly #key: KeyObject;
  readonly #nonce = Buffer.alloc(NONCE_BYTES);
  readonly #number = Buffer.alloc(4);
  #count = 0;

  /** `key`: 32 bytes. */
  constructor(key: Buffer) {
    this.#key = createSecretKey(key);
  }

  /** Sets nonce and authenticated number for the next frame. */
  #next(number: number): void {
    this.#nonce.writeBigUInt64BE(BigInt(this.#count++), 4);
    this.#number.writeUInt32BE(number, 0);
  }

  /** A whole frame. */
  close(number: number, body: Buffer): Buffer {
    this.#next(number);
    const cipher = createCipheriv(CIPHER, this.#key, this.#nonce).setAAD(this.#number);
    const hidden = cipher.update(body);
    cipher.final();
    return encodeFrame(number, hidden, cipher.getAuthTag());
  }

  /** The body of a frame's payload. Throws BadMessage when it is not the sender's. */
  open(number: number, payload: Buffer): Buffer {
    const end = payload.length - TAG_BYTES;
    if (end < 0) throw new BadMessage('a frame without a seal');
    this.#next(number);
    const decipher = createDecipheriv(CIPHER, this.#key, this.#nonce, { authTagLength: TAG_BYTES });
    decipher.setAAD(this.#number).setAuthTag(payload.subarray(end));
    const body = decipher.update(payload.subarray(0, end));
    try {
      decipher.final();
    } catch {
      throw new BadMessage('a frame with a wrong seal');
    }
    return body;
  }
}
