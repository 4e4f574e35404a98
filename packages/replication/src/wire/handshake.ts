/**
 * Mutual proof of a shared secret. The one who connects proves first, so that a stranger who connects learns nothing that depends on the
 * secret. The secret itself is never sent, and each connection gets keys of its own, one for each direction.
 *
 * hello(name, nonceA) -> challenge(name, nonceB) -> proof(HMAC) -> welcome(HMAC)
 */
import { createHmac, timingSafeEqual } from 'node:crypto';
import type { NodeId } from '../history.ts';
import { FIRST_NUMBER } from './codec.ts';
import { BadMessage } from './fields.ts';

export const HELLO = FIRST_NUMBER + 1;
export const CHALLENGE = FIRST_NUMBER + 2;
export const PROOF = FIRST_NUMBER + 3;
export const WELCOME = FIRST_NUMBER + 4;

/** Nothing longer is accepted before the peer has proved itself. */
export const HANDSHAKE_LIMIT = 128;
export const NONCE_BYTES = 32;

const PROTOCOL_VERSION = 1;
const MAC_BYTES = 32;
const LARGEST_NAME = 64;

/** What both sides know after the first two frames. */
export interface Transcript {
  cluster: string;
  initiator: NodeId;
  acceptor: NodeId;
  initiatorNonce: Buffer;
  acceptorNonce: Buffer;
}

/** Payload of HELLO and CHALLENGE: protocol version, length of name, name, nonce. */
export function encodeIntroduction(id: NodeId, nonce: Buffer): Buffer {
  const name = Buffer.from(id, 'ascii');
  return Buffer.concat([Buffer.from([PROTOCOL_VERSION, name.length]), name, nonce]);
}

/** Throws BadMessage. */
export function decodeIntroduction(payload: Buffer): { id: NodeId; nonce: Buffer } {
  const [version, length] = payload;
  if (version !== PROTOCOL_VERSION) throw new BadMessage(`journal protocol ${version} instead of ${PROTOCOL_VERSION}`);
  if (length === undefined || length > LARGEST_NAME || payload.length !== 2 + length + NONCE_BYTES)
    throw new BadMessage('not an introduction');
  return { id: payload.toString('latin1', 2, 2 + length), nonce: Buffer.from(payload.subarray(2 + length)) };
}

function derive(secret: Buffer, label: string, transcript: Transcript): Buffer {
  const { cluster, initiator, acceptor, initiatorNonce, acceptorNonce } = transcript;
  const hmac = createHmac('sha256', secret);
  for (const part of ['alces journal 1', label, cluster, initiator, acceptor]) {
    const bytes = Buffer.from(part);
    const length = Buffer.alloc(4);
    length.writeUInt32BE(bytes.length);
    hmac.update(length).update(bytes);
  }
  return hmac.update(initiatorNonce).update(acceptorNonce).digest();
}

export type Side = 'initiator' | 'acceptor';

/** What one side sends to prove that it knows the secret. */
export function proofOf(side: Side, secret: Buffer, transcript: Transcript): Buffer {
  return derive(secret, `proof of the ${side}`, transcript);
}

export function isProof(payload: Buffer, side: Side, secret: Buffer, transcript: Transcript): boolean {
  return payload.length === MAC_BYTES && timingSafeEqual(payload, proofOf(side, secret, transcript));
}

/** The key under which one side encrypts what it sends from now on. */
export function keyOf(side: Side, secret: Buffer, transcript: Transcript): Buffer {
  return derive(secret, `key of the ${side}`, transcript);
}
