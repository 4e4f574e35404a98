import { ChangelogError } from './errors.ts';

const TAB = 9;
const CARRIAGE_RETURN = 13;
const SPACE = 32;
const PERCENT = 37;
const CLOSE = 41;
const PLUS = 43;
export const COMMA = 44;
const MINUS = 45;
const DIGIT_0 = 48;
const MAX_NAME_BYTES = 255;
/** Numbers of this many digits are exact in a double. */
const EXACT_DIGITS = 15;
const MASK_64 = 0xffff_ffff_ffff_ffffn;
const TWO_64 = 0x1_0000_0000_0000_0000n;

/** Value of an upper-case hex digit, -1 for any other byte (lower case is an error, spec 51 §2). */
function hexValue(byte: number): number {
  if (byte >= 48 && byte <= 57) return byte - 48;
  return byte >= 65 && byte <= 70 ? byte - 55 : -1;
}

/**
 * Reads the items of a change log line (spec 51 §2). Numbers are read as the C library's strtoul does: blanks and a sign in
 * front are accepted, no digits give 0, 32-bit values are taken modulo 2^32. One cursor is reused for all lines.
 */
export class LineCursor {
  bytes: Buffer = Buffer.alloc(0);
  position = 0;
  end = 0;
  #start = 0;

  reset(bytes: Buffer, start: number, end: number): void {
    this.bytes = bytes;
    this.position = start;
    this.end = end;
    this.#start = start;
  }

  /** The next byte, -1 at the end of the line. */
  peek(): number {
    return this.position < this.end ? this.bytes[this.position] : -1;
  }

  /** Whether the next byte is this one; then it is taken. */
  take(byte: number): boolean {
    if (this.peek() !== byte) return false;
    this.position++;
    return true;
  }

  expect(byte: number): void {
    if (!this.take(byte)) throw this.error(`'${String.fromCharCode(byte)}' expected`);
  }

  comma(): void {
    this.expect(COMMA);
  }

  error(reason: string): ChangelogError {
    return new ChangelogError(this.position - this.#start, reason);
  }

  mismatch(reason: string): ChangelogError {
    return ChangelogError.mismatch(this.position - this.#start, reason);
  }

  unknown(text: string): ChangelogError {
    return ChangelogError.unknown(this.position - this.#start, text);
  }

  /** Skips blanks and a sign; whether it was a minus. */
  #sign(): boolean {
    let byte = this.peek();
    while (byte === SPACE || (byte >= TAB && byte <= CARRIAGE_RETURN)) {
      this.position++;
      byte = this.peek();
    }
    if (byte !== MINUS && byte !== PLUS) return false;
    this.position++;
    return byte === MINUS;
  }

  /** An unsigned 32-bit number. */
  u32(): number {
    const start = this.position;
    const { bytes, end } = this;
    let at = start;
    let value = 0;
    while (at < end) {
      const digit = bytes[at] - DIGIT_0;
      if (digit < 0 || digit > 9) break;
      value = value * 10 + digit;
      at++;
    }
    if (at > start && at - start <= EXACT_DIGITS) {
      this.position = at;
      return value % 0x1_0000_0000;
    }
    return Number(this.u64() & 0xffff_ffffn);
  }

  /** An unsigned 64-bit number; beyond 2^64-1 it stays there. */
  u64(): bigint {
    const negative = this.#sign();
    const start = this.position;
    while (this.position < this.end && this.bytes[this.position] >= DIGIT_0 && this.bytes[this.position] <= 57) {
      this.position++;
    }
    if (this.position === start) return 0n;
    const value = BigInt(this.bytes.toString('latin1', start, this.position));
    if (value > MASK_64) return MASK_64;
    return negative && value > 0n ? TWO_64 - value : value;
  }

  /** A 64-bit number as a double: exact below 2^53. */
  long(): number {
    const start = this.position;
    const { bytes, end } = this;
    let at = start;
    let value = 0;
    while (at < end) {
      const digit = bytes[at] - DIGIT_0;
      if (digit < 0 || digit > 9) break;
      value = value * 10 + digit;
      at++;
    }
    if (at > start && at - start <= EXACT_DIGITS) {
      this.position = at;
      return value;
    }
    return Number(this.u64());
  }

  /** A 64-bit number that names a chunk. Beyond 2^53-1 it cannot be represented. */
  id(): number {
    const value = this.long();
    if (!Number.isSafeInteger(value)) throw this.error(`value too big (${value})`);
    return value;
  }

  /** A 32-bit number that must not exceed `limit`. */
  #limited(limit: number): number {
    const value = this.u32();
    if (value > limit) throw this.error(`value too big (${value})`);
    return value;
  }

  u8(): number {
    return this.#limited(0xff);
  }

  u16(): number {
    return this.#limited(0xffff);
  }

  /** Moves to the end of an item; whether it is as it stands: without escapes and zeros. */
  #scanItem(): boolean {
    const { bytes, end } = this;
    let at = this.position;
    let plain = true;
    for (; at < end; at++) {
      const byte = bytes[at];
      if (byte === COMMA || byte === CLOSE) break;
      if (byte === PERCENT || byte === 0) plain = false;
    }
    this.position = at;
    return plain;
  }

  /** An escaped string up to `,` or `)`. Without escapes it is a view of the line. */
  data(): Buffer {
    const start = this.position;
    return this.#scanItem() ? this.bytes.subarray(start, this.position) : this.#unescape(start);
  }

  /** The item from `start` up to the present position, escapes resolved. */
  #unescape(start: number): Buffer {
    const stop = this.position;
    const plain = Buffer.allocUnsafe(stop - start);
    let length = 0;
    this.position = start;
    while (this.position < stop) {
      let byte = this.bytes[this.position++];
      if (byte === PERCENT) {
        const high = this.position < stop ? hexValue(this.bytes[this.position]) : -1;
        const low = this.position + 1 < stop ? hexValue(this.bytes[this.position + 1]) : -1;
        if (high < 0 || low < 0) throw this.error('hex expected');
        byte = high * 16 + low;
        this.position += 2;
      }
      plain[length++] = byte;
    }
    return plain.subarray(0, length);
  }

  /** A string that a zero byte ends: names, paths. */
  text(longest = Number.POSITIVE_INFINITY): Buffer {
    const start = this.position;
    const isPlain = this.#scanItem();
    const data = isPlain ? this.bytes.subarray(start, this.position) : this.#unescape(start);
    if (data.length > longest) throw this.error('name too long');
    const zero = isPlain ? -1 : data.indexOf(0);
    return zero < 0 ? data : data.subarray(0, zero);
  }

  /** A name of at most 255 bytes. */
  name(): Buffer {
    return this.text(MAX_NAME_BYTES);
  }
}
