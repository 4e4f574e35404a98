import { readFileSync } from 'node:fs';

const NET_ADMIN = 1n << 12n;
const NET_RAW = 1n << 13n;

/** Throws when this process may not add addresses and send ARP: it must be known at the start, not when the VIP is needed. */
export function checkVipRights(): void {
  const [, text] = /^CapEff:\s*([0-9a-f]+)$/m.exec(readFileSync('/proc/self/status', 'latin1')) ?? [];
  const effective = BigInt(`0x${text ?? '0'}`);
  if ((effective & NET_ADMIN) === 0n || (effective & NET_RAW) === 0n)
    throw new Error(
      'MANAGE_VIP = 1 needs the right to change addresses: WORKING_USER = root (or CAP_NET_ADMIN and CAP_NET_RAW)',
    );
}
