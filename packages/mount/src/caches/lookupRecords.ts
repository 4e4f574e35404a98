import type { ChunkLocation } from '@alces/client';
import type { Request } from '@alces/fuse';
import type { Attr } from '@alces/proto';
import type { Clock } from '@alces/runtime';

const LIFE_MS = 1000;
const LIMIT = 65_536;

/** What a LOOKUP answered. */
export interface LookupRecord {
  readonly inode: number;
  readonly attr: Attr;
  /** `LookupFlag` bits. */
  readonly flags: number;
  readonly chunkZero: ChunkLocation | undefined;
  readonly uid: number;
  readonly gid: number;
  readonly pid: number;
  readonly expiresMs: number;
}

/**
 * The last LOOKUP answer of each inode, good for a second and for the process that asked: its access(), getattr() and open() need
 * not ask again (spec 10 §12.5).
 */
export class LookupRecords {
  readonly #clock: Clock;
  readonly #records = new Map<number, LookupRecord>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  put(request: Request, found: Pick<LookupRecord, 'inode' | 'attr' | 'flags' | 'chunkZero'>): void {
    const { inode, attr, flags, chunkZero } = found;
    const { uid, gid, pid } = request;
    this.#records.delete(inode);
    if (this.#records.size >= LIMIT) this.#dropOldest();
    const expiresMs = this.#clock.monotonicMs() + LIFE_MS;
    this.#records.set(inode, { inode, attr, flags, chunkZero, uid, gid, pid, expiresMs });
  }

  /** The record of the inode if it is good for this request. */
  find(request: Request, inode: number): LookupRecord | undefined {
    const record = this.ofInode(inode);
    if (record === undefined) return undefined;
    return record.uid === request.uid && record.gid === request.gid && record.pid === request.pid ? record : undefined;
  }

  /** As `find`, and the record is used up. */
  take(request: Request, inode: number): LookupRecord | undefined {
    const record = this.find(request, inode);
    if (record !== undefined) this.#records.delete(inode);
    return record;
  }

  /** The record whoever asked, for facts that are the same for everybody. */
  ofInode(inode: number): LookupRecord | undefined {
    const record = this.#records.get(inode);
    if (record === undefined || record.expiresMs > this.#clock.monotonicMs()) return record;
    this.#records.delete(inode);
    return undefined;
  }

  drop(inode: number): void {
    this.#records.delete(inode);
  }

  clear(): void {
    this.#records.clear();
  }

  #dropOldest(): void {
    for (const inode of this.#records.keys()) {
      this.#records.delete(inode);
      return;
    }
  }
}
