import type { Shareable } from './columns.ts';

const SEGMENT_BYTES = 1 << 20;
/** References count units of 8 bytes. */
const UNIT_SHIFT = 3;
const UNITS_PER_SEGMENT = SEGMENT_BYTES >>> UNIT_SHIFT;
const UNIT_MASK = UNITS_PER_SEGMENT - 1;
const UNIT_BITS = 17;
/** A reference has 32 bits: 32 GiB. */
const MAX_SEGMENTS = 1 << (32 - UNIT_BITS);
/** Blocks up to this size have a class of their own for each multiple of 8 bytes. */
const FINE_BYTES = 256;
const FINE_CLASSES = FINE_BYTES >>> UNIT_SHIFT;
/** Above FINE_BYTES: this many classes per doubling. */
const STEPS_PER_DOUBLING = 8;
/** Up to this length a loop copies faster than a call that leaves JavaScript. */
const LONGEST_LOOP_BYTES = 128;

interface Segment {
  readonly bytes: Buffer;
  readonly words: Uint32Array;
  readonly doubles: Float64Array;
}

function newSegment(buffer: ArrayBuffer): Segment {
  return { bytes: Buffer.from(buffer), words: new Uint32Array(buffer), doubles: new Float64Array(buffer) };
}

/** Largest block an arena can hold. */
export const MAX_BLOCK_BYTES = SEGMENT_BYTES;

/**
 * Byte blocks outside the JavaScript heap: names, symlink targets, attribute values, chunk lists.
 *
 * A block is known by a 32-bit reference (never 0); its owner knows its length and gives it back with that length. Freed blocks
 * go to a list per size class, threaded through the blocks themselves, and are used again. Blocks are aligned to 8 bytes and
 * never straddle segments.
 */
export class Arena implements Shareable {
  private segments: Segment[] = [];
  /** Segments that may be written; the same list as `segments` unless a snapshot shares them. */
  private writable: (Segment | undefined)[] = this.segments;
  private snapshots = 0;
  private freeLists: number[] = [];
  private current = -1;
  private usedUnits = UNITS_PER_SEGMENT;

  /** Allocates a block of at least `length` bytes; its content is undefined. */
  allocate(length: number): number {
    const sizeClass = sizeClassOf(length);
    const free = this.freeLists[sizeClass] ?? 0;
    if (free !== 0) {
      this.freeLists[sizeClass] = this.segments[free >>> UNIT_BITS].words[(free & UNIT_MASK) << 1];
      return free;
    }
    return this.extend(classUnits(sizeClass));
  }

  /** Gives back a block. `length` must be of the same size class as when it was allocated. */
  free(ref: number, length: number): void {
    this.release(ref, sizeClassOf(length));
  }

  /** Stores a copy of `bytes` from `start` up to `end` and returns its reference. */
  store(bytes: Uint8Array, start = 0, end: number = bytes.length): number {
    const ref = this.allocate(end - start);
    const target = this.writableSegment(ref >>> UNIT_BITS).bytes;
    const offset = (ref & UNIT_MASK) << UNIT_SHIFT;
    if (end - start > LONGEST_LOOP_BYTES) {
      target.set(start === 0 && end === bytes.length ? bytes : bytes.subarray(start, end), offset);
      return ref;
    }
    for (let i = start; i < end; i++) {
      target[offset + i - start] = bytes[i];
    }
    return ref;
  }

  /** A view of a block; valid until the block is freed. */
  view(ref: number, length: number): Buffer {
    const start = (ref & UNIT_MASK) << UNIT_SHIFT;
    return this.segments[ref >>> UNIT_BITS].bytes.subarray(start, start + length);
  }

  /** Copies a block into `target` at `offset`. */
  copyTo(ref: number, length: number, target: Uint8Array, offset: number): void {
    const segment = this.segments[ref >>> UNIT_BITS].bytes;
    const start = (ref & UNIT_MASK) << UNIT_SHIFT;
    for (let i = 0; i < length; i++) {
      target[offset + i] = segment[start + i];
    }
  }

  /** Whether a block holds exactly these bytes. */
  equals(ref: number, length: number, bytes: Uint8Array): boolean {
    if (length !== bytes.length) {
      return false;
    }
    const segment = this.segments[ref >>> UNIT_BITS].bytes;
    const start = (ref & UNIT_MASK) << UNIT_SHIFT;
    for (let i = 0; i < length; i++) {
      if (segment[start + i] !== bytes[i]) {
        return false;
      }
    }
    return true;
  }

  /** The `index`-th double of a block. */
  getDouble(ref: number, index: number): number {
    return this.segments[ref >>> UNIT_BITS].doubles[(ref & UNIT_MASK) + index];
  }

  setDouble(ref: number, index: number, value: number): void {
    this.writableSegment(ref >>> UNIT_BITS).doubles[(ref & UNIT_MASK) + index] = value;
  }

  /** An arena that keeps the present content; segments are copied only when they are written the next time. */
  snapshot(): Arena {
    const copy = new Arena();
    copy.segments = this.segments.slice();
    copy.writable = new Array(this.segments.length);
    copy.freeLists = this.freeLists.slice();
    copy.current = this.current;
    copy.usedUnits = this.usedUnits;
    this.writable = new Array(this.segments.length);
    this.snapshots++;
    return copy;
  }

  /** A snapshot is no longer used. */
  releaseSnapshot(): void {
    if (--this.snapshots === 0) this.writable = this.segments;
  }

  private writableSegment(index: number): Segment {
    return this.writable[index] ?? this.unshare(index);
  }

  private unshare(index: number): Segment {
    const bytes = this.segments[index].bytes;
    const segment = newSegment(bytes.buffer.slice(0, SEGMENT_BYTES) as ArrayBuffer);
    this.segments[index] = segment;
    this.writable[index] = segment;
    return segment;
  }

  private extend(units: number): number {
    while (this.usedUnits + units > UNITS_PER_SEGMENT) {
      this.recycleTail();
      this.addSegment();
    }
    const ref = this.current * UNITS_PER_SEGMENT + this.usedUnits;
    this.usedUnits += units;
    return ref;
  }

  /** Puts the unused end of the full segment on the free lists. */
  private recycleTail(): void {
    while (this.usedUnits < UNITS_PER_SEGMENT) {
      const units = Math.min(UNITS_PER_SEGMENT - this.usedUnits, FINE_CLASSES);
      this.release(this.current * UNITS_PER_SEGMENT + this.usedUnits, units);
      this.usedUnits += units;
    }
  }

  private addSegment(): void {
    if (this.segments.length === MAX_SEGMENTS) {
      throw new RangeError('arena is full');
    }
    this.current = this.segments.length;
    const segment = newSegment(new ArrayBuffer(SEGMENT_BYTES));
    this.segments[this.current] = segment;
    this.writable[this.current] = segment;
    this.usedUnits = this.current === 0 ? 1 : 0; // reference 0 means none
  }

  private release(ref: number, sizeClass: number): void {
    this.writableSegment(ref >>> UNIT_BITS).words[(ref & UNIT_MASK) << 1] = this.freeLists[sizeClass] ?? 0;
    this.freeLists[sizeClass] = ref;
  }
}

/** Size class of a block: its units up to FINE_CLASSES, then STEPS_PER_DOUBLING classes for each doubling. */
function sizeClassOf(length: number): number {
  if (length > MAX_BLOCK_BYTES) {
    throw new RangeError(`block of ${length} bytes does not fit an arena`);
  }
  if (length <= FINE_BYTES) {
    return length === 0 ? 1 : (length + 7) >>> UNIT_SHIFT;
  }
  const doubling = 31 - Math.clz32(length - 1);
  const step = 1 << (doubling - 3);
  const within = ((length - 1 - (1 << doubling)) / step) | 0;
  return FINE_CLASSES + (doubling - 8) * STEPS_PER_DOUBLING + within + 1;
}

function classUnits(sizeClass: number): number {
  if (sizeClass <= FINE_CLASSES) {
    return sizeClass;
  }
  const index = sizeClass - FINE_CLASSES - 1;
  const doubling = 8 + Math.floor(index / STEPS_PER_DOUBLING);
  const within = index % STEPS_PER_DOUBLING;
  return ((1 << doubling) + (within + 1) * (1 << (doubling - 3))) >>> UNIT_SHIFT;
}

/** Number of bytes a block of this length really occupies. */
export function blockBytes(length: number): number {
  return classUnits(sizeClassOf(length)) << UNIT_SHIFT;
}
