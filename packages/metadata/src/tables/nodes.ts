import type { Arena } from '../store/arena.ts';
import { ChainedIndex, mixBits } from '../store/chainedIndex.ts';
import { F64Column, U8Column, U16Column, U32Column } from '../store/columns.ts';
import { isFileType, TYPE_SYMLINK } from './constants.ts';
import { PagedChunkLists } from './pagedChunkLists.ts';

/** Chunk lists longer than this are kept in pages allocated on demand (a sparse file may have 2^31 entries). */
const MAX_ARENA_SLOTS = 8192;

/**
 * The inodes, of every type, trash and sustained files included. A row stays the node's for its whole life and is used again
 * afterwards; row 0 means "none". Columns may be read freely; outside `apply` and the image loader nobody writes them.
 */
export class NodeTable {
  readonly inode = new U32Column();
  /** 1..9; 0 = row is free. */
  readonly type = new U8Column();
  /** Storage class, 0 for what is neither file nor directory. */
  readonly sclass = new U8Column();
  readonly eattr = new U8Column();
  readonly winattr = new U8Column();
  /** 12 bits. */
  readonly mode = new U16Column();
  /** Hours. */
  readonly trashtime = new U16Column();
  readonly uid = new U32Column();
  readonly gid = new U32Column();
  readonly atime = new U32Column();
  readonly mtime = new U32Column();
  readonly ctime = new U32Column();
  /** Files: length in bytes. Symlinks: bytes of the target. */
  readonly length = new F64Column();
  /** First edge that names this node (see EdgeTable.nextOfChild), 0 = none. */
  readonly firstEdge = new U32Column();
  /** Number of names, a detached one included. */
  readonly names = new U32Column();
  /** Directories: row in the directory table. Devices: rdev. Files and symlinks: arena reference. */
  readonly aux = new U32Column();
  /** Files: entries of the chunk list, trailing zeros included. */
  readonly slots = new U32Column();
  /** First attribute in the xattr table, 0 = none. */
  readonly xattrs = new U32Column();
  /** Rows in the ACL table, 0 = none. */
  readonly accessAcl = new U32Column();
  readonly defaultAcl = new U32Column();

  private readonly arena: Arena;
  private readonly index: ChainedIndex;
  private readonly paged = new PagedChunkLists();
  private freeRow = 0;
  private used = 1;
  private live = 0;

  constructor(arena: Arena) {
    this.arena = arena;
    this.index = new ChainedIndex((row) => mixBits(this.inode.get(row)));
  }

  /** Number of nodes. */
  get count(): number {
    return this.live;
  }

  /** Makes room for the records of an image at once. */
  reserve(count: number): void {
    this.index.reserve(count);
  }

  /** Rows are below this number; those with type 0 are free. */
  get rowLimit(): number {
    return this.used;
  }

  /** Row of an inode, 0 if there is none. */
  find(inode: number): number {
    const next = this.index.next;
    let row = this.index.first(mixBits(inode));
    while (row !== 0 && this.inode.get(row) !== inode) {
      row = next.get(row);
    }
    return row;
  }

  /** Makes a row with all other fields 0. The inode must not exist. */
  insert(inode: number, type: number): number {
    let row = this.freeRow;
    if (row !== 0) {
      this.freeRow = this.index.next.get(row);
    } else {
      row = this.used++;
    }
    this.inode.set(row, inode);
    this.type.set(row, type);
    this.index.insert(row, mixBits(inode));
    this.live++;
    return row;
  }

  /** Frees a row with its chunk list or symlink target. Edges, attributes and ACLs must be gone. */
  remove(row: number): void {
    if (isFileType(this.type.get(row))) {
      this.resizeSlots(row, 0);
    } else if (this.type.get(row) === TYPE_SYMLINK) {
      this.setSymlink(row, new Uint8Array(0));
    }
    this.index.remove(row, mixBits(this.inode.get(row)));
    this.clear(row);
    this.index.next.set(row, this.freeRow);
    this.freeRow = row;
    this.live--;
  }

  /** Target of a symlink (a view, valid until the next change). */
  symlink(row: number): Buffer {
    const length = this.length.get(row);
    return length === 0 ? Buffer.alloc(0) : this.arena.view(this.aux.get(row), length);
  }

  setSymlink(row: number, path: Uint8Array): void {
    const oldLength = this.length.get(row);
    if (oldLength > 0) {
      this.arena.free(this.aux.get(row), oldLength);
    }
    this.aux.set(row, path.length === 0 ? 0 : this.arena.store(path));
    this.length.set(row, path.length);
  }

  /** Chunk id in an entry of a file's list; 0 = hole. `index` must be below `slots`. */
  chunkAt(row: number, index: number): number {
    return this.slots.get(row) <= MAX_ARENA_SLOTS
      ? this.arena.getDouble(this.aux.get(row), index)
      : this.paged.get(row, index);
  }

  setChunkAt(row: number, index: number, chunkId: number): void {
    if (this.slots.get(row) <= MAX_ARENA_SLOTS) {
      this.arena.setDouble(this.aux.get(row), index, chunkId);
    } else {
      this.paged.set(row, index, chunkId);
    }
  }

  /**
   * Index of the next entry at or after `from` that may hold a chunk; a cheap way over the holes of huge sparse files.
   * Returns `slots` when there is none.
   */
  nextUsedSlot(row: number, from: number): number {
    const slots = this.slots.get(row);
    if (slots > MAX_ARENA_SLOTS) {
      return Math.min(this.paged.nextUsed(row, from), slots);
    }
    const ref = this.aux.get(row);
    let index = from;
    while (index < slots && this.arena.getDouble(ref, index) === 0) {
      index++;
    }
    return Math.min(index, slots);
  }

  /** Changes the number of entries of a chunk list: new ones are 0, those cut off are forgotten. */
  resizeSlots(row: number, slots: number): void {
    const before = this.slots.get(row);
    if (slots === before) {
      return;
    }
    if (slots <= MAX_ARENA_SLOTS && before <= MAX_ARENA_SLOTS) {
      this.resizeInArena(row, before, slots);
    } else if (slots > MAX_ARENA_SLOTS && before > MAX_ARENA_SLOTS) {
      this.paged.truncate(row, slots);
    } else if (slots > MAX_ARENA_SLOTS) {
      this.moveToPages(row, before);
    } else {
      this.moveToArena(row, slots);
    }
    this.slots.set(row, slots);
  }

  private resizeInArena(row: number, before: number, slots: number): void {
    const old = this.aux.get(row);
    const kept = Math.min(before, slots);
    const ref = slots === 0 ? 0 : this.arena.allocate(slots * 8);
    for (let i = 0; i < kept; i++) {
      this.arena.setDouble(ref, i, this.arena.getDouble(old, i));
    }
    for (let i = kept; i < slots; i++) {
      this.arena.setDouble(ref, i, 0);
    }
    if (before > 0) {
      this.arena.free(old, before * 8);
    }
    this.aux.set(row, ref);
  }

  private moveToPages(row: number, before: number): void {
    const old = this.aux.get(row);
    this.paged.create(row);
    for (let i = 0; i < before; i++) {
      this.paged.set(row, i, this.arena.getDouble(old, i));
    }
    if (before > 0) {
      this.arena.free(old, before * 8);
    }
    this.aux.set(row, 0);
  }

  private moveToArena(row: number, slots: number): void {
    const ref = slots === 0 ? 0 : this.arena.allocate(slots * 8);
    for (let i = 0; i < slots; i++) {
      this.arena.setDouble(ref, i, this.paged.get(row, i));
    }
    this.paged.remove(row);
    this.aux.set(row, ref);
  }

  private clear(row: number): void {
    for (const column of [this.type, this.sclass, this.eattr, this.winattr, this.mode, this.trashtime]) {
      column.set(row, 0);
    }
    for (const column of [this.inode, this.uid, this.gid, this.atime, this.mtime, this.ctime, this.aux, this.slots]) {
      column.set(row, 0);
    }
    this.length.set(row, 0);
    this.firstEdge.set(row, 0);
  }
}
