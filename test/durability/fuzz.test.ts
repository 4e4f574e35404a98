import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Journal, type Reporter, StartError, startMetadata, storeImage } from '@alces/journal';
import { apply, END_MARKER, type Operation, type State, stateDigest } from '@alces/metadata';
import { crc32 } from '@alces/proto';
import { realEnvironment } from '@alces/runtime';
import { afterAll, describe, expect, test } from 'vitest';
import { OperationSource } from '../../packages/metadata/test/support/operations.ts';
import { Dice } from '../../packages/metadata/test/support/random.ts';
import { emptyState, isUnnatural, RANDOM_RUN_START } from '../../packages/metadata/test/support/run.ts';

const { clock, disk, random } = realEnvironment();
const silent: Reporter = { info() {}, warn() {}, error() {} };
const digestOf = (state: State) =>
  JSON.stringify([...stateDigest(state, 1)].map(([table, sum]) => [table, String(sum)]));

/** A master's folder: an image, the changes behind it, their checksums. */
class Folder {
  readonly path = mkdtempSync(join(tmpdir(), 'alces-fuzz-'));
  readonly state = emptyState();
  /** Digest of the state at each version from the image on. */
  readonly digests = new Map<number, string>();
  readonly #source: OperationSource;
  #made = 0;

  constructor(seed: number) {
    this.#source = new OperationSource(this.state, new Dice(seed), RANDOM_RUN_START);
  }

  /** Random operations of all kinds, and creations until there are so many nodes; then an image, then changes. */
  async fill(random: number, nodes: number, changes: number): Promise<this> {
    for (let i = 0; i < random; i++) this.#perform(this.#random());
    while (this.state.nodes.count < nodes) this.#perform(this.#create());
    const options = { clock, disk, folder: this.path, report: silent };
    await storeImage(this.state, { ...options, keepPrevious: 1, emergencyFolders: [], carried: [] });
    const nextVersion = this.state.metaversion;
    const journal = await Journal.open({ ...options, nextVersion, saveMode: 0, backLogs: 50 });
    this.digests.set(nextVersion, digestOf(this.state));
    while (this.state.metaversion < nextVersion + changes) {
      const operation = this.#random();
      const version = this.state.metaversion;
      if (!this.#perform(operation)) continue;
      journal.append(version, { timestamp: this.#source.now, operation });
      if (changes <= 500) this.digests.set(version + 1, digestOf(this.state));
      if (version % 100 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    this.digests.set(this.state.metaversion, digestOf(this.state));
    await journal.close();
    return this;
  }

  #random(): Operation {
    for (;;) {
      const operation = this.#source.next();
      if (!isUnnatural(this.state, operation)) return operation;
    }
  }

  #create(): Operation {
    const number = this.#made++;
    const name = Buffer.from(`node ${number}`);
    const type = number % 40 === 0 ? 2 : 1;
    return {
      op: 'CREATE',
      parent: 1,
      name,
      type,
      inode: 0,
      uid: number % 7,
      gid: 0,
      mode: 0o755,
      cumask: 0o22,
      rdev: 0,
    };
  }

  #perform(operation: Operation): boolean {
    return apply(this.state, this.#source.now, operation, 'live') === 0;
  }

  file(name: string): string {
    return join(this.path, name);
  }

  /** What a start on the files gives: the version and digest of the state, or the message with which it is refused. */
  async load(): Promise<{ version: number; digest: string } | { refused: string }> {
    try {
      const { state } = await startMetadata({
        clock,
        disk,
        random,
        folder: this.path,
        restore: false,
        ignoreErrors: false,
        verbosity: 0,
        keepPrevious: 1,
        report: silent,
      });
      return { version: state.metaversion, digest: digestOf(state) };
    } catch (error) {
      if (error instanceof StartError && error.message.length > 10) return { refused: error.message };
      throw error;
    }
  }

  /** Puts damaged content in the place of a file, tries to load, and puts the right one back. */
  async loadWith(name: string, damaged: Buffer): ReturnType<Folder['load']> {
    const path = this.file(name);
    const intact = readFileSync(path);
    writeFileSync(path, damaged);
    try {
      return await this.load();
    } finally {
      writeFileSync(path, intact);
    }
  }

  remove(): void {
    rmSync(this.path, { recursive: true });
  }
}

const IMAGE = 'metadata.mfs.back';
const LOG = 'changelog.0.mfs';

function flipped(bytes: Buffer, at: number, mask = 1 << (at % 8)): Buffer {
  const damaged = Buffer.from(bytes);
  damaged[at]! ^= mask;
  return damaged;
}

describe('a small file system, every byte and every length, through the real start', () => {
  let folder: Folder;
  afterAll(() => folder?.remove());

  test('loads as it is', async () => {
    folder = await new Folder(11).fill(60, 20, 40);
    expect(await folder.load()).toEqual({
      version: folder.state.metaversion,
      digest: folder.digests.get(folder.state.metaversion),
    });
  });

  test('image: every flipped byte is noticed', async () => {
    const image = readFileSync(folder.file(IMAGE));
    for (let at = 0; at < image.length; at++)
      expect([at, await folder.loadWith(IMAGE, flipped(image, at))]).toEqual([at, { refused: expect.any(String) }]);
  }, 120_000);

  test('image: every truncation is noticed', async () => {
    const image = readFileSync(folder.file(IMAGE));
    for (let length = 0; length < image.length; length++)
      expect([length, await folder.loadWith(IMAGE, image.subarray(0, length))]).toEqual([
        length,
        { refused: expect.any(String) },
      ]);
  }, 120_000);

  test('change log: every flipped byte is noticed', async () => {
    const log = readFileSync(folder.file(LOG));
    for (let at = 0; at < log.length; at++)
      expect([at, await folder.loadWith(LOG, flipped(log, at))]).toEqual([at, { refused: expect.any(String) }]);
  }, 120_000);

  test('change log: every truncation gives the state up to the last whole line', async () => {
    const log = readFileSync(folder.file(LOG));
    let version = folder.state.metaversion - 40;
    for (let length = 0; length < log.length; length++) {
      if (length > 0 && log[length - 1] === 10) version++;
      const loaded = await folder.loadWith(LOG, log.subarray(0, length));
      // A line that lacks nothing but its newline was whole once: that is damage.
      if ('refused' in loaded && log[length] === 10) continue;
      expect([length, loaded]).toEqual([length, { version, digest: folder.digests.get(version) }]);
    }
  }, 120_000);

  test('checksums that are gone, or damaged, make nothing worse', async () => {
    const whole = { version: folder.state.metaversion, digest: folder.digests.get(folder.state.metaversion) };
    for (const name of ['images.sum', 'changelog.0.sum']) {
      const sums = readFileSync(folder.file(name));
      for (let at = 0; at < sums.length; at += 3) expect(await folder.loadWith(name, flipped(sums, at))).toEqual(whole);
      for (const length of [0, 1, 10, sums.length - 1])
        expect(await folder.loadWith(name, sums.subarray(0, length))).toEqual(whole);
    }
  }, 60_000);
});

describe('20 000 nodes and as many changes', () => {
  let folder: Folder;
  afterAll(() => folder?.remove());

  test('loads as it is', async () => {
    folder = await new Folder(12).fill(8000, 20_000, 20_000);
    expect(await folder.load()).toEqual({
      version: folder.state.metaversion,
      digest: folder.digests.get(folder.state.metaversion),
    });
  }, 60_000);

  /** Positions spread over a file, more of them at its beginning. */
  const spread = (length: number, count: number) =>
    Array.from({ length: count }, (_, i) => (i < 64 ? i : Math.floor((i / count) * length + (i % 97))));

  test('image: the start refuses damage everywhere', async () => {
    const image = readFileSync(folder.file(IMAGE));
    for (const at of spread(image.length - 100, 250)) {
      expect([at, await folder.loadWith(IMAGE, flipped(image, at))]).toMatchObject([at, { refused: /./ }]);
      expect([at, await folder.loadWith(IMAGE, image.subarray(0, at))]).toMatchObject([at, { refused: /./ }]);
    }
  }, 120_000);

  test('image: what the start looks at tells every flipped byte and every truncation', () => {
    const image = readFileSync(folder.file(IMAGE));
    const [, entry] = readFileSync(folder.file('images.sum'), 'latin1').split('\n');
    const [length, blockBytes] = entry!.split(' ').map(Number);
    const sums = Buffer.from(entry!.split(' ')[2]!, 'base64');
    expect(length).toBe(image.length);
    for (let start = 0; start < image.length; start += blockBytes!) {
      const block = Buffer.from(image.subarray(start, start + blockBytes!));
      const sum = sums.readUInt32BE((start / blockBytes!) * 4);
      if (crc32(block) !== sum) expect.unreachable(`block at ${start}`);
      for (let at = 0; at < block.length; at++) {
        const mask = 1 + ((start + at) % 255);
        block[at]! ^= mask;
        if (crc32(block) === sum) expect.unreachable(`byte ${start + at}`);
        block[at]! ^= mask;
      }
    }
    // A file that was cut ends with the mark of the end only if it holds that mark in the middle.
    expect(image.indexOf(END_MARKER)).toBe(image.length - END_MARKER.length);
  }, 60_000);

  test('change log: the start refuses damage everywhere', async () => {
    const log = readFileSync(folder.file(LOG));
    for (const at of spread(log.length - 100, 100))
      expect([at, await folder.loadWith(LOG, flipped(log, at))]).toMatchObject([at, { refused: /./ }]);
  }, 120_000);

  test('change log: no flipped byte leaves a line that matches the checksum of any version', () => {
    const log = readFileSync(folder.file(LOG));
    const sums = new Map<number, number>();
    const lines: [number, number][] = [];
    for (let start = 0; start < log.length; ) {
      const end = log.indexOf(10, start);
      sums.set(Number(log.toString('latin1', start, log.indexOf(58, start))), crc32(log.subarray(start, end)));
      lines.push([start, end]);
      start = end + 1;
    }
    expect(lines.length).toBe(20_000);
    for (const [start, end] of lines) {
      const line = Buffer.from(log.subarray(start, end));
      for (let at = 0; at < line.length; at++) {
        const mask = 1 + ((start + at) % 255);
        line[at]! ^= mask;
        const version = Number(line.toString('latin1', 0, line.indexOf(58)));
        if (sums.get(version) === crc32(line)) expect.unreachable(`byte ${start + at}`);
        line[at]! ^= mask;
      }
    }
  }, 60_000);
});
