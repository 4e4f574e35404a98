import type { Disk, DiskFile } from '@alces/runtime';
import { type Entry, entryBytes } from '../entry.ts';
import { decodeRecord, encodeRecords, MAX_RECORD_BYTES, recordBytes } from './record.ts';

const READ_BYTES = 256 * 1024;
/** One place in so many bytes is remembered, to begin reading there. */
const INDEX_BYTES = 64 * 1024;

/** One file of consecutive records. */
export class Segment {
  readonly #disk: Disk;
  readonly path: string;
  /** Version of the first record, whether it is there or not. */
  readonly first: number;
  /** Version of the last record; `first - 1`: it is empty. */
  last: number;
  /** Bytes of whole records. */
  length = 0;
  #places: { version: number; offset: number }[] = [];
  #file: DiskFile | undefined;
  /** Bytes behind `length` may exist. */
  #dirty = false;
  /** Something was written since the last sync; what was found at the start may not have been synced either. */
  #unsynced = true;

  constructor(disk: Disk, path: string, first: number) {
    this.#disk = disk;
    this.path = path;
    this.first = first;
    this.last = first - 1;
  }

  /** Reads through the file. True when it ends with a whole record; otherwise what is behind the last one is cut off by the next append. */
  async scan(): Promise<boolean> {
    const file = await this.#open();
    const size = await file.size();
    let whole = true;
    await this.#walk(file, 0, this.first, (entry, offset, length) => {
      this.#note(entry.version, offset);
      this.last = entry.version;
      this.length = offset + length;
      return true;
    });
    if (this.length < size) {
      whole = false;
      this.#dirty = true;
    }
    return whole;
  }

  async #open(): Promise<DiskFile> {
    this.#file ??= await this.#disk.open(this.path, 'append');
    return this.#file;
  }

  #note(version: number, offset: number): void {
    const last = this.#places.at(-1);
    if (last === undefined || offset - last.offset >= INDEX_BYTES) this.#places.push({ version, offset });
  }

  /** Calls `visit` for the records from `offset` on, the first of them `version`, until it answers false or no whole record follows. */
  async #walk(
    file: DiskFile,
    offset: number,
    version: number,
    visit: (entry: Entry, offset: number, length: number) => boolean,
  ): Promise<void> {
    let position = offset;
    let next = version;
    for (let wanted = READ_BYTES; ; ) {
      const bytes = await file.read(position, wanted);
      let at = 0;
      for (;;) {
        const record = decodeRecord(bytes, at, next);
        if (record === 'bad') return;
        if (record === undefined) break;
        if (!visit(record.entry, position + at, record.length)) return;
        at += record.length;
        next++;
      }
      if (bytes.length < wanted) return;
      if (at === 0 && wanted >= MAX_RECORD_BYTES) return;
      wanted = at === 0 ? MAX_RECORD_BYTES : READ_BYTES;
      position += at;
    }
  }

  /** Appends the records of entries; the first must be the next version. */
  async append(entries: readonly Entry[], sync: boolean): Promise<void> {
    const file = await this.#open();
    await this.#clean(file);
    const bytes = encodeRecords(entries);
    this.#dirty = true;
    this.#unsynced = true;
    await file.write(this.length, [bytes]);
    // After a failed sync the system may have dropped what was written, so it is all written again.
    if (sync) await file.datasync();
    this.#unsynced = !sync;
    this.#dirty = false;
    for (const entry of entries) {
      this.#note(entry.version, this.length);
      this.length += recordBytes(entry);
      this.last = entry.version;
    }
  }

  async #clean(file: DiskFile): Promise<void> {
    if (!this.#dirty) return;
    await file.truncate(this.length);
    this.#dirty = false;
  }

  async sync(): Promise<void> {
    if (!this.#unsynced && !this.#dirty) return;
    const file = await this.#open();
    await this.#clean(file);
    await file.datasync();
    this.#unsynced = false;
  }

  /** Entries from `from` on, as many as fit into about `maxBytes`, at least one if there is one. */
  async read(from: number, maxBytes: number): Promise<Entry[]> {
    const place = this.#places.findLast(({ version }) => version <= from);
    if (place === undefined) return [];
    const { last } = this;
    const result: Entry[] = [];
    let bytes = 0;
    const file = await this.#disk.open(this.path, 'read');
    try {
      await this.#walk(file, place.offset, place.version, (entry) => {
        if (entry.version < from) return true;
        if (entry.version > last) return false;
        bytes += entryBytes(entry);
        if (result.length > 0 && bytes > maxBytes) return false;
        result.push(entry);
        return true;
      });
    } finally {
      await file.close();
    }
    return result;
  }

  /** Removes the records after `version`; durable. */
  async truncate(version: number): Promise<void> {
    if (version >= this.last) return;
    const file = await this.#open();
    const length = await this.#offsetBehind(file, version);
    await file.truncate(length);
    await file.datasync();
    this.length = length;
    this.last = version;
    this.#dirty = false;
    this.#unsynced = false;
    this.#places = this.#places.filter(({ offset }) => offset < length);
  }

  async #offsetBehind(file: DiskFile, version: number): Promise<number> {
    const place = this.#places.findLast((candidate) => candidate.version <= version);
    let behind = place?.offset ?? 0;
    await this.#walk(file, behind, place?.version ?? this.first, (entry, offset, length) => {
      if (entry.version > version) return false;
      behind = offset + length;
      return true;
    });
    return behind;
  }

  async close(): Promise<void> {
    const file = this.#file;
    this.#file = undefined;
    await file?.close();
  }
}
