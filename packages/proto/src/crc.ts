/** CRC-32 with zlib's polynomial (spec 00 §2.1), and arithmetic on checksums without the data. */
import { crc32 as zlibCrc32 } from 'node:zlib';
import { BLOCK_SIZE } from './constants.ts';

/** Checksum of `data`, continuing `seed` (the checksum of what came before; 0 at the start). */
export function crc32(data: Uint8Array, seed = 0): number {
  return zlibCrc32(data, seed);
}

const POLYNOMIAL = 0xedb8_8320;
/** x^0 and x^1 in the reflected representation. */
const ONE = 0x8000_0000;
const X = 0x4000_0000;

/** Product of two polynomials modulo the CRC polynomial. */
function multiply(a: number, b: number): number {
  let product = 0;
  let factor = b;
  for (let bit = ONE; bit !== 0; bit >>>= 1) {
    if ((a & bit) !== 0) product ^= factor;
    factor = (factor & 1) !== 0 ? (factor >>> 1) ^ POLYNOMIAL : factor >>> 1;
  }
  return product >>> 0;
}

/** POWERS[i] = x^(2^i). */
const POWERS: readonly number[] = (() => {
  const powers = [X];
  while (powers.length < 64) powers.push(multiply(powers.at(-1)!, powers.at(-1)!));
  return powers;
})();

/** x^(8 * lengthBytes): what appending that many bytes multiplies a checksum by. */
function shiftFactor(lengthBytes: number): number {
  let factor = ONE;
  let index = 3;
  for (let n = lengthBytes; n > 0; n = Math.floor(n / 2), index++) {
    if (n % 2 === 1) factor = multiply(factor, POWERS[index]);
  }
  return factor;
}

const BLOCK_FACTOR = shiftFactor(BLOCK_SIZE);

/** Checksum of A followed by B, from their checksums and B's length in bytes. */
export function crc32Combine(crcA: number, crcB: number, lengthB: number): number {
  const factor = lengthB === BLOCK_SIZE ? BLOCK_FACTOR : shiftFactor(lengthB);
  return (multiply(crcA, factor) ^ crcB) >>> 0;
}

/** Checksum of that many zero bytes. */
export function crc32Zeros(lengthBytes: number): number {
  // Zeros only shift the register, which starts as all ones and is inverted at the end.
  return (multiply(0xffff_ffff, shiftFactor(lengthBytes)) ^ 0xffff_ffff) >>> 0;
}

/** Checksum of a block of 65,536 zero bytes. */
export const CRC_ZERO_BLOCK = 0xd797_8eeb;
