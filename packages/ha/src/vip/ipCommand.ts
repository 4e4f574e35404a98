import { execFile } from 'node:child_process';
import { networkInterfaces } from 'node:os';
import { formatVirtualAddress, inNetwork, type VirtualAddress } from './address.ts';

const TIMEOUT_MS = 5000;

/** Runs `ip` (iproute2); resolves with its output, rejects with what it complained of. */
function ip(...args: string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    execFile('ip', args, { timeout: TIMEOUT_MS, env: { ...process.env, LC_ALL: 'C' } }, (error, stdout, stderr) => {
      if (error === null) resolve(stdout);
      else reject(new Error(`ip ${args.join(' ')}: ${stderr.trim() || error.message}`));
    });
  });
}

/** Whether an interface of this host that is up has the address now. */
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
  await ip('address', 'replace', formatVirtualAddress(vip), 'dev', interfaceName);
}

/** Removes the address, also from an interface that is down. False: it was not there. */
export async function removeAddress(vip: VirtualAddress, interfaceName: string): Promise<boolean> {
  const found = await ip('-4', '-o', 'address', 'show', 'dev', interfaceName, 'to', vip.address);
  if (found.trim() === '') return false;
  await ip('address', 'del', formatVirtualAddress(vip), 'dev', interfaceName);
  return true;
}
