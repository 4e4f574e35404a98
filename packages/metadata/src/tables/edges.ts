import type { Arena } from '../store/arena.ts';
import { U16Column, U32Column } from '../store/columns.ts';
import { HashedIndex } from '../store/hashedIndex.ts';
import { SUSTAINED_BUCKETS, TRASH_BUCKETS } from './constants.ts';
import type { DirectoryTable } from './directories.ts';
import type { NodeTable } from './nodes.ts';

/** Row of the directory table that holds the detached names of the trash bucket of this inode. */
export function trashList(inode: number): number {
  return 1 + (inode % TRASH_BUCKETS);
}

/** Row of the directory table that holds the detached names of the sustained bucket of this inode. */
export function sustainedList(inode: number): number {
  return 1 + TRASH_BUCKETS + (inode % SUSTAINED_BUCKETS);
}

/**
 * The names: (parent, name) -> child, with the order of each directory. Parent and child are node rows; parent 0 means a
 * detached name (trash or sustained file). Edge rows are stable while the name exists and used again afterwards.
 */
export class EdgeTable {
  /** Node row of the directory, 0 = detached. */
  readonly parent = new U32Column();
  /** Node row, 0 = row is free. */
  readonly child = new U32Column();
  readonly idHigh = new U32Column();
  readonly idLow = new U32Column();
  readonly nameLength = new U16Column();
  /** Neighbours in the list of the directory or bucket, 0 = none. */
  readonly nextSibling = new U32Column();
  readonly prevSibling = new U32Column();
  /** Next name of the same child, 0 = none. */
  readonly nextOfChild = new U32Column();

  private readonly nameRef = new U32Column();
  private readonly arena: Arena;
  private readonly nodes: NodeTable;
  private readonly directories: DirectoryTable;
  private readonly seed: number;
  private readonly index = new HashedIndex();
  private isLoading = false;
  private freeRow = 0;
  private used = 1;
  private live = 0;

  constructor(arena: Arena, nodes: NodeTable, directories: DirectoryTable, seed: number) {
    this.arena = arena;
    this.nodes = nodes;
    this.directories = directories;
    this.seed = seed;
  }

  /** Number of names, detached ones included. */
  get count(): number {
    return this.live;
  }

  /** Rows are below this number; those with child 0 are free. */
  get rowLimit(): number {
    return this.used;
  }

  /** Edge of a name in a directory (node row), 0 = none. */
  find(parent: number, name: Uint8Array): number {
    const hash = hashName(this.seed ^ Math.imul(parent, 0x9e37_79b1), name, 0, name.length);
    let row = this.index.first(hash);
    while (row !== 0) {
      if (this.parent.get(row) === parent && this.arena.equals(this.nameRef.get(row), this.nameLength.get(row), name)) {
        return row;
      }
      row = this.index.next(row, hash);
    }
    return 0;
  }

  /** Edge id, all 64 bits. */
  id(row: number): bigint {
    return (BigInt(this.idHigh.get(row)) << 32n) | BigInt(this.idLow.get(row));
  }

  setId(row: number, id: bigint): void {
    this.idHigh.set(row, highHalf(id));
    this.idLow.set(row, lowHalf(id));
  }

  /** The name; a view, valid until the next change. */
  name(row: number): Buffer {
    return this.arena.view(this.nameRef.get(row), this.nameLength.get(row));
  }

  /** Copies the name into `target` and returns its length. */
  copyName(row: number, target: Uint8Array, offset: number): number {
    const length = this.nameLength.get(row);
    this.arena.copyTo(this.nameRef.get(row), length, target, offset);
    return length;
  }

  /** First edge of the list of a directory (node row), 0 = empty. */
  firstChild(parent: number): number {
    return this.directories.firstEdge.get(this.nodes.aux.get(parent));
  }

  /** First detached edge of a trash bucket 0..4095. */
  firstTrash(bucket: number): number {
    return this.directories.firstEdge.get(trashList(bucket));
  }

  /** First detached edge of a sustained bucket 0..255. */
  firstSustained(bucket: number): number {
    return this.directories.firstEdge.get(sustainedList(bucket));
  }

  /** Puts a name at the head of a directory's list. Changes no sums, times or link counts. */
  insertFirst(parent: number, child: number, id: bigint, name: Uint8Array): number {
    const row = this.make(parent, child, name, 0, name.length);
    this.setId(row, id);
    this.linkFirst(row, this.nodes.aux.get(parent));
    return row;
  }

  /** Puts a name at the end of a directory's list (image loading). Changes no sums, times or link counts. */
  insertLast(parent: number, child: number, id: bigint, name: Uint8Array): number {
    return this.appendSlice(parent, child, highHalf(id), lowHalf(id), name, 0, name.length);
  }

  /** As insertLast, with the halves of the id and a name that stands in `bytes` from `start` up to `end`. */
  appendSlice(
    parent: number,
    child: number,
    idHigh: number,
    idLow: number,
    bytes: Uint8Array,
    start: number,
    end: number,
  ): number {
    const row = this.make(parent, child, bytes, start, end);
    this.idHigh.set(row, idHigh);
    this.idLow.set(row, idLow);
    this.linkLast(row, this.nodes.aux.get(parent));
    return row;
  }

  /** The names of an image follow, about so many: until `endLoading`, `find` does not know them. */
  beginLoading(count: number): void {
    this.index.reserve(count);
    this.isLoading = true;
  }

  /** The names of an image are complete; to be called before anything else is done with them. */
  endLoading(): void {
    if (!this.isLoading) {
      return;
    }
    this.isLoading = false;
    this.index.insertNoted(this.used, (row) => this.parent.get(row) !== 0);
  }

  /** Puts a detached name at the head of the trash or sustained list `list` (see trashList, sustainedList). */
  insertDetached(list: number, child: number, id: bigint, name: Uint8Array): number {
    const row = this.make(0, child, name, 0, name.length);
    this.setId(row, id);
    this.linkFirst(row, list);
    return row;
  }

  /** Moves a detached name to the head of another list, keeping name and id. */
  moveDetached(row: number, fromList: number, toList: number): void {
    this.unlink(row, fromList);
    this.linkFirst(row, toList);
  }

  /** Removes a name. `list` is the directory row or bucket in which it is. */
  remove(row: number, list: number): void {
    this.unlink(row, list);
    this.forgetChild(row);
    if (this.parent.get(row) !== 0) {
      this.index.remove(row);
    }
    this.arena.free(this.nameRef.get(row), this.nameLength.get(row));
    for (const column of [this.parent, this.child, this.nameRef]) {
      column.set(row, 0);
    }
    this.nextSibling.set(row, this.freeRow);
    this.freeRow = row;
    this.live--;
  }

  private make(parent: number, child: number, bytes: Uint8Array, start: number, end: number): number {
    let row = this.freeRow;
    if (row !== 0) {
      this.freeRow = this.nextSibling.get(row);
    } else {
      row = this.used++;
    }
    this.live++;
    this.parent.set(row, parent);
    this.child.set(row, child);
    this.nameRef.set(row, this.arena.store(bytes, start, end));
    this.nameLength.set(row, end - start);
    this.nextOfChild.set(row, this.nodes.firstEdge.get(child));
    this.nodes.firstEdge.set(child, row);
    this.nodes.names.set(child, this.nodes.names.get(child) + 1);
    if (parent !== 0) {
      const hash = hashName(this.seed ^ Math.imul(parent, 0x9e37_79b1), bytes, start, end);
      if (this.isLoading) {
        this.index.note(row, hash);
      } else {
        this.index.insert(row, hash);
      }
    }
    return row;
  }

  private linkFirst(row: number, list: number): void {
    const first = this.directories.firstEdge.get(list);
    this.prevSibling.set(row, 0);
    this.nextSibling.set(row, first);
    this.directories.firstEdge.set(list, row);
    if (first === 0) {
      this.directories.lastEdge.set(list, row);
    } else {
      this.prevSibling.set(first, row);
    }
  }

  private linkLast(row: number, list: number): void {
    const last = this.directories.lastEdge.get(list);
    this.prevSibling.set(row, last);
    this.nextSibling.set(row, 0);
    this.directories.lastEdge.set(list, row);
    if (last === 0) {
      this.directories.firstEdge.set(list, row);
    } else {
      this.nextSibling.set(last, row);
    }
  }

  private unlink(row: number, list: number): void {
    const previous = this.prevSibling.get(row);
    const following = this.nextSibling.get(row);
    if (previous === 0) {
      this.directories.firstEdge.set(list, following);
    } else {
      this.nextSibling.set(previous, following);
    }
    if (following === 0) {
      this.directories.lastEdge.set(list, previous);
    } else {
      this.prevSibling.set(following, previous);
    }
  }

  private forgetChild(row: number): void {
    const child = this.child.get(row);
    const following = this.nextOfChild.get(row);
    let at = this.nodes.firstEdge.get(child);
    this.nodes.names.set(child, this.nodes.names.get(child) - 1);
    if (at === row) {
      this.nodes.firstEdge.set(child, following);
      return;
    }
    while (this.nextOfChild.get(at) !== row) {
      at = this.nextOfChild.get(at);
    }
    this.nextOfChild.set(at, following);
  }
}

function highHalf(id: bigint): number {
  return Number(id >> 32n);
}

function lowHalf(id: bigint): number {
  return Number(id & 0xffff_ffffn);
}

/** 32-bit hash of a name in a directory (murmur3's mixing, byte-wise). */
function hashName(seed: number, bytes: Uint8Array, start: number, end: number): number {
  let hash = seed;
  for (let i = start; i < end; i++) {
    hash = Math.imul(hash ^ bytes[i], 0x5bd1_e995);
    hash ^= hash >>> 15;
  }
  hash = Math.imul(hash ^ (hash >>> 16), 0x85eb_ca6b);
  return (hash ^ (hash >>> 13)) >>> 0;
}
