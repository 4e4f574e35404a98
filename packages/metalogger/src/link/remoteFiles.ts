import {
  ALCES_VERSION_STRING,
  AlcesFile,
  ANTOMA_ALCES_OPEN,
  ANTOMA_ALCES_READ,
  ANTOMA_DOWNLOAD_END,
  ANTOMA_DOWNLOAD_REQUEST,
  ANTOMA_DOWNLOAD_START,
  crc32,
  DownloadFile,
  MATOAN_ALCES_DATA,
  MATOAN_ALCES_OPENED,
  MATOAN_DOWNLOAD_DATA,
  MATOAN_DOWNLOAD_INFO,
} from '@alces/proto';
import { uncompress } from 'lz4-napi';
import { BadPiece, ProtocolViolation } from './errors.ts';
import type { MasterLink } from './masterLink.ts';

/** What the stock metalogger asks for at a time (spec 52 §3.4). */
export const PIECE_BYTES = 1_000_000;

/** Bytes of signature, version and identity. */
export const HEAD_BYTES = 24;
const CURRENT_SIGNATURE = 'MFSM 2.0';

/** What the header of an image says. */
export interface ImageIdentity {
  version: number;
  metaid: bigint;
}

/** A file of the master that is open for this metalogger. */
export interface RemoteFile {
  readonly sizeBytes: number;
  /** Checksum of the whole file, when the master tells it. */
  readonly crc: number | undefined;
  /** Exactly these bytes, checked. @throws BadPiece when they arrived damaged, LinkLost, ProtocolViolation */
  read(offset: number, length: number): Promise<Buffer>;
}

/** The files that a master hands out. Opening one closes the one before. */
export interface RemoteFiles {
  /**
   * Makes the change logs of this moment the ones that `openChangelog` opens, and answers what the header of the image says; undefined if
   * there is none, or an old or empty one.
   */
  fix(): Promise<ImageIdentity | undefined>;
  /** Does the same. Undefined: the master has no image. */
  openImage(): Promise<RemoteFile | undefined>;
  /** The change log with this number, as it was named when `fix` or `openImage` was called last. */
  openChangelog(number: number): Promise<RemoteFile | undefined>;
  close(): void;
}

/** Whether this is what an Alces master answers. */
export function isAlces(versionText: string): boolean {
  return versionText === ALCES_VERSION_STRING;
}

export function remoteFiles(link: MasterLink, alces: boolean): RemoteFiles {
  return alces ? alcesFiles(link) : stockFiles(link);
}

/** Version and identity in the header of an image; undefined for those of old formats and of new file systems. */
export async function peek(image: RemoteFile | undefined): Promise<ImageIdentity | undefined> {
  if (image === undefined || image.sizeBytes < HEAD_BYTES) return undefined;
  const head = await image.read(0, HEAD_BYTES);
  if (head.toString('latin1', 0, 8) !== CURRENT_SIGNATURE) return undefined;
  return { version: Number(head.readBigUInt64BE(8)), metaid: head.readBigUInt64BE(16) };
}

function closing<T>(result: T, close: () => void): T {
  close();
  return result;
}

function checkPiece(wanted: { offset: number; length: number }, got: { offset: number; length: number }): void {
  if (got.offset !== wanted.offset || got.length !== wanted.length)
    throw new ProtocolViolation(
      `asked for ${wanted.length} bytes at ${wanted.offset}, got ${got.length} bytes at ${got.offset}`,
    );
}

function stockFile(link: MasterLink, sizeBytes: number): RemoteFile {
  return {
    sizeBytes,
    crc: undefined,
    async read(offset, length) {
      const request = ANTOMA_DOWNLOAD_REQUEST.encode({ offset, length });
      const { offset: place, crc, data } = await link.request(request, MATOAN_DOWNLOAD_DATA);
      checkPiece({ offset, length }, { offset: place, length: data.length });
      if (crc32(data) !== crc) throw new BadPiece('metafile data crc error');
      return data;
    },
  };
}

/** Messages of spec 52 §3.3-3.5, in the order in which the stock metalogger sends them. */
function stockFiles(link: MasterLink): RemoteFiles {
  const start = async (file: number): Promise<RemoteFile | undefined> => {
    const info = await link.request(ANTOMA_DOWNLOAD_START.encode({ file }), MATOAN_DOWNLOAD_INFO);
    return info.layout === 'size' ? stockFile(link, info.size) : undefined;
  };
  const close = () => link.send(ANTOMA_DOWNLOAD_END.encode({}));
  return {
    // The stock master opens image and change logs together.
    fix: async () => closing(await peek(await start(DownloadFile.METADATA)), close),
    openImage: () => start(DownloadFile.METADATA),
    openChangelog: async (number) =>
      number <= 1 ? start(number === 0 ? DownloadFile.CHANGELOG_0 : DownloadFile.CHANGELOG_1) : undefined,
    close,
  };
}

async function unpack(data: Buffer, compression: number, length: number): Promise<Buffer> {
  if (compression === 0) return data;
  // The length in front decides how much memory is taken.
  if (compression !== 1 || data.length < 4 || data.readUInt32LE(0) !== length)
    throw new ProtocolViolation(`a piece in an unknown form (${compression})`);
  try {
    return await uncompress(data);
  } catch {
    throw new BadPiece('a compressed piece is damaged');
  }
}

function alcesFile(link: MasterLink, sizeBytes: number, crc: number | undefined): RemoteFile {
  return {
    sizeBytes,
    crc,
    async read(offset, length) {
      const request = ANTOMA_ALCES_READ.encode({ offset, length });
      const answer = await link.request(request, MATOAN_ALCES_DATA);
      const data = await unpack(answer.data, answer.compression, length);
      checkPiece({ offset, length }, { offset: answer.offset, length: data.length });
      if (crc32(data) !== answer.crc) throw new BadPiece('metafile data crc error');
      return data;
    },
  };
}

function alcesFiles(link: MasterLink): RemoteFiles {
  const open = async (file: number, number: number): Promise<RemoteFile | undefined> => {
    const answer = await link.request(ANTOMA_ALCES_OPEN.encode({ file, number }), MATOAN_ALCES_OPENED);
    if (answer.layout === 'failed') return undefined;
    return alcesFile(link, answer.size, file === AlcesFile.IMAGE ? answer.crc : undefined);
  };
  const close = () => link.send(ANTOMA_DOWNLOAD_END.encode({}));
  return {
    fix: async () => closing(await peek(await open(AlcesFile.IMAGE, 0)), close),
    openImage: () => open(AlcesFile.IMAGE, 0),
    openChangelog: (number) => open(AlcesFile.CHANGELOG, number),
    close,
  };
}
