import { type Disk, isMissing } from '@alces/runtime';
import type { Entry } from '../entry.ts';
import { encodeRecords } from './record.ts';
import { Segment } from './segment.ts';
import type { EntryStorage } from './types.ts';

const NAME = /^journal\.([0-9]{16})\.log$/;
const COPY_BYTES = 1 << 20;

export interface SegmentLogOptions {
  disk: Disk;
  folder: string;
  /** A file that has grown beyond this is followed by another one. */
  segmentBytes?: number;
}

/** The journal's files are damaged in a place that no loss of power explains. */
export class JournalDamaged extends Error {
  override readonly name = 'JournalDamaged';
}

/**
 * Entries in files of checksummed records, `journal.FIRST.log`; what is removed because it was never committed is kept in
 * `discarded.epoch-E.FIRST-LAST.log`. At any moment of a crash the files hold a whole first part of the journal.
 */
export class SegmentLog implements EntryStorage {
  readonly #disk: Disk;
  readonly #folder: string;
  readonly #segmentBytes: number;
  #segments: Segment[] = [];
  /** A file is new, and its name not safe yet. */
  #nameUnsafe = false;

  constructor(options: SegmentLogOptions) {
    this.#disk = options.disk;
    this.#folder = options.folder;
    this.#segmentBytes = options.segmentBytes ?? 16 << 20;
  }

  #path(first: number): string {
    return `${this.#folder}/journal.${String(first).padStart(16, '0')}.log`;
  }

  async #firsts(): Promise<number[]> {
    const names = await this.#disk.list(this.#folder);
    return names.flatMap((name) => NAME.exec(name)?.[1] ?? []).map(Number);
  }

  async open(): Promise<{ base: number; last: number }> {
    await this.#disk.makeFolder(this.#folder);
    const firsts = (await this.#firsts()).sort((a, b) => a - b);
    this.#segments = firsts.map((first) => new Segment(this.#disk, this.#path(first), first));
    for (const [index, segment] of this.#segments.entries()) {
      const whole = await segment.scan();
      const next = this.#segments[index + 1];
      if (next !== undefined && (!whole || next.first !== segment.last + 1))
        throw new JournalDamaged(`${segment.path} is damaged behind change ${segment.last}, and ${next.path} follows`);
    }
    // Names of before may not be safe yet.
    this.#nameUnsafe = true;
    return { base: (this.#segments[0]?.first ?? 1) - 1, last: this.#segments.at(-1)?.last ?? 0 };
  }

  async append(entries: readonly Entry[], sync: boolean): Promise<void> {
    if (entries.length === 0) return;
    const segment = await this.#writable(entries[0].version);
    await segment.append(entries, sync);
    if (sync) await this.#syncName();
  }

  /** The segment that takes `version`: the last one, or a new one behind it when it is full. */
  async #writable(version: number): Promise<Segment> {
    const current = this.#segments.at(-1);
    if (current !== undefined) {
      if (version !== current.last + 1) throw new Error(`change ${version} behind ${current.last}`);
      if (current.length < this.#segmentBytes || current.length === 0) return current;
      // The end of a file that is followed by another one must not be torn.
      await current.sync();
      await current.close();
    }
    return this.#create(version);
  }

  #create(first: number): Segment {
    const segment = new Segment(this.#disk, this.#path(first), first);
    this.#segments.push(segment);
    this.#nameUnsafe = true;
    return segment;
  }

  async #syncName(): Promise<void> {
    if (!this.#nameUnsafe) return;
    await this.#disk.syncFolder(this.#folder);
    this.#nameUnsafe = false;
  }

  async sync(): Promise<void> {
    await this.#segments.at(-1)?.sync();
    await this.#syncName();
  }

  async truncate(version: number, epoch: number): Promise<void> {
    const last = this.#segments.at(-1)?.last ?? 0;
    if (version >= last) return;
    await this.#setAside(version + 1, last, epoch);
    // From the end, so that a crash leaves a first part without holes.
    for (
      let segment = this.#segments.at(-1);
      segment !== undefined && this.#segments.length > 1;
      segment = this.#segments.at(-1)
    ) {
      if (segment.first <= version + 1) break;
      await segment.close();
      await this.#disk.remove(segment.path);
      await this.#disk.syncFolder(this.#folder);
      this.#segments.pop();
    }
    await this.#segments.at(-1)?.truncate(version);
  }

  async #setAside(first: number, last: number, epoch: number): Promise<void> {
    const path = `${this.#folder}/discarded.epoch-${epoch}.${first}-${last}.log`;
    const file = await this.#disk.open(path, 'create');
    try {
      let position = 0;
      for (let from = first; from <= last; ) {
        const entries = await this.read(from, COPY_BYTES);
        if (entries === undefined) throw new JournalDamaged(`change ${from} cannot be read`);
        const bytes = encodeRecords(entries);
        await file.write(position, [bytes]);
        position += bytes.length;
        from += entries.length;
      }
      await file.datasync();
    } finally {
      await file.close();
    }
    await this.#disk.syncFolder(this.#folder);
  }

  async reset(version: number): Promise<void> {
    await this.#disk.makeFolder(this.#folder);
    await this.close();
    for (const first of (await this.#firsts()).sort((a, b) => b - a)) await this.#disk.remove(this.#path(first));
    this.#segments = [];
    await this.#create(version + 1).sync();
    await this.#syncName();
  }

  async read(from: number, maxBytes: number): Promise<Entry[] | undefined> {
    const segment = this.#segments.findLast((candidate) => candidate.first <= from);
    if (segment === undefined || from > segment.last) return undefined;
    try {
      const entries = await segment.read(from, maxBytes);
      return entries.length > 0 ? entries : undefined;
    } catch (error) {
      // It may have been pruned while it was looked for.
      if (isMissing(error)) return undefined;
      throw error;
    }
  }

  async prune(version: number): Promise<void> {
    while (this.#segments.length > 1 && this.#segments[1].first <= version + 1) {
      await this.#segments[0].close();
      await this.#disk.remove(this.#segments[0].path);
      this.#segments.shift();
    }
  }

  async close(): Promise<void> {
    for (const segment of this.#segments) await segment.close();
  }
}
