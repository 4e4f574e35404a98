import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { encodeFrame, type Frame, FrameReader, FrameTooLong, frameLimit } from '../src/index.ts';

const MIB = 1024 * 1024;

function header(type: number, lengthBytes: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeUInt32BE(type, 0);
  bytes.writeUInt32BE(lengthBytes, 4);
  return bytes;
}

function readAll(reader: FrameReader, pieces: readonly Buffer[]): Frame[] {
  const frames: Frame[] = [];
  for (const piece of pieces) {
    reader.push(piece);
    frames.push(...reader);
  }
  return frames;
}

const frames = fc.array(
  fc.record({
    type: fc.nat({ max: 0xffff_ffff }),
    payload: fc.uint8Array({ maxLength: 40 }).map((a) => Buffer.from(a)),
  }),
);

describe('encodeFrame', () => {
  test('joins the parts of the payload', () => {
    const frame = encodeFrame(10, Buffer.from('ab'), Buffer.alloc(0), Buffer.from('c'));
    expect(frame.toString('hex')).toBe('0000000a00000003616263');
  });
});

describe('FrameReader', () => {
  test('finds the same frames however the stream is cut', () => {
    fc.assert(
      fc.property(
        frames,
        fc.infiniteStream(fc.integer({ min: 1, max: 30 })),
        fc.boolean(),
        (sent, cuts, pushAllFirst) => {
          const stream = Buffer.concat(sent.map(({ type, payload }) => encodeFrame(type, payload)));
          const pieces: Buffer[] = [];
          for (let p = 0; p < stream.length; ) {
            const size = cuts.next().value as number;
            pieces.push(stream.subarray(p, p + size));
            p += size;
          }
          const reader = new FrameReader(100);
          if (pushAllFirst) for (const piece of pieces) reader.push(piece);
          expect(readAll(reader, pushAllFirst ? [Buffer.alloc(0)] : pieces)).toEqual(sent);
          expect(reader.partialBytes).toBe(0);
        },
      ),
    );
  });

  test('gives views of a buffer that holds the whole frame', () => {
    const arrived = Buffer.concat([encodeFrame(1, Buffer.alloc(5, 1)), encodeFrame(2, Buffer.alloc(7, 2))]);
    const payloads = readAll(new FrameReader(100), [arrived]).map((frame) => frame.payload);
    expect(payloads.map((p) => p.length)).toEqual([5, 7]);
    for (const payload of payloads) expect(payload.buffer).toBe(arrived.buffer);
  });

  test('does not hold on to buffers whose bytes it has taken', () => {
    const arrived = encodeFrame(7, Buffer.from('abcdef'));
    const reader = new FrameReader(100);
    const first = Buffer.from(arrived.subarray(0, 10));
    reader.push(first);
    expect(reader.next()).toBeUndefined();
    first.fill(0);
    reader.push(arrived.subarray(10));
    expect(reader.next()?.payload.toString()).toBe('abcdef');
  });

  test('accepts a length equal to the limit and refuses a greater one', () => {
    expect(readAll(new FrameReader(4), [encodeFrame(9, Buffer.alloc(4))])).toHaveLength(1);
    expect(() => readAll(new FrameReader(4), [header(9, 5)])).toThrow(FrameTooLong);
  });

  test('gives the frames before one that is too long, then keeps refusing', () => {
    const reader = new FrameReader((type) => (type === 1 ? 10 : 3));
    reader.push(Buffer.concat([encodeFrame(1, Buffer.alloc(10)), header(2, 4)]));
    expect(reader.next()?.type).toBe(1);
    expect(() => reader.next()).toThrow(FrameTooLong);
    expect(() => reader.next()).toThrow(FrameTooLong);
  });

  test('refuses a too long frame whose header came in two pieces', () => {
    const bytes = header(2, 400);
    const reader = new FrameReader(100);
    reader.push(bytes.subarray(0, 7));
    expect(reader.next()).toBeUndefined();
    reader.push(bytes.subarray(7));
    expect(() => reader.next()).toThrow(FrameTooLong);
  });

  test('allocates for what arrived, not for what is announced', () => {
    const before = process.memoryUsage().arrayBuffers;
    const readers = Array.from({ length: 20 }, () => {
      const reader = new FrameReader(500_000_000);
      reader.push(Buffer.concat([header(100, 500_000_000), Buffer.alloc(1000)]));
      expect(reader.next()).toBeUndefined();
      return reader;
    });
    expect(readers.map((reader) => reader.partialBytes)).toEqual(Array(20).fill(1008));
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(16 * MIB);
  });

  test('collects a large frame from many pieces', () => {
    const payload = Buffer.alloc(5 * MIB, Buffer.from('a piece of what comes in small parts '));
    const stream = encodeFrame(63, payload);
    const pieces: Buffer[] = [];
    for (let p = 0; p < stream.length; p += 1460) pieces.push(stream.subarray(p, p + 1460));
    const [frame, ...others] = readAll(new FrameReader(10 * MIB), pieces);
    expect(others).toEqual([]);
    expect(frame.payload.equals(payload)).toBe(true);
  });
});

describe('frameLimit', () => {
  test('is what the message can have at most, within the limit of the link', () => {
    expect(frameLimit('CL', 'request')(408)).toBe(17);
    expect(frameLimit('CL', 'request')(406)).toBe(50_000_000);
    expect(frameLimit('CS', 'reply')(150)).toBe(10_000);
    expect(frameLimit('DATA', 'request')(212)).toBe(24 + 65_536);
  });

  test('lets the ignored messages and unknown ones have any length', () => {
    expect(frameLimit('CL', 'request')(0)).toBe(50_000_000);
    expect(frameLimit('DATA', 'request')(2)).toBe(100_000);
    expect(frameLimit('CL', 'request')(999_999)).toBe(50_000_000);
  });
});
