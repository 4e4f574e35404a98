import { networkInterfaces } from 'node:os';
import koffi from 'koffi';
import { type ArpSender, arpSender, gratuitousArp, parseMac } from './arp.ts';

const libc = koffi.load('libc.so.6');
const socketCall = libc.func('int socket(int domain, int type, int protocol)');
const bindCall = libc.func('int bind(int fd, const void *address, uint32_t length)');
const sendCall = libc.func('intptr_t send(int fd, const void *data, size_t length, int flags)');
const receiveCall = libc.func('intptr_t recv(int fd, _Out_ void *data, size_t length, int flags)');
const closeCall = libc.func('int close(int fd)');
const indexCall = libc.func('unsigned int if_nametoindex(const char *name)');

const AF_PACKET = 17;
const SOCK_RAW_CLOEXEC_NONBLOCK = 3 | 0o2000000 | 0o4000;
const ETHERNET_ARP = 0x0806;
const SOCKADDR_LL_BYTES = 20;
const FRAMES_PER_LOOK = 256;

/** The Ethernet address of an interface that has an IP address. */
export function interfaceMac(name: string): Buffer {
  const mac = networkInterfaces()[name]?.[0]?.mac;
  if (mac === undefined) throw new Error(`there is no interface ${name} with an address`);
  return parseMac(mac);
}

/** An ARP socket on one interface (packet(7); needs CAP_NET_RAW). Never blocks. */
export class ArpSocket {
  readonly #descriptor: number;
  readonly #mac: Buffer;
  readonly #scratch = Buffer.alloc(128);

  /** Throws when the interface is not there or the process may not open such sockets. */
  constructor(interfaceName: string) {
    this.#mac = interfaceMac(interfaceName);
    const index = indexCall(interfaceName);
    const protocol = ((ETHERNET_ARP & 0xff) << 8) | (ETHERNET_ARP >> 8);
    this.#descriptor = socketCall(AF_PACKET, SOCK_RAW_CLOEXEC_NONBLOCK, protocol);
    if (this.#descriptor < 0) throw new Error('no right to open a packet socket (root or CAP_NET_RAW needed)');
    const address = Buffer.alloc(SOCKADDR_LL_BYTES);
    address.writeUInt16LE(AF_PACKET, 0);
    address.writeUInt16BE(ETHERNET_ARP, 2);
    address.writeInt32LE(index, 4);
    if (bindCall(this.#descriptor, address, address.length) !== 0) {
      closeCall(this.#descriptor);
      throw new Error(`can't listen for ARP on ${interfaceName}`);
    }
  }

  /** Tells the wire that `address` is here. False: the interface took none of it (it is down, say). */
  announce(address: string): boolean {
    const sender: ArpSender = { mac: this.#mac, address };
    const sent = (['request', 'reply'] as const).map((kind) => {
      const frame = gratuitousArp(sender, kind);
      return sendCall(this.#descriptor, frame, frame.length, 0) === frame.length;
    });
    return sent.includes(true);
  }

  /** Reads what has arrived since the last look; answers the Ethernet address of somebody else who claimed `address`. */
  otherClaimant(address: string): string | undefined {
    let found: string | undefined;
    for (let frames = 0; frames < FRAMES_PER_LOOK; frames++) {
      const length = Number(receiveCall(this.#descriptor, this.#scratch, this.#scratch.length, 0));
      if (length <= 0) break;
      const sender = arpSender(this.#scratch.subarray(0, length));
      if (sender?.address === address && !sender.mac.equals(this.#mac))
        found = sender.mac.toString('hex').replace(/(..)(?=.)/g, '$1:');
    }
    return found;
  }

  close(): void {
    closeCall(this.#descriptor);
  }
}
