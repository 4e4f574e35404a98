import { crc32 } from '@alces/proto';
import type { Disk, DiskFile } from '@alces/runtime';
import { type ChangelogFamily, inFolder } from './files.ts';

const HEAD_BYTES = 12;
const SUM_BYTES = 4;
const CELL_VERSIONS = 4096;
const LARGEST_RECORD_LINES = 1 << 20;
const NAME = /^changelog(?:_ml|_ml_back)?\.\d{1,5}\.sum$/;

/** Name of the file with the checksums of a change log's lines. */
export function sumsName(family: ChangelogFamily, number: number): string {
  return `${family}.${number}.sum`;
}

/** The checksum of a line, newline left out. */
export function sumOfLine(bytes: Buffer, start: number, end: number): number {
  return crc32(bytes.subarray(start, end));
}

/** A record: first version (64 bits), number of lines, their checksums, checksum of the record. Big-endian. */
function encodeRecord(first: number, sums: readonly number[]): Buffer {
  const record = Buffer.allocUnsafe(HEAD_BYTES + SUM_BYTES * (sums.length + 1));
  record.writeBigUInt64BE(BigInt(first), 0);
  record.writeUInt32BE(sums.length, 8);
  for (let i = 0; i < sums.length; i++) record.writeUInt32BE(sums[i]!, HEAD_BYTES + SUM_BYTES * i);
  const end = record.length - SUM_BYTES;
  record.writeUInt32BE(crc32(record.subarray(0, end)), end);
  return record;
}

/**
 * Appends checksums to the file beside a change log. They are a help, not a promise: a write that fails leaves lines unchecked and
 * is told once.
 */
export class LineSumsWriter {
  readonly #disk: Disk;
  readonly #path: string;
  readonly #failed: (error: unknown) => void;
  #file: Promise<DiskFile> | undefined;
  #position = 0;
  #work: Promise<void> = Promise.resolve();
  #isBroken = false;

  constructor(disk: Disk, path: string, failed: (error: unknown) => void) {
    this.#disk = disk;
    this.#path = path;
    this.#failed = failed;
  }

  /** Adds the checksums of consecutive lines that were written; resolved by `close`. */
  append(first: number, sums: readonly number[]): void {
    if (this.#isBroken) return;
    const record = encodeRecord(first, sums);
    this.#work = this.#work.then(() => this.#write(record));
  }

  async #write(record: Buffer): Promise<void> {
    if (this.#isBroken) return;
    try {
      this.#file ??= this.#open();
      const file = await this.#file;
      await file.write(this.#position, [record]);
      this.#position += record.length;
    } catch (error) {
      this.#isBroken = true;
      this.#failed(error);
    }
  }

  /** What a crash left behind the last whole record is cut off. */
  async #open(): Promise<DiskFile> {
    const file = await this.#disk.open(this.#path, 'append');
    const size = await file.size();
    this.#position = new LineSums().addRecords(await file.read(0, size));
    if (this.#position < size) await file.truncate(this.#position);
    return file;
  }

  async close(): Promise<void> {
    await this.#work;
    const file = await this.#file?.catch(() => undefined);
    this.#file = undefined;
    await file?.close();
  }
}

interface Cell {
  sums: Uint32Array;
  known: Uint8Array;
}

/** The checksums found in a folder. A version that was written more than once, by a master that went back in time, has several. */
export class LineSums {
  readonly #cells = new Map<number, Cell>();
  readonly #others = new Map<number, number[]>();
  /** The highest version that a checksum is known of; 0: none. */
  lastVersion = 0;

  /** Whether a checksum of this version is known. */
  knows(version: number): boolean {
    return this.#cells.get(Math.floor(version / CELL_VERSIONS))?.known[version % CELL_VERSIONS] === 1;
  }

  /** Whether a line with this checksum was written as this version; undefined: nothing is known of it. */
  matches(version: number, sum: number): boolean | undefined {
    const cell = this.#cells.get(Math.floor(version / CELL_VERSIONS));
    const at = version % CELL_VERSIONS;
    if (cell === undefined || cell.known[at] === 0) return undefined;
    return cell.sums[at] === sum || this.#others.get(version)?.includes(sum) === true;
  }

  add(version: number, sum: number): void {
    this.lastVersion = Math.max(this.lastVersion, version);
    const index = Math.floor(version / CELL_VERSIONS);
    let cell = this.#cells.get(index);
    if (cell === undefined) {
      cell = { sums: new Uint32Array(CELL_VERSIONS), known: new Uint8Array(CELL_VERSIONS) };
      this.#cells.set(index, cell);
    }
    const at = version % CELL_VERSIONS;
    if (cell.known[at] === 0) {
      cell.known[at] = 1;
      cell.sums[at] = sum;
    } else if (cell.sums[at] !== sum) {
      this.#others.set(version, [...(this.#others.get(version) ?? []), sum]);
    }
  }

  /** Takes the records of a file up to the first damaged one. Returns where that begins. */
  addRecords(bytes: Buffer): number {
    let at = 0;
    while (at + HEAD_BYTES + SUM_BYTES <= bytes.length) {
      const count = bytes.readUInt32BE(at + 8);
      const end = at + HEAD_BYTES + SUM_BYTES * count;
      if (count > LARGEST_RECORD_LINES || end + SUM_BYTES > bytes.length) break;
      if (bytes.readUInt32BE(end) !== crc32(bytes.subarray(at, end))) break;
      const first = Number(bytes.readBigUInt64BE(at));
      for (let i = 0; i < count; i++) this.add(first + i, bytes.readUInt32BE(at + HEAD_BYTES + SUM_BYTES * i));
      at = end + SUM_BYTES;
    }
    return at;
  }
}

/** Reads all checksums of change logs in a folder. */
export async function readLineSums(disk: Disk, folder: string): Promise<LineSums> {
  const sums = new LineSums();
  const names = (await disk.list(folder)).filter((name) => NAME.test(name));
  for (const name of names.sort()) sums.addRecords(await disk.readFile(inFolder(folder, name)));
  return sums;
}
