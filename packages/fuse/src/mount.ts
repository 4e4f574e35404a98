import { closeSync, openSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { mountThroughFusermount, unmountThroughFusermount } from './fusermount.ts';
import { MountError, runHelper } from './helper.ts';

export interface MountOptions {
  mountpoint: string;
  /** The device column of /proc/mounts. */
  source: string;
  /** `mfs` makes the type `fuse.mfs`. */
  subtype?: string;
  allowOther?: boolean;
  defaultPermissions?: boolean;
  /** Further mount(8) options: `ro`, `suid`, `dev`, `noatime`, `max_read=N`, ... */
  options?: readonly string[];
  /** Mounts through fusermount3; default: unless we are root. */
  fusermount?: boolean;
}

const DEVICE = '/dev/fuse';
/** The number of the inherited descriptor in `mount`. */
const CHILD_FD = 3;

/** File type bits of the mount point, in octal, as the `rootmode` option wants them. */
function rootMode(mountpoint: string): string {
  const S_IFMT = 0o170000;
  return (statSync(mountpoint).mode & S_IFMT).toString(8);
}

function mountFlags({ allowOther, defaultPermissions, options = [] }: MountOptions): string[] {
  const flags = [...options];
  if (!flags.includes('suid')) flags.unshift('nosuid');
  if (!flags.includes('dev')) flags.unshift('nodev');
  if (allowOther) flags.push('allow_other');
  if (defaultPermissions) flags.push('default_permissions');
  return flags;
}

async function mountAsRoot(options: MountOptions): Promise<number> {
  const fd = openSync(DEVICE, 'r+');
  const ids = `rootmode=${rootMode(options.mountpoint)},user_id=${process.getuid?.()},group_id=${process.getgid?.()}`;
  const text = [`fd=${CHILD_FD}`, ids, ...mountFlags(options)].join(',');
  const type = options.subtype ? `fuse.${options.subtype}` : 'fuse';
  const args = ['-i', '-t', type, '-o', text, '--', options.source, options.mountpoint];
  const outcome = await runHelper('mount', args, ['ignore', 'ignore', 'pipe', fd]);
  if (outcome.ok) return fd;
  closeSync(fd);
  throw new MountError(outcome.message);
}

/** Mounts and returns the FUSE descriptor to serve. The mount answers nothing until it is served. */
export function mountDevice(options: MountOptions): Promise<number> {
  const asRoot = process.getuid?.() === 0 && !options.fusermount;
  return asRoot ? mountAsRoot(options) : mountThroughFusermount(options, mountFlags(options));
}

/**
 * Unmounts. The mount must be served meanwhile: umount looks at it. `lazy` detaches at once whatever uses it, and the
 * connection ends when the last user is gone (or the descriptor is closed).
 */
export async function unmountDevice(
  mountpoint: string,
  { lazy = false, fusermount = process.getuid?.() !== 0 }: { lazy?: boolean; fusermount?: boolean } = {},
): Promise<void> {
  const outcome = fusermount
    ? await unmountThroughFusermount(mountpoint, lazy)
    : await runHelper('umount', ['-i', '-c', ...(lazy ? ['-l'] : []), '--', mountpoint], ['ignore', 'ignore', 'pipe']);
  if (!outcome.ok) throw new MountError(outcome.message);
}

/**
 * Sets how far the kernel reads ahead in the mount. INIT can only lower the kernel's default of 128 KiB, so the limit in
 * /sys is set, which only root may do. Returns whether it worked.
 */
export function setReadAhead(mountpoint: string, lengthBytes: number): boolean {
  try {
    const lines = readFileSync('/proc/self/mountinfo', 'utf8').split('\n');
    const escaped = mountpoint.replaceAll(/[\\ \t\n]/g, (c) => `\\${c.charCodeAt(0).toString(8).padStart(3, '0')}`);
    const device = lines.findLast((line) => line.split(' ')[4] === escaped)?.split(' ')[2];
    if (!device) return false;
    writeFileSync(`/sys/class/bdi/${device}/read_ahead_kb`, String(Math.floor(lengthBytes / 1024)));
    return true;
  } catch {
    return false;
  }
}
