import { AlcesFile, crc32, MATOAN_ALCES_DATA, MATOAN_ALCES_OPENED } from '@alces/proto';
import type { Disk, DiskFile } from '@alces/runtime';
import { compress } from 'lz4-napi';
import { DownloadViolation } from './download.ts';

/** Where the files are that an Alces metalogger may fetch. */
export interface AlcesPaths {
  readonly image: string;
  changelog(number: number): string;
}

/** What a metalogger asks for at a time, at most. */
const PIECE_BYTES = 1_000_000;
const CHECKSUM_BLOCK_BYTES = 4 << 20;
const NO_SUCH_FILE = 0xff;
const COMPRESSION = { none: 0, lz4: 1 } as const;

/** The file that an Alces metalogger has open: it travels compressed, and its checksum is known beforehand (decision 0101). */
export class AlcesDownload {
  readonly #disk: Disk;
  readonly #paths: AlcesPaths;
  #file: DiskFile | undefined;

  constructor(disk: Disk, paths: AlcesPaths) {
    this.#disk = disk;
    this.#paths = paths;
  }

  /** ALCES_OPEN: the answer to send. */
  async open(file: number, number: number): Promise<Buffer> {
    if (file !== AlcesFile.IMAGE && file !== AlcesFile.CHANGELOG)
      throw new DownloadViolation(`wants to download file ${file}`);
    await this.close();
    const path = file === AlcesFile.IMAGE ? this.#paths.image : this.#paths.changelog(number);
    if (!(await this.#disk.exists(path))) return MATOAN_ALCES_OPENED.encode({ layout: 'failed', status: NO_SUCH_FILE });
    this.#file = await this.#disk.open(path, 'read');
    const size = await this.#file.size();
    const crc = file === AlcesFile.IMAGE ? await checksumOf(this.#file, size) : 0;
    return MATOAN_ALCES_OPENED.encode({ layout: 'open', size, crc });
  }

  /** ALCES_READ: the answer to send. */
  async read(offset: number, length: number): Promise<Buffer> {
    if (!this.#file) throw new DownloadViolation('wants to download without an open file');
    if (length > PIECE_BYTES) throw new DownloadViolation(`wants to download ${length} bytes at once`);
    const data = await this.#file.read(offset, length);
    if (data.length !== length)
      throw new DownloadViolation(`wants to download ${length} bytes at ${offset}, beyond the file`);
    const packed = await compress(data);
    const smaller = packed.length < data.length;
    return MATOAN_ALCES_DATA.encode({
      offset,
      crc: crc32(data),
      compression: smaller ? COMPRESSION.lz4 : COMPRESSION.none,
      data: smaller ? packed : data,
    });
  }

  async close(): Promise<void> {
    const file = this.#file;
    this.#file = undefined;
    await file?.close();
  }
}

async function checksumOf(file: DiskFile, size: number): Promise<number> {
  let crc = 0;
  for (let offset = 0; offset < size; offset += CHECKSUM_BLOCK_BYTES) {
    crc = crc32(await file.read(offset, Math.min(CHECKSUM_BLOCK_BYTES, size - offset)), crc);
  }
  return crc;
}
