import { execFileSync } from 'node:child_process';
import {
  closeSync,
  fsyncSync,
  ftruncateSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Cluster, type Kind } from './support/cluster.ts';
import { describeTree, treeDifferences } from './support/tree.ts';

/** A real tree of some hundred files that every Debian machine with a compiler's headers has. */
const SAMPLE = '/usr/include/linux';

interface Combination {
  master: Kind;
  chunkservers: Kind[];
  mounts: Kind[];
}

const COMBINATIONS: Combination[] = [
  { master: 'alces', chunkservers: ['alces', 'alces', 'alces'], mounts: ['stock', 'alces'] },
  { master: 'stock', chunkservers: ['stock', 'stock', 'stock'], mounts: ['alces'] },
  { master: 'alces', chunkservers: ['alces', 'stock', 'alces'], mounts: ['stock', 'alces'] },
  { master: 'alces', chunkservers: ['stock', 'stock', 'stock'], mounts: ['stock', 'alces'] },
  { master: 'stock', chunkservers: ['alces', 'stock', 'alces'], mounts: ['stock', 'alces'] },
];

/** Bytes that differ at every offset, so that a block in the wrong place shows. */
function pattern(length: number, seed: number): Buffer {
  const bytes = Buffer.alloc(length);
  for (let at = 0; at + 4 <= length; at += 4) bytes.writeUInt32LE(Math.imul(at + seed, 2654435761) >>> 0, at);
  return bytes;
}

/** Applies the same changes to two files: writes in the middle over block borders, truncation down and up, appending. */
function mutilate(file: string): void {
  const fd = openSync(file, 'r+');
  try {
    writeSync(fd, pattern(200_001, 7), 0, 200_001, 3_000_017);
    writeSync(fd, pattern(65_536, 8), 0, 65_536, 65_536 * 11);
    writeSync(fd, Buffer.from('one byte at the front'), 0, 1, 0);
    fsyncSync(fd);
    ftruncateSync(fd, 4_500_001);
    ftruncateSync(fd, 5_000_000);
    writeSync(fd, pattern(100_000, 9), 0, 100_000, 5_000_000);
  } finally {
    closeSync(fd);
  }
}

for (const { master, chunkservers, mounts } of COMBINATIONS) {
  describe(`${master} master, chunkservers ${chunkservers.join(' ')}`, () => {
    let cluster: Cluster;
    let local: string;

    beforeAll(async () => {
      local = mkdtempSync(join(tmpdir(), 'alces-local-'));
      cluster = await Cluster.start({ master, chunkservers });
    });
    afterAll(async () => {
      await cluster?.destroy();
      rmSync(local, { recursive: true });
    });

    for (const kind of mounts) {
      it(`${kind} mount: copy, overwrite, truncate, read back, diff`, async () => {
        const writer = await cluster.mount(kind);
        const target = join(writer, kind);
        execFileSync('cp', ['-a', SAMPLE, target]);
        writeFileSync(join(local, kind), pattern(6_000_000, 1));
        writeFileSync(join(writer, `${kind}.bin`), pattern(6_000_000, 1));
        mutilate(join(local, kind));
        mutilate(join(writer, `${kind}.bin`));
        const expected = readFileSync(join(local, kind));
        expect(readFileSync(join(writer, `${kind}.bin`)).equals(expected)).toBe(true);

        // A second mount has nothing cached: what it reads is what the servers hold.
        const reader = await cluster.mount(kind);
        expect(statSync(join(reader, `${kind}.bin`)).size).toBe(5_100_000);
        expect(readFileSync(join(reader, `${kind}.bin`)).equals(expected)).toBe(true);
        expect(treeDifferences(describeTree(SAMPLE), describeTree(join(reader, kind)))).toEqual([]);
        execFileSync('diff', ['-r', '--no-dereference', SAMPLE, join(reader, kind)]);
        cluster.unmount(reader);
        cluster.unmount(writer);
      });
    }

    it('every chunk gets the two copies of the default goal', async () => {
      await cluster.replicationSettled();
    });
  });
}
