import { dirname } from 'node:path';
import type { Disk, DiskFile } from '@alces/runtime';
import type { CrashKind, Host } from './host.ts';
import type { SeededRandom } from './random.ts';
import type { Scheduler } from './scheduler.ts';

interface PendingWrite {
  position: number;
  data: Buffer;
}

/** A file's content apart from its names: what is safe, and what was written since the last sync, in order. */
class Inode {
  durable = Buffer.alloc(0);
  content = Buffer.alloc(0);
  pending: PendingWrite[] = [];

  write(position: number, data: Buffer): void {
    this.content = overlay(this.content, position, data);
    this.pending.push({ position, data: Buffer.from(data) });
  }

  truncate(length: number): void {
    const cut = Buffer.alloc(length);
    this.content.copy(cut, 0, 0, Math.min(length, this.content.length));
    this.content = cut;
    // Losing a truncation while later writes survive is a reordering that no journalling file system shows; it counts as written through.
    this.durable = Buffer.from(cut.subarray(0, Math.min(length, this.durable.length)));
    this.pending = this.pending.filter((write) => write.position + write.data.length <= length);
  }

  sync(): void {
    this.durable = Buffer.from(this.content);
    this.pending = [];
  }

  /** Of what was not synced each write is kept, lost, or torn. */
  losePower(random: SeededRandom): void {
    let content = this.durable;
    for (const write of this.pending) {
      const fate = random.below(3);
      if (fate === 0) continue;
      const kept = fate === 1 ? write.data : write.data.subarray(0, random.below(write.data.length + 1));
      if (kept.length > 0) content = overlay(content, write.position, kept);
    }
    this.durable = Buffer.from(content);
    this.content = Buffer.from(content);
    this.pending = [];
  }
}

function overlay(content: Buffer, position: number, data: Buffer): Buffer<ArrayBuffer> {
  const result = Buffer.alloc(Math.max(content.length, position + data.length));
  content.copy(result);
  data.copy(result, position);
  return result;
}

function diskError(code: string, path: string): Error {
  return Object.assign(new Error(`${code}: ${path}`), { code });
}

/** Faults that a simulation can switch on. */
export interface DiskFaults {
  /** Bytes that fit; a write beyond fails with ENOSPC. */
  capacityBytes: number;
  /** Multiplies the time that each operation takes. */
  slowness: number;
}

/** A simulated disk which loses, when the power goes, what was not synced: data of files, and names of folders. */
export class SimDisk implements Disk {
  readonly faults: DiskFaults = { capacityBytes: Number.POSITIVE_INFINITY, slowness: 1 };
  readonly #host: Host;
  readonly #scheduler: Scheduler;
  readonly #random: SeededRandom;
  #names = new Map<string, Inode>();
  #durableNames = new Map<string, Inode>();
  /** Changes of names not made safe yet, in order. */
  #pendingNames: { folder: string; change: (names: Map<string, Inode>) => void }[] = [];

  constructor(host: Host, scheduler: Scheduler, random: SeededRandom) {
    this.#host = host;
    this.#scheduler = scheduler;
    this.#random = random;
  }

  crash(kind: CrashKind): void {
    if (kind === 'kill') return;
    // A journalling file system keeps the order of name changes: some first part of them survives.
    const survivors = this.#random.below(this.#pendingNames.length + 1);
    for (const { change } of this.#pendingNames.slice(0, survivors)) change(this.#durableNames);
    this.#pendingNames = [];
    this.#names = new Map(this.#durableNames);
    for (const inode of new Set(this.#names.values())) inode.losePower(this.#random);
  }

  /** Everything on it is gone, as with a new disk. Only while the host is down. */
  wipe(): void {
    this.#names = new Map();
    this.#durableNames = new Map();
    this.#pendingNames = [];
  }

  #rename(folder: string, change: (names: Map<string, Inode>) => void): void {
    change(this.#names);
    this.#pendingNames.push({ folder, change });
  }

  /** Performs an operation after the time that it takes; never when the host goes down before. */
  #perform<T>(timeMs: number, operation: () => T): Promise<T> {
    return new Promise((resolve, reject) => {
      this.#scheduler.after(
        timeMs * this.faults.slowness * this.#random.between(0.5, 2),
        this.#host.guard(() => {
          try {
            resolve(operation());
          } catch (error) {
            reject(error instanceof Error ? error : new Error(String(error)));
          }
        }),
      );
    });
  }

  #inode(path: string): Inode {
    const inode = this.#names.get(path);
    if (inode === undefined) throw diskError('ENOENT', path);
    return inode;
  }

  #usedBytes(): number {
    let used = 0;
    for (const inode of new Set(this.#names.values())) used += inode.content.length;
    return used;
  }

  #checkedWrite(inode: Inode, path: string, position: number, data: Buffer): void {
    const growth = Math.max(0, position + data.length - inode.content.length);
    if (Number.isFinite(this.faults.capacityBytes) && this.#usedBytes() + growth > this.faults.capacityBytes)
      throw diskError('ENOSPC', path);
    inode.write(position, data);
  }

  open(path: string, mode: 'read' | 'append' | 'create' | 'readwrite'): Promise<DiskFile> {
    return this.#perform(0.05, () => {
      let inode = this.#names.get(path);
      if (inode === undefined) {
        if (mode === 'read' || mode === 'readwrite') throw diskError('ENOENT', path);
        const made = new Inode();
        inode = made;
        this.#rename(dirname(path), (names) => names.set(path, made));
      } else if (mode === 'create') {
        inode.truncate(0);
      }
      return this.#file(path, inode);
    });
  }

  #file(path: string, inode: Inode): DiskFile {
    return {
      read: (position, length) =>
        this.#perform(0.05, () => Buffer.from(inode.content.subarray(position, position + length))),
      write: (position, data) =>
        this.#perform(0.05, () => this.#checkedWrite(inode, path, position, Buffer.concat(data))),
      datasync: () => this.#perform(1, () => inode.sync()),
      truncate: (length) => this.#perform(0.05, () => inode.truncate(length)),
      size: () => this.#perform(0.02, () => inode.content.length),
      close: () => this.#perform(0.02, () => {}),
    };
  }

  readFile(path: string): Promise<Buffer> {
    return this.#perform(0.1, () => Buffer.from(this.#inode(path).content));
  }

  replaceFile(path: string, data: Buffer): Promise<void> {
    return replaceThrough(this, path, data);
  }

  rename(from: string, to: string): Promise<void> {
    return this.#perform(0.05, () => {
      const inode = this.#inode(from);
      this.#rename(dirname(to), (names) => {
        names.delete(from);
        names.set(to, inode);
      });
    });
  }

  remove(path: string): Promise<void> {
    return this.#perform(0.05, () => {
      if (this.#names.has(path)) this.#rename(dirname(path), (names) => names.delete(path));
    });
  }

  syncFolder(folder: string): Promise<void> {
    return this.#perform(1, () => {
      // The journal is written in order, so syncing one folder makes every earlier change safe.
      const last = this.#pendingNames.findLastIndex((pending) => pending.folder === folder);
      for (const { change } of this.#pendingNames.splice(0, last + 1)) change(this.#durableNames);
    });
  }

  list(folder: string): Promise<string[]> {
    return this.#perform(0.05, () => {
      const prefix = folder.endsWith('/') ? folder : `${folder}/`;
      const found = [...this.#names.keys()]
        .filter((path) => path.startsWith(prefix))
        .map((path) => path.slice(prefix.length));
      return [...new Set(found.map((rest) => rest.split('/')[0] ?? rest))].sort();
    });
  }

  makeFolder(_path: string): Promise<void> {
    return this.#perform(0.05, () => {});
  }

  exists(path: string): Promise<boolean> {
    return this.#perform(0.02, () => this.#names.has(path));
  }

  freeBytes(_path: string): Promise<number> {
    return this.#perform(0.02, () =>
      Number.isFinite(this.faults.capacityBytes) ? Math.max(0, this.faults.capacityBytes - this.#usedBytes()) : 2 ** 40,
    );
  }
}

/** `replaceFile` in terms of the other operations of a disk, so that it stops in the middle when they do. */
export async function replaceThrough(disk: Omit<Disk, 'replaceFile'>, path: string, data: Buffer): Promise<void> {
  const temporary = `${path}.tmp`;
  const file = await disk.open(temporary, 'create');
  try {
    await file.write(0, [data]);
    await file.datasync();
  } catch (error) {
    await disk.remove(temporary).catch(() => undefined);
    throw error;
  } finally {
    await file.close();
  }
  await disk.rename(temporary, path);
  await disk.syncFolder(dirname(path));
}
