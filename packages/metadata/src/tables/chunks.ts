import type { Arena } from '../store/arena.ts';
import { ChainedIndex, mixBits } from '../store/chainedIndex.ts';
import { F64Column, U8Column, U16Column, U32Column } from '../store/columns.ts';
import type { StorageClassTable } from './storageClasses.ts';

/** Bytes of one (class, count) pair of a chunk that files of several classes use. */
const PAIR_BYTES = 8;

/**
 * The chunks: id, version, lock, archive flag and the number of references from files, by storage class. Rows are stable while
 * the chunk exists and used again afterwards, so the chunk manager may keep columns of its own beside them.
 */
export class ChunkTable {
  /** 0 = row is free. */
  readonly id = new F64Column();
  readonly version = new U32Column();
  /** Unix seconds until which the chunk is locked; 0 = not. */
  readonly lockedTo = new U32Column();
  readonly archive = new U8Column();
  /** Number of (file, index) entries that hold this chunk. */
  readonly refs = new U32Column();

  /** Class of all references, when it is one. */
  private readonly onlyClass = new U8Column();
  /** Arena block of (class:u32, count:u32) pairs by ascending class, when there are several. */
  private readonly mixRef = new U32Column();
  private readonly mixCount = new U16Column();
  private readonly arena: Arena;
  private readonly index: ChainedIndex;
  private freeRow = 0;
  private used = 1;
  private live = 0;

  constructor(arena: Arena) {
    this.arena = arena;
    this.index = new ChainedIndex((row) => hashId(this.id.get(row)));
  }

  /** Number of chunks. */
  get count(): number {
    return this.live;
  }

  /** Makes room for the records of an image at once. */
  reserve(count: number): void {
    this.index.reserve(count);
  }

  /** Rows are below this number; those with id 0 are free. */
  get rowLimit(): number {
    return this.used;
  }

  /** Row of a chunk id, 0 = unknown. */
  find(chunkId: number): number {
    const next = this.index.next;
    let row = this.index.first(hashId(chunkId));
    while (row !== 0 && this.id.get(row) !== chunkId) {
      row = next.get(row);
    }
    return row;
  }

  /** Makes a chunk without references. The id must be new and not 0. */
  insert(chunkId: number, version: number, lockedTo: number, archive: number): number {
    let row = this.freeRow;
    if (row !== 0) {
      this.freeRow = this.index.next.get(row);
    } else {
      row = this.used++;
    }
    this.live++;
    this.id.set(row, chunkId);
    this.version.set(row, version);
    this.lockedTo.set(row, lockedTo);
    this.archive.set(row, archive);
    this.index.insert(row, hashId(chunkId));
    return row;
  }

  /** Removes a chunk without references. */
  remove(row: number): void {
    this.index.remove(row, hashId(this.id.get(row)));
    this.id.set(row, 0);
    this.onlyClass.set(row, 0);
    this.index.next.set(row, this.freeRow);
    this.freeRow = row;
    this.live--;
  }

  addReference(row: number, classId: number): void {
    const refs = this.refs.get(row);
    this.refs.set(row, refs + 1);
    if (refs === 0) {
      this.onlyClass.set(row, classId);
    } else if (this.mixCount.get(row) > 0) {
      this.changeMix(row, classId, 1);
    } else if (this.onlyClass.get(row) !== classId) {
      this.storeMix(row, [[this.onlyClass.get(row), refs]]);
      this.changeMix(row, classId, 1);
    }
  }

  removeReference(row: number, classId: number): void {
    const refs = this.refs.get(row) - 1;
    this.refs.set(row, refs);
    if (this.mixCount.get(row) > 0) {
      this.changeMix(row, classId, -1);
    } else if (refs === 0) {
      this.onlyClass.set(row, 0);
    }
  }

  /** References by class, ascending: [class, count] pairs. */
  classCounts(row: number): [number, number][] {
    const count = this.mixCount.get(row);
    if (count === 0) {
      return this.refs.get(row) === 0 ? [] : [[this.onlyClass.get(row), this.refs.get(row)]];
    }
    const block = this.arena.view(this.mixRef.get(row), count * PAIR_BYTES);
    return Array.from({ length: count }, (_, i) => [block.readUInt32LE(i * 8), block.readUInt32LE(i * 8 + 4)]);
  }

  /**
   * The storage class that rules the chunk (spec 40, section 14.2): 0 without references. O(1) unless files of different
   * classes share the chunk.
   */
  effectiveClass(row: number, classes: StorageClassTable): number {
    if (this.mixCount.get(row) === 0) {
      return this.onlyClass.get(row);
    }
    let best = 0;
    let bestCopies = 0;
    for (const [classId] of this.classCounts(row)) {
      const copies = classes.copies(classId);
      if (best === 0 || copies > bestCopies) {
        best = classId;
        bestCopies = copies;
      } else if (copies === bestCopies) {
        best = best <= 9 || copies === 0 ? classId : copies;
      }
    }
    return best;
  }

  private changeMix(row: number, classId: number, delta: number): void {
    const pairs = this.classCounts(row);
    let at = pairs.findIndex((pair) => pair[0] >= classId);
    at = at < 0 ? pairs.length : at;
    if (at === pairs.length || pairs[at][0] !== classId) {
      pairs.splice(at, 0, [classId, 0]);
    }
    pairs[at][1] += delta;
    this.storeMix(
      row,
      pairs.filter((pair) => pair[1] > 0),
    );
  }

  private storeMix(row: number, pairs: [number, number][]): void {
    const before = this.mixCount.get(row);
    if (before > 0) {
      this.arena.free(this.mixRef.get(row), before * PAIR_BYTES);
    }
    if (pairs.length < 2 && before > 0) {
      this.mixCount.set(row, 0);
      this.onlyClass.set(row, pairs.length === 0 ? 0 : pairs[0][0]);
      return;
    }
    const block = Buffer.alloc(pairs.length * PAIR_BYTES);
    pairs.forEach(([classId, count], i) => {
      block.writeUInt32LE(classId, i * 8);
      block.writeUInt32LE(count, i * 8 + 4);
    });
    this.mixRef.set(row, this.arena.store(block));
    this.mixCount.set(row, pairs.length);
  }
}

function hashId(chunkId: number): number {
  return mixBits((chunkId ^ Math.imul(Math.floor(chunkId / 0x1_0000_0000), 0x9e37_79b1)) >>> 0);
}
