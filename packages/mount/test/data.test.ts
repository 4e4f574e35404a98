import { execFileSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import * as fs from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { describeTree, treeDifferences } from '../../../test/support/tree.ts';
import { until } from '../../../test/support/until.ts';
import { type Mounts, Sequence, startMounts } from './mounts.ts';

const MIB = 1024 * 1024;
const CHUNK_BYTES = 64 * MIB;

function digest(data: Uint8Array): string {
  return createHash('sha256').update(data).digest('hex');
}

/** Writes or truncates at random, and does the same to `model`. */
async function randomChange(random: Sequence, handle: fs.FileHandle, model: Buffer): Promise<Buffer> {
  const offset = random.below(400_000);
  if (random.below(10) === 0) {
    await handle.truncate(offset);
    const cut = Buffer.alloc(offset);
    model.copy(cut, 0, 0, Math.min(offset, model.length));
    return cut;
  }
  const data = randomBytes(1 + random.below(150_000));
  await handle.write(data, 0, data.length, offset);
  await handle.datasync();
  const grown = Buffer.alloc(Math.max(model.length, offset + data.length));
  model.copy(grown);
  data.copy(grown, offset);
  return grown;
}

describe('data on a stock cluster', () => {
  let mounts: Mounts;

  beforeAll(async () => {
    mounts = await startMounts();
  });
  afterAll(() => mounts.cluster.destroy());

  it('cp -a of a tree reads back equal through both mounts', async () => {
    const { ours, stock, cluster } = mounts;
    const source = join(cluster.folder, 'source');
    for (let index = 0; index < 60; index++) {
      const folder = join(source, `d${index % 7}`, `e${index % 3}`);
      mkdirSync(folder, { recursive: true, mode: 0o750 });
      writeFileSync(join(folder, `f${index}`), randomBytes((index * 7919) % 300_000), { mode: 0o600 + (index % 64) });
      symlinkSync(`f${index}`, join(folder, `l${index}`));
    }
    execFileSync('ln', [join(source, 'd0', 'e0', 'f0'), join(source, 'hard')]);
    execFileSync('mkfifo', [join(source, 'pipe')]);
    execFileSync('chown', ['-R', '123:456', join(source, 'd1')]);
    execFileSync('cp', ['-a', source, join(ours, 'tree')]);
    const expected = describeTree(source);
    expect(treeDifferences(expected, describeTree(join(ours, 'tree')))).toEqual([]);
    expect(treeDifferences(expected, describeTree(join(stock, 'tree')))).toEqual([]);
    rmSync(join(ours, 'tree'), { recursive: true });
    await until('the removal to be seen', 5000, async () => !(await fs.readdir(stock)).includes('tree'));
  });

  // A stock mount that wrote to a file shows at least its own old length until it is closed there (spec 20 §6.12).
  it.each([
    { other: 'alces', reopens: false },
    { other: 'stock', reopens: true },
  ] as const)(
    'random writes, truncations and reads through ours and $other agree with a model',
    async ({ other, reopens }) => {
      const second = other === 'stock' ? mounts.stock : await mounts.cluster.mount('alces');
      const paths = [join(mounts.ours, `random-${other}`), join(second, `random-${other}`)];
      await fs.writeFile(paths[0], '');
      let handles = await Promise.all(paths.map((path) => fs.open(path, 'r+')));
      const random = new Sequence(20_250_117);
      let model: Buffer = Buffer.alloc(0);
      for (let step = 0; step < 150; step++) {
        const which = random.below(2);
        model = await randomChange(random, handles[which], model);
        if (reopens) {
          await Promise.all(handles.map((handle) => handle.close()));
          handles = await Promise.all(paths.map((path) => fs.open(path, 'r+')));
        }
        const reader = handles[1 - which];
        const { length } = model;
        // The stock master tells the other mount of the change, but does not wait until it knows.
        await until(`step ${step}: what was written`, 5000, async () => {
          const back = Buffer.alloc(length);
          await reader.read(back, 0, length, 0);
          return (await reader.stat()).size === length && digest(back) === digest(model);
        });
      }
      await Promise.all(handles.map((handle) => handle.close()));
    },
  );

  it('a file over three chunks with a hole is the same on both sides', async () => {
    const { ours, stock } = mounts;
    const head = randomBytes(3 * MIB + 17);
    const tail = randomBytes(2 * MIB);
    const file = await fs.open(join(ours, 'long'), 'w+');
    await file.write(head, 0, head.length, 0);
    await file.write(tail, 0, tail.length, 2 * CHUNK_BYTES - MIB);
    await file.close();
    const theirs = await fs.readFile(join(stock, 'long'));
    expect(theirs.length).toBe(2 * CHUNK_BYTES + MIB);
    expect(digest(theirs.subarray(0, head.length))).toBe(digest(head));
    expect(theirs.subarray(head.length, head.length + CHUNK_BYTES).every((byte) => byte === 0)).toBe(true);
    expect(digest(theirs.subarray(2 * CHUNK_BYTES - MIB))).toBe(digest(tail));
    expect(digest(await fs.readFile(join(ours, 'long')))).toBe(digest(theirs));
  });

  it('an overwrite in the middle leaves the rest alone', async () => {
    const { ours, stock } = mounts;
    const data = randomBytes(5 * MIB);
    await fs.writeFile(join(ours, 'middle'), data);
    const file = await fs.open(join(ours, 'middle'), 'r+');
    const patch = randomBytes(777_777);
    await file.write(patch, 0, patch.length, 1_234_567);
    patch.copy(data, 1_234_567);
    await file.close();
    expect(digest(await fs.readFile(join(stock, 'middle')))).toBe(digest(data));
    expect(digest(await fs.readFile(join(ours, 'middle')))).toBe(digest(data));
  });

  it('O_TRUNC and O_APPEND do what they say, appends from both mounts do not overwrite each other', async () => {
    const { ours, stock } = mounts;
    await fs.writeFile(join(ours, 'log'), 'a'.repeat(100_000));
    await fs.writeFile(join(ours, 'log'), 'start\n');
    const [mine, theirs] = await Promise.all([ours, stock].map((mount) => fs.open(join(mount, 'log'), 'a')));
    for (let line = 0; line < 20; line++)
      await Promise.all([mine.write(`mine ${line}\n`), theirs.write(`theirs ${line}\n`)]);
    await mine.close();
    await theirs.close();
    const lines = (await fs.readFile(join(ours, 'log'), 'utf8')).split('\n');
    expect(lines[0]).toBe('start');
    const numbers = Array.from({ length: 20 }, (_, line) => line);
    expect(lines.filter((text) => text.startsWith('mine'))).toEqual(numbers.map((line) => `mine ${line}`));
    expect(lines.filter((text) => text.startsWith('theirs'))).toEqual(numbers.map((line) => `theirs ${line}`));
  });

  it('what another mount changes in an open file is seen although the kernel had it cached', async () => {
    const { ours, stock } = mounts;
    for (const [reader, writer] of [
      [ours, stock],
      [stock, ours],
    ]) {
      await fs.writeFile(join(reader, 'shared'), 'A'.repeat(200_000));
      const reading = await fs.open(join(reader, 'shared'), 'r');
      const writing = await fs.open(join(writer, 'shared'), 'r+');
      const look = async (offset: number, length: number): Promise<string> => {
        const { buffer, bytesRead } = await reading.read(Buffer.alloc(length), 0, length, offset);
        return buffer.toString('latin1', 0, bytesRead);
      };
      expect(await look(0, 200_000)).toBe('A'.repeat(200_000));
      await writing.write('B'.repeat(100), 70_000);
      await writing.datasync();
      await until('the new data', 5000, async () => (await look(70_000, 100)) === 'B'.repeat(100));
      await writing.truncate(50);
      await until('the new length', 5000, async () => (await reading.stat()).size === 50);
      await writing.write('C'.repeat(10), 50);
      await writing.datasync();
      await until('the longer file', 5000, async () => (await look(0, 100)) === `${'A'.repeat(50)}${'C'.repeat(10)}`);
      await reading.close();
      await writing.close();
    }
  });

  it('an unlinked file lives while it is open', async () => {
    const { ours } = mounts;
    const file = await fs.open(join(ours, 'gone'), 'w+');
    await file.write('still here', 0);
    await fs.unlink(join(ours, 'gone'));
    await file.datasync();
    expect((await file.stat()).nlink).toBe(0);
    const { buffer } = await file.read(Buffer.alloc(10), 0, 10, 0);
    expect(buffer.toString()).toBe('still here');
    await file.truncate(3);
    expect((await file.stat()).size).toBe(3);
    await file.close();
  });

  it('times of reading and writing reach the master', async () => {
    const { ours, stock } = mounts;
    const path = join(ours, 'times');
    await fs.writeFile(path, 'x');
    await fs.utimes(path, 1_000_000_000, 1_000_000_000);
    expect((await fs.stat(join(stock, 'times'))).mtimeMs).toBe(1_000_000_000_000);
    const file = await fs.open(path, 'r+');
    await file.write('y', 0);
    await file.close();
    const recent = Date.now() - 60_000;
    expect((await fs.stat(path)).mtimeMs).toBeGreaterThan(recent);
    await until('the time of writing', 10_000, async () => (await fs.stat(join(stock, 'times'))).mtimeMs > recent);
  });

  it('many small files are written and read at the same time', async () => {
    const { ours, stock } = mounts;
    const folder = join(ours, 'crowd');
    await fs.mkdir(folder);
    const contents = Array.from({ length: 200 }, (_, index) => randomBytes(100 + index * 37));
    await Promise.all(contents.map((data, index) => fs.writeFile(join(folder, `f${index}`), data)));
    const back = await Promise.all(contents.map((_, index) => fs.readFile(join(stock, 'crowd', `f${index}`))));
    expect(back.map(digest)).toEqual(contents.map(digest));
  });
});
