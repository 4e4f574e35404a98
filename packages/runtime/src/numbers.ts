/**
 * Reads a number as the C library does with base 0 (spec 60 §1.3): leading blanks and a sign, then decimal, `0x` hex or
 * leading-zero octal; stops at the first foreign character, 0 when there are no digits.
 */
export function parseCInteger(text: string): bigint {
  const match = /^[ \t]*([+-]?)(0[xX][0-9a-fA-F]+|0[0-7]*|[1-9][0-9]*)/.exec(text);
  if (!match) return 0n;
  const digits = match[2] ?? '0';
  const magnitude = BigInt(/^0[0-7]+$/.test(digits) ? `0o${digits.slice(1)}` : digits);
  return match[1] === '-' ? -magnitude : magnitude;
}

/** Reads a floating-point number as the C library's `strtod` in the C locale (without its hex and infinity forms). */
export function parseCFloat(text: string): number {
  const match = /^[ \t]*[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?/.exec(text);
  return match ? Number(match[0]) : 0;
}

const SIZE_FACTORS: Record<string, number> = {
  '': 1,
  k: 1e3,
  M: 1e6,
  G: 1e9,
  T: 1e12,
  P: 1e15,
  E: 1e18,
  Ki: 2 ** 10,
  Mi: 2 ** 20,
  Gi: 2 ** 30,
  Ti: 2 ** 40,
  Pi: 2 ** 50,
  Ei: 2 ** 60,
};

/** Reads a size such as `1.5GiB` (spec 60 §1.3) in bytes; undefined when it is malformed. */
export function parseSize(text: string): number | undefined {
  const match = /^(\d+(?:\.\d*)?|\.\d+)(|k|M|G|T|P|E|Ki|Mi|Gi|Ti|Pi|Ei)B?$/.exec(text.trim());
  if (!match) return undefined;
  return Math.round(Number(match[1]) * (SIZE_FACTORS[match[2] ?? ''] ?? 1));
}
