import { describe, expect, test } from 'vitest';
import { DecodeError, describeFrame, encodeFrame, FrameReader, frameLimit } from '../src/index.ts';
import { messageOf, RECORDED } from './frames.ts';

const COMPLETE = RECORDED.filter((frame) => !frame.isTruncated);
const TRUNCATED = RECORDED.filter((frame) => frame.isTruncated);

/** Names under which the recording tool knew numbers that got a new meaning. */
const RENAMED: Readonly<Record<string, string>> = {
  MATOCS_STRUCTURE_LOG: 'CSTOMA_CURRENT_LOAD',
  MATOCS_STRUCTURE_LOG_ROTATE: 'MATOCS_MASTER_ACK',
};

describe('frames recorded from stock daemons', () => {
  test('are there', () => {
    expect(COMPLETE.length).toBeGreaterThan(2000);
    expect(TRUNCATED.length).toBeGreaterThan(100);
  });

  test('are known, decode, and encode to the same bytes', () => {
    for (const frame of COMPLETE) {
      const message = messageOf(frame);
      expect(message.name).toBe(RENAMED[frame.name] ?? frame.name);
      const encoded = message.encode(message.decode(frame.payload));
      const expected = encodeFrame(frame.type, frame.payload);
      if (!encoded.equals(expected)) {
        expect.fail(`${message.name}: ${encoded.toString('hex')} instead of ${expected.toString('hex')}`);
      }
    }
  });

  test('are within the limits of their links', () => {
    for (const frame of RECORDED) {
      expect(frame.lengthBytes).toBeLessThanOrEqual(frameLimit(frame.link, frame.direction)(frame.type));
    }
  });

  test('when cut, wait in the FrameReader for their rest', () => {
    for (const frame of TRUNCATED) {
      const reader = new FrameReader(frameLimit(frame.link, frame.direction));
      const header = Buffer.alloc(8);
      header.writeUInt32BE(frame.type, 0);
      header.writeUInt32BE(frame.lengthBytes, 4);
      reader.push(Buffer.concat([header, frame.payload]));
      expect(reader.next()).toBeUndefined();
      expect(reader.partialBytes).toBe(8 + frame.payload.length);
    }
  });

  test('when cut, are malformed for the decoder', () => {
    // The beginning of a picture is bytes like all of it, and that of a list of definitions passes for a list of names.
    const openEnded = new Set(['ANTOCL_CHART', 'MATOCL_SCLASS_LIST']);
    for (const frame of TRUNCATED) {
      const message = messageOf(frame);
      if (openEnded.has(message.name)) continue;
      expect(() => message.decode(frame.payload), message.name).toThrow(DecodeError);
    }
  });

  test('can be described', () => {
    for (const { link, direction, type, payload, isTruncated } of RECORDED) {
      const text = describeFrame(link, direction, type, payload);
      expect(text).not.toContain('unknown message');
      if (!isTruncated) expect(text).not.toContain('malformed');
    }
  });
});
