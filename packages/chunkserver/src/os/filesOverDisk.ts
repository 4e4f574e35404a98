import type { Disk, DiskFile } from '@alces/runtime';
import type { ChunkFiles, FileInfo } from './files.ts';

/** Chunk files on any implementation of the runtime's disk, for simulations: no times, no locks, no size of the volume. */

const FRAGMENT_BYTES = 4096;
const VOLUME_BLOCKS = 2 ** 28;

function failure(code: string, path: string): Error {
  return Object.assign(new Error(`${code}: ${path}`), { code });
}

/** Open files by the number that stands for a descriptor. */
class Descriptors {
  readonly #files = new Map<number, DiskFile>();
  #next = 3;

  add(file: DiskFile): number {
    this.#files.set(this.#next, file);
    return this.#next++;
  }

  get(fd: number): DiskFile {
    const file = this.#files.get(fd);
    if (!file) throw failure('EBADF', String(fd));
    return file;
  }

  async close(fd: number): Promise<void> {
    const file = this.get(fd);
    this.#files.delete(fd);
    await file.close();
  }
}

async function openFile(disk: Disk, path: string, mode: 'read' | 'readWrite' | 'createNew'): Promise<DiskFile> {
  if (mode !== 'createNew') return disk.open(path, mode === 'read' ? 'read' : 'readwrite');
  if (await disk.exists(path)) throw failure('EEXIST', path);
  return disk.open(path, 'create');
}

async function readInto(file: DiskFile, into: readonly Buffer[], position: number): Promise<number> {
  let done = 0;
  for (const buffer of into) {
    const bytes = await file.read(position + done, buffer.length);
    done += bytes.copy(buffer);
    if (bytes.length < buffer.length) break;
  }
  return done;
}

async function infoOf(disk: Disk, path: string): Promise<FileInfo> {
  const none = { sizeBytes: 0, modifiedSeconds: 0, accessedSeconds: 0 };
  if (!(await disk.exists(path))) {
    if (path.endsWith('/') || (await disk.list(path)).length > 0) return { ...none, isFile: false, isFolder: true };
    throw failure('ENOENT', path);
  }
  const file = await disk.open(path, 'read');
  const sizeBytes = await file.size();
  await file.close();
  return { ...none, isFile: true, isFolder: false, sizeBytes };
}

async function overwrite(disk: Disk, path: string, data: Buffer): Promise<void> {
  const file = await disk.open(path, 'create');
  await file.write(0, [data]);
  await file.close();
}

/** Makes ChunkFiles from a disk. */
export function filesOver(disk: Disk): ChunkFiles {
  const descriptors = new Descriptors();
  const lockNumbers = new Map<string, number>();
  return {
    open: async (path, mode) => descriptors.add(await openFile(disk, path, mode)),
    close: (fd) => descriptors.close(fd),
    read: (fd, into, position) => readInto(descriptors.get(fd), into, position),
    write: (fd, from, position) => descriptors.get(fd).write(position, from),
    truncate: (fd, lengthBytes) => descriptors.get(fd).truncate(lengthBytes),
    sync: (fd) => descriptors.get(fd).datasync(),
    dropCache: async () => {},
    info: (path) => infoOf(disk, path),
    rename: (from, to) => disk.rename(from, to),
    async unlink(path) {
      if (!(await disk.exists(path))) throw failure('ENOENT', path);
      await disk.remove(path);
    },
    list: (path) => disk.list(path),
    makeFolder: (path) => disk.makeFolder(path),
    removeFolder: async () => {},
    readFile: (path) => disk.readFile(path),
    writeFile: (path, data) => overwrite(disk, path, data),
    touch: async () => {},
    async volume(path) {
      const freeBlocks = Math.min(VOLUME_BLOCKS, Math.floor((await disk.freeBytes(path)) / FRAGMENT_BYTES));
      const fixed = { fragmentBytes: FRAGMENT_BYTES, blocks: VOLUME_BLOCKS, inodes: 0, availableInodes: 0 };
      return { ...fixed, freeBlocks, availableBlocks: freeBlocks, readOnly: false };
    },
    lockIdentity: () => undefined,
    lock(path) {
      const number = lockNumbers.get(path) ?? lockNumbers.size + 1;
      lockNumbers.set(path, number);
      return { device: number, inode: number, release: () => {} };
    },
  };
}
