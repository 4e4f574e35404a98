import { ops } from '@alces/client';
import type { DirectoryList, Entry, OpenReply, Operations, Request } from '@alces/fuse';
import { AccessMode, Status } from '@alces/proto';
import { entryReply, formatOf } from '../attributes.ts';
import { Listing } from '../caches/listings.ts';
import type { MountContext } from '../context.ts';
import { Errno, errnoOf, isStatus } from '../errors.ts';
import type { ListedEntry, OpenDirectory } from '../openFiles.ts';
import { accessByLookup } from './nodes.ts';

const NO_ATTR = {
  sizeBytes: 0,
  blocks: 0,
  atime: 0,
  mtime: 0,
  ctime: 0,
  atimeNs: 0,
  mtimeNs: 0,
  ctimeNs: 0,
  nlink: 0,
  uid: 0,
  gid: 0,
  rdev: 0,
  blockSizeBytes: 0,
};

async function opendir(context: MountContext, request: Request): Promise<OpenReply | number> {
  const { session, callers, directories, lookups, vanishing } = context;
  const inode = request.node;
  const caller = callers.of(request);
  let vanished = false;
  const record = lookups.find(request, inode);
  if (record !== undefined) {
    const refusal = accessByLookup(record.flags, AccessMode.R);
    if (refusal !== 0) return refusal;
  } else {
    try {
      await ops.access(session, inode, AccessMode.R, caller);
    } catch (error) {
      if (!isStatus(error, Status.ENOENT) || vanishing.get(inode) === undefined) return errnoOf(error);
      vanished = true;
    }
  }
  const handle = directories.nextHandle();
  directories.add({ handle, inode, caller, vanished, entries: undefined, listing: undefined });
  request.outcome = ` [handle:${handle.toString(16).toUpperCase().padStart(8, '0')}]`;
  return { handle, flags: 0 };
}

function dropListing(context: MountContext, directory: OpenDirectory): void {
  if (directory.listing !== undefined) context.listings.remove(directory.listing);
  directory.listing = undefined;
}

/** Gets the whole listing, with attributes if the caller may have them. */
async function fetch(context: MountContext, request: Request, directory: OpenDirectory): Promise<void> {
  const { session, statistics, listings, clock } = context;
  const { inode, caller } = directory;
  dropListing(context, directory);
  if (directory.vanished) {
    directory.entries = [];
    return;
  }
  try {
    const entries = await ops.readdir(session, inode, caller);
    statistics.count('readdir.with_attrs');
    directory.entries = entries.map((entry) => ({
      name: entry.name,
      inode: entry.inode,
      format: formatOf(entry.attr.type),
    }));
    directory.listing = new Listing(inode, entries, clock);
    listings.add(request, directory.listing);
  } catch (error) {
    if (!isStatus(error, Status.EACCES)) throw error;
    const entries = await ops.readdirPlain(session, inode, caller);
    statistics.count('readdir.without_attrs');
    directory.entries = entries.map(({ name, inode: child, type }) => ({ name, inode: child, format: formatOf(type) }));
  }
}

/** Offsets are positions in the listing; offset 0 means from the beginning, of a new one. */
async function entriesFrom(context: MountContext, request: Request, handle: number, offset: number) {
  const directory = context.directories.get(handle);
  if (directory === undefined) return undefined;
  if (offset === 0 || directory.entries === undefined) await fetch(context, request, directory);
  return directory;
}

async function readdir(context: MountContext, request: Request, handle: number, offset: number, list: DirectoryList) {
  const directory = await entriesFrom(context, request, handle, offset);
  if (directory?.entries === undefined) return Errno.EBADF;
  const { entries } = directory;
  for (let index = offset; index < entries.length; index++) {
    const { name, inode, format } = entries[index];
    if (!list.add(name, inode, format, index + 1)) break;
  }
  return 0;
}

function isDots(name: Buffer): boolean {
  return name[0] === 0x2e && (name.length === 1 || (name.length === 2 && name[1] === 0x2e));
}

/** An entry of which only name and type are known; the kernel asks for the rest when it needs it. */
function bareEntry({ inode, format }: ListedEntry): Entry {
  const attr = { ...NO_ATTR, inode, mode: format };
  return { node: 0, generation: 0, entryTimeoutSeconds: 0, attrTimeoutSeconds: 0, attr };
}

async function readdirplus(
  context: MountContext,
  request: Request,
  handle: number,
  offset: number,
  list: DirectoryList,
) {
  const directory = await entriesFrom(context, request, handle, offset);
  if (directory?.entries === undefined) return Errno.EBADF;
  const { entries, listing } = directory;
  for (let index = offset; index < entries.length; index++) {
    const entry = entries[index];
    const attr = isDots(entry.name) ? undefined : listing?.attrOf(entry.inode);
    const reply = attr === undefined ? bareEntry(entry) : entryReply(context, entry.inode, attr, false);
    if (!list.addPlus(entry.name, reply, index + 1)) break;
  }
  context.statistics.count('readdir.with_attrs+');
  return 0;
}

function releasedir(context: MountContext, handle: number): number {
  const directory = context.directories.get(handle);
  if (directory === undefined) return Errno.EBADF;
  dropListing(context, directory);
  context.directories.remove(handle);
  return 0;
}

/** Operations on open directories. */
export function directoryOperations(context: MountContext): Operations {
  return {
    opendir: (request) => opendir(context, request),
    readdir: (request, handle, offset, list) => readdir(context, request, handle, offset, list),
    readdirplus: (request, handle, offset, list) => readdirplus(context, request, handle, offset, list),
    releasedir: (_request, handle) => releasedir(context, handle),
    fsyncdir: () => 0,
  };
}
