/** One entry of the journal: a change log line without its version and newline. Opaque to this package. */
export interface Entry {
  version: number;
  data: Buffer;
  /** Kept beside the entry and never interpreted here: what a follower needs to answer a repeated request. */
  note: Buffer | undefined;
}

/** Greatest length of an entry's data, in bytes. */
export const MAX_ENTRY_BYTES = 1 << 20;
/** Greatest length of an entry's note, in bytes. */
export const MAX_NOTE_BYTES = 1 << 16;

const OVERHEAD_BYTES = 32;

/** What an entry costs in memory and on the wire, roughly. */
export function entryBytes(entry: Entry): number {
  return OVERHEAD_BYTES + entry.data.length + (entry.note?.length ?? 0);
}

/** The newest entries of a journal, consecutive, in memory. */
export class EntryWindow {
  #entries: Entry[] = [];
  #head = 0;
  #first: number;
  #bytes = 0;

  /** `first`: the version that will be pushed first. */
  constructor(first: number) {
    this.#first = first;
  }

  /** Version of the oldest entry kept, or of the next one to come when there is none. */
  get first(): number {
    return this.#first;
  }

  /** The version after the newest. */
  get end(): number {
    return this.#first + this.#entries.length - this.#head;
  }

  get bytes(): number {
    return this.#bytes;
  }

  push(entry: Entry): void {
    if (entry.version !== this.end) throw new Error(`entry ${entry.version} instead of ${this.end}`);
    this.#entries.push(entry);
    this.#bytes += entryBytes(entry);
  }

  get(version: number): Entry | undefined {
    return version < this.#first ? undefined : this.#entries[this.#head + version - this.#first];
  }

  /** Puts a note on an entry that has none. */
  annotate(version: number, note: Buffer): void {
    const entry = this.get(version);
    if (entry === undefined || entry.note !== undefined) throw new Error(`change ${version} takes no note`);
    entry.note = note;
    this.#bytes += note.length;
  }

  /** Entries from `from` on: at least one if there is one, and no more than fit into `maxBytes` or lie beyond `to`. */
  slice(from: number, to: number, maxBytes: number): Entry[] {
    const result: Entry[] = [];
    let bytes = 0;
    for (let version = from; version <= to; version++) {
      const entry = this.get(version);
      if (entry === undefined) break;
      bytes += entryBytes(entry);
      if (result.length > 0 && bytes > maxBytes) break;
      result.push(entry);
    }
    return result;
  }

  /** Forgets the entries after `version`. */
  truncate(version: number): void {
    while (this.end - 1 > version && this.end > this.#first) {
      const entry = this.#entries.pop();
      if (entry !== undefined) this.#bytes -= entryBytes(entry);
    }
    if (version < this.#first - 1) this.reset(version + 1);
  }

  /** Forgets everything. */
  reset(first: number): void {
    this.#entries = [];
    this.#head = 0;
    this.#bytes = 0;
    this.#first = first;
  }

  /** Forgets the oldest entries while more than `maxBytes` are kept, but none after `upTo`. */
  trim(maxBytes: number, upTo: number): void {
    while (this.#bytes > maxBytes && this.#first <= upTo && this.#first < this.end) {
      this.#bytes -= entryBytes(this.#entries[this.#head]);
      this.#head++;
      this.#first++;
    }
    if (this.#head > 1024 && this.#head * 2 > this.#entries.length) {
      this.#entries = this.#entries.slice(this.#head);
      this.#head = 0;
    }
  }
}
