import fs from 'node:fs';
import { tryLockFile } from '@alces/runtime';
import { adviseDontNeed, readVolume } from './native.ts';

/** What statvfs says about a volume. */
export interface VolumeInfo {
  fragmentBytes: number;
  /** Counted in fragments, as are the next two. */
  blocks: number;
  freeBlocks: number;
  /** Free for unprivileged users. */
  availableBlocks: number;
  /** 0 when the volume has no inode limit. */
  inodes: number;
  availableInodes: number;
  readOnly: boolean;
}

export interface FileInfo {
  isFile: boolean;
  isFolder: boolean;
  sizeBytes: number;
  modifiedSeconds: number;
  accessedSeconds: number;
}

/** A folder's lock file; `device` and `inode` tell whether two paths lead to the same one. */
export interface FolderLock {
  device: number;
  inode: number;
  release(): void;
}

export type OpenMode = 'read' | 'readWrite' | 'createNew';

/**
 * What the chunk store asks of the operating system. Descriptors are plain numbers and positions explicit, so that a block
 * costs no object. Errors are `NodeJS.ErrnoException` (`code`).
 */
export interface ChunkFiles {
  open(path: string, mode: OpenMode): Promise<number>;
  close(fd: number): Promise<void>;
  /** Fills the buffers in order; answers the bytes read, less than asked only at the end of the file. */
  read(fd: number, into: readonly Buffer[], position: number): Promise<number>;
  /** Writes all of the buffers one after the other. */
  write(fd: number, from: readonly Buffer[], position: number): Promise<void>;
  truncate(fd: number, lengthBytes: number): Promise<void>;
  sync(fd: number): Promise<void>;
  /** Tells the kernel that the file will not be read again soon. */
  dropCache(fd: number): Promise<void>;
  info(path: string): Promise<FileInfo>;
  rename(from: string, to: string): Promise<void>;
  unlink(path: string): Promise<void>;
  list(path: string): Promise<string[]>;
  /** Creates a folder; one that exists already is left as it is. */
  makeFolder(path: string): Promise<void>;
  removeFolder(path: string): Promise<void>;
  readFile(path: string): Promise<Buffer>;
  /** Creates or overwrites the file in place. */
  writeFile(path: string, data: Buffer, mode?: number): Promise<void>;
  /** Sets the modification time to now without touching the folder. */
  touch(path: string): Promise<void>;
  volume(path: string): Promise<VolumeInfo>;
  /** The device and inode of an existing lock file without touching its lock. */
  lockIdentity(path: string): { device: number; inode: number } | undefined;
  /**
   * Opens (and, unless `readOnly`, creates) a lock file. With `readOnly` the file is only kept open. Undefined: another
   * process holds the lock.
   */
  lock(path: string, readOnly: boolean): FolderLock | undefined;
}

const FLAGS = {
  read: fs.constants.O_RDONLY,
  readWrite: fs.constants.O_RDWR,
  createNew: fs.constants.O_RDWR | fs.constants.O_CREAT | fs.constants.O_EXCL,
} as const;

type Done<T> = (error: NodeJS.ErrnoException | null, value: T) => void;

function call<T>(start: (done: Done<T>) => void): Promise<T> {
  return new Promise((resolve, reject) => start((error, value) => (error ? reject(error) : resolve(value))));
}

function totalBytes(buffers: readonly Buffer[]): number {
  let total = 0;
  for (const buffer of buffers) total += buffer.length;
  return total;
}

/** What is left of `buffers` after the first `done` bytes. */
function rest(buffers: readonly Buffer[], done: number): Buffer[] {
  let skip = done;
  const left: Buffer[] = [];
  for (const buffer of buffers) {
    if (skip >= buffer.length) {
      skip -= buffer.length;
    } else {
      left.push(skip === 0 ? buffer : buffer.subarray(skip));
      skip = 0;
    }
  }
  return left;
}

/** The kernel takes at most this many buffers in one call (IOV_MAX). */
const MAX_VECTOR = 1024;

/** One preadv or pwritev (pread, pwrite for a single buffer); answers the bytes done. */
function transfer(kind: 'read' | 'write', fd: number, buffers: readonly Buffer[], position: number): Promise<number> {
  const only = buffers[0];
  return call((done) => {
    if (buffers.length === 1 && only && kind === 'read') fs.read(fd, only, 0, only.length, position, done);
    else if (buffers.length === 1 && only) fs.write(fd, only, 0, only.length, position, done);
    else if (kind === 'read') fs.readv(fd, buffers.slice(0, MAX_VECTOR), position, done);
    else fs.writev(fd, buffers.slice(0, MAX_VECTOR), position, done);
  });
}

async function transferAll(
  kind: 'read' | 'write',
  fd: number,
  buffers: readonly Buffer[],
  position: number,
): Promise<number> {
  const total = totalBytes(buffers);
  let done = total === 0 ? 0 : await transfer(kind, fd, buffers, position);
  while (done < total) {
    const now = await transfer(kind, fd, rest(buffers, done), position + done);
    if (now === 0) break;
    done += now;
  }
  return done;
}

function noSpace(): NodeJS.ErrnoException {
  return Object.assign(new Error('ENOSPC: the file was written only in part'), { code: 'ENOSPC', errno: -28 });
}

async function writeFile(path: string, data: Buffer, mode = 0o666): Promise<void> {
  const fd = await call<number>((done) => fs.open(path, 'w', mode, done));
  try {
    if ((await transferAll('write', fd, [data], 0)) !== data.length) throw noSpace();
  } finally {
    await call<void>((done) => fs.close(fd, done));
  }
}

function lock(path: string, readOnly: boolean): FolderLock | undefined {
  const fd = readOnly ? fs.openSync(path, 'r') : fs.openSync(path, 'w', 0o640);
  if (!readOnly && !tryLockFile(fd)) {
    fs.closeSync(fd);
    return undefined;
  }
  const { dev, ino } = fs.fstatSync(fd);
  return { device: dev, inode: ino, release: () => fs.closeSync(fd) };
}

function lockIdentity(path: string): { device: number; inode: number } | undefined {
  const info = fs.statSync(path, { throwIfNoEntry: false });
  return info && { device: info.dev, inode: info.ino };
}

/** The real file system. Reads and writes run on libuv's thread pool. */
export const realFiles: ChunkFiles = {
  open: (path, mode) => call((done) => fs.open(path, FLAGS[mode], 0o666, done)),
  close: (fd) => call<void>((done) => fs.close(fd, done)),
  read: (fd, into, position) => transferAll('read', fd, into, position),
  async write(fd, from, position) {
    if ((await transferAll('write', fd, from, position)) !== totalBytes(from)) throw noSpace();
  },
  truncate: (fd, lengthBytes) => call<void>((done) => fs.ftruncate(fd, lengthBytes, done)),
  sync: (fd) => call<void>((done) => fs.fsync(fd, done)),
  dropCache: adviseDontNeed,
  async info(path) {
    const info = await call<fs.Stats>((done) => fs.stat(path, done));
    return {
      isFile: info.isFile(),
      isFolder: info.isDirectory(),
      sizeBytes: info.size,
      modifiedSeconds: Math.floor(info.mtimeMs / 1000),
      accessedSeconds: Math.floor(info.atimeMs / 1000),
    };
  },
  rename: (from, to) => call<void>((done) => fs.rename(from, to, done)),
  unlink: (path) => call<void>((done) => fs.unlink(path, done)),
  list: (path) => call((done) => fs.readdir(path, done)),
  makeFolder: (path) =>
    call<void>((done) => fs.mkdir(path, 0o755, (error) => done(error?.code === 'EEXIST' ? null : error))),
  removeFolder: (path) => call<void>((done) => fs.rmdir(path, done)),
  readFile: (path) => call((done) => fs.readFile(path, done)),
  writeFile,
  touch: (path) => call<void>((done) => fs.utimes(path, Date.now() / 1000, Date.now() / 1000, done)),
  volume: readVolume,
  lockIdentity,
  lock,
};
