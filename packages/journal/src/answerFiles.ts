import { crc32 } from '@alces/proto';
import { type Disk, type DiskFile, reasonOf } from '@alces/runtime';
import { inFolder } from './files.ts';
import { decodeNote, type RequestLedger } from './ledger.ts';
import type { Reporter } from './report.ts';

/** Answers to numbered requests, beside the change log of a master without followers (docs/decisions/0152). */
const CURRENT_NAME = 'answers.0.mfs';
const PREVIOUS_NAME = 'answers.1.mfs';

/** A file that is longer is put away, in place of the one put away before. */
const MAX_FILE_BYTES = 4 << 20;
const TWO_32 = 0x1_0000_0000;
/** Of a block: the length of its records u32, their CRC u32. */
const BLOCK_HEADER_BYTES = 8;
/** Of a record: version u64, length of the note u32. */
const RECORD_HEADER_BYTES = 12;
/** A block is what was written at a time: the notes of a batch of changes. */
const MAX_BLOCK_BYTES = 64 << 20;

/** A note and the version of the change that it belongs to. */
export interface VersionedNote {
  readonly version: number;
  readonly note: Buffer;
}

function encodeBlock(notes: readonly VersionedNote[]): Buffer {
  const total = notes.reduce((sum, { note }) => sum + RECORD_HEADER_BYTES + note.length, BLOCK_HEADER_BYTES);
  const block = Buffer.allocUnsafe(total);
  let at = BLOCK_HEADER_BYTES;
  for (const { version, note } of notes) {
    block.writeUInt32BE(Math.floor(version / TWO_32), at);
    block.writeUInt32BE(version % TWO_32, at + 4);
    block.writeUInt32BE(note.length, at + 8);
    block.set(note, at + RECORD_HEADER_BYTES);
    at += RECORD_HEADER_BYTES + note.length;
  }
  block.writeUInt32BE(total - BLOCK_HEADER_BYTES, 0);
  block.writeUInt32BE(crc32(block.subarray(BLOCK_HEADER_BYTES)), 4);
  return block;
}

function decodeRecords(block: Buffer, notes: VersionedNote[]): void {
  for (let at = 0; at < block.length; ) {
    const version = block.readUInt32BE(at) * TWO_32 + block.readUInt32BE(at + 4);
    const begin = at + RECORD_HEADER_BYTES;
    at = begin + block.readUInt32BE(at + 8);
    notes.push({ version, note: block.subarray(begin, at) });
  }
}

/** The notes of the whole blocks at the beginning of the bytes, and the length of these. What follows a damaged one can't be found. */
export function decodeBlocks(bytes: Buffer): { notes: VersionedNote[]; lengthBytes: number } {
  const notes: VersionedNote[] = [];
  let at = 0;
  while (at + BLOCK_HEADER_BYTES <= bytes.length) {
    const begin = at + BLOCK_HEADER_BYTES;
    const end = begin + bytes.readUInt32BE(at);
    if (end > bytes.length || end - begin > MAX_BLOCK_BYTES) break;
    const block = bytes.subarray(begin, end);
    if (crc32(block) !== bytes.readUInt32BE(at + 4)) break;
    decodeRecords(block, notes);
    at = end;
  }
  return { notes, lengthBytes: at };
}

/** Files that keep the latest answers over a restart. Losing them costs that, and nothing else: no error is ever the caller's. */
export class AnswerFiles {
  readonly #disk: Disk;
  readonly #folder: string;
  readonly #report: Reporter;
  #file: DiskFile | undefined;
  #length = 0;
  /** What is there can't be read: nothing is appended to it. */
  #unreadable = false;
  /** The last write failed; the next one is tried in the same place. */
  #failing = false;

  private constructor(disk: Disk, folder: string, report: Reporter) {
    this.#disk = disk;
    this.#folder = folder;
    this.#report = report;
  }

  /**
   * Puts the answers kept in a folder into a ledger, but for those to changes that were lost: `nextVersion` is the number of the next
   * change. What is kept from then on is appended to them.
   */
  static async open(
    options: { disk: Disk; folder: string; report: Reporter },
    nextVersion: number,
    ledger: RequestLedger,
  ): Promise<AnswerFiles> {
    const { disk, folder, report } = options;
    const files = new AnswerFiles(disk, folder, report);
    try {
      for (const name of [PREVIOUS_NAME, CURRENT_NAME]) await files.#load(inFolder(folder, name), nextVersion, ledger);
    } catch (error) {
      files.#unreadable = true;
      report.warn(`answers to clients are not kept over a restart: ${files.#path}: ${reasonOf(error)}`);
    }
    return files;
  }

  async #load(path: string, nextVersion: number, ledger: RequestLedger): Promise<void> {
    if (!(await this.#disk.exists(path))) return;
    const bytes = await this.#disk.readFile(path);
    const { notes, lengthBytes } = decodeBlocks(bytes);
    const kept = notes.filter(({ version }) => version < nextVersion);
    // What would be appended to a damaged end could not be found.
    if (kept.length < notes.length || lengthBytes < bytes.length) await this.#disk.replaceFile(path, encodeBlock(kept));
    for (const { note } of kept) ledger.record(decodeNote(note));
  }

  get #path(): string {
    return inFolder(this.#folder, CURRENT_NAME);
  }

  /** Keeps notes; `sync`: over the loss of power. */
  async write(notes: readonly VersionedNote[], sync: boolean): Promise<void> {
    if (this.#unreadable) return;
    try {
      const bytes = encodeBlock(notes);
      if (this.#length + bytes.length > MAX_FILE_BYTES) await this.#putAway();
      this.#file ??= await this.#open();
      // A part of the block that failed may be there.
      if (this.#failing) await this.#file.truncate(this.#length);
      await this.#file.write(this.#length, [bytes]);
      if (sync) await this.#file.datasync();
      this.#length += bytes.length;
      if (this.#failing) this.#report.warn(`answers to clients are kept over a restart again: ${this.#path}`);
      this.#failing = false;
    } catch (error) {
      this.#failed(error);
    }
  }

  async #open(): Promise<DiskFile> {
    const file = await this.#disk.open(this.#path, 'append');
    this.#length = await file.size();
    return file;
  }

  async #putAway(): Promise<void> {
    await this.#file?.close();
    this.#file = undefined;
    await this.#disk.rename(this.#path, inFolder(this.#folder, PREVIOUS_NAME));
    this.#length = 0;
  }

  /** These notes are lost: after a restart requests of now may be executed again. */
  #failed(error: unknown): void {
    if (!this.#failing)
      this.#report.warn(`answers to clients are not kept over a restart: ${this.#path}: ${reasonOf(error)}`);
    this.#failing = true;
  }

  async close(): Promise<void> {
    const file = this.#file;
    this.#file = undefined;
    await file?.close();
  }
}
