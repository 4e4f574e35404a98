import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type DecodeContext, DecodeError, MESSAGES, type Message } from '../src/index.ts';
import { messageOf, RECORDED } from './frames.ts';

/** Numbers, bytes and list elements in a decoded value. */
function weigh(value: unknown): number {
  if (Buffer.isBuffer(value)) return 1 + value.length;
  if (Array.isArray(value)) return value.reduce<number>((sum, element) => sum + weigh(element), 1);
  if (typeof value === 'object' && value !== null) return weigh(Object.values(value));
  return 1;
}

/** Fields of a message without any list; no declaration comes near. */
const MAX_FIELDS = 100;

/** Decoding gives a DecodeError, or a value that is not bigger than what was received. */
function survives(message: Message<unknown>, payload: Buffer, context: DecodeContext = {}): void {
  let fields: unknown;
  try {
    fields = message.decode(payload, context);
  } catch (error) {
    if (error instanceof DecodeError) return;
    throw new Error(`${message.name} of ${payload.length} bytes ${payload.toString('hex', 0, 100)}`, { cause: error });
  }
  expect(weigh(fields)).toBeLessThanOrEqual(2 * payload.length + MAX_FIELDS);
}

function survivesInEveryLayout(message: Message<unknown>, payload: Buffer): void {
  survives(message, payload);
  for (const { name, fill } of message.layouts) {
    if (name !== undefined && fill === undefined) survives(message, payload, { layout: name });
  }
}

/** One frame of each message, length and beginning that was recorded. */
const SAMPLES = [
  ...new Map(
    RECORDED.map((f) => [`${f.name} ${f.payload.length} ${f.payload.subarray(0, 2).toString('hex')}`, f]),
  ).values(),
];

describe('decoders', () => {
  test('survive every truncation of recorded frames', () => {
    for (const frame of SAMPLES) {
      const message = messageOf(frame);
      for (let length = 0; length < Math.min(frame.payload.length, 300); length++) {
        survives(message, frame.payload.subarray(0, length));
      }
    }
  });

  test('survive extreme numbers at every place of recorded frames', () => {
    for (const frame of SAMPLES) {
      const message = messageOf(frame);
      for (let place = 0; place < Math.min(frame.payload.length, 120); place++) {
        for (const byte of [0x00, 0x01, 0x7f, 0x80, 0xff]) {
          const mutated = Buffer.from(frame.payload);
          mutated.fill(byte, place, Math.min(place + 4, mutated.length));
          survives(message, mutated);
        }
      }
    }
  });

  test('survive random changes of recorded frames', () => {
    const change = fc.record({ place: fc.nat(), value: fc.nat({ max: 255 }) });
    fc.assert(
      fc.property(
        fc.constantFrom(...SAMPLES),
        fc.array(change, { maxLength: 6 }),
        fc.nat({ max: 3000 }),
        fc.uint8Array({ maxLength: 12 }),
        (frame, changes, keepBytes, appended) => {
          const mutated = Buffer.concat([frame.payload.subarray(0, keepBytes), appended]);
          for (const { place, value } of changes) if (mutated.length > 0) mutated[place % mutated.length] = value;
          survives(messageOf(frame), mutated);
        },
      ),
      { numRuns: 3000 },
    );
  });

  test('survive the frames of all other messages', () => {
    const short = SAMPLES.filter((frame) => frame.payload.length < 200);
    for (const message of MESSAGES) {
      for (const { payload } of short) survivesInEveryLayout(message, payload);
    }
  });

  test('survive huge counts, zeros and random bytes of every length', () => {
    for (const message of MESSAGES) {
      for (let length = 0; length < 200; length++) {
        for (const byte of [0x00, 0x01, 0xff]) survivesInEveryLayout(message, Buffer.alloc(length, byte));
      }
    }
    fc.assert(
      fc.property(fc.constantFrom(...MESSAGES), fc.uint8Array({ maxLength: 400 }), (message, bytes) => {
        survivesInEveryLayout(message, Buffer.from(bytes));
      }),
      { numRuns: 3000 },
    );
  });

  test('refuse bytes after the last field', () => {
    const endless = (message: Message<unknown>) =>
      message.limit === Number.POSITIVE_INFINITY || message.layouts.length > 1;
    for (const frame of SAMPLES.filter((f) => !f.isTruncated && !endless(messageOf(f)))) {
      const longer = Buffer.concat([frame.payload, Buffer.alloc(messageOf(frame).limit + 1 - frame.payload.length)]);
      expect(() => messageOf(frame).decode(longer), frame.name).toThrow(DecodeError);
    }
  });
});
