import { addressBytes } from './address.ts';

/** Ethernet header and ARP body for IPv4 over Ethernet (RFC 826), padded to the shortest frame that Ethernet carries. */
export const ARP_FRAME_BYTES = 60;

const BROADCAST = Buffer.alloc(6, 0xff);
const ETHERNET_ARP = 0x0806;
const HEADER_BYTES = 14;
const BODY_BYTES = 28;

export interface ArpSender {
  mac: Buffer;
  address: string;
}

/** `02:00:00:00:00:01` as six bytes; throws when it is not one. */
export function parseMac(text: string): Buffer {
  if (!/^([0-9a-f]{2}:){5}[0-9a-f]{2}$/i.test(text)) throw new Error(`'${text}' is not an Ethernet address`);
  return Buffer.from(text.replaceAll(':', ''), 'hex');
}

/**
 * A gratuitous ARP frame (RFC 5227 §3): tells everybody on the wire that `address` is at `mac` from now on. Some equipment heeds requests
 * only, some replies only, so both are sent.
 */
export function gratuitousArp(sender: ArpSender, kind: 'request' | 'reply'): Buffer {
  const frame = Buffer.alloc(ARP_FRAME_BYTES);
  BROADCAST.copy(frame, 0);
  sender.mac.copy(frame, 6);
  frame.writeUInt16BE(ETHERNET_ARP, 12);
  frame.writeUInt16BE(1, 14);
  frame.writeUInt16BE(0x0800, 16);
  frame[18] = 6;
  frame[19] = 4;
  frame.writeUInt16BE(kind === 'request' ? 1 : 2, 20);
  const address = addressBytes(sender.address);
  sender.mac.copy(frame, 22);
  address.copy(frame, 28);
  if (kind === 'reply') BROADCAST.copy(frame, 32);
  address.copy(frame, 38);
  return frame;
}

/** Who speaks for an address in an ARP frame; undefined when the frame is not ARP for IPv4 over Ethernet. */
export function arpSender(frame: Buffer): ArpSender | undefined {
  if (frame.length < HEADER_BYTES + BODY_BYTES || frame.readUInt16BE(12) !== ETHERNET_ARP) return undefined;
  if (frame.readUInt16BE(14) !== 1 || frame.readUInt16BE(16) !== 0x0800 || frame[18] !== 6 || frame[19] !== 4)
    return undefined;
  return { mac: Buffer.from(frame.subarray(22, 28)), address: frame.subarray(28, 32).join('.') };
}
