import { ANTOAN_NOP, BLOCK_SIZE, CSTOCL_READ_DATA, CSTOCL_READ_STATUS, crc32, encodeFrame } from '@alces/proto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BadAnswer, ReadAnswer, readAnswerBytes } from '../src/data/readFrames.ts';

const CHUNK = 0x1_0000_0007;
const NOP = ANTOAN_NOP.encode({});

function pattern(from: number, to: number): Buffer {
  return Buffer.from(Array.from({ length: to - from }, (_, i) => (from + i) % 251));
}

/** What a chunkserver answers to READ(offset, size). */
function frames(offset: number, size: number): Buffer[] {
  const list: Buffer[] = [];
  for (let at = offset; at < offset + size; ) {
    const end = Math.min(offset + size, (Math.floor(at / BLOCK_SIZE) + 1) * BLOCK_SIZE);
    const data = pattern(at, end);
    const position = { block: Math.floor(at / BLOCK_SIZE), offset: at % BLOCK_SIZE };
    list.push(CSTOCL_READ_DATA.encode({ chunkId: CHUNK, ...position, crc: crc32(data), data }));
    at = end;
  }
  list.push(CSTOCL_READ_STATUS.encode({ chunkId: CHUNK, status: 0 }));
  return list;
}

function receive(offset: number, size: number, parts: readonly Buffer[]) {
  const got: Buffer[] = [];
  const statuses: number[] = [];
  const answer = new ReadAnswer(CHUNK, offset, size, {
    data: (views) => got.push(...views),
    status: (status) => statuses.push(status),
  });
  for (const part of parts) answer.push(part);
  return { data: Buffer.concat(got), statuses, answer };
}

describe('ReadAnswer', () => {
  it('puts an answer together however the bytes arrive, with NOPs between packets', () => {
    const range = fc.record({ offset: fc.nat(3 * BLOCK_SIZE), size: fc.integer({ min: 1, max: 2 * BLOCK_SIZE + 5 }) });
    const cuts = fc.array(fc.nat(3 * BLOCK_SIZE), { maxLength: 12 });
    fc.assert(
      fc.property(range, cuts, fc.array(fc.nat(5), { maxLength: 3 }), ({ offset, size }, positions, nops) => {
        const list = frames(offset, size);
        const announced = list.reduce((sum, frame) => sum + frame.length, 0);
        expect(readAnswerBytes(offset, size)).toBe(announced);
        for (const before of nops) list.splice(Math.min(before, list.length - 1), 0, NOP);
        const stream = Buffer.concat(list);
        const ends = [...positions.filter((p) => p < stream.length), stream.length].sort((a, b) => a - b);
        const parts = ends.map((end, i) => stream.subarray(i === 0 ? 0 : ends[i - 1], end));
        const { data, statuses, answer } = receive(offset, size, parts);
        expect(data.equals(pattern(offset, offset + size))).toBe(true);
        expect(statuses).toEqual([0]);
        expect(answer.finished).toBe(true);
      }),
      { numRuns: 60 },
    );
  });

  it('hands out verified blocks only, and then the error status', () => {
    const [first] = frames(0, 2 * BLOCK_SIZE);
    const failed = CSTOCL_READ_STATUS.encode({ chunkId: CHUNK, status: 29 });
    const { data, statuses } = receive(0, 2 * BLOCK_SIZE, [first, failed]);
    expect(data.length).toBe(BLOCK_SIZE);
    expect(statuses).toEqual([29]);
  });

  const data = pattern(0, 100);
  const block = { chunkId: CHUNK, block: 0, offset: 0, crc: crc32(data), data };
  const bad: Record<string, Buffer> = {
    'a wrong checksum': CSTOCL_READ_DATA.encode({ ...block, crc: block.crc ^ 1 }),
    'another chunk': CSTOCL_READ_DATA.encode({ ...block, chunkId: 7 }),
    'another place': CSTOCL_READ_DATA.encode({ ...block, offset: 1 }),
    'more data than asked for': CSTOCL_READ_DATA.encode({ ...block, data: pattern(0, 101) }),
    'less data in a packet than fits': CSTOCL_READ_DATA.encode({ ...block, data: pattern(0, 99) }),
    'a size that differs from the length': Buffer.concat([
      CSTOCL_READ_DATA.encode(block).subarray(0, 20),
      Buffer.from([0, 0, 0, 99]),
      CSTOCL_READ_DATA.encode(block).subarray(24),
    ]),
    'a huge packet': Buffer.from('000000caffffffff', 'hex'),
    'OK before the data': CSTOCL_READ_STATUS.encode({ chunkId: CHUNK, status: 0 }),
    'the status of another chunk': CSTOCL_READ_STATUS.encode({ chunkId: 1, status: 0 }),
    'a long status': encodeFrame(CSTOCL_READ_STATUS.number, Buffer.alloc(10)),
    'a long NOP': encodeFrame(0, Buffer.alloc(4)),
    'an unknown message': encodeFrame(999),
    'bytes behind the end': Buffer.concat([...frames(0, 100), NOP]),
  };
  for (const [what, bytes] of Object.entries(bad)) {
    it(`refuses ${what}`, () => {
      expect(() => receive(0, 100, [bytes])).toThrow(BadAnswer);
    });
  }

  it('knows whether anything of the answer came', () => {
    const [first, ...rest] = frames(0, 2 * BLOCK_SIZE);
    expect(receive(0, 2 * BLOCK_SIZE, [NOP]).answer.untouched).toBe(true);
    expect(receive(0, 2 * BLOCK_SIZE, [first.subarray(0, 3)]).answer.untouched).toBe(false);
    expect(receive(0, 2 * BLOCK_SIZE, [first]).answer.untouched).toBe(false);
    expect(receive(0, 2 * BLOCK_SIZE, [first, ...rest]).answer.untouched).toBe(false);
  });
});
