import { execFile } from 'node:child_process';
import { networkInterfaces } from 'node:os';
import { formatVirtualAddress, inNetwork, type VirtualAddress } from './address.ts';

const TIMEOUT_MS = 5000;

/** Runs `ip` (iproute2); rejects with what it said. */
function ip(...args: string[]): Promise<void> {
  return new Promise((resolve, reject) => {
    execFile('ip', args, { timeout: TIMEOUT_MS, env: { ...process.env, LC_ALL: 'C' } }, (error, _, stderr) => {
      if (error === null) resolve();
      else reject(new Error(`ip ${args.join(' ')}: ${stderr.trim() || error.message}`));
    });
  });
}

/** Whether an interface of this host has the address now. */
export function holdsAddress(address: string): boolean {
  return Object.values(networkInterfaces()).some((entries) => entries?.some((entry) => entry.address === address));
}

/** The interface to put a virtual address on: the one with another address of the same network. Undefined: there is none, or several. */
export function interfaceFor({ address, prefix }: VirtualAddress): string | undefined {
  const fitting = Object.entries(networkInterfaces()).filter(([, entries]) =>
    entries?.some(
      (entry) =>
        entry.family === 'IPv4' &&
        !entry.internal &&
        entry.address !== address &&
        inNetwork(address, entry.address, Math.min(prefix, Number(entry.cidr?.split('/')[1] ?? 32))),
    ),
  );
  return fitting.length === 1 ? fitting[0][0] : undefined;
}

/** Adds the address; that it is there already is no error. */
export async function addAddress(vip: VirtualAddress, interfaceName: string): Promise<void> {
  try {
    await ip('address', 'add', formatVirtualAddress(vip), 'dev', interfaceName);
  } catch (error) {
    if (!holdsAddress(vip.address)) throw error;
  }
}

/** Removes the address; that it is not there is no error. */
export async function removeAddress(vip: VirtualAddress, interfaceName: string): Promise<void> {
  if (!holdsAddress(vip.address)) return;
  try {
    await ip('address', 'del', formatVirtualAddress(vip), 'dev', interfaceName);
  } catch (error) {
    if (holdsAddress(vip.address)) throw error;
  }
}
