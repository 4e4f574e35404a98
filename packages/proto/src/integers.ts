/**
 * Big-endian integers by single byte accesses: in generated straight-line code faster than Buffer's checked methods.
 * Readers expect the caller to have checked that the bytes are there; writers check the value.
 */
import { EncodeError } from './errors.ts';

const TWO_32 = 0x1_0000_0000;

export function readU16(b: Uint8Array, p: number): number {
  return (b[p] << 8) | b[p + 1];
}

export function readU32(b: Uint8Array, p: number): number {
  return ((b[p] << 24) | (b[p + 1] << 16) | (b[p + 2] << 8) | b[p + 3]) >>> 0;
}

/** Exact up to 2^53-1; the caller refuses greater values. */
export function readU64(b: Uint8Array, p: number): number {
  return readU32(b, p) * TWO_32 + readU32(b, p + 4);
}

/** Greater values read as 2^53-1. */
export function readU64cap(b: Uint8Array, p: number): number {
  return Math.min(readU64(b, p), Number.MAX_SAFE_INTEGER);
}

export function readU64n(b: Uint8Array, p: number): bigint {
  return (BigInt(readU32(b, p)) << 32n) | BigInt(readU32(b, p + 4));
}

export function writeU8(b: Uint8Array, p: number, value: number): void {
  if ((value & 0xff) !== value) throw new EncodeError(`${value} does not fit in u8`);
  b[p] = value;
}

export function writeU16(b: Uint8Array, p: number, value: number): void {
  if ((value & 0xffff) !== value) throw new EncodeError(`${value} does not fit in u16`);
  b[p] = value >> 8;
  b[p + 1] = value;
}

export function writeU32(b: Uint8Array, p: number, value: number): void {
  if (value >>> 0 !== value) throw new EncodeError(`${value} does not fit in u32`);
  b[p] = value >>> 24;
  b[p + 1] = value >>> 16;
  b[p + 2] = value >>> 8;
  b[p + 3] = value;
}

export function writeU64(b: Uint8Array, p: number, value: number): void {
  if (!Number.isSafeInteger(value) || value < 0) throw new EncodeError(`${value} is no safe u64`);
  writeU32(b, p, Math.floor(value / TWO_32));
  writeU32(b, p + 4, value >>> 0);
}

export function writeU64n(b: Uint8Array, p: number, value: bigint): void {
  if (typeof value !== 'bigint' || value < 0n || value >> 64n !== 0n)
    throw new EncodeError(`${value} does not fit in u64`);
  writeU32(b, p, Number(value >> 32n));
  writeU32(b, p + 4, Number(value & 0xffff_ffffn));
}
