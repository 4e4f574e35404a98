import { crc32 } from '@alces/proto';
import type { Disk, DiskFile } from '@alces/runtime';
import { inFolder } from './files.ts';
import { decodeNote, type RequestLedger } from './ledger.ts';
import { type Reporter, reasonOf } from './report.ts';

/** Answers to numbered requests, beside the change log of a master without followers (docs/decisions/0152). */
const CURRENT_NAME = 'answers.0.mfs';
const PREVIOUS_NAME = 'answers.1.mfs';

/** A file that is longer is put away, in place of the one put away before. */
const MAX_FILE_BYTES = 4 << 20;
const HEADER_BYTES = 16;
const MAX_NOTE_BYTES = 1 << 16;

/** A note and the version of the change that it belongs to. */
export interface VersionedNote {
  readonly version: number;
  readonly note: Buffer;
}

/** A record: length u32, CRC u32 of what follows, version u64, the note. */
function encodeRecords(notes: readonly VersionedNote[]): Buffer {
  const total = notes.reduce((sum, { note }) => sum + HEADER_BYTES + note.length, 0);
  const bytes = Buffer.allocUnsafe(total);
  let at = 0;
  for (const { version, note } of notes) {
    const end = at + HEADER_BYTES + note.length;
    bytes.writeUInt32BE(note.length, at);
    bytes.writeBigUInt64BE(BigInt(version), at + 8);
    note.copy(bytes, at + HEADER_BYTES);
    bytes.writeUInt32BE(crc32(bytes.subarray(at + 8, end)), at + 4);
    at = end;
  }
  return bytes;
}

/** The whole records at the beginning of the bytes. What follows a damaged one can't be found. */
export function decodeRecords(bytes: Buffer): VersionedNote[] {
  const notes: VersionedNote[] = [];
  for (let at = 0; at + HEADER_BYTES <= bytes.length; ) {
    const length = bytes.readUInt32BE(at);
    const end = at + HEADER_BYTES + length;
    if (length > MAX_NOTE_BYTES || end > bytes.length) break;
    if (crc32(bytes.subarray(at + 8, end)) !== bytes.readUInt32BE(at + 4)) break;
    const version = Number(bytes.readBigUInt64BE(at + 8));
    notes.push({ version, note: bytes.subarray(at + HEADER_BYTES, end) });
    at = end;
  }
  return notes;
}

/** Files that keep the latest answers over a restart. Losing them costs that, and nothing else: no error is ever the caller's. */
export class AnswerFiles {
  readonly #disk: Disk;
  readonly #folder: string;
  readonly #report: Reporter;
  #file: DiskFile | undefined;
  #length = 0;
  #broken = false;

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
      files.#give(error);
    }
    return files;
  }

  async #load(path: string, nextVersion: number, ledger: RequestLedger): Promise<void> {
    if (!(await this.#disk.exists(path))) return;
    const bytes = await this.#disk.readFile(path);
    const kept = decodeRecords(bytes).filter(({ version }) => version < nextVersion);
    const records = encodeRecords(kept);
    if (records.length !== bytes.length) await this.#disk.replaceFile(path, records);
    for (const { note } of kept) ledger.record(decodeNote(note));
  }

  get #path(): string {
    return inFolder(this.#folder, CURRENT_NAME);
  }

  /** Keeps notes; `sync`: over the loss of power. */
  async write(notes: readonly VersionedNote[], sync: boolean): Promise<void> {
    if (this.#broken) return;
    try {
      const bytes = encodeRecords(notes);
      if (this.#length + bytes.length > MAX_FILE_BYTES) await this.#putAway();
      this.#file ??= await this.#open();
      await this.#file.write(this.#length, [bytes]);
      if (sync) await this.#file.datasync();
      this.#length += bytes.length;
    } catch (error) {
      this.#give(error);
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

  /** Gives up: from now on requests are executed once as long as this master runs. */
  #give(error: unknown): void {
    this.#broken = true;
    this.#report.warn(`answers to clients are not kept over a restart: ${this.#path}: ${reasonOf(error)}`);
  }

  async close(): Promise<void> {
    const file = this.#file;
    this.#file = undefined;
    await file?.close();
  }
}
