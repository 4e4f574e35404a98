import { ops } from '@alces/client';
import type { Operations, Request } from '@alces/fuse';
import { AclType, MAX_XATTR_NAME_LENGTH, MAX_XATTR_VALUE_LENGTH, XattrSetMode } from '@alces/proto';
import type { XattrAnswer } from '../caches/xattrCache.ts';
import { type MountContext, nodeChanged } from '../context.ts';
import { Errno, errnoOf } from '../errors.ts';
import { decodeAcl, encodeAcl, NO_ACL } from './acl.ts';
import { knownWithoutXattrs } from './nodes.ts';

const XATTR_CREATE = 1;
const XATTR_REPLACE = 2;
const EMPTY = Buffer.alloc(0);

/** The xattr names that are ACLs. */
function aclTypeOf(name: string): number | undefined {
  if (name === 'system.posix_acl_access') return AclType.ACCESS;
  if (name === 'system.posix_acl_default') return AclType.DEFAULT;
  return undefined;
}

function nameProblem(name: Buffer): number {
  if (name.length === 0) return Errno.EINVAL;
  return name.length > MAX_XATTR_NAME_LENGTH ? Errno.ERANGE : 0;
}

async function ask(context: MountContext, request: Request, name: Buffer): Promise<XattrAnswer> {
  const { session, callers } = context;
  const acl = aclTypeOf(name.toString('latin1'));
  try {
    if (acl !== undefined) return encodeAcl(await ops.getfacl(session, request.node, acl));
    return Buffer.from(await ops.getxattr(session, request.node, name, callers.of(request)));
  } catch (error) {
    return errnoOf(error);
  }
}

async function getxattr(context: MountContext, request: Request, name: Buffer): Promise<XattrAnswer> {
  const problem = nameProblem(name);
  if (problem !== 0) return problem;
  if (knownWithoutXattrs(context, request)) {
    request.remark = ' (using open dir cache)';
    return Errno.ENODATA;
  }
  const key = name.toString('latin1');
  const known = context.xattrs.get(request, key);
  if (known !== undefined) {
    request.remark = ' (using cache)';
    return known;
  }
  const answer = await ask(context, request, name);
  if (answer !== Errno.EIO) context.xattrs.put(request, request.node, key, answer);
  return answer;
}

async function listxattr(context: MountContext, request: Request): Promise<Buffer> {
  if (knownWithoutXattrs(context, request)) {
    request.remark = ' (using open dir cache)';
    return EMPTY;
  }
  return Buffer.from(await ops.listxattr(context.session, request.node, context.callers.of(request)));
}

async function setAcl(
  context: MountContext,
  request: Request,
  type: number,
  value: Buffer | undefined,
): Promise<number> {
  const acl = value === undefined ? NO_ACL : decodeAcl(value);
  if (acl === undefined) return Errno.EINVAL;
  await ops.setfacl(context.session, request.node, type, acl, request.uid);
  return 0;
}

function modeOf(flags: number): number {
  if (flags & XATTR_CREATE) return XattrSetMode.CREATE_ONLY;
  return flags & XATTR_REPLACE ? XattrSetMode.REPLACE_ONLY : XattrSetMode.CREATE_OR_REPLACE;
}

/** The mode may have changed with an ACL, and the kernel does not know that. */
function changed(context: MountContext, inode: number, isAcl: boolean): void {
  nodeChanged(context, inode);
  context.xattrs.drop(inode);
  if (isAcl) void context.kernel.notifier?.invalidateInode(inode, -1, 0);
}

async function setxattr(context: MountContext, request: Request, name: Buffer, value: Buffer, flags: number) {
  const { session, callers, xattrs } = context;
  const problem = nameProblem(name);
  if (problem !== 0) return problem;
  if (value.length > MAX_XATTR_VALUE_LENGTH) return Errno.ERANGE;
  if (flags & XATTR_CREATE && flags & XATTR_REPLACE) return Errno.EINVAL;
  const key = name.toString('latin1');
  const acl = aclTypeOf(key);
  if (acl !== undefined) {
    const errno = await setAcl(context, request, acl, value);
    if (errno !== 0) return errno;
  } else await ops.setxattr(session, request.node, name, value, modeOf(flags), callers.of(request));
  changed(context, request.node, acl !== undefined);
  // The master may store an ACL in another form than it was given.
  if (acl === undefined) xattrs.put(request, request.node, key, value);
  return 0;
}

async function removexattr(context: MountContext, request: Request, name: Buffer): Promise<number> {
  const problem = nameProblem(name);
  if (problem !== 0) return problem;
  const key = name.toString('latin1');
  const acl = aclTypeOf(key);
  if (acl !== undefined) await setAcl(context, request, acl, undefined);
  else await ops.removexattr(context.session, request.node, name, context.callers.of(request));
  changed(context, request.node, acl !== undefined);
  context.xattrs.put(request, request.node, key, Errno.ENODATA);
  return 0;
}

/** Extended attributes and, behind two of their names, POSIX ACLs (spec 10 §7.5). */
export function xattrOperations(context: MountContext): Operations {
  if (context.settings.options.mfsnoxattrs) return {};
  return {
    getxattr: (request, name) => getxattr(context, request, name),
    listxattr: (request) => listxattr(context, request),
    setxattr: (request, name, value, flags) => setxattr(context, request, name, value, flags),
    removexattr: (request, name) => removexattr(context, request, name),
  };
}
