const WORD = 0x1_0000_0000;

/**
 * Hash of a set of records that does not depend on their order: each record is mixed into two words, and these are summed. Not
 * secure against somebody who chooses the records; made to find states that came apart.
 */
export class RecordHasher {
  private a = 0;
  private b = 0;
  private sumA = 0;
  private sumB = 0;

  /** Begins a record. */
  begin(): void {
    this.a = 0x243f_6a88;
    this.b = 0x85a3_08d3;
  }

  /** The low 32 bits of an integer. */
  u32(value: number): void {
    const a = Math.imul(this.a ^ value, 0x9e37_79b1);
    this.a = a ^ (a >>> 15);
    const b = Math.imul((this.b + value) | 0, 0x85eb_ca77);
    this.b = (b << 13) | (b >>> 19);
  }

  /** An integer up to 2^53. */
  integer(value: number): void {
    this.u32(value | 0);
    this.u32((value / WORD) | 0);
  }

  big(value: bigint): void {
    this.u32(Number(value & 0xffff_ffffn));
    this.u32(Number((value >> 32n) & 0xffff_ffffn));
  }

  /** Bytes with their number. */
  bytes(bytes: Uint8Array, length: number = bytes.length): void {
    this.u32(length);
    let at = 0;
    for (; at + 3 < length; at += 4) {
      this.u32(bytes[at] | (bytes[at + 1] << 8) | (bytes[at + 2] << 16) | (bytes[at + 3] << 24));
    }
    for (; at < length; at++) this.u32(bytes[at]);
  }

  /** Ends the record and counts it. */
  end(): void {
    const a = avalanche(this.a ^ Math.imul(this.b, 0xc2b2_ae3d));
    const b = avalanche(this.b ^ Math.imul(this.a, 0x27d4_eb2f));
    this.sumA = (this.sumA + a) | 0;
    this.sumB = (this.sumB + b) | 0;
  }

  /** Of all records counted so far. */
  get digest(): bigint {
    return (BigInt(this.sumA >>> 0) << 32n) | BigInt(this.sumB >>> 0);
  }
}

function avalanche(value: number): number {
  let h = value ^ (value >>> 16);
  h = Math.imul(h, 0x85eb_ca6b);
  h ^= h >>> 13;
  h = Math.imul(h, 0xc2b2_ae35);
  return h ^ (h >>> 16);
}
