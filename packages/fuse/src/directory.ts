import { DIRENT_BYTES, DIRENTPLUS_BYTES, ENTRY_OUT_BYTES, OUT_HEADER_BYTES } from './constants.ts';
import { putEntry } from './encode.ts';
import type { Entry } from './types.ts';
import { allocateBlock, type Block, putU64 } from './words.ts';

const S_IFMT = 0o170000;
const FORMAT_SHIFT = 12;

/** The reply to READDIR or READDIRPLUS while it is filled: an out-header followed by directory records. */
export class DirectoryList {
  readonly block: Block;
  readonly #endBytes: number;
  #usedBytes = OUT_HEADER_BYTES;
  /** Nodes whose lookup count rises when this list is delivered. */
  readonly lookedUp: number[] = [];

  /** @param limitBytes room for records that the kernel offers */
  constructor(limitBytes: number) {
    this.#endBytes = OUT_HEADER_BYTES + limitBytes;
    this.block = allocateBlock(this.#endBytes);
  }

  /** Room for records, and how much of it is used. */
  get limitBytes(): number {
    return this.#endBytes - OUT_HEADER_BYTES;
  }

  get recordBytes(): number {
    return this.#usedBytes - OUT_HEADER_BYTES;
  }

  /** Length of the reply so far, header included. */
  get lengthBytes(): number {
    return this.#usedBytes;
  }

  /**
   * Appends a plain entry. `nextOffset` is what the kernel sends to go on behind it; `mode` gives the type.
   * False: it does not fit, the list is complete.
   */
  add(name: Buffer, inode: number, mode: number, nextOffset: number): boolean {
    return this.#record(0, name, inode, mode, nextOffset);
  }

  /**
   * Appends an entry with its attributes. A node of 0 in `entry` gives the name and type only (as for `.` and `..`); the
   * kernel then looks the name up when it needs it.
   */
  addPlus(name: Buffer, entry: Entry, nextOffset: number): boolean {
    const at = this.#usedBytes >>> 2;
    if (!this.#record(ENTRY_OUT_BYTES, name, entry.attr.inode, entry.attr.mode, nextOffset)) return false;
    putEntry(this.block.words, at, entry);
    if (entry.node !== 0) this.lookedUp.push(entry.node);
    return true;
  }

  #record(prefixBytes: number, name: Buffer, inode: number, mode: number, nextOffset: number): boolean {
    const headBytes = prefixBytes === 0 ? DIRENT_BYTES : DIRENTPLUS_BYTES;
    const recordBytes = (headBytes + name.length + 7) & ~7;
    const start = this.#usedBytes;
    if (start + recordBytes > this.#endBytes) return false;
    const { words, bytes } = this.block;
    const at = (start + prefixBytes) >>> 2;
    putU64(words, at, inode);
    putU64(words, at + 2, nextOffset);
    words[at + 4] = name.length;
    words[at + 5] = (mode & S_IFMT) >>> FORMAT_SHIFT;
    bytes.set(name, start + headBytes);
    bytes.fill(0, start + headBytes + name.length, start + recordBytes);
    this.#usedBytes = start + recordBytes;
    return true;
  }
}
