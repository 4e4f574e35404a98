import { endianness } from 'node:os';

/** A piece of memory seen as bytes and as native 32-bit words: FUSE structures are aligned, and words are the fastest way to them. */
export interface Block {
  bytes: Buffer;
  words: Uint32Array;
}

const TWO_32 = 0x1_0000_0000;

if (endianness() !== 'LE')
  throw new Error('the FUSE protocol is host-endian and only little-endian hosts are supported');

/** Fresh memory, not zeroed; `lengthBytes` is rounded up to whole 8-byte units. */
export function allocateBlock(lengthBytes: number): Block {
  const bytes = Buffer.allocUnsafeSlow((lengthBytes + 7) & ~7);
  return { bytes, words: new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.length >>> 2) };
}

/** The u64 at word `at`. Above 2^53 the value is rounded: check with `Number.isSafeInteger` where that can happen. */
export function getU64(words: Uint32Array, at: number): number {
  return words[at] + words[at + 1] * TWO_32;
}

export function getBigU64(words: Uint32Array, at: number): bigint {
  return (BigInt(words[at + 1]) << 32n) | BigInt(words[at]);
}

/** Stores a non-negative safe integer as u64. */
export function putU64(words: Uint32Array, at: number, value: number): void {
  words[at] = value >>> 0;
  words[at + 1] = Math.floor(value / TWO_32);
}

export function putBigU64(words: Uint32Array, at: number, value: bigint): void {
  words[at] = Number(value & 0xffffffffn);
  words[at + 1] = Number((value >> 32n) & 0xffffffffn);
}
