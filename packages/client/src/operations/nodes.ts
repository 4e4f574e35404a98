/** Names, attributes and links (spec 10 §3). */
import {
  type Attr,
  CLTOMA_FUSE_ACCESS,
  CLTOMA_FUSE_GETATTR,
  CLTOMA_FUSE_LINK,
  CLTOMA_FUSE_LOOKUP,
  CLTOMA_FUSE_MKDIR,
  CLTOMA_FUSE_MKNOD,
  CLTOMA_FUSE_READLINK,
  CLTOMA_FUSE_RENAME,
  CLTOMA_FUSE_RMDIR,
  CLTOMA_FUSE_SETATTR,
  CLTOMA_FUSE_STATFS,
  CLTOMA_FUSE_SYMLINK,
  CLTOMA_FUSE_UNLINK,
  LookupFlag,
  MATOCL_FUSE_ACCESS,
  MATOCL_FUSE_GETATTR,
  MATOCL_FUSE_LINK,
  MATOCL_FUSE_LOOKUP,
  MATOCL_FUSE_MKDIR,
  MATOCL_FUSE_MKNOD,
  MATOCL_FUSE_READLINK,
  MATOCL_FUSE_RENAME,
  MATOCL_FUSE_RMDIR,
  MATOCL_FUSE_SETATTR,
  MATOCL_FUSE_STATFS,
  MATOCL_FUSE_SYMLINK,
  MATOCL_FUSE_UNLINK,
  SetAttrMask,
  SugidClearMode,
} from '@alces/proto';
import type { MasterLink } from '../contracts.ts';
import { ioError } from '../errors.ts';
import type { AttrChanges, Caller, Entry, FileSystemSpace, LookupEntry } from '../types.ts';
import { chunkServers } from './chunks.ts';

/** Space as the session sees it (quotas of its root included). */
export async function statfs(link: MasterLink): Promise<FileSystemSpace> {
  const { total, avail, free, trash, sustained, inodes } = await link.request(
    CLTOMA_FUSE_STATFS,
    MATOCL_FUSE_STATFS,
    {},
  );
  return {
    totalBytes: total,
    availableBytes: avail,
    freeBytes: free,
    trashBytes: trash,
    sustainedBytes: sustained,
    inodes,
  };
}

/** Throws EACCES, EROFS or EPERM if `mask` (R=4, W=2, X=1) is not granted. */
export async function access(link: MasterLink, inode: number, mask: number, { uid, gids }: Caller): Promise<void> {
  await link.request(CLTOMA_FUSE_ACCESS, MATOCL_FUSE_ACCESS, { inode, uid, gids: gids as number[], modemask: mask });
}

/** Finds a name, also `.` and `..`. Throws ENOENT, or ENOENT_NOCACHE where the miss must not be remembered (spec 10 §3.3). */
export async function lookup(
  link: MasterLink,
  parent: number,
  name: Buffer,
  { uid, gids }: Caller,
): Promise<LookupEntry> {
  const fields = { msgid: 0, parent, name, uid, gids: gids as number[] };
  const { inode, attr, lflags, chunk } = await link.request(CLTOMA_FUSE_LOOKUP, MATOCL_FUSE_LOOKUP, fields);
  const announced = (lflags & LookupFlag.CHUNK_ZERO_DATA) !== 0;
  if (announced !== (chunk !== undefined)) throw ioError('LOOKUP answer and its flags disagree');
  if (chunk === undefined) return { inode, attr, flags: lflags };
  const chunkZero = { chunkId: chunk.chunkId, version: chunk.version, servers: chunkServers(chunk.servers) };
  return { inode, attr, flags: lflags, chunkZero };
}

/** `opened`: the inode is open in this session, it need not be below the session's root any more. */
export async function getattr(link: MasterLink, inode: number, { uid, gids }: Caller, opened = false): Promise<Attr> {
  const fields = { msgid: 0, inode, opened: opened ? 1 : 0, uid, gid: gids[0] };
  return (await link.request(CLTOMA_FUSE_GETATTR, MATOCL_FUSE_GETATTR, fields)).attr;
}

export interface SetattrOptions {
  readonly opened?: boolean;
  /** When setuid and setgid bits vanish with a change of owner; default EXT, as on Linux mounts. */
  readonly sugidClear?: number;
}

function timeMask(time: number | 'now' | undefined, explicit: number, now: number): number {
  if (time === undefined) return 0;
  return time === 'now' ? now : explicit;
}

function changeMask({ mode, uid, gid, atime, mtime, winattr }: AttrChanges): number {
  return (
    (winattr === undefined ? 0 : SetAttrMask.WINATTR) |
    (mode === undefined ? 0 : SetAttrMask.MODE) |
    (uid === undefined ? 0 : SetAttrMask.UID) |
    (gid === undefined ? 0 : SetAttrMask.GID) |
    timeMask(atime, SetAttrMask.ATIME, SetAttrMask.ATIME_NOW) |
    timeMask(mtime, SetAttrMask.MTIME, SetAttrMask.MTIME_NOW)
  );
}

const secondsOf = (time: number | 'now' | undefined): number => (typeof time === 'number' ? time : 0);

/** Changes attributes other than the length; even without changes ctime becomes now (spec 10 §3.5). */
export async function setattr(
  link: MasterLink,
  inode: number,
  changes: AttrChanges,
  { uid, gids }: Caller,
  options: SetattrOptions = {},
): Promise<Attr> {
  const answer = await link.request(CLTOMA_FUSE_SETATTR, MATOCL_FUSE_SETATTR, {
    inode,
    opened: options.opened ? 1 : 0,
    uid,
    gids: gids as number[],
    setmask: changeMask(changes),
    mode: changes.mode ?? 0,
    attruid: changes.uid ?? 0,
    attrgid: changes.gid ?? 0,
    atime: secondsOf(changes.atime),
    mtime: secondsOf(changes.mtime),
    winattr: changes.winattr ?? 0,
    sugidclearmode: options.sugidClear ?? SugidClearMode.EXT,
  });
  return answer.attr;
}

/** Target text of a symbolic link. */
export async function readlink(link: MasterLink, inode: number): Promise<Buffer> {
  const { path } = await link.request(CLTOMA_FUSE_READLINK, MATOCL_FUSE_READLINK, { inode });
  if (path.length === 0 || path[path.length - 1] !== 0) throw ioError('READLINK answer without its trailing zero');
  return path.subarray(0, -1);
}

export async function symlink(
  link: MasterLink,
  parent: number,
  name: Buffer,
  target: Buffer,
  { uid, gids }: Caller,
): Promise<Entry> {
  const path = Buffer.concat([target, Buffer.alloc(1)]);
  const fields = { parent, name, path, uid, gids: gids as number[] };
  return entry(await link.request(CLTOMA_FUSE_SYMLINK, MATOCL_FUSE_SYMLINK, fields));
}

export interface NewNode {
  /** `NodeType`. */
  readonly type: number;
  /** Permission bits before the umask, which the master applies (or not, under a default ACL). */
  readonly mode: number;
  readonly umask: number;
  /** Device number of block and character devices. */
  readonly rdev?: number;
}

export async function mknod(
  link: MasterLink,
  parent: number,
  name: Buffer,
  { type, mode, umask, rdev = 0 }: NewNode,
  { uid, gids }: Caller,
): Promise<Entry> {
  const fields = { parent, name, type, mode, umask, uid, gids: gids as number[], rdev };
  return entry(await link.request(CLTOMA_FUSE_MKNOD, MATOCL_FUSE_MKNOD, fields));
}

export interface NewDirectory {
  readonly mode: number;
  readonly umask: number;
  /** A setgid parent makes the new directory setgid, as Linux has it; default true. */
  readonly copySgid?: boolean;
}

export async function mkdir(
  link: MasterLink,
  parent: number,
  name: Buffer,
  { mode, umask, copySgid = true }: NewDirectory,
  { uid, gids }: Caller,
): Promise<Entry> {
  const fields = { parent, name, mode, umask, uid, gids: gids as number[], copysgid: copySgid ? 1 : 0 };
  return entry(await link.request(CLTOMA_FUSE_MKDIR, MATOCL_FUSE_MKDIR, fields));
}

/** Removes a non-directory; resolves with its inode. */
export async function unlink(link: MasterLink, parent: number, name: Buffer, { uid, gids }: Caller): Promise<number> {
  const fields = { parent, name, uid, gids: gids as number[] };
  return (await link.request(CLTOMA_FUSE_UNLINK, MATOCL_FUSE_UNLINK, fields)).inode;
}

/** Removes an empty directory; resolves with its inode. */
export async function rmdir(link: MasterLink, parent: number, name: Buffer, { uid, gids }: Caller): Promise<number> {
  const fields = { parent, name, uid, gids: gids as number[] };
  return (await link.request(CLTOMA_FUSE_RMDIR, MATOCL_FUSE_RMDIR, fields)).inode;
}

/**
 * Moves an entry, replacing what the new name means. The same name as source and destination, or a directory as its own new parent,
 * must not be given: stock masters lose data or die (spec 10 §3.13).
 */
export async function rename(
  link: MasterLink,
  parent: number,
  name: Buffer,
  newParent: number,
  newName: Buffer,
  { uid, gids }: Caller,
): Promise<Entry> {
  const fields = {
    srcParent: parent,
    srcName: name,
    dstParent: newParent,
    dstName: newName,
    uid,
    gids: gids as number[],
  };
  return entry(await link.request(CLTOMA_FUSE_RENAME, MATOCL_FUSE_RENAME, fields));
}

/** Makes a hard link. A full link count is NOSPACE on the wire; link(2) calls it EMLINK. */
export async function link(
  master: MasterLink,
  inode: number,
  parent: number,
  name: Buffer,
  { uid, gids }: Caller,
): Promise<Entry> {
  const fields = { inode, dstParent: parent, name, uid, gids: gids as number[] };
  return entry(await master.request(CLTOMA_FUSE_LINK, MATOCL_FUSE_LINK, fields));
}

function entry({ inode, attr }: Entry): Entry {
  return { inode, attr };
}
