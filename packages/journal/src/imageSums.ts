import { crc32 } from '@alces/proto';
import { type Disk, type DiskFile, isMissing } from '@alces/runtime';
import { IMAGE_SUMS_NAME, inFolder } from './files.ts';

const BLOCKS = 1024;
const SMALLEST_BLOCK_BYTES = 64;
const READ_BYTES = 4 * 1024 * 1024;
const FORMAT = 'alces image checksums 1';
/** More images than are kept of one file system. */
const MOST_ENTRIES = 128;

/** Checksums of the blocks of an image file. */
interface ImageSums {
  lengthBytes: number;
  blockBytes: number;
  sums: Uint32Array;
}

function blockBytesOf(lengthBytes: number): number {
  return Math.max(SMALLEST_BLOCK_BYTES, Math.ceil(lengthBytes / BLOCKS));
}

async function sumsOf(file: DiskFile, lengthBytes: number): Promise<ImageSums> {
  const blockBytes = blockBytesOf(lengthBytes);
  const sums = new Uint32Array(Math.ceil(lengthBytes / blockBytes));
  const blocksPerRead = Math.max(1, Math.floor(READ_BYTES / blockBytes));
  for (let block = 0; block < sums.length; block += blocksPerRead) {
    const start = block * blockBytes;
    const bytes = await file.read(start, Math.min(blocksPerRead * blockBytes, lengthBytes - start));
    for (let at = 0; at < bytes.length; at += blockBytes)
      sums[block + at / blockBytes] = crc32(bytes.subarray(at, at + blockBytes));
  }
  return { lengthBytes, blockBytes, sums };
}

async function withFile<T>(disk: Disk, path: string, use: (file: DiskFile) => Promise<T>): Promise<T> {
  const file = await disk.open(path, 'read');
  try {
    return await use(file);
  } finally {
    await file.close();
  }
}

/** One line: length, block length, the sums in base 64, and the checksum of all that. */
function formatEntry({ lengthBytes, blockBytes, sums }: ImageSums): string {
  const bytes = Buffer.alloc(sums.length * 4);
  for (let i = 0; i < sums.length; i++) bytes.writeUInt32BE(sums[i]!, 4 * i);
  const text = `${lengthBytes} ${blockBytes} ${bytes.toString('base64')}`;
  return `${text} ${crc32(Buffer.from(text)).toString(16)}`;
}

/** Undefined: the line is damaged. */
function parseEntry(line: string): ImageSums | undefined {
  const end = line.lastIndexOf(' ');
  const text = line.slice(0, Math.max(0, end));
  if (end < 0 || crc32(Buffer.from(text)).toString(16) !== line.slice(end + 1)) return undefined;
  const [length = '', block = '', encoded = ''] = text.split(' ');
  const bytes = Buffer.from(encoded, 'base64');
  const sums = Uint32Array.from({ length: bytes.length / 4 }, (_, i) => bytes.readUInt32BE(4 * i));
  return { lengthBytes: Number(length), blockBytes: Number(block), sums };
}

async function readEntries(disk: Disk, folder: string): Promise<ImageSums[]> {
  let text: string;
  try {
    text = (await disk.readFile(inFolder(folder, IMAGE_SUMS_NAME))).toString('latin1');
  } catch (error) {
    if (isMissing(error)) return [];
    throw error;
  }
  const [format, ...lines] = text.split('\n');
  return format === FORMAT ? lines.flatMap((line) => parseEntry(line) ?? []) : [];
}

/** Notes the checksums of an image in its folder, before it gets its name; those of the `kept` images before stay. */
export async function noteImageSums(disk: Disk, folder: string, path: string, kept: number): Promise<void> {
  const sums = await withFile(disk, path, async (file) => sumsOf(file, await file.size()));
  const before = await readEntries(disk, folder);
  const entries = [sums, ...before].slice(0, Math.min(kept + 2, MOST_ENTRIES));
  const text = `${FORMAT}\n${entries.map((entry) => `${formatEntry(entry)}\n`).join('')}`;
  await disk.replaceFile(inFolder(folder, IMAGE_SUMS_NAME), Buffer.from(text, 'latin1'));
}

/** A block of an image that is not as it was written. */
export interface DamagedBlock {
  position: number;
  lengthBytes: number;
}

/**
 * Compares an image with the checksums noted in its folder. Most blocks of a damaged image are whole, and tell which image it was.
 * Undefined: it is as it was written, or nothing is known of it.
 */
export async function findDamage(disk: Disk, path: string): Promise<DamagedBlock | undefined> {
  const folder = path.includes('/') ? path.slice(0, path.lastIndexOf('/')) || '/' : '.';
  const entries = await readEntries(disk, folder);
  if (entries.length === 0) return undefined;
  return withFile(disk, path, async (file) => {
    const lengthBytes = await file.size();
    const candidates = entries.filter((entry) => entry.lengthBytes === lengthBytes);
    if (candidates.length === 0) return undefined;
    const actual = await sumsOf(file, lengthBytes);
    let best: number[] | undefined;
    for (const { blockBytes, sums } of candidates) {
      if (blockBytes !== actual.blockBytes || sums.length !== actual.sums.length) continue;
      const wrong = [...sums.keys()].filter((block) => sums[block] !== actual.sums[block]);
      if (wrong.length * 2 < sums.length && (best === undefined || wrong.length < best.length)) best = wrong;
    }
    const block = best?.[0];
    return block === undefined
      ? undefined
      : {
          position: block * actual.blockBytes,
          lengthBytes: Math.min(actual.blockBytes, lengthBytes - block * actual.blockBytes),
        };
  });
}
