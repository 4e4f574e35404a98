import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, rmSync } from 'node:fs';
import { BLOCK_SIZE, crc32, Status } from '@alces/proto';
import fc from 'fast-check';
import { afterEach, beforeEach, expect, it } from 'vitest';
import {
  chunkBlocks,
  createChunk,
  deleteChunk,
  duplicateChunk,
  setVersion,
  truncateChunk,
} from '../src/store/operations.ts';
import { readBlocks } from '../src/store/readBlocks.ts';
import { writeBlocks } from '../src/store/writeBlocks.ts';
import { startTestServer, type TestServer, temporaryFolder } from './support/server.ts';
import { until } from './support/wait.ts';

/** Any sequence of operations gives what a simple model in memory gives, also after restarts in between. */

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let running: TestServer;

beforeEach(async () => {
  folder = await temporaryFolder();
});

afterEach(async () => {
  await running.server.stop();
  await folder.remove();
});

const disks = () => [`${folder.path}/a`, `${folder.path}/b 64MiB`];

async function start(): Promise<void> {
  running = await startTestServer({
    dataPath: folder.path,
    hdd: disks(),
    config: ['HDD_TEST_SPEED = 0', 'HDD_REBALANCE_UTILIZATION = 0'],
  });
  await until('folders in work', () => running.server.store.folders.every((one) => one.phase === 'working'));
}

interface ModelChunk {
  version: number;
  content: Buffer;
}

const BLOCKS = 6;
const chunkId = fc.integer({ min: 1, max: 4 });
const position = fc.oneof(
  fc.nat(BLOCKS * BLOCK_SIZE - 1),
  fc.nat(BLOCKS - 1).map((block) => block * BLOCK_SIZE),
);
const piece = fc.record({
  at: position,
  length: fc.oneof(fc.constant(BLOCK_SIZE), fc.integer({ min: 0, max: BLOCK_SIZE }), fc.integer({ min: 0, max: 600 })),
  fill: fc.constantFrom(0, 0, 1, 0xa5),
});
const length = fc.oneof(
  fc.nat(BLOCKS * BLOCK_SIZE),
  fc.nat(BLOCKS).map((blocks) => blocks * BLOCK_SIZE),
);

const operation = fc.oneof(
  fc.record({ kind: fc.constant('create' as const), id: chunkId }),
  fc.record({ kind: fc.constant('delete' as const), id: chunkId }),
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant('write' as const),
      id: chunkId,
      pieces: fc.array(piece, { maxLength: 6 }),
    }),
  },
  fc.record({ kind: fc.constant('version' as const), id: chunkId, version: fc.integer({ min: 1, max: 9 }) }),
  fc.record({ kind: fc.constant('truncate' as const), id: chunkId, length, version: fc.integer({ min: 1, max: 9 }) }),
  fc.record({ kind: fc.constant('duplicate' as const), id: chunkId, copy: chunkId, length: fc.option(length) }),
  fc.record({ kind: fc.constant('restart' as const), id: chunkId }),
);

type Operation = typeof operation extends fc.Arbitrary<infer T> ? T : never;

function resized(content: Buffer, length: number): Buffer {
  const result = Buffer.alloc(Math.ceil(length / BLOCK_SIZE) * BLOCK_SIZE);
  content.copy(result, 0, 0, Math.min(length, content.length));
  return result;
}

/** Bytes that differ from each other, or zeros. */
function data(length: number, fill: number, seed: number): Buffer {
  const bytes = Buffer.alloc(length);
  if (fill !== 0) for (let at = 0; at < length; at++) bytes[at] = (at * 31 + seed * 7 + fill) & 0xff;
  return bytes;
}

async function write(
  chunk: ModelChunk | undefined,
  id: number,
  step: number,
  pieces: (typeof piece extends fc.Arbitrary<infer T> ? T : never)[],
): Promise<void> {
  const writes = pieces.map(({ at, length, fill }, index) => {
    const block = Math.floor(at / BLOCK_SIZE);
    const offset = at % BLOCK_SIZE;
    const bytes = data(Math.min(length, BLOCK_SIZE - offset), fill, step * 10 + index);
    return { block, offset, data: bytes, crc: crc32(bytes) };
  });
  const result = await writeBlocks(running.server.store, id, chunk?.version ?? 0, writes);
  expect(result).toEqual(chunk ? { done: writes.length, status: 0 } : { done: 0, status: Status.NOCHUNK });
  if (!chunk) return;
  for (const { block, offset, data: bytes } of writes) {
    chunk.content = resized(chunk.content, Math.max(chunk.content.length, (block + 1) * BLOCK_SIZE));
    bytes.copy(chunk.content, block * BLOCK_SIZE + offset);
  }
}

async function apply(model: Map<number, ModelChunk>, step: number, order: Operation): Promise<void> {
  const { store } = running.server;
  const chunk = model.get(order.id);
  switch (order.kind) {
    case 'create':
      expect(await createChunk(store, order.id, 1)).toBe(chunk ? Status.CHUNKEXIST : 0);
      if (!chunk) model.set(order.id, { version: 1, content: Buffer.alloc(0) });
      return;
    case 'delete':
      expect(await deleteChunk(store, order.id, 0)).toBe(chunk ? 0 : Status.NOCHUNK);
      model.delete(order.id);
      return;
    case 'write':
      return write(chunk, order.id, step, order.pieces);
    case 'version':
      expect(await setVersion(store, order.id, order.version, chunk?.version ?? 0)).toBe(chunk ? 0 : Status.NOCHUNK);
      if (chunk) chunk.version = order.version;
      return;
    case 'truncate':
      expect(await truncateChunk(store, order.id, order.length, order.version, 0)).toBe(chunk ? 0 : Status.NOCHUNK);
      if (chunk) model.set(order.id, { version: order.version, content: resized(chunk.content, order.length) });
      return;
    case 'duplicate': {
      const source = { sourceId: order.id, sourceVersion: chunk?.version ?? 1, copyId: order.copy, copyVersion: 3 };
      const cut = order.length === null ? {} : { lengthBytes: order.length };
      const expected = !chunk ? Status.NOCHUNK : model.has(order.copy) ? Status.CHUNKEXIST : 0;
      expect(await duplicateChunk(store, { ...source, ...cut })).toBe(expected);
      if (chunk && expected === 0)
        model.set(order.copy, { version: 3, content: resized(chunk.content, order.length ?? chunk.content.length) });
      return;
    }
    case 'restart':
      await running.server.stop();
      await start();
  }
}

async function compare(model: ReadonlyMap<number, ModelChunk>): Promise<void> {
  const { store } = running.server;
  expect(store.table.count).toBe(model.size);
  for (const [id, { version, content }] of model) {
    const blocks = content.length / BLOCK_SIZE;
    expect(await chunkBlocks(store, id, version)).toEqual({ status: 0, value: blocks });
    const areas = Array.from({ length: blocks + 1 }, () => Buffer.alloc(BLOCK_SIZE, 9));
    expect(await readBlocks(store, id, version, 0, areas, [])).toEqual({ done: blocks + 1, status: 0 });
    expect(Buffer.concat(areas).equals(resized(content, (blocks + 1) * BLOCK_SIZE))).toBe(true);
  }
  const files = ['a', 'b'].flatMap((disk) =>
    readdirSync(`${folder.path}/${disk}`, { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith('.mfs'))
      .map((name) => `${folder.path}/${disk}/${name}`),
  );
  expect(files.length).toBe(model.size);
  if (files.length > 0) execFileSync('mfschunktool', ['-e', '-x', ...files]);
}

it('behaves like the model', async () => {
  await fc.assert(
    fc
      .asyncProperty(fc.array(operation, { minLength: 5, maxLength: 40 }), async (operations) => {
        const model = new Map<number, ModelChunk>();
        for (const [step, order] of operations.entries()) await apply(model, step, order);
        await compare(model);
      })
      .beforeEach(async () => {
        for (const name of ['a', 'b']) {
          rmSync(`${folder.path}/${name}`, { recursive: true, force: true });
          mkdirSync(`${folder.path}/${name}`);
        }
        await start();
      })
      .afterEach(() => running.server.stop()),
    { numRuns: 60 },
  );
}, 300_000);
