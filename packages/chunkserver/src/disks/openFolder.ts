import { isAbsolute, join } from 'node:path';
import type { ChunkFiles, FolderLock } from '../os/files.ts';
import { errorCode, systemErrorText } from '../store/failures.ts';
import type { Folder } from './folder.ts';
import type { HddLine } from './hddConfig.ts';
import { readMetaId } from './identity.ts';

/** What must be known to take a folder into use. */
export interface FolderClaim {
  files: ChunkFiles;
  dataPath: string;
  /** The instance that folders must belong to; 0 = not known yet. */
  expectedMetaId: bigint;
  inUse: readonly Folder[];
  warn(message: string): void;
}

/** A folder that may be used. */
export interface ClaimedFolder {
  root: string;
  lock: FolderLock;
  readOnly: boolean;
  /** Undefined: it has no `.metaid`. */
  metaId: bigint | undefined;
}

/** Why a line of `mfshdd.cfg` cannot be used. */
export class UnusableFolder extends Error {
  constructor(reason: string) {
    super(`hdd space manager: ${reason}`);
    this.name = 'UnusableFolder';
  }
}

export function rootOf(line: HddLine, dataPath: string): string {
  return isAbsolute(line.path) ? line.path : `${join(dataPath, line.path)}`;
}

async function checkMetaId(claim: FolderClaim, line: HddLine, root: string): Promise<bigint | undefined> {
  const metaId = await readMetaId(claim.files, root);
  if (metaId !== undefined && claim.expectedMetaId !== 0n && metaId !== claim.expectedMetaId) {
    const hex = (value: bigint) => `0x${value.toString(16).toUpperCase().padStart(16, '0')}`;
    throw new UnusableFolder(
      `wrong meta id (mfs instance id) in file '${line.path}.metaid' (${hex(metaId)},expected:${hex(claim.expectedMetaId)}) - ` +
        'likely this is drive from different mfs instance (drive ignored, remove this file to skip this test)',
    );
  }
  return metaId;
}

/** A lock file that this process holds must not be opened again: closing it would drop the lock. */
function checkNotHeld(claim: FolderClaim, line: HddLine, identity: { device: number; inode: number }): void {
  for (const folder of claim.inUse) {
    if (folder.lock.device !== identity.device) continue;
    if (folder.lock.inode === identity.inode)
      throw new UnusableFolder(`data folders '${line.path}' and '${folder.path} have the same lockfile !!!`);
    claim.warn(
      `hdd space manager: data folders '${line.path}' and '${folder.path}' are on the same physical device (could lead to unexpected behaviours)`,
    );
  }
}

function takeLock(claim: FolderClaim, line: HddLine, path: string): { lock: FolderLock; readOnly: boolean } {
  let lock: FolderLock | undefined;
  let readOnly = false;
  try {
    lock = claim.files.lock(path, false);
  } catch (error) {
    readOnly = errorCode(error) === 'EROFS' && line.marked;
    if (!readOnly) throw new UnusableFolder(`can't create lock file '${path}': ${systemErrorText(error)}`);
    try {
      lock = claim.files.lock(path, true);
    } catch (problem) {
      throw new UnusableFolder(`can't open lock file '${path}': ${systemErrorText(problem)}`);
    }
  }
  if (!lock) throw new UnusableFolder(`data folder '${line.path}' already locked (used by another process)`);
  return { lock, readOnly };
}

/** Checks `.metaid` and takes `.lock` (spec 30 §2.1). Throws UnusableFolder. */
export async function claimFolder(claim: FolderClaim, line: HddLine): Promise<ClaimedFolder> {
  const root = rootOf(line, claim.dataPath);
  const metaId = await checkMetaId(claim, line, root);
  const path = `${root}.lock`;
  const existing = claim.files.lockIdentity(path);
  if (existing) checkNotHeld(claim, line, existing);
  const { lock, readOnly } = takeLock(claim, line, path);
  if (!existing) {
    try {
      checkNotHeld(claim, line, lock);
    } catch (error) {
      lock.release();
      throw error;
    }
  }
  return { root, lock, readOnly, metaId };
}
