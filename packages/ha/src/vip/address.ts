import { isIPv4 } from 'node:net';

/** A virtual address as the configuration writes it: `10.0.0.100/24`. */
export interface VirtualAddress {
  address: string;
  /** Bits of the network; 32 when none are given. */
  prefix: number;
}

/** Reads `10.0.0.100/24` or `10.0.0.100`; throws an Error that names the mistake. */
export function parseVirtualAddress(text: string): VirtualAddress {
  const [address, bits, ...more] = text.split('/');
  const prefix = bits === undefined ? 32 : Number(bits);
  const wellFormed = bits === undefined || /^\d{1,2}$/.test(bits);
  if (!isIPv4(address) || !wellFormed || prefix > 32 || more.length > 0)
    throw new Error(`'${text}' is not a virtual address such as 10.0.0.100/24`);
  return { address, prefix };
}

export function formatVirtualAddress({ address, prefix }: VirtualAddress): string {
  return `${address}/${prefix}`;
}

/** The four bytes of an address. */
export function addressBytes(address: string): Buffer {
  return Buffer.from(address.split('.').map(Number));
}

/** Whether an address belongs to a network given by one of its addresses and its prefix. */
export function inNetwork(address: string, network: string, prefix: number): boolean {
  if (prefix === 0) return true;
  const shift = 32 - prefix;
  return addressBytes(address).readUInt32BE() >>> shift === addressBytes(network).readUInt32BE() >>> shift;
}
