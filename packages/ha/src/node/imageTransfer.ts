/** Images on their way to another node: the answers given, and a stock image, compressed. */
import { crc32 } from '@alces/proto';
import type { Disk, DiskFile } from '@alces/runtime';
import { compressSync, uncompressSync } from 'lz4-napi';

const MAGIC = Buffer.from('ALCESHA2');
const HEAD_BYTES = MAGIC.length + 8 + 4;
const BLOCK_BYTES = 1 << 20;
/** Length of a block, length of what is stored of it: equal ones are not compressed. */
const BLOCK_HEAD_BYTES = 8;

/** Writes to `target` what `unpackImage` reads. The stock image is in the file `image`. */
export async function packImage(disk: Disk, image: string, answers: Buffer, target: string): Promise<void> {
  const from = await disk.open(image, 'read');
  try {
    const to = await disk.open(target, 'create');
    try {
      const head = Buffer.alloc(HEAD_BYTES);
      MAGIC.copy(head);
      head.writeBigUInt64BE(BigInt(answers.length), MAGIC.length);
      head.writeUInt32BE(crc32(answers), MAGIC.length + 8);
      await to.write(0, [head, answers]);
      await packBlocks(from, to, HEAD_BYTES + answers.length);
    } finally {
      await to.close();
    }
  } finally {
    await from.close();
  }
}

async function packBlocks(from: DiskFile, to: DiskFile, begin: number): Promise<void> {
  const size = await from.size();
  let position = begin;
  for (let at = 0; at < size; at += BLOCK_BYTES) {
    const block = await from.read(at, Math.min(BLOCK_BYTES, size - at));
    const compressed = compressSync(block);
    const stored = compressed.length < block.length ? compressed : block;
    const head = Buffer.alloc(BLOCK_HEAD_BYTES);
    head.writeUInt32BE(block.length, 0);
    head.writeUInt32BE(stored.length, 4);
    await to.write(position, [head, stored]);
    position += BLOCK_HEAD_BYTES + stored.length;
  }
}

/** Writes the stock image in `path` to `target`, synced. Resolves with the answers. Rejects when `path` is no such image. */
export async function unpackImage(disk: Disk, path: string, target: string): Promise<Buffer> {
  const from = await disk.open(path, 'read');
  try {
    const size = await from.size();
    const head = await from.read(0, Math.min(HEAD_BYTES, size));
    if (head.length < HEAD_BYTES || !head.subarray(0, MAGIC.length).equals(MAGIC))
      throw new Error(`${path} is not an image from a node of this version of the program`);
    const begin = HEAD_BYTES + Number(head.readBigUInt64BE(MAGIC.length));
    if (begin > size) throw new Error(`${path} is cut off`);
    const answers = await from.read(HEAD_BYTES, begin - HEAD_BYTES);
    if (crc32(answers) !== head.readUInt32BE(MAGIC.length + 8)) throw new Error(`${path} is damaged`);
    const to = await disk.open(target, 'create');
    try {
      await unpackBlocks(from, begin, size, to);
      await to.datasync();
    } finally {
      await to.close();
    }
    return answers;
  } finally {
    await from.close();
  }
}

async function unpackBlocks(from: DiskFile, begin: number, size: number, to: DiskFile): Promise<void> {
  let position = 0;
  for (let at = begin; at < size; ) {
    const head = await from.read(at, Math.min(BLOCK_HEAD_BYTES, size - at));
    if (head.length < BLOCK_HEAD_BYTES) throw new Error('a block of the image is cut off');
    const lengthBytes = head.readUInt32BE(0);
    const storedBytes = head.readUInt32BE(4);
    at += BLOCK_HEAD_BYTES;
    if (lengthBytes > BLOCK_BYTES || storedBytes > lengthBytes || at + storedBytes > size)
      throw new Error('a block of the image is no block');
    const stored = await from.read(at, storedBytes);
    const block = storedBytes === lengthBytes ? stored : uncompressed(stored, lengthBytes);
    await to.write(position, [block]);
    position += lengthBytes;
    at += storedBytes;
  }
}

/** LZ4 puts the length in front; it is believed only if it is the one that is expected. */
function uncompressed(stored: Buffer, lengthBytes: number): Buffer {
  if (stored.length < 4 || stored.readUInt32LE(0) !== lengthBytes)
    throw new Error('a block of the image has the wrong length');
  return uncompressSync(stored);
}
