/** Listing, opening, creating and truncating (spec 10 §3.6, §3.14, §4). */
import {
  CLTOMA_FUSE_CREATE,
  CLTOMA_FUSE_OPEN,
  CLTOMA_FUSE_READDIR,
  CLTOMA_FUSE_TRUNCATE,
  MATOCL_FUSE_CREATE,
  MATOCL_FUSE_OPEN,
  MATOCL_FUSE_READDIR,
  MATOCL_FUSE_TRUNCATE,
  ReaddirFlag,
} from '@alces/proto';
import type { MasterLink, TruncateResult } from '../contracts.ts';
import type { Caller, CreatedFile, DirectoryEntry, OpenedFile, PlainDirectoryEntry } from '../types.ts';

/** All entries of a directory with attributes, `.` and `..` included. Needs R and X on it. */
export async function readdir(link: MasterLink, inode: number, caller: Caller): Promise<DirectoryEntry[]> {
  const answer = await link.request(
    CLTOMA_FUSE_READDIR,
    MATOCL_FUSE_READDIR,
    listing(inode, ReaddirFlag.WITHATTR, caller),
    'attr',
  );
  return answer.entries;
}

/** All entries of a directory with types only. Needs R on it. */
export async function readdirPlain(link: MasterLink, inode: number, caller: Caller): Promise<PlainDirectoryEntry[]> {
  const answer = await link.request(CLTOMA_FUSE_READDIR, MATOCL_FUSE_READDIR, listing(inode, 0, caller), 'plain');
  return answer.entries;
}

/** Masters list everything at once; what they return as continuation is no use (spec 10 §3.14). */
function listing(inode: number, flags: number, { uid, gids }: Caller) {
  return { inode, uid, gids: gids as number[], flags, maxEntries: 0xffff_ffff, nedgeid: 0n };
}

/** `flags`: `OpenFlag`. Call `session.acquireInode` before. */
export async function open(link: MasterLink, inode: number, flags: number, { uid, gids }: Caller): Promise<OpenedFile> {
  const fields = { inode, uid, gids: gids as number[], flags };
  const { oflags, attr } = await link.request(CLTOMA_FUSE_OPEN, MATOCL_FUSE_OPEN, fields);
  return { flags: oflags, attr };
}

/** Makes a file and opens it for the session. Call `session.acquireInode` with its inode at once. */
export async function create(
  link: MasterLink,
  parent: number,
  name: Buffer,
  { mode, umask }: { readonly mode: number; readonly umask: number },
  { uid, gids }: Caller,
): Promise<CreatedFile> {
  const fields = { parent, name, mode, umask, uid, gids: gids as number[] };
  const { oflags, inode, attr } = await link.request(CLTOMA_FUSE_CREATE, MATOCL_FUSE_CREATE, fields);
  return { flags: oflags, inode, attr };
}

/** `flags`: `TruncateFlag`; with RESERVE `length` is the number of bytes to append and `previousLength` where. */
export async function truncate(
  link: MasterLink,
  inode: number,
  length: number,
  flags: number,
  { uid, gids }: Caller,
): Promise<TruncateResult> {
  const fields = { inode, flags, uid, gids: gids as number[], length };
  const { prevLength, attr } = await link.request(CLTOMA_FUSE_TRUNCATE, MATOCL_FUSE_TRUNCATE, fields);
  return { previousLength: prevLength, attr };
}
