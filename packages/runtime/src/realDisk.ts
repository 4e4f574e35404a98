import { constants } from 'node:fs';
import { access, type FileHandle, mkdir, open, readdir, readFile, rename, rm, statfs } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Disk, DiskFile } from './interfaces.ts';

const FLAGS = {
  read: constants.O_RDONLY,
  append: constants.O_RDWR | constants.O_CREAT,
  create: constants.O_RDWR | constants.O_CREAT | constants.O_TRUNC,
  readwrite: constants.O_RDWR,
} as const;

async function readFully(handle: FileHandle, position: number, length: number): Promise<Buffer> {
  const buffer = Buffer.allocUnsafe(length);
  let filled = 0;
  while (filled < length) {
    const { bytesRead } = await handle.read(buffer, filled, length - filled, position + filled);
    if (bytesRead === 0) break;
    filled += bytesRead;
  }
  return filled === length ? buffer : buffer.subarray(0, filled);
}

async function writeFully(handle: FileHandle, position: number, data: readonly Buffer[]): Promise<void> {
  let at = position;
  for (const buffer of data.length > 1 ? [Buffer.concat(data)] : data) {
    let done = 0;
    while (done < buffer.length) {
      const { bytesWritten } = await handle.write(buffer, done, buffer.length - done, at);
      done += bytesWritten;
      at += bytesWritten;
    }
  }
}

function diskFile(handle: FileHandle): DiskFile {
  return {
    read: (position, length) => readFully(handle, position, length),
    write: (position, data) => writeFully(handle, position, data),
    datasync: () => handle.datasync(),
    truncate: (length) => handle.truncate(length),
    size: async () => (await handle.stat()).size,
    close: () => handle.close(),
  };
}

async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

export const realDisk: Disk = {
  open: async (path, mode) => diskFile(await open(path, FLAGS[mode], 0o666)),
  readFile: (path) => readFile(path),
  async replaceFile(path, data) {
    const temporary = `${path}.tmp`;
    try {
      const handle = await open(temporary, 'w');
      try {
        await handle.writeFile(data);
        await handle.sync();
      } finally {
        await handle.close();
      }
      await rename(temporary, path);
    } catch (error) {
      // What a full disk took of it would be missing for something that matters more.
      await rm(temporary, { force: true }).catch(() => undefined);
      throw error;
    }
    await syncFolder(dirname(path));
  },
  rename: (from, to) => rename(from, to),
  syncFolder,
  remove: (path) => rm(path, { force: true }),
  list: (folder) => readdir(folder),
  makeFolder: async (path) => {
    await mkdir(path, { recursive: true });
  },
  exists: (path) =>
    access(path).then(
      () => true,
      () => false,
    ),
  async freeBytes(path) {
    const info = await statfs(path);
    return info.bavail * info.bsize;
  },
};
