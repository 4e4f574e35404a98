import {
  END_MARKER,
  ImageInput,
  type ImagePiece,
  parseHeader,
  parseSignature,
  parseWhole,
  type Resumable,
  type SavedImage,
} from '@alces/metadata';
import { type Disk, type DiskFile, isMissing, reasonOf } from '@alces/runtime';

const BLOCK_BYTES = 1024 * 1024;
const HEAD_BYTES = 24;
const MARKER_BYTES = 16;
/** So much is written before the disk is made to begin with it; then the end has little left to wait for. */
const SYNC_BYTES = 32 * 1024 * 1024;
const FORMAT_WITH_MARKER = 0x16;

/** Result of the quick check of an image (spec 50 §6). */
export type ImageCheck =
  | { result: 'ok'; isNew: boolean; version: number; metaid: bigint }
  | { result: 'missing' }
  | { result: 'unreadable'; reason: string }
  | { result: 'wrong header' }
  | { result: 'wrong ending'; version: number; metaid: bigint };

async function checkOpen(file: DiskFile): Promise<ImageCheck> {
  const size = await file.size();
  const head = await file.read(0, Math.min(HEAD_BYTES, size));
  if (head.length < 8) return { result: 'unreadable', reason: 'the file is too short' };
  const format = parseSignature(head);
  if (format === undefined) return { result: 'wrong header' };
  if (format === 'NEW') return { result: 'ok', isNew: true, version: 1, metaid: 0n };
  if (head.length < HEAD_BYTES) return { result: 'unreadable', reason: 'the file is too short' };
  const header = parseWhole(head, parseHeader);
  const { metaversion: version, metaid } = header;
  const ending = await file.read(Math.max(HEAD_BYTES, size - MARKER_BYTES), MARKER_BYTES);
  const expected = format < FORMAT_WITH_MARKER ? Buffer.alloc(MARKER_BYTES) : END_MARKER;
  if (!ending.equals(expected)) return { result: 'wrong ending', version, metaid };
  return { result: 'ok', isNew: false, version, metaid };
}

/** Looks at the beginning and the end of an image only. */
export async function checkImage(disk: Disk, path: string): Promise<ImageCheck> {
  try {
    const file = await disk.open(path, 'read');
    try {
      return await checkOpen(file);
    } finally {
      await file.close();
    }
  } catch (error) {
    return isMissing(error) ? { result: 'missing' } : { result: 'unreadable', reason: reasonOf(error) };
  }
}

/**
 * Feeds an image from disk to a parser of `@alces/metadata`, reading ahead of it.
 * @throws ImageError from the parser, and errors of the disk
 */
export async function parseImageFile<R>(
  disk: Disk,
  path: string,
  parser: (input: ImageInput) => Resumable<R>,
): Promise<R> {
  const file = await disk.open(path, 'read');
  try {
    return await feed(file, parser);
  } finally {
    await file.close();
  }
}

async function feed<R>(file: DiskFile, parser: (input: ImageInput) => Resumable<R>): Promise<R> {
  const size = await file.size();
  const input = new ImageInput(size);
  const running = parser(input);
  let step = running.next();
  let ahead: Promise<Buffer> | undefined;
  while (step.done !== true) {
    const wanted = Math.max(BLOCK_BYTES, step.value);
    ahead ??= file.read(input.received, wanted);
    const block = await ahead;
    if (block.length === 0) throw new Error('the file became shorter while it was read');
    input.push(block);
    ahead = input.received < size ? file.read(input.received, BLOCK_BYTES) : undefined;
    ahead?.catch(() => undefined);
    step = running.next();
  }
  await ahead;
  return step.value;
}

async function writePieces(file: DiskFile, serializer: Generator<ImagePiece, SavedImage, void>): Promise<SavedImage> {
  /** The one piece that is being written while the next is made. */
  let writing: Promise<unknown> = Promise.resolve();
  let syncing: Promise<unknown> = Promise.resolve();
  let unsyncedBytes = 0;
  try {
    let step = serializer.next();
    for (; step.done !== true; step = serializer.next()) {
      await writing;
      const { position, data } = step.value;
      // An empty piece only gives others their turn, which any operation of the disk does.
      writing = data.length === 0 ? file.size() : file.write(position, [data]);
      // Failures are found when they are waited for.
      writing.catch(() => undefined);
      unsyncedBytes += data.length;
      if (unsyncedBytes < SYNC_BYTES) continue;
      await syncing;
      unsyncedBytes = 0;
      syncing = file.datasync();
      syncing.catch(() => undefined);
    }
    await writing;
    await syncing;
    await file.datasync();
    return step.value;
  } catch (error) {
    await Promise.allSettled([writing, syncing]);
    throw error;
  }
}

/** Writes an image and syncs it. Between pieces other work goes on; what is serialized must not change meanwhile. */
export async function writeImageFile(
  disk: Disk,
  path: string,
  serializer: Generator<ImagePiece, SavedImage, void>,
): Promise<SavedImage> {
  const file = await disk.open(path, 'create');
  try {
    return await writePieces(file, serializer);
  } finally {
    await file.close();
  }
}
