import { closeSync } from 'node:fs';
import { type HelperOutcome, MountError, runHelper } from './helper.ts';
import type { MountOptions } from './mount.ts';

/**
 * Mounting without being root: the set-uid helper fusermount3 opens the device, mounts, and sends the descriptor over the
 * socket named in `_FUSE_COMMFD`. Receiving a descriptor is the one thing Node cannot do itself, so libc is called through koffi.
 */

const FUSERMOUNT = 'fusermount3';
const CHILD_FD = 3;
const AF_UNIX = 1;
const SOCK_STREAM = 1;
const SOCK_CLOEXEC = 0o2000000;
const SOL_SOCKET = 1;
const SCM_RIGHTS = 1;
/** struct msghdr and struct cmsghdr of 64-bit Linux. */
const MSGHDR_BYTES = 56;
const CMSGHDR_BYTES = 16;
const CONTROL_BYTES = 64;

interface Libc {
  socketpair(domain: number, type: number, protocol: number, out: Buffer): number;
  recvmsg(fd: number, message: Buffer, flags: number): number;
  address(memory: Buffer): bigint;
}

async function loadLibc(): Promise<Libc> {
  const { default: koffi } = await import('koffi');
  const libc = koffi.load('libc.so.6');
  return {
    socketpair: libc.func('int socketpair(int, int, int, void *)'),
    recvmsg: libc.func('intptr_t recvmsg(int, void *, int)'),
    address: (memory) => BigInt(koffi.address(memory)),
  };
}

function receiveDescriptor(libc: Libc, socket: number): number | undefined {
  const byte = Buffer.alloc(8);
  const vector = Buffer.alloc(16);
  vector.writeBigUInt64LE(libc.address(byte), 0);
  vector.writeBigUInt64LE(1n, 8);
  const control = Buffer.alloc(CONTROL_BYTES);
  const message = Buffer.alloc(MSGHDR_BYTES);
  message.writeBigUInt64LE(libc.address(vector), 16);
  message.writeBigUInt64LE(1n, 24);
  message.writeBigUInt64LE(libc.address(control), 32);
  message.writeBigUInt64LE(BigInt(CONTROL_BYTES), 40);
  if (Number(libc.recvmsg(socket, message, 0)) <= 0) return undefined;
  const controlBytes = message.readBigUInt64LE(40);
  const isRights = control.readUInt32LE(8) === SOL_SOCKET && control.readUInt32LE(12) === SCM_RIGHTS;
  return controlBytes >= BigInt(CMSGHDR_BYTES + 4) && isRights ? control.readInt32LE(CMSGHDR_BYTES) : undefined;
}

export async function mountThroughFusermount(options: MountOptions, flags: readonly string[]): Promise<number> {
  const libc = await loadLibc();
  const pair = Buffer.alloc(8);
  if (libc.socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) !== 0) throw new MountError('socketpair failed');
  const [ours, theirs] = [pair.readInt32LE(0), pair.readInt32LE(4)];
  const names = [`fsname=${escapeOption(options.source)}`];
  if (options.subtype) names.push(`subtype=${options.subtype}`);
  const args = ['-o', [...flags, ...names].join(','), '--', options.mountpoint];
  const outcome = await runHelper(FUSERMOUNT, args, ['ignore', 'ignore', 'pipe', theirs], {
    _FUSE_COMMFD: String(CHILD_FD),
  });
  closeSync(theirs);
  // The helper has ended, so what it sent is there, and nothing makes this wait.
  const fd = outcome.ok ? receiveDescriptor(libc, ours) : undefined;
  closeSync(ours);
  if (fd === undefined) throw new MountError(outcome.ok ? `${FUSERMOUNT} sent no descriptor` : outcome.message);
  return fd;
}

function escapeOption(text: string): string {
  return text.replaceAll('\\', '\\\\').replaceAll(',', '\\,');
}

export function unmountThroughFusermount(mountpoint: string, lazy: boolean): Promise<HelperOutcome> {
  return runHelper(FUSERMOUNT, ['-u', ...(lazy ? ['-z'] : []), '--', mountpoint], ['ignore', 'ignore', 'pipe']);
}
