import { constants } from 'node:os';
import { NodeType, Status } from '@alces/proto';
import type { MasterLink } from '../contracts.ts';
import { MfsError } from '../errors.ts';
import { readdir } from '../operations/files.ts';
import { rmdir, unlink } from '../operations/nodes.ts';
import type { Caller, Entry } from '../types.ts';

/** Entries removed at the same time in one directory. */
const PARALLEL = 32;

export interface Victim {
  readonly parent: number;
  readonly name: Buffer;
  readonly entry: Entry;
}

/** Removes a node and, with `recursive`, everything below it. Throws EISDIR for a directory otherwise. */
export async function removeTree(
  link: MasterLink,
  { parent, name, entry }: Victim,
  recursive: boolean,
  caller: Caller,
): Promise<void> {
  if (entry.attr.type !== NodeType.DIRECTORY) {
    await unlink(link, parent, name, caller);
    return;
  }
  if (!recursive) throw new MfsError(Status.EPERM, constants.errno.EISDIR);
  await removeChildren(link, entry.inode, caller);
  await rmdir(link, parent, name, caller);
}

async function removeChildren(link: MasterLink, directory: number, caller: Caller): Promise<void> {
  const entries = await readdir(link, directory, caller);
  const children = entries.filter(({ name }) => !['.', '..'].includes(name.toString('latin1')));
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < children.length) {
      const { name, inode, attr } = children[next++];
      try {
        await removeTree(link, { parent: directory, name, entry: { inode, attr } }, true, caller);
      } catch (error) {
        // Somebody else removed it first.
        if (!(error instanceof MfsError) || error.status !== Status.ENOENT) throw error;
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(PARALLEL, children.length) }, worker));
}
