/**
 * Growable columns of numbers outside the JavaScript heap.
 *
 * A column is a list of segments of SEGMENT_ROWS values. Growing adds a segment: nothing is copied, so growth never stalls.
 * A segment is allocated at the first write to it; rows never written read as 0. There is one class per element type because
 * a shared one would make the hottest loads of the program polymorphic.
 */

const SEGMENT_BITS = 15;
/** Rows per segment. */
export const SEGMENT_ROWS = 1 << SEGMENT_BITS;
const ROW_MASK = SEGMENT_ROWS - 1;

/** Column of unsigned 8-bit values. */
export class U8Column {
  private readonly segments: (Uint8Array | undefined)[] = [];

  get(row: number): number {
    const segment = this.segments[row >>> SEGMENT_BITS];
    return segment === undefined ? 0 : segment[row & ROW_MASK];
  }

  set(row: number, value: number): void {
    let segment = this.segments[row >>> SEGMENT_BITS];
    if (segment === undefined) {
      segment = new Uint8Array(SEGMENT_ROWS);
      this.segments[row >>> SEGMENT_BITS] = segment;
    }
    segment[row & ROW_MASK] = value;
  }
}

/** Column of unsigned 16-bit values. */
export class U16Column {
  private readonly segments: (Uint16Array | undefined)[] = [];

  get(row: number): number {
    const segment = this.segments[row >>> SEGMENT_BITS];
    return segment === undefined ? 0 : segment[row & ROW_MASK];
  }

  set(row: number, value: number): void {
    let segment = this.segments[row >>> SEGMENT_BITS];
    if (segment === undefined) {
      segment = new Uint16Array(SEGMENT_ROWS);
      this.segments[row >>> SEGMENT_BITS] = segment;
    }
    segment[row & ROW_MASK] = value;
  }
}

/** Column of unsigned 32-bit values. */
export class U32Column {
  private readonly segments: (Uint32Array | undefined)[] = [];

  get(row: number): number {
    const segment = this.segments[row >>> SEGMENT_BITS];
    return segment === undefined ? 0 : segment[row & ROW_MASK];
  }

  set(row: number, value: number): void {
    let segment = this.segments[row >>> SEGMENT_BITS];
    if (segment === undefined) {
      segment = new Uint32Array(SEGMENT_ROWS);
      this.segments[row >>> SEGMENT_BITS] = segment;
    }
    segment[row & ROW_MASK] = value;
  }
}

/** Column of doubles; used for integers up to 2^53 (lengths, chunk ids). */
export class F64Column {
  private readonly segments: (Float64Array | undefined)[] = [];

  get(row: number): number {
    const segment = this.segments[row >>> SEGMENT_BITS];
    return segment === undefined ? 0 : segment[row & ROW_MASK];
  }

  set(row: number, value: number): void {
    let segment = this.segments[row >>> SEGMENT_BITS];
    if (segment === undefined) {
      segment = new Float64Array(SEGMENT_ROWS);
      this.segments[row >>> SEGMENT_BITS] = segment;
    }
    segment[row & ROW_MASK] = value;
  }
}

const TWO_32 = 0x1_0000_0000;

/**
 * Column of unsigned 64-bit sums, exact for any sequence of additions and subtractions of integers below 2^64, however large the
 * sum was in between (a double would lose the low bits of a directory's sums while a huge sparse file is in it).
 */
export class U64SumColumn {
  private readonly high = new U32Column();
  private readonly low = new U32Column();

  /** Value as a double: exact below 2^53. */
  get(row: number): number {
    return this.high.get(row) * TWO_32 + this.low.get(row);
  }

  set(row: number, value: number): void {
    const high = Math.floor(value / TWO_32);
    this.high.set(row, high);
    this.low.set(row, value - high * TWO_32);
  }

  /** Adds a (possibly negative) integer, modulo 2^64. */
  add(row: number, delta: number): void {
    const deltaHigh = Math.floor(delta / TWO_32);
    const low = this.low.get(row) + (delta - deltaHigh * TWO_32);
    const carry = low >= TWO_32 ? 1 : 0;
    this.low.set(row, low - carry * TWO_32);
    this.high.set(row, this.high.get(row) + deltaHigh + carry); // the column keeps the low 32 bits
  }
}
