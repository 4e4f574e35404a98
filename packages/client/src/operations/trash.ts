/** Trash and sustained files; for meta sessions, others get EPERM (spec 10 §9). */
import {
  type Attr,
  CLTOMA_FUSE_GETDETACHEDATTR,
  CLTOMA_FUSE_GETSUSTAINED,
  CLTOMA_FUSE_GETTRASH,
  CLTOMA_FUSE_GETTRASHPATH,
  CLTOMA_FUSE_PURGE,
  CLTOMA_FUSE_SETTRASHPATH,
  CLTOMA_FUSE_UNDEL,
  MATOCL_FUSE_GETDETACHEDATTR,
  MATOCL_FUSE_GETSUSTAINED,
  MATOCL_FUSE_GETTRASH,
  MATOCL_FUSE_GETTRASHPATH,
  MATOCL_FUSE_PURGE,
  MATOCL_FUSE_SETTRASHPATH,
  MATOCL_FUSE_UNDEL,
} from '@alces/proto';
import type { MasterLink } from '../contracts.ts';
import { ioError } from '../errors.ts';

/** `name`: the path the file had, with `|` for `/`, shortened when long. */
export interface DetachedEntry {
  readonly name: Buffer;
  readonly inode: number;
}

/** Files in a trash bucket (inode mod 4096), or in all of the trash. */
export async function getTrash(link: MasterLink, bucket?: number): Promise<DetachedEntry[]> {
  const fields = bucket === undefined ? {} : { bucket };
  return (await link.request(CLTOMA_FUSE_GETTRASH, MATOCL_FUSE_GETTRASH, fields)).entries;
}

/** Deleted files that are still open. */
export async function getSustained(link: MasterLink): Promise<DetachedEntry[]> {
  return (await link.request(CLTOMA_FUSE_GETSUSTAINED, MATOCL_FUSE_GETSUSTAINED, {})).entries;
}

export async function getDetachedAttr(link: MasterLink, inode: number): Promise<Attr> {
  return (await link.request(CLTOMA_FUSE_GETDETACHEDATTR, MATOCL_FUSE_GETDETACHEDATTR, { inode })).attr;
}

/** The path to which `undelete` would put the file back. */
export async function getTrashPath(link: MasterLink, inode: number): Promise<Buffer> {
  const { path } = await link.request(CLTOMA_FUSE_GETTRASHPATH, MATOCL_FUSE_GETTRASHPATH, { inode });
  if (path.length === 0 || path[path.length - 1] !== 0) throw ioError('GETTRASHPATH answer without its trailing zero');
  return path.subarray(0, -1);
}

export async function setTrashPath(link: MasterLink, inode: number, path: Buffer): Promise<void> {
  const terminated = Buffer.concat([path, Buffer.alloc(1)]);
  await link.request(CLTOMA_FUSE_SETTRASHPATH, MATOCL_FUSE_SETTRASHPATH, { inode, path: terminated });
}

/** Puts a file back to its path, making missing directories. */
export async function undelete(link: MasterLink, inode: number): Promise<void> {
  await link.request(CLTOMA_FUSE_UNDEL, MATOCL_FUSE_UNDEL, { inode });
}

/** Deletes a file in the trash for good. */
export async function purge(link: MasterLink, inode: number): Promise<void> {
  await link.request(CLTOMA_FUSE_PURGE, MATOCL_FUSE_PURGE, { inode });
}
