import { crc32 } from '@alces/proto';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { RecordSums } from '../src/image/save/recordSums.ts';
import { Arena, blockBytes, MAX_BLOCK_BYTES } from '../src/store/arena.ts';
import { ChainedIndex, mixBits } from '../src/store/chainedIndex.ts';
import { SEGMENT_ROWS, U32Column, U64SumColumn } from '../src/store/columns.ts';
import { HashedIndex } from '../src/store/hashedIndex.ts';
import { InodeNumbers } from '../src/store/inodeNumbers.ts';
import { FreeInodeQueue } from '../src/tables/freeInodes.ts';
import { NodeTable } from '../src/tables/nodes.ts';
import { Dice } from './support/random.ts';

test('columns read 0 where nothing was written, across segments', () => {
  const column = new U32Column();
  column.set(SEGMENT_ROWS * 3 + 5, 0xffffffff);
  expect(column.get(SEGMENT_ROWS * 3 + 5)).toBe(0xffffffff);
  expect(column.get(SEGMENT_ROWS * 3 + 4)).toBe(0);
  expect(column.get(7)).toBe(0);
  expect(column.get(SEGMENT_ROWS * 100)).toBe(0);
});

test('64-bit sums stay exact while huge numbers come and go', () => {
  const integer = fc.maxSafeInteger().map((n) => n * 8);
  fc.assert(
    fc.property(fc.array(integer, { maxLength: 20 }), fc.nat(), (numbers, start) => {
      const sums = new U64SumColumn();
      sums.set(1, start);
      for (const n of numbers) sums.add(1, n);
      for (const n of numbers) sums.add(1, -n);
      expect(sums.get(1)).toBe(start);
    }),
  );
});

interface TestedIndex {
  reserve(rows: number): void;
  find(key: number): number;
  insert(row: number, key: number): void;
  remove(row: number, key: number): void;
}

function chained(): TestedIndex {
  const keys = new U32Column();
  const index = new ChainedIndex((row) => mixBits(keys.get(row)));
  return {
    reserve: (rows) => index.reserve(rows),
    find(key) {
      let row = index.first(mixBits(key));
      while (row !== 0 && keys.get(row) !== key) row = index.next.get(row);
      return row;
    },
    insert(row, key) {
      keys.set(row, key);
      index.insert(row, mixBits(key));
    },
    remove: (row, key) => index.remove(row, mixBits(key)),
  };
}

/** Four keys have the same hash. */
function hashed(): TestedIndex {
  const keys = new U32Column();
  const index = new HashedIndex();
  const hashOf = (key: number) => Math.imul(key >>> 2, 0x9e37_79b1) >>> 0;
  return {
    reserve: (rows) => index.reserve(rows),
    find(key) {
      const hash = hashOf(key);
      let row = index.first(hash);
      while (row !== 0 && keys.get(row) !== key) row = index.next(row, hash);
      return row;
    },
    insert(row, key) {
      keys.set(row, key);
      index.insert(row, hashOf(key));
    },
    remove: (row) => index.remove(row),
  };
}

test.each([
  { kind: 'a chained index', make: chained, room: 0 },
  { kind: 'a chained index', make: chained, room: 3000 },
  { kind: 'a hashed index', make: hashed, room: 0 },
  { kind: 'a hashed index', make: hashed, room: 100_000 },
])('$kind with room for $room finds what was inserted and not removed', ({ make, room }) => {
  const index = make();
  index.reserve(room);
  const dice = new Dice(1);
  const rowOf = new Map<number, number>();
  for (let row = 1; row <= 8000; row++) {
    const key = dice.chance(0.5) ? row : dice.below(2 ** 32);
    if (index.find(key) === 0) {
      index.insert(row, key);
      rowOf.set(key, row);
    }
    if (dice.chance(0.3)) {
      const [victim, victimRow] = dice.pick([...[...rowOf].slice(0, 50)]);
      index.remove(victimRow, victim);
      rowOf.delete(victim);
      expect(index.find(victim)).toBe(0);
    }
  }
  for (const [key, row] of rowOf) {
    expect(index.find(key)).toBe(row);
  }
});

test.each([0, 2000, 500_000])('rows noted in an index with room for %i are found when they are inserted', (room) => {
  const index = new HashedIndex();
  index.reserve(room);
  const hashes = [0];
  const dice = new Dice(4);
  for (let row = 1; row <= 20_000; row++) {
    hashes.push(dice.below(2 ** 32));
    index.note(row, hashes[row]);
  }
  const isNoted = (row: number) => row % 3 !== 0;
  index.insertNoted(hashes.length, isNoted);
  for (let row = 1; row < hashes.length; row++) {
    const found: number[] = [];
    for (let at = index.first(hashes[row]); at !== 0; at = index.next(at, hashes[row])) found.push(at);
    expect(found.filter((at) => at === row)).toEqual(isNoted(row) ? [row] : []);
  }
});

test('arena blocks keep their content, do not overlap and are used again', () => {
  const arena = new Arena();
  const dice = new Dice(2);
  const blocks = new Map<number, Buffer>();
  let allocated = 0;
  for (let i = 0; i < 5000; i++) {
    if (blocks.size > 200 || (blocks.size > 0 && dice.chance(0.4))) {
      const [ref, content] = dice.pick([...blocks]);
      expect(arena.equals(ref, content.length, content)).toBe(true);
      arena.free(ref, content.length);
      blocks.delete(ref);
      continue;
    }
    const length = dice.chance(0.01) ? dice.below(MAX_BLOCK_BYTES) : dice.below(dice.pick([10, 255, 5000]));
    const content = Buffer.alloc(length, i & 255);
    const ref = arena.store(content);
    expect(ref).not.toBe(0);
    expect(blocks.has(ref)).toBe(false);
    allocated = Math.max(allocated, ref);
    blocks.set(ref, content);
  }
  for (const [ref, content] of blocks) {
    expect(arena.view(ref, content.length).equals(content)).toBe(true);
  }
  expect(allocated).toBeLessThan((64 * MAX_BLOCK_BYTES) / 8);
  expect(() => arena.allocate(MAX_BLOCK_BYTES + 1)).toThrow(RangeError);
});

test('size classes cover every length with little waste', () => {
  for (let length = 1; length <= MAX_BLOCK_BYTES; length += 1 + (length >> 6)) {
    expect(blockBytes(length)).toBeGreaterThanOrEqual(length);
    expect(blockBytes(length)).toBeLessThanOrEqual(Math.max(length + 7, length * 1.13));
    expect(blockBytes(blockBytes(length))).toBe(blockBytes(length));
  }
});

test('inode numbers: always the lowest free one', () => {
  const command = fc.oneof(fc.constant(-1), fc.nat({ max: 40_000 }));
  fc.assert(
    fc.property(fc.array(command, { maxLength: 300 }), fc.nat({ max: 70_000 }), (commands, filled) => {
      const numbers = new InodeNumbers();
      const used = new Set([0]);
      for (let i = 1; i <= filled; i++) {
        numbers.markUsed(i);
        used.add(i);
      }
      for (const c of commands) {
        if (c >= 1 && used.has(c)) {
          numbers.release(c);
          used.delete(c);
        } else {
          let lowest = 1;
          while (used.has(lowest)) lowest++;
          expect(numbers.take()).toBe(lowest);
          used.add(lowest);
        }
      }
    }),
    { numRuns: 20 },
  );
});

test('the queue of freed inodes keeps its order over many segments', () => {
  const queue = new FreeInodeQueue();
  for (let i = 0; i < 30_000; i++) queue.push(i, 1000 + i);
  for (let i = 0; i < 20_000; i++) expect(queue.shift()).toBe(i);
  queue.lowerTimes(25_000);
  expect(queue.count).toBe(10_000);
  expect(queue.timeAt(queue.head)).toBe(21_000);
  expect(queue.timeAt(queue.tail - 1)).toBe(25_000);
  queue.push(7, 25_000);
  expect(queue.inodeAt(queue.tail - 1)).toBe(7);
});

test('chunk lists of any length, sparse or not, behave like an array', () => {
  const dice = new Dice(3);
  const nodes = new NodeTable(new Arena());
  const row = nodes.insert(2, 1);
  let model: number[] = [];
  for (let i = 0; i < 2000; i++) {
    if (dice.chance(0.2)) {
      const slots = dice.below(dice.pick([5, 100, 8200, 30_000]));
      nodes.resizeSlots(row, slots);
      model = Array.from({ length: slots }, (_, at) => model[at] ?? 0);
    } else if (model.length > 0) {
      const at = dice.below(model.length);
      model[at] = dice.chance(0.3) ? 0 : 1 + dice.below(1e12);
      nodes.setChunkAt(row, at, model[at]);
    }
    const from = dice.below(model.length + 2);
    const next = model.findIndex((chunk, at) => at >= from && chunk !== 0);
    expect(nodes.nextUsedSlot(row, from)).toBe(next < 0 ? model.length : next);
  }
  expect(nodes.slots.get(row)).toBe(model.length);
  expect(model.every((chunk, at) => nodes.chunkAt(row, at) === chunk)).toBe(true);
});

test('a chunk list of 2^31 entries takes no memory to speak of', () => {
  const nodes = new NodeTable(new Arena());
  const row = nodes.insert(2, 1);
  nodes.resizeSlots(row, 2 ** 31);
  nodes.setChunkAt(row, 2 ** 31 - 1, 5);
  expect(nodes.nextUsedSlot(row, 0)).toBe(2 ** 31 - 1);
  nodes.resizeSlots(row, 10);
  expect(nodes.nextUsedSlot(row, 0)).toBe(10);
});

test('the checksum of a part is the exclusive or of the CRCs of its records', () => {
  const record = fc.oneof(fc.uint8Array({ maxLength: 20 }), fc.uint8Array({ minLength: 900, maxLength: 1200 }));
  fc.assert(
    fc.property(fc.array(fc.array(record, { maxLength: 30 }), { maxLength: 3 }), fc.nat({ max: 7 }), (parts, start) => {
      const sums = new RecordSums();
      for (const records of parts) {
        let expected = 0;
        for (const bytes of records) {
          expected ^= crc32(bytes);
          const padded = new Uint8Array(start + bytes.length);
          padded.set(bytes, start);
          sums.add(new DataView(padded.buffer), start, bytes.length);
        }
        expect(sums.take()).toBe(expected >>> 0);
      }
    }),
  );
});
