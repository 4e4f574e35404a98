import { type Entry as Found, ops } from '@alces/client';
import type { CreateReply, Entry, MakeRequest, Operations, RenameRequest, Request } from '@alces/fuse';
import { MAX_NAME_LENGTH, MAX_SYMLINK_LENGTH, Status } from '@alces/proto';
import { entryReply, typeOf } from '../attributes.ts';
import { type MountContext, nameAppeared, nameVanished, nodeChanged } from '../context.ts';
import { Errno, isStatus } from '../errors.ts';
import { openCreated } from './files.ts';

/** Attributes that the kernel asks for on the first write to a file, and that a new file cannot have. */
const NEVER_ON_NEW_FILES = ['security.capability', 'security.ima'];

function appeared(context: MountContext, request: Request, name: Buffer, { inode, attr }: Found): Entry {
  nameAppeared(context, request.node, name);
  nodeChanged(context, inode);
  return entryReply(context, inode, attr);
}

async function mknod(context: MountContext, request: Request, make: MakeRequest, rdev: number) {
  if (make.name.length > MAX_NAME_LENGTH) return Errno.ENAMETOOLONG;
  const type = typeOf(make.mode);
  if (type === undefined) return Errno.EPERM;
  const node = { type, mode: make.mode & 0o7777, umask: make.umask & 0o777, rdev };
  const caller = context.callers.of(request);
  return appeared(context, request, make.name, await ops.mknod(context.session, request.node, make.name, node, caller));
}

async function mkdir(context: MountContext, request: Request, make: MakeRequest): Promise<Entry | number> {
  const { session, callers, settings } = context;
  if (make.name.length > MAX_NAME_LENGTH) return Errno.ENAMETOOLONG;
  const copySgid = settings.options.mfsmkdircopysgid !== 0;
  const directory = { mode: make.mode & 0o7777, umask: make.umask & 0o777, copySgid };
  const made = await ops.mkdir(session, request.node, make.name, directory, callers.of(request));
  return appeared(context, request, make.name, made);
}

async function create(
  context: MountContext,
  request: Request,
  make: MakeRequest,
  openFlags: number,
): Promise<CreateReply | number> {
  const { session, callers, xattrs } = context;
  if (make.name.length > MAX_NAME_LENGTH) return Errno.ENAMETOOLONG;
  const file = { mode: make.mode & 0o7777, umask: make.umask & 0o777 };
  const made = await ops.create(session, request.node, make.name, file, callers.of(request));
  session.acquireInode(made.inode);
  for (const name of NEVER_ON_NEW_FILES) xattrs.put(request, made.inode, name, Errno.ENODATA);
  const entry = appeared(context, request, make.name, made);
  return { entry, open: openCreated(context, request, made, openFlags) };
}

async function symlink(context: MountContext, request: Request, name: Buffer, target: Buffer): Promise<Entry | number> {
  const { session, callers, symlinks, statistics } = context;
  if (name.length > MAX_NAME_LENGTH || target.length >= MAX_SYMLINK_LENGTH) return Errno.ENAMETOOLONG;
  const made = await ops.symlink(session, request.node, name, target, callers.of(request));
  symlinks.set(made.inode, target);
  statistics.countSymlink('inserts');
  return appeared(context, request, name, made);
}

async function link(context: MountContext, request: Request, inode: number, name: Buffer): Promise<Entry | number> {
  if (name.length > MAX_NAME_LENGTH) return Errno.ENAMETOOLONG;
  try {
    const linked = await ops.link(context.session, inode, request.node, name, context.callers.of(request));
    return appeared(context, request, name, linked);
  } catch (error) {
    if (isStatus(error, Status.NOSPACE)) return Errno.EMLINK;
    throw error;
  }
}

async function remove(context: MountContext, request: Request, name: Buffer, run: typeof ops.unlink): Promise<number> {
  if (name.length > MAX_NAME_LENGTH) return Errno.ENAMETOOLONG;
  const inode = await run(context.session, request.node, name, context.callers.of(request));
  nameVanished(context, request.node, name);
  nodeChanged(context, inode);
  context.symlinks.delete(inode);
  context.xattrs.drop(inode);
  return 0;
}

async function rename(context: MountContext, request: Request, change: RenameRequest): Promise<number> {
  const { parent, name, newParent, newName, flags } = change;
  if (flags !== 0) return Errno.EINVAL;
  if (name.length > MAX_NAME_LENGTH || newName.length > MAX_NAME_LENGTH) return Errno.ENAMETOOLONG;
  // Stock masters lose a file that is moved onto itself.
  if (parent === newParent && name.equals(newName)) return 0;
  const caller = context.callers.of(request);
  const moved = await ops.rename(context.session, parent, name, newParent, newName, caller);
  nameVanished(context, parent, name);
  nameAppeared(context, newParent, newName);
  nodeChanged(context, moved.inode);
  return 0;
}

/** Operations that make, move and remove names. */
export function nameOperations(context: MountContext): Operations {
  return {
    mknod: (request, make, rdev) => mknod(context, request, make, rdev),
    mkdir: (request, make) => mkdir(context, request, make),
    create: (request, make, openFlags) => create(context, request, make, openFlags),
    symlink: (request, name, target) => symlink(context, request, name, target),
    link: (request, inode, name) => link(context, request, inode, name),
    unlink: (request, name) => remove(context, request, name, ops.unlink),
    rmdir: (request, name) => remove(context, request, name, ops.rmdir),
    rename: (request, change) => rename(context, request, change),
  };
}
