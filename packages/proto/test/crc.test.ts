import fc from 'fast-check';
import { expect, test } from 'vitest';
import { BLOCK_SIZE, CRC_ZERO_BLOCK, crc32, crc32Combine, crc32Zeros } from '../src/index.ts';

const bytes = fc.uint8Array({ maxLength: 300 });

test('crc32 has the known values', () => {
  expect(crc32(Buffer.from('hello moosefs\n'))).toBe(0x7dcd_a4c3);
  expect(crc32(Buffer.alloc(4096))).toBe(0xc71c_0011);
  expect(crc32(Buffer.alloc(BLOCK_SIZE))).toBe(CRC_ZERO_BLOCK);
});

test('crc32 continues from a seed, and combine joins without the data', () => {
  fc.assert(
    fc.property(bytes, bytes, (a, b) => {
      const whole = crc32(Buffer.concat([a, b]));
      expect(crc32(b, crc32(a))).toBe(whole);
      expect(crc32Combine(crc32(a), crc32(b), b.length)).toBe(whole);
    }),
  );
});

test('crc32Combine knows the factor of a block', () => {
  const a = Buffer.from('something before');
  const block = Buffer.alloc(BLOCK_SIZE, 'block');
  expect(crc32Combine(crc32(a), crc32(block), BLOCK_SIZE)).toBe(crc32(Buffer.concat([a, block])));
});

test('crc32Zeros is that of zeros', () => {
  expect(crc32Zeros(0)).toBe(0);
  expect(crc32Zeros(4096)).toBe(0xc71c_0011);
  expect(crc32Zeros(BLOCK_SIZE)).toBe(CRC_ZERO_BLOCK);
  fc.assert(fc.property(fc.nat({ max: 5000 }), (n) => crc32Zeros(n) === crc32(Buffer.alloc(n))));
});
