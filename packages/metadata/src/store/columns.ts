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

const FIRST_SEGMENTS = 64;

/**
 * A list without segments. It has room from the beginning and holds `undefined`, never numbers: so all lists are of one kind for the
 * engine, and no access is outside of them, which makes the accesses of the whole program faster.
 */
function noSegments(length = FIRST_SEGMENTS): undefined[] {
  return new Array<undefined>(length).fill(undefined);
}

/** Something of which a snapshot can be taken that shares memory with it until it is changed. */
export interface Shareable {
  snapshot(): object;
  releaseSnapshot(): void;
}

/** Column of unsigned 8-bit values. */
export class U8Column implements Shareable {
  private segments: (Uint8Array | undefined)[] = noSegments();
  /** Segments that may be written; the same list as `segments` unless a snapshot shares them. */
  private writable = this.segments;
  private snapshots = 0;

  get(row: number): number {
    const segment = this.segments[row >>> SEGMENT_BITS];
    return segment === undefined ? 0 : segment[row & ROW_MASK];
  }

  set(row: number, value: number): void {
    const segment = this.writable[row >>> SEGMENT_BITS] ?? this.makeWritable(row >>> SEGMENT_BITS);
    segment[row & ROW_MASK] = value;
  }

  /** A copy that keeps the present values; segments are copied only when they are written the next time. */
  snapshot(): U8Column {
    const copy = new U8Column();
    copy.segments = this.segments.slice();
    copy.writable = noSegments(this.segments.length);
    this.writable = noSegments(this.segments.length);
    this.snapshots++;
    return copy;
  }

  /** A snapshot is no longer used. */
  releaseSnapshot(): void {
    if (--this.snapshots === 0) this.writable = this.segments;
  }

  private makeWritable(index: number): Uint8Array {
    const segment = this.segments[index]?.slice() ?? new Uint8Array(SEGMENT_ROWS);
    this.segments[index] = segment;
    this.writable[index] = segment;
    return segment;
  }
}

/** Column of unsigned 16-bit values. */
export class U16Column implements Shareable {
  private segments: (Uint16Array | undefined)[] = noSegments();
  /** Segments that may be written; the same list as `segments` unless a snapshot shares them. */
  private writable = this.segments;
  private snapshots = 0;

  get(row: number): number {
    const segment = this.segments[row >>> SEGMENT_BITS];
    return segment === undefined ? 0 : segment[row & ROW_MASK];
  }

  set(row: number, value: number): void {
    const segment = this.writable[row >>> SEGMENT_BITS] ?? this.makeWritable(row >>> SEGMENT_BITS);
    segment[row & ROW_MASK] = value;
  }

  /** A copy that keeps the present values; segments are copied only when they are written the next time. */
  snapshot(): U16Column {
    const copy = new U16Column();
    copy.segments = this.segments.slice();
    copy.writable = noSegments(this.segments.length);
    this.writable = noSegments(this.segments.length);
    this.snapshots++;
    return copy;
  }

  /** A snapshot is no longer used. */
  releaseSnapshot(): void {
    if (--this.snapshots === 0) this.writable = this.segments;
  }

  private makeWritable(index: number): Uint16Array {
    const segment = this.segments[index]?.slice() ?? new Uint16Array(SEGMENT_ROWS);
    this.segments[index] = segment;
    this.writable[index] = segment;
    return segment;
  }
}

/** Column of unsigned 32-bit values. */
export class U32Column implements Shareable {
  private segments: (Uint32Array | undefined)[] = noSegments();
  /** Segments that may be written; the same list as `segments` unless a snapshot shares them. */
  private writable = this.segments;
  private snapshots = 0;

  get(row: number): number {
    const segment = this.segments[row >>> SEGMENT_BITS];
    return segment === undefined ? 0 : segment[row & ROW_MASK];
  }

  set(row: number, value: number): void {
    const segment = this.writable[row >>> SEGMENT_BITS] ?? this.makeWritable(row >>> SEGMENT_BITS);
    segment[row & ROW_MASK] = value;
  }

  /** A copy that keeps the present values; segments are copied only when they are written the next time. */
  snapshot(): U32Column {
    const copy = new U32Column();
    copy.segments = this.segments.slice();
    copy.writable = noSegments(this.segments.length);
    this.writable = noSegments(this.segments.length);
    this.snapshots++;
    return copy;
  }

  /** A snapshot is no longer used. */
  releaseSnapshot(): void {
    if (--this.snapshots === 0) this.writable = this.segments;
  }

  private makeWritable(index: number): Uint32Array {
    const segment = this.segments[index]?.slice() ?? new Uint32Array(SEGMENT_ROWS);
    this.segments[index] = segment;
    this.writable[index] = segment;
    return segment;
  }
}

/** Column of doubles; used for integers up to 2^53 (lengths, chunk ids). */
export class F64Column implements Shareable {
  private segments: (Float64Array | undefined)[] = noSegments();
  /** Segments that may be written; the same list as `segments` unless a snapshot shares them. */
  private writable = this.segments;
  private snapshots = 0;

  get(row: number): number {
    const segment = this.segments[row >>> SEGMENT_BITS];
    return segment === undefined ? 0 : segment[row & ROW_MASK];
  }

  set(row: number, value: number): void {
    const segment = this.writable[row >>> SEGMENT_BITS] ?? this.makeWritable(row >>> SEGMENT_BITS);
    segment[row & ROW_MASK] = value;
  }

  /** A copy that keeps the present values; segments are copied only when they are written the next time. */
  snapshot(): F64Column {
    const copy = new F64Column();
    copy.segments = this.segments.slice();
    copy.writable = noSegments(this.segments.length);
    this.writable = noSegments(this.segments.length);
    this.snapshots++;
    return copy;
  }

  /** A snapshot is no longer used. */
  releaseSnapshot(): void {
    if (--this.snapshots === 0) this.writable = this.segments;
  }

  private makeWritable(index: number): Float64Array {
    const segment = this.segments[index]?.slice() ?? new Float64Array(SEGMENT_ROWS);
    this.segments[index] = segment;
    this.writable[index] = segment;
    return segment;
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
    const sum = this.low.get(row) + delta;
    if (sum >= 0 && sum < TWO_32) {
      this.low.set(row, sum);
      return;
    }
    const deltaHigh = Math.floor(delta / TWO_32);
    const low = this.low.get(row) + (delta - deltaHigh * TWO_32);
    const carry = low >= TWO_32 ? 1 : 0;
    this.low.set(row, low - carry * TWO_32);
    this.high.set(row, this.high.get(row) + deltaHigh + carry); // the column keeps the low 32 bits
  }
}
