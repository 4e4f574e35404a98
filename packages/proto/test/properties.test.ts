import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { compile } from '../src/codec/compile.ts';
import { type Layout, MESSAGES, type Message } from '../src/index.ts';
import { valuesOf } from './arbitrary.ts';

const RUNS = { numRuns: 25 };

interface Case {
  readonly title: string;
  readonly message: Message<unknown>;
  readonly layout: Layout;
}

const CASES: readonly Case[] = MESSAGES.flatMap((message) =>
  message.layouts.map((layout) => ({ title: `${message.name} ${layout.name ?? ''}`.trimEnd(), message, layout })),
);
const CURRENT = CASES.filter(({ layout }) => layout.fill === undefined);
const OLDER = CASES.filter(({ layout }) => layout.fill !== undefined);

function withLayout(layout: Layout, values: Record<string, unknown>): Record<string, unknown> {
  return layout.name === undefined ? values : { layout: layout.name, ...values };
}

function contextOf({ name }: Layout): { layout?: string } {
  return name === undefined ? {} : { layout: name };
}

describe('every layout', () => {
  test.each(CURRENT)('$title: decode gives back what was encoded', ({ message, layout }) => {
    fc.assert(
      fc.property(valuesOf(layout.fields), (values) => {
        const fields = withLayout(layout, values);
        const frame = message.encode(fields);
        expect(frame.readUInt32BE(0)).toBe(message.number);
        expect(frame.readUInt32BE(4)).toBe(frame.length - 8);
        expect(message.size(fields)).toBe(frame.length - 8);
        expect(frame.length - 8).toBeLessThanOrEqual(message.limit);
        expect(message.decode(frame.subarray(8), contextOf(layout))).toEqual(fields);
      }),
      RUNS,
    );
  });

  test.each(CURRENT)('$title: encodeInto writes the same frame', ({ message, layout }) => {
    fc.assert(
      fc.property(valuesOf(layout.fields), fc.nat({ max: 20 }), (values, offset) => {
        const fields = withLayout(layout, values);
        const frame = message.encode(fields);
        const target = Buffer.alloc(offset + frame.length + 3, 0xaa);
        expect(message.encodeInto(target, offset, fields)).toBe(offset + frame.length);
        expect(target.subarray(offset, offset + frame.length).equals(frame)).toBe(true);
        expect(target.subarray(offset + frame.length).equals(Buffer.alloc(3, 0xaa))).toBe(true);
        const short = Buffer.alloc(offset + frame.length - 1);
        expect(() => message.encodeInto(short, offset, fields)).toThrow(RangeError);
      }),
      RUNS,
    );
  });
});

/** Layouts that no decoder can tell from another without knowing the request, or by likelihood only. */
const BY_CONTEXT = new Set([
  'ANTOAN_VERSION plain',
  'ANTOAN_VERSION msgid',
  'MATOCL_FUSE_GETXATTR length',
  'MATOCL_FUSE_READDIR plain',
  'MATOCL_FUSE_READDIR attr35',
  'MATOCL_NODE_INFO directory',
  'MATOCL_NODE_INFO file',
]);
const AMBIGUOUS = new Set([
  'MATOCL_SCLASS_LIST',
  'MATOCL_SESSION_LIST',
  'MATOCL_FSTEST_INFO',
  'MATOCL_EXPORTS_INFO',
  'MATOCL_MISSING_CHUNKS',
  'MATOCL_LIST_OPEN_FILES',
  'MATOCL_LIST_ACQUIRED_LOCKS',
]);
const RECOGNISED = CURRENT.filter(({ title, message }) => !BY_CONTEXT.has(title) && !AMBIGUOUS.has(message.name));

describe('a decoder without context', () => {
  test.each(RECOGNISED)('$title: recognises the layout', ({ message, layout }) => {
    fc.assert(
      fc.property(valuesOf(layout.fields), (values) => {
        const fields = withLayout(layout, values);
        expect(message.decode(message.encode(fields).subarray(8))).toEqual(fields);
      }),
      RUNS,
    );
  });
});

describe('older forms', () => {
  test.each(OLDER)('$title: decode to what a current form says', ({ message, layout }) => {
    const codec = compile<Record<string, unknown>>(message.name, undefined, layout.fields);
    fc.assert(
      fc.property(valuesOf(layout.fields), (values) => {
        const payload = Buffer.alloc(codec.size(values));
        codec.write(payload, 0, values);
        const decoded = message.decode(payload) as Record<string, unknown>;
        expect(decoded).toEqual({ ...values, ...layout.fill });
        const again = message.decode(message.encode(decoded).subarray(8)) as Record<string, unknown>;
        expect(decoded).toMatchObject(again);
      }),
      RUNS,
    );
  });
});
