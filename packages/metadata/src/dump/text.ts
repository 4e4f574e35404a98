/** Formatting helpers of the text dump; all text is latin1, one character per byte. */

export function right(value: number | bigint | string, width: number): string {
  return String(value).padStart(width);
}

export function hex(value: number | bigint, digits: number): string {
  return value.toString(16).toUpperCase().padStart(digits, '0');
}

export function octal(value: number, digits: number): string {
  return value.toString(8).padStart(digits, '0');
}

export function ipText(ip: number): string {
  return [24, 16, 8, 0].map((shift) => String((ip >>> shift) & 255).padStart(3, '0')).join('.');
}

export function hexBytes(bytes: Buffer): string {
  return bytes.toString('hex').toUpperCase();
}

/** Replaces bytes below 32 and above `last` by dots. */
export function withDots(text: string, last: number): string {
  let result = '';
  for (const character of text) {
    const code = character.charCodeAt(0);
    result += code < 32 || code > last ? '.' : character;
  }
  return result;
}
