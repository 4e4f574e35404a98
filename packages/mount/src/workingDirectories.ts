import { readdirSync, readlinkSync } from 'node:fs';
import { MfsError, ops } from '@alces/client';
import { ROOT_INODE } from '@alces/proto';
import type { Cancel } from '@alces/runtime';
import type { MountContext } from './context.ts';

const SCAN_EVERY_MS = 30_000;
const DELETED = ' (deleted)';
const ROOT = { uid: 0, gids: [0] };

/** Working directories of processes below the mount point, as paths in the mount. Reading these links does not touch the mount. */
function pathsInUse(mountpoint: string): Set<string> {
  const paths = new Set<string>();
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    try {
      const path = readlinkSync(`/proc/${name}/cwd`);
      if (path.startsWith(`${mountpoint}/`) && !path.endsWith(DELETED)) paths.add(path.slice(mountpoint.length + 1));
    } catch {
      // The process is gone, or it is none of ours to look at.
    }
  }
  return paths;
}

/** Adds the inodes of all directories on the way to `path`. */
async function resolve({ session }: MountContext, path: string, inodes: Set<number>): Promise<void> {
  let parent = ROOT_INODE;
  for (const name of path.split('/')) {
    const { inode } = await ops.lookup(session, parent, Buffer.from(name), ROOT);
    inodes.add(inode);
    parent = inode;
  }
}

async function scan(context: MountContext): Promise<void> {
  const inodes = new Set<number>();
  for (const path of pathsInUse(context.settings.mountpoint)) {
    try {
      await resolve(context, path, inodes);
    } catch (error) {
      if (!(error instanceof MfsError)) throw error;
    }
  }
  context.session.setBackgroundInodes([...inodes]);
}

/** Reports the working directories of processes, and those above them, as in use (spec 00 §6.8). */
export function watchWorkingDirectories(context: MountContext, failed: (error: unknown) => void): Cancel {
  return context.clock.interval(SCAN_EVERY_MS, () => {
    if (context.session.connected) scan(context).catch(failed);
  });
}
