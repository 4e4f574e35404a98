const PERCENT = 37;
const COMMA = 44;
const DIGIT_0 = 48;
const FIRST_BYTES = 64 * 1024;
/** Room that every number and letter surely fits in. */
const ITEM_BYTES = 24;
const HEX = Buffer.from('0123456789ABCDEF', 'latin1');

/** Which bytes are written as `%XX` (spec 51 §2). */
const ESCAPED = new Uint8Array(256);
for (let byte = 0; byte < 256; byte++) {
  if (byte < 32 || byte >= 127 || byte === COMMA || byte === PERCENT || byte === 40 || byte === 41) ESCAPED[byte] = 1;
}

/** A growing buffer with the items of change log lines. */
export class LineWriter {
  bytes: Buffer = Buffer.allocUnsafe(FIRST_BYTES);
  length = 0;

  reserve(lengthBytes: number): void {
    if (this.length + lengthBytes <= this.bytes.length) return;
    const larger = Buffer.allocUnsafe(Math.max(this.bytes.length * 2, this.length + lengthBytes));
    this.bytes.copy(larger, 0, 0, this.length);
    this.bytes = larger;
  }

  byte(value: number): void {
    this.reserve(1);
    this.bytes[this.length++] = value;
  }

  /** ASCII text. */
  ascii(text: string): void {
    this.reserve(text.length);
    const { bytes } = this;
    let at = this.length;
    for (let i = 0; i < text.length; i++) bytes[at++] = text.charCodeAt(i);
    this.length = at;
  }

  /** A number in decimal; doubles beyond 2^53 in full. */
  number(value: number): void {
    if (value > Number.MAX_SAFE_INTEGER) {
      this.big(BigInt(value));
      return;
    }
    this.reserve(ITEM_BYTES);
    const { bytes } = this;
    let digits = 1;
    for (let limit = 10; value >= limit; limit *= 10) digits++;
    let at = this.length + digits;
    this.length = at;
    let rest = value;
    while (rest > 0xffff_ffff) {
      const next = Math.floor(rest / 10);
      bytes[--at] = DIGIT_0 + (rest - next * 10);
      rest = next;
      digits--;
    }
    let small = rest >>> 0;
    while (digits-- > 0) {
      const next = (small / 10) >>> 0;
      bytes[--at] = DIGIT_0 + small - next * 10;
      small = next;
    }
  }

  big(value: bigint): void {
    this.ascii(value.toString());
  }

  /** `,` and a number. */
  item(value: number): void {
    this.reserve(ITEM_BYTES);
    this.bytes[this.length++] = COMMA;
    this.number(value);
  }

  bigItem(value: bigint): void {
    this.byte(COMMA);
    this.big(value);
  }

  /** An escaped string. */
  text(value: Uint8Array): void {
    this.reserve(value.length * 3);
    const { bytes } = this;
    let at = this.length;
    for (let i = 0; i < value.length; i++) {
      const byte = value[i];
      if (ESCAPED[byte] === 0) {
        bytes[at++] = byte;
      } else {
        bytes[at++] = PERCENT;
        bytes[at++] = HEX[byte >> 4];
        bytes[at++] = HEX[byte & 15];
      }
    }
    this.length = at;
  }

  /** Bytes as they are. */
  raw(value: Uint8Array): void {
    this.reserve(value.length);
    this.bytes.set(value, this.length);
    this.length += value.length;
  }

  textItem(value: Uint8Array): void {
    this.byte(COMMA);
    this.text(value);
  }

  /** Results of an operation: `):a,b,...`. */
  results(first: number, ...others: number[]): void {
    this.ascii('):');
    this.number(first);
    for (const value of others) this.item(value);
  }

  /** The lowest `digits` digits of a number in another base, zeros in front. */
  padded(value: number, base: 8 | 16, digits: number): void {
    this.reserve(digits);
    let rest = value;
    for (let at = this.length + digits - 1; at >= this.length; at--) {
      this.bytes[at] = HEX[rest % base];
      rest = Math.floor(rest / base);
    }
    this.length += digits;
  }
}
