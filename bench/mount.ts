import { execFileSync } from 'node:child_process';
import { closeSync, fsyncSync, mkdirSync, openSync, readSync, statSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { Cluster, type Kind } from '../test/support/cluster.ts';
import type { Figure } from './table.ts';

const PIECE_BYTES = 1 << 20;
const FILE_BYTES = 1 << 30;
const SMALL_FILES = 3_000;
const FOLDERS = 8_000;
const WARM_UP = 4_000;

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
    const paths = Array.from({ length: WARM_UP + FOLDERS }, (_, index) => join('small', `folder-${index}`));
    // A daemon that has just started compiles while it works: the first operations are not counted, for either side.
    const rate = (work: (path: string) => void) => {
      for (const path of paths.slice(0, WARM_UP)) work(path);
      const counted = paths.slice(WARM_UP);
      return counted.length / seconds(() => counted.forEach(work));
    };
    note(
      'mkdir',
      '1/s',
      rate((path) => mkdirSync(join(mount, path))),
    );
    const writeSmall = (path: string) => writeFileSync(join(mount, `${path}.txt`), Buffer.alloc(100, 1));
    for (const path of paths.slice(0, 500)) writeSmall(path);
    const creation = seconds(() => paths.slice(500, 500 + SMALL_FILES).forEach(writeSmall));
    note('create, write 100 bytes, close', '1/s', SMALL_FILES / creation);
    await remount();
    note(
      'stat that asks the master, 1 process',
      '1/s',
      rate((path) => statSync(join(mount, path))),
    );
    await remount();
    const listed = paths.length + 500 + SMALL_FILES;
    const listing = seconds(() => execFileSync('ls', ['-lR', join(mount, 'small')], { stdio: 'ignore' }));
    note('ls -lR, entries', '1/s', listed / listing);
    return figures;
  } finally {
    await cluster.destroy();
  }
}
