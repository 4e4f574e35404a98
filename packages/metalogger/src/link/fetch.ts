import { crc32 } from '@alces/proto';
import { type Disk, type DiskFile, reasonOf } from '@alces/runtime';
import { BadPiece, FetchFailed } from './errors.ts';
import { PIECE_BYTES, type RemoteFile } from './remoteFiles.ts';

/** A piece is asked for so often before the download is given up (spec 52 §4.2). */
const ATTEMPTS = 6;

/** What of a file is on the disk already: of the same one, if size and checksum are the same. */
export interface Partial {
  sizeBytes: number;
  crc: number;
  doneBytes: number;
}

export interface FetchOptions {
  disk: Disk;
  path: string;
  /** Where to go on; undefined: at the beginning. Kept up to date when the master tells the file's checksum. */
  partial?: Partial;
}

function isDiskError(error: unknown): boolean {
  return error instanceof Error && 'code' in error;
}

async function fetchPiece(remote: RemoteFile, file: DiskFile, offset: number, length: number): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      await file.write(offset, [await remote.read(offset, length)]);
      return;
    } catch (error) {
      if (!(error instanceof BadPiece) && !isDiskError(error)) throw error;
      if (attempt === ATTEMPTS) throw new FetchFailed(reasonOf(error));
    }
  }
}

async function checksumOf(file: DiskFile, sizeBytes: number): Promise<number> {
  let crc = 0;
  for (let offset = 0; offset < sizeBytes; offset += PIECE_BYTES) {
    crc = crc32(await file.read(offset, Math.min(PIECE_BYTES, sizeBytes - offset)), crc);
  }
  return crc;
}

/**
 * Fetches a file of the master, piece by piece; a damaged piece is asked for again. Returns when the file is complete and safe on disk.
 * @throws FetchFailed when the file can't be had now; LinkLost; ProtocolViolation
 */
export async function fetchFile(remote: RemoteFile, options: FetchOptions): Promise<void> {
  const { disk, path, partial } = options;
  const { sizeBytes, crc } = remote;
  const resumed = partial !== undefined && crc !== undefined && partial.sizeBytes === sizeBytes && partial.crc === crc;
  if (partial !== undefined && !resumed) Object.assign(partial, { sizeBytes, crc: crc ?? 0, doneBytes: 0 });
  try {
    await fetchInto(
      await disk.open(path, resumed ? 'append' : 'create'),
      remote,
      resumed ? partial : undefined,
      options,
    );
  } catch (error) {
    throw isDiskError(error) ? new FetchFailed(`can't write ${path}: ${reasonOf(error)}`) : error;
  }
}

async function fetchInto(
  file: DiskFile,
  remote: RemoteFile,
  done: Partial | undefined,
  { path, partial }: FetchOptions,
): Promise<void> {
  const { sizeBytes, crc } = remote;
  try {
    for (let offset = done?.doneBytes ?? 0; offset < sizeBytes; offset += PIECE_BYTES) {
      await fetchPiece(remote, file, offset, Math.min(PIECE_BYTES, sizeBytes - offset));
      if (partial !== undefined) partial.doneBytes = Math.min(sizeBytes, offset + PIECE_BYTES);
    }
    await file.datasync();
    if (crc !== undefined && (await checksumOf(file, sizeBytes)) !== crc) {
      if (partial !== undefined) partial.doneBytes = 0;
      throw new FetchFailed(`${path}: the file as a whole has another checksum than the master's`);
    }
  } finally {
    await file.close();
  }
}
