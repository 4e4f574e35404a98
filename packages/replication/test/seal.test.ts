import { randomBytes } from 'node:crypto';
import { FrameReader } from '@alces/proto';
import { describe, expect, test } from 'vitest';
import { Seal } from '../src/wire/seal.ts';

const TEXT = Buffer.from('12: 1795244380|CREATE(1,salaries.ods,f,644,0,0,0,0):7');

function payloadOf(frame: Buffer): Buffer {
  const reader = new FrameReader(1 << 20);
  reader.push(frame);
  for (const { payload } of reader) return payload;
  throw new Error('no whole frame');
}

function pair(): { sender: Seal; receiver: Seal } {
  const key = randomBytes(32);
  return { sender: new Seal(key), receiver: new Seal(key) };
}

describe('a frame between nodes of the journal', () => {
  test('arrives as it was sent, and shows nothing of its content', () => {
    const { sender, receiver } = pair();
    for (const body of [TEXT, Buffer.alloc(0), randomBytes(100_000), TEXT]) {
      const frame = sender.close(7, body);
      expect(frame.includes('salaries')).toBe(false);
      expect(receiver.open(7, payloadOf(frame))).toEqual(body);
    }
  });

  test('is refused with any bit of it changed', () => {
    for (let at = 0; at < TEXT.length + 16; at++) {
      const { sender, receiver } = pair();
      const payload = Buffer.from(payloadOf(sender.close(7, TEXT)));
      payload[at] ^= 1 << (at % 8);
      expect(() => receiver.open(7, payload), `byte ${at}`).toThrow('wrong seal');
    }
  });

  test('is refused cut, under another number, a second time, out of order, or from another connection', () => {
    const { sender, receiver } = pair();
    const [first, second] = [payloadOf(sender.close(7, TEXT)), payloadOf(sender.close(7, TEXT))];
    expect(first).not.toEqual(second);
    expect(() => pair().receiver.open(7, first)).toThrow('wrong seal');
    expect(() => receiver.open(7, Buffer.alloc(15))).toThrow('without a seal');
    expect(receiver.open(7, first)).toEqual(TEXT);
    expect(() => receiver.open(7, first)).toThrow('wrong seal');
    const other = pair();
    const [one, two] = [payloadOf(other.sender.close(7, TEXT)), payloadOf(other.sender.close(7, TEXT))];
    expect(() => other.receiver.open(7, two)).toThrow('wrong seal');
    expect(() => other.receiver.open(8, one)).toThrow('wrong seal');
  });
});
