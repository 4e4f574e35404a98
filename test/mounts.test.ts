import { spawn } from 'node:child_process';
import {
  appendFileSync,
  closeSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  statSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Cluster } from './support/cluster.ts';
import { until } from './support/until.ts';

const LINES = 1000;
const WRITER = join(import.meta.dirname, 'support', 'slowWriter.ts');

/** Starts the writer on a file; `done` resolves with its exit status, `errors` has what it complained of. */
function startWriter(file: string) {
  const child = spawn(process.execPath, [WRITER, file, String(LINES)], { stdio: ['ignore', 'pipe', 'pipe'] });
  const writer = {
    errors: '',
    opened: false,
    done: new Promise<number | null>((resolve) => child.on('close', resolve)),
  };
  child.stdout.on('data', () => {
    writer.opened = true;
  });
  child.stderr.on('data', (bytes: Buffer) => {
    writer.errors += bytes;
  });
  return writer;
}

const expectedLines = Array.from({ length: LINES }, (_, index) => `line ${index}\n`).join('');

describe('mounts on one cluster', () => {
  let cluster: Cluster;
  let first: string;
  let second: string;

  beforeAll(async () => {
    cluster = await Cluster.start({ master: 'alces', chunkservers: ['alces', 'alces', 'alces'] });
    first = await cluster.mount('alces');
    second = await cluster.mount('alces');
  });
  afterAll(() => cluster?.destroy());

  it('a writer goes on without an error while the master is restarted', async () => {
    const writer = startWriter(join(first, 'restarted'));
    await until('the file to be open', 20_000, () => writer.opened);
    await cluster.stopMaster();
    await cluster.startMaster();
    expect([await writer.done, writer.errors]).toEqual([0, '']);
    expect(readFileSync(join(second, 'restarted'), 'utf8')).toBe(expectedLines);
  }, 180_000);

  it('a writer goes on without an error while the master is killed and started again', async () => {
    const writer = startWriter(join(first, 'killed'));
    await until('the file to be open', 20_000, () => writer.opened);
    await cluster.killMaster();
    await cluster.startMaster();
    expect([await writer.done, writer.errors]).toEqual([0, '']);
    expect(readFileSync(join(second, 'killed'), 'utf8')).toBe(expectedLines);
  }, 180_000);

  it('what one mount wrote and closed, the other reads', async () => {
    const ours = join(first, 'shared');
    const theirs = join(second, 'shared');
    for (let round = 0; round < 20; round++) {
      const content = Buffer.alloc(1 + round * 40_000, `round ${round} `);
      writeFileSync(ours, content);
      expect(readFileSync(theirs).equals(content), `round ${round}`).toBe(true);
      appendFileSync(theirs, 'and more');
      expect(
        readFileSync(ours).equals(Buffer.concat([content, Buffer.from('and more')])),
        `append of round ${round}`,
      ).toBe(true);
    }
    truncateSync(theirs, 10);
    expect(readFileSync(ours)).toHaveLength(10);
  }, 120_000);

  it('sees names that the other makes, moves and replaces', async () => {
    mkdirSync(join(first, 'folder'));
    writeFileSync(join(second, 'folder', 'a'), 'a');
    expect(readFileSync(join(first, 'folder', 'a'), 'utf8')).toBe('a');
    writeFileSync(join(second, 'folder', 'b'), 'new');
    renameSync(join(second, 'folder', 'b'), join(second, 'folder', 'a'));
    await until(
      'the new file under the old name',
      5_000,
      () => readFileSync(join(first, 'folder', 'a'), 'utf8') === 'new',
    );
  });

  it('keeps an open file readable and writable after another mount removed its name', async () => {
    const fd = openSync(join(first, 'doomed'), 'w+');
    try {
      writeSync(fd, 'before');
      fsyncSync(fd);
      await cluster.namespace.must('rm', join(second, 'doomed'));
      writeSync(fd, ' and after');
      fsyncSync(fd);
      expect(readFileSync(fd, 'utf8') + readFileSync(`/proc/self/fd/${fd}`, 'utf8')).toContain('before and after');
    } finally {
      closeSync(fd);
    }
    expect(statSync(join(second, 'doomed'), { throwIfNoEntry: false })).toBeUndefined();
  });
});
