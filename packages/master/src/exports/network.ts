/** An inclusive range of IPv4 addresses, compared as unsigned numbers. `from > to` is legal and matches nothing. */
export interface AddressRange {
  from: number;
  to: number;
}

function parseAddress(text: string): number | undefined {
  const match = /^(\d+)\.(\d+)\.(\d+)\.(\d+)$/.exec(text);
  if (!match) return undefined;
  let address = 0;
  for (const part of match.slice(1)) {
    const octet = Number(part);
    if (octet > 255) return undefined;
    address = address * 256 + octet;
  }
  return address;
}

function masked(address: number, mask: number): AddressRange {
  const from = (address & mask) >>> 0;
  return { from, to: (from | ~mask) >>> 0 };
}

function maskOfBits(text: string): number | undefined {
  const bits = Number(text);
  if (bits > 32) return undefined;
  // The stock daemon shifts a 32-bit word by 32 for /0 and gets the single address; so must everyone who shares its checksum.
  return bits === 0 ? 0xffffffff : (0xffffffff << (32 - bits)) >>> 0;
}

/** Reads NET of mfsexports.cfg and mfstopology.cfg (spec 00 §5.2); undefined when it is malformed. */
export function parseNetwork(text: string): AddressRange | undefined {
  if (text === '*') return { from: 0, to: 0xffffffff };
  const [first, separator, second] = text.split(/([/-])/, 3);
  const address = parseAddress(first ?? '');
  if (address === undefined) return undefined;
  if (separator === undefined) return { from: address, to: address };
  if (text.length !== (first + separator + second).length) return undefined;
  if (separator === '-') {
    const to = parseAddress(second ?? '');
    return to === undefined ? undefined : { from: address, to };
  }
  const mask = /^\d+$/.test(second ?? '') ? maskOfBits(second ?? '') : parseAddress(second ?? '');
  return mask === undefined ? undefined : masked(address, mask);
}

/** The dotted form of an IPv4 address. */
export function formatAddress(address: number): string {
  return `${address >>> 24}.${(address >>> 16) & 255}.${(address >>> 8) & 255}.${address & 255}`;
}

/** The number of a dotted IPv4 address as a socket reports it; an IPv4-mapped IPv6 form is accepted. 0 when it is neither. */
export function addressNumber(text: string): number {
  return parseAddress(text.startsWith('::ffff:') ? text.slice(7) : text) ?? 0;
}
