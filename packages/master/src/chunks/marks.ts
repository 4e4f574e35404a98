import { grownLength } from './copies.ts';
import type { ChunkSlot } from './views.ts';

/** Operation in progress on a chunk (spec 40 §1.1). */
export const Operation = {
  none: 0,
  create: 1,
  setVersion: 2,
  duplicate: 3,
  truncate: 4,
  duplicateTruncate: 5,
  replicate: 6,
} as const;

/** Marks of a chunk, bits of one byte. */
export const Mark = {
  /** A copy had trouble during the operation in progress. */
  failed: 1,
  /** The version has been raised since the last time it must be: kept inverted, so that a new record must be raised. */
  raised: 2,
  /** A write was granted and not ended: the chunk counts as being written on its servers. */
  writing: 4,
  /** In a priority queue. */
  queued: 8,
  /** Counted in the status counters. */
  counted: 16,
  /** Archive flag with which it was counted. */
  countedArchived: 32,
} as const;

const initialSlots = 1024;

/** Five bytes for each chunk outside the heap: operation, marks, and under what the chunk is counted. */
export class ChunkMarks {
  private operations = new Uint8Array(initialSlots);
  private marks = new Uint8Array(initialSlots);
  private classes = new Uint8Array(initialSlots);
  private lives = new Uint8Array(initialSlots);
  private regulars = new Uint8Array(initialSlots);

  operation(slot: ChunkSlot): number {
    return slot < this.operations.length ? this.operations[slot] : Operation.none;
  }

  setOperation(slot: ChunkSlot, operation: number): void {
    this.room(slot);
    this.operations[slot] = operation;
  }

  has(slot: ChunkSlot, mark: number): boolean {
    return slot < this.marks.length && (this.marks[slot] & mark) !== 0;
  }

  set(slot: ChunkSlot, mark: number): void {
    this.room(slot);
    this.marks[slot] |= mark;
  }

  clear(slot: ChunkSlot, mark: number): void {
    if (slot < this.marks.length) this.marks[slot] &= ~mark;
  }

  countedClass(slot: ChunkSlot): number {
    return this.classes[slot];
  }

  countedLive(slot: ChunkSlot): number {
    return this.lives[slot];
  }

  countedRegular(slot: ChunkSlot): number {
    return this.regulars[slot];
  }

  setCounted(slot: ChunkSlot, classId: number, archived: boolean, live: number, regular: number): void {
    this.room(slot);
    this.classes[slot] = classId;
    this.lives[slot] = live;
    this.regulars[slot] = regular;
    this.marks[slot] =
      (this.marks[slot] & ~Mark.countedArchived) | Mark.counted | (archived ? Mark.countedArchived : 0);
  }

  /** Forgets everything about a slot whose record vanishes. */
  reset(slot: ChunkSlot): void {
    if (slot >= this.marks.length) return;
    this.operations[slot] = Operation.none;
    this.marks[slot] = 0;
  }

  get byteLength(): number {
    return 5 * this.marks.length;
  }

  private room(slot: ChunkSlot): void {
    if (slot < this.marks.length) return;
    const length = grownLength(this.marks.length, slot + 1);
    this.operations = enlarged(this.operations, length);
    this.marks = enlarged(this.marks, length);
    this.classes = enlarged(this.classes, length);
    this.lives = enlarged(this.lives, length);
    this.regulars = enlarged(this.regulars, length);
  }
}

function enlarged(old: Uint8Array, length: number): Uint8Array<ArrayBuffer> {
  const array = new Uint8Array(length);
  array.set(old);
  return array;
}
