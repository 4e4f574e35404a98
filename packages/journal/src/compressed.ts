import type { Disk, DiskFile } from '@alces/runtime';
import { COMPRESSED_SUFFIX } from './files.ts';

/** Native code, which is loaded when there is something compressed. */
const lz4 = () => import('lz4-napi');

/** A file in memory that is only read. */
function memoryFile(content: Buffer): DiskFile {
  const readOnly = () => Promise.reject(new Error('this file is only read'));
  return {
    read: async (position, length) => content.subarray(position, position + length),
    write: readOnly,
    datasync: readOnly,
    truncate: readOnly,
    size: async () => content.length,
    close: async () => {},
  };
}

/** Opens a change log for reading, a compressed one as if it were not. */
export async function openChangelog(disk: Disk, path: string): Promise<DiskFile> {
  if (!path.endsWith(COMPRESSED_SUFFIX)) return disk.open(path, 'read');
  try {
    const { uncompress } = await lz4();
    return memoryFile(await uncompress(await disk.readFile(path)));
  } catch (error) {
    if (error instanceof Error && 'code' in error && typeof error.code === 'string' && error.code.startsWith('E'))
      throw error;
    throw new Error(`${path} is damaged: ${error instanceof Error ? error.message : error}`);
  }
}

/** Replaces a change log by its compressed form; at any moment of a crash one of them is whole. */
export async function compressChangelog(disk: Disk, path: string): Promise<void> {
  if (!(await disk.exists(path))) return;
  const { compress } = await lz4();
  await disk.replaceFile(path + COMPRESSED_SUFFIX, await compress(await disk.readFile(path)));
  await disk.remove(path);
}
