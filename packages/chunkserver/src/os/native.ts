import koffi from 'koffi';
import type { VolumeInfo } from './files.ts';

/** The few system calls on disks that Node does not offer; libc is called directly, on the thread pool. */

const libc = koffi.load('libc.so.6');
const statvfsCall = libc.func('int statvfs(const char *path, _Out_ uint8_t *buffer)');
const fadviseCall = libc.func('int posix_fadvise(int fd, int64_t offset, int64_t length, int advice)');

const STATVFS_BYTES = 256;
const ST_RDONLY = 1;
const POSIX_FADV_DONTNEED = 4;

/** statvfs(3) of the volume that holds `path`. Rejects when the path cannot be asked. */
export function readVolume(path: string): Promise<VolumeInfo> {
  const buffer = Buffer.alloc(STATVFS_BYTES);
  return new Promise((resolve, reject) => {
    statvfsCall.async(path, buffer, (error: Error | null, result: number) => {
      if (error) return reject(error);
      if (result !== 0)
        return reject(Object.assign(new Error(`EIO: statvfs '${path}' failed`), { code: 'EIO', errno: -5 }));
      const field = (offset: number) => Number(buffer.readBigUInt64LE(offset));
      resolve({
        fragmentBytes: field(8),
        blocks: field(16),
        freeBlocks: field(24),
        availableBlocks: field(32),
        inodes: field(40),
        availableInodes: field(56),
        readOnly: (field(72) & ST_RDONLY) !== 0,
      });
    });
  });
}

/** Tells the kernel that this file will not be read again soon. */
export function adviseDontNeed(fd: number): Promise<void> {
  return new Promise((resolve, reject) => {
    // Advice that the file system refuses changes nothing, so only a failed call matters.
    fadviseCall.async(fd, 0, 0, POSIX_FADV_DONTNEED, (error: Error | null) => (error ? reject(error) : resolve()));
  });
}
