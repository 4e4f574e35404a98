import type { Disk, DiskFile } from '@alces/runtime';

const NEWLINE = 10;
const TAIL_BYTES = 256 * 1024;

/** A piece of a file behind the last newline, left by a crash in the middle of a write. */
export interface TornTail {
  /** Where the whole lines end. */
  position: number;
  lengthBytes: number;
}

/** Looks for bytes behind the last newline of an open file. */
export async function findTornTail(file: DiskFile, size: number): Promise<TornTail | undefined> {
  let end = size;
  while (end > 0) {
    const start = Math.max(0, end - TAIL_BYTES);
    const bytes = await file.read(start, end - start);
    const newline = bytes.lastIndexOf(NEWLINE);
    if (newline >= 0) {
      const position = start + newline + 1;
      return position === size ? undefined : { position, lengthBytes: size - position };
    }
    end = start;
  }
  return size === 0 ? undefined : { position: 0, lengthBytes: size };
}

/**
 * The file that changes are appended to. Lines count as written only when a whole append succeeded; after a failure the file is
 * cut back to that point before anything else is written, so that it never holds a torn line in the middle.
 */
export class Segment {
  readonly #disk: Disk;
  readonly #folder: string;
  readonly path: string;
  #file: DiskFile | undefined;
  /** Bytes that are whole lines. */
  #length = 0;
  /** Bytes behind `#length` may exist. */
  #dirty = false;
  /** The file is new, and its name not safe yet. */
  #nameUnsafe = false;

  constructor(disk: Disk, folder: string, path: string) {
    this.#disk = disk;
    this.#folder = folder;
    this.path = path;
  }

  /** There is no whole line in the open file. */
  get isEmpty(): boolean {
    return this.#length === 0;
  }

  /** Opens or creates the file, and cuts off a torn tail, which is returned. If that fails, the next append tries it again. */
  async open(): Promise<TornTail | undefined> {
    const file = await this.#disk.open(this.path, 'append');
    try {
      const size = await file.size();
      const torn = await findTornTail(file, size);
      this.#file = file;
      this.#length = torn?.position ?? size;
      this.#dirty = torn !== undefined;
      this.#nameUnsafe = size === 0;
      if (torn !== undefined) await this.#cut(file).catch(() => undefined);
      return torn;
    } catch (error) {
      await file.close();
      throw error;
    }
  }

  /**
   * Appends whole lines; with `sync` they survive the loss of power when the promise resolves. When it rejects nothing was
   * appended (what was is cut off by the next attempt), and the same lines may be given again.
   */
  async append(lines: Buffer, sync: boolean): Promise<void> {
    if (this.#file === undefined) await this.open();
    const file = this.#file!;
    if (this.#dirty) await this.#cut(file);
    this.#dirty = true;
    await file.write(this.#length, [lines]);
    if (sync) await this.#sync(file);
    this.#length += lines.length;
    this.#dirty = false;
  }

  /** Cuts the file back to its whole lines. */
  async #cut(file: DiskFile): Promise<void> {
    await file.truncate(this.#length);
    this.#dirty = false;
  }

  async #sync(file: DiskFile): Promise<void> {
    await file.datasync();
    if (!this.#nameUnsafe) return;
    await this.#disk.syncFolder(this.#folder);
    this.#nameUnsafe = false;
  }

  /** Makes everything safe and closes the file; the next append opens it (or a new one of the same name) again. */
  async close(): Promise<void> {
    const file = this.#file;
    if (file === undefined) return;
    if (this.#dirty) await this.#cut(file);
    await this.#sync(file);
    this.#file = undefined;
    await file.close();
  }
}
