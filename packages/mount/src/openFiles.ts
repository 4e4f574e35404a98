import type { Caller, FileIo } from '@alces/client';
import type { Listing } from './caches/listings.ts';

/** An open file of the mount. */
export interface OpenFile {
  readonly handle: number;
  readonly inode: number;
  readonly io: FileIo;
  readonly writable: boolean;
  readonly append: boolean;
  readonly openedAtMs: number;
  /** Settles when a background OPEN was answered; it never rejects, a refusal is kept in `error`. */
  ready: Promise<void> | undefined;
  /** Errno of the background OPEN. */
  error: number;
  /** Owners that used POSIX locks, flocks through this file. */
  readonly posixOwners: Set<bigint>;
  readonly flockOwners: Set<bigint>;
}

/** A listing entry as both kinds of READDIR give it. */
export interface ListedEntry {
  readonly name: Buffer;
  readonly inode: number;
  /** File type bits of st_mode. */
  readonly format: number;
}

export interface OpenDirectory {
  readonly handle: number;
  readonly inode: number;
  readonly caller: Caller;
  /** The directory was removed: its listing is empty. */
  readonly vanished: boolean;
  entries: readonly ListedEntry[] | undefined;
  /** The same entries with attributes, if these could be had. */
  listing: Listing | undefined;
}

/** Handles of one kind by number, from 1 up. */
export class Handles<T extends { readonly handle: number; readonly inode: number }> {
  readonly #byHandle = new Map<number, T>();
  #next = 1;

  nextHandle(): number {
    return this.#next++;
  }

  add(opened: T): T {
    this.#byHandle.set(opened.handle, opened);
    return opened;
  }

  get(handle: number): T | undefined {
    return this.#byHandle.get(handle);
  }

  remove(handle: number): void {
    this.#byHandle.delete(handle);
  }
}

/** The open files of a mount, also by inode. */
export class OpenFiles extends Handles<OpenFile> {
  readonly #byInode = new Map<number, Set<OpenFile>>();

  override add(file: OpenFile): OpenFile {
    const same = this.#byInode.get(file.inode);
    if (same) same.add(file);
    else this.#byInode.set(file.inode, new Set([file]));
    return super.add(file);
  }

  override remove(handle: number): void {
    const file = this.get(handle);
    if (file === undefined) return;
    const same = this.#byInode.get(file.inode);
    same?.delete(file);
    if (same?.size === 0) this.#byInode.delete(file.inode);
    super.remove(handle);
  }

  ofInode(inode: number): Iterable<OpenFile> {
    return this.#byInode.get(inode) ?? [];
  }

  isOpen(inode: number): boolean {
    return this.#byInode.has(inode);
  }

  /** Known length of an open file, unflushed writes included. */
  lengthOf(inode: number): number | undefined {
    for (const file of this.ofInode(inode)) return file.io.length;
    return undefined;
  }

  inodes(): IterableIterator<number> {
    return this.#byInode.keys();
  }
}
