import { accessSync, constants, existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { runCommand, runProgram } from './daemons.ts';

/** Whether a MooseFS file system is mounted there, by the kernel's table. */
export function isMounted(point: string): boolean {
  const escaped = point.replace(/[ \t\n\\]/g, (char) => `\\${char.charCodeAt(0).toString(8).padStart(3, '0')}`);
  return readFileSync('/proc/self/mounts', 'utf8')
    .split('\n')
    .some((line) => line.split(' ')[1] === escaped);
}

/** Why this machine or user can't mount, in words; undefined when it can. */
export function mountObstacle(): string | undefined {
  if (process.platform !== 'linux') return 'mounting needs Linux';
  if (!existsSync('/dev/fuse'))
    return 'there is no /dev/fuse: as root, load the kernel module with "modprobe fuse" (in a container, pass the device in)';
  try {
    accessSync('/dev/fuse', constants.R_OK | constants.W_OK);
  } catch {
    return '/dev/fuse is not readable and writable for this user: run as root, or give the user access to it';
  }
  const helper = ['/usr/bin/fusermount3', '/bin/fusermount3'].some((path) => existsSync(path));
  if (process.getuid?.() !== 0 && !helper)
    return 'mounting without root needs fusermount3: as root, "apt-get install fuse3"';
  return undefined;
}

export async function mountCluster(point: string, master: string): Promise<void> {
  mkdirSync(point, { recursive: true });
  if (readdirSync(point).length > 0) throw new Error(`${point} is not empty: name another folder with --mount`);
  const outcome = await runProgram('mfsmount', [point, '-H', master]);
  if (outcome.status !== 0) throw new Error(`mfsmount did not mount ${point}:\n${outcome.output.replace(/^/gm, '  ')}`);
}

/** Unmounts; throws with the reason when the mount is in use. */
export async function unmountCluster(point: string): Promise<void> {
  const asRoot = process.getuid?.() === 0;
  const outcome = await runCommand(asRoot ? 'umount' : 'fusermount3', asRoot ? [point] : ['-u', point]);
  if (outcome.status !== 0)
    throw new Error(`${outcome.output.trim()}\n(programs that use the mount: "fuser -vm ${point}")`);
}
