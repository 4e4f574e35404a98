import { crc32, DownloadFile, type FieldsOf, MATOAN_DOWNLOAD_DATA, MATOAN_DOWNLOAD_INFO } from '@alces/proto';
import type { Disk, DiskFile } from '@alces/runtime';

/** A request that the protocol does not allow; the connection must be closed. */
export class DownloadViolation extends Error {}

/** Where the files are that a metalogger may fetch. */
export interface DownloadPaths {
  readonly image: string;
  readonly changelog0: string;
  readonly changelog1: string;
}

/** A DATA packet must fit the metalogger's packet limit of 1,500,000 bytes. */
const BLOCK_LIMIT_BYTES = 1_500_000 - 16;
const CANNOT_OPEN = 0xff;

type Info = FieldsOf<typeof MATOAN_DOWNLOAD_INFO>;

/** The files that one metalogger has open (spec 52 §3.3-3.5). The changelogs are opened together with the image. */
export class Download {
  readonly #disk: Disk;
  readonly #paths: DownloadPaths;
  #current: DiskFile | undefined;
  #changelogs: (DiskFile | undefined)[] = [];

  constructor(disk: Disk, paths: DownloadPaths) {
    this.#disk = disk;
    this.#paths = paths;
  }

  /** DOWNLOAD_START: the answer to send. */
  async start(file: number): Promise<Buffer> {
    switch (file) {
      case DownloadFile.METADATA:
        await this.close();
        this.#current = await this.#open(this.#paths.image);
        this.#changelogs = [await this.#open(this.#paths.changelog0), await this.#open(this.#paths.changelog1)];
        return this.#info({ layout: 'failed', status: CANNOT_OPEN });
      case DownloadFile.SESSIONS:
        // A file of 1.6 masters; sessions are part of the image now.
        await this.close();
        return this.#info({ layout: 'failed', status: CANNOT_OPEN });
      case DownloadFile.CHANGELOG_0:
      case DownloadFile.CHANGELOG_1:
        await this.end();
        this.#current = this.#changelogs[file - DownloadFile.CHANGELOG_0];
        this.#changelogs[file - DownloadFile.CHANGELOG_0] = undefined;
        return this.#info({ layout: 'size', size: 0 });
      default:
        throw new DownloadViolation(`wants to download file ${file}`);
    }
  }

  /** DOWNLOAD_REQUEST: the answer to send. */
  async read(offset: number, length: number): Promise<Buffer> {
    if (!this.#current) throw new DownloadViolation('wants to download without an open file');
    if (length > BLOCK_LIMIT_BYTES) throw new DownloadViolation(`wants to download ${length} bytes at once`);
    const data = await this.#current.read(offset, length);
    if (data.length !== length)
      throw new DownloadViolation(`wants to download ${length} bytes at ${offset}, beyond the file`);
    return MATOAN_DOWNLOAD_DATA.encode({ offset, crc: crc32(data), data });
  }

  /** DOWNLOAD_END. */
  async end(): Promise<undefined> {
    const file = this.#current;
    this.#current = undefined;
    await file?.close();
  }

  /** Closes everything. */
  async close(): Promise<void> {
    const files = [this.#current, ...this.#changelogs];
    this.#current = undefined;
    this.#changelogs = [];
    for (const file of files) await file?.close();
  }

  async #open(path: string): Promise<DiskFile | undefined> {
    return (await this.#disk.exists(path)) ? this.#disk.open(path, 'read') : undefined;
  }

  async #info(without: Info): Promise<Buffer> {
    if (!this.#current) return MATOAN_DOWNLOAD_INFO.encode(without);
    return MATOAN_DOWNLOAD_INFO.encode({ layout: 'size', size: await this.#current.size() });
  }
}
