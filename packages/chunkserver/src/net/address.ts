/** IPv4 addresses as the protocol carries them: `a.b.c.d` is a * 2^24 + b * 2^16 + c * 2^8 + d. */

export function ipText(ip: number): string {
  return `${ip >>> 24}.${(ip >>> 16) & 255}.${(ip >>> 8) & 255}.${ip & 255}`;
}

/** The number of a dotted address, 0 when it is none. */
export function ipNumber(text: string): number {
  const parts = /^(?:::ffff:)?(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/.exec(text);
  if (!parts) return 0;
  return parts.slice(1).reduce((sum, part) => sum * 256 + Math.min(255, Number(part)), 0);
}

export function isLoopback(ip: number): boolean {
  return ip >>> 24 === 127;
}
