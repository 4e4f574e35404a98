import { execFileSync } from 'node:child_process';
import { closeSync, fsyncSync, mkdirSync, openSync, readSync, statSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { Cluster, type Kind } from '../test/support/cluster.ts';
import type { Figure } from './table.ts';

const PIECE_BYTES = 1 << 20;
const FILE_BYTES = 1 << 30;
const SMALL_FILES = 5_000;

const seconds = (run: () => void): number => {
  const start = performance.now();
  run();
  return (performance.now() - start) / 1000;
};

function writeSequentially(path: string): void {
  const piece = Buffer.alloc(PIECE_BYTES);
  for (let at = 0; at < PIECE_BYTES; at += 4) piece.writeUInt32LE(Math.imul(at, 2654435761) >>> 0, at);
  const fd = openSync(path, 'w');
  for (let at = 0; at < FILE_BYTES; at += PIECE_BYTES) writeSync(fd, piece, 0, PIECE_BYTES, at);
  fsyncSync(fd);
  closeSync(fd);
}

function readSequentially(path: string): void {
  const piece = Buffer.alloc(PIECE_BYTES);
  const fd = openSync(path, 'r');
  let at = 0;
  for (let got = readSync(fd, piece, 0, PIECE_BYTES, 0); got > 0; got = readSync(fd, piece, 0, PIECE_BYTES, at))
    at += got;
  closeSync(fd);
  if (at !== FILE_BYTES) throw new Error(`read ${at} of ${FILE_BYTES} bytes`);
}

/** Small files, sequential data and metadata through a mount of one kind on a cluster of the same kind, goal 2, three chunkservers. */
export async function benchMount(kind: Kind): Promise<Figure[]> {
  const cluster = await Cluster.start({ master: kind, chunkservers: [kind, kind, kind] });
  try {
    let mount = await cluster.mount(kind);
    // Another mount has nothing in its caches (nor has the kernel for it), so that every question goes to the servers.
    const remount = async () => {
      cluster.unmount(mount);
      mount = await cluster.mount(kind);
    };
    const figures: Figure[] = [];
    const note = (name: string, unit: string, value: number) => figures.push({ name, unit, value });

    const writes = seconds(() => writeSequentially(join(mount, 'big')));
    note('sequential write, goal 2, with fsync', 'MB/s', FILE_BYTES / 1e6 / writes);
    await remount();
    const reads = seconds(() => readSequentially(join(mount, 'big')));
    note('sequential read', 'MB/s', FILE_BYTES / 1e6 / reads);

    const folder = join(mount, 'small');
    mkdirSync(folder);
    const names = Array.from({ length: SMALL_FILES }, (_, index) => `file-${index}`);
    note(
      'mkdir',
      '1/s',
      2000 /
        seconds(() => {
          for (let index = 0; index < 2000; index++) mkdirSync(join(folder, `folder-${index}`));
        }),
    );
    note(
      'create, write 100 bytes, close',
      '1/s',
      SMALL_FILES /
        seconds(() => {
          for (const name of names) writeFileSync(join(folder, name), Buffer.alloc(100, 1));
        }),
    );
    await remount();
    note(
      'stat that asks the master, 1 process',
      '1/s',
      SMALL_FILES /
        seconds(() => {
          for (const name of names) statSync(join(mount, 'small', name));
        }),
    );
    await remount();
    note(
      'ls -l of a folder of 7000',
      '1/s',
      7000 /
        seconds(() => {
          execFileSync('ls', ['-lR', join(mount, 'small')], { stdio: 'ignore' });
        }),
    );
    return figures;
  } finally {
    await cluster.destroy();
  }
}
