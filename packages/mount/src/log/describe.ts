import type {
  Attr,
  AttrReply,
  CreateReply,
  DirectoryList,
  Entry,
  LockRequest,
  MakeRequest,
  OpenReply,
  ReadRequest,
  RenameRequest,
  Request,
  SetattrRequest,
  StatfsReply,
  WriteRequest,
} from '@alces/fuse';
import { LockType, SetattrFlag } from '@alces/fuse';

/** How operations and their outcomes look in `.oplog` (spec 60 §6.1). */

/** By file type, the upper four bits of st_mode. */
const TYPE_LETTERS = '?fc?d?b?-?l?s???';

function permissions(mode: number): string {
  let text = '';
  for (let shift = 6; shift >= 0; shift -= 3) {
    const bits = (mode >> shift) & 7;
    const special = shift === 6 ? mode & 0o4000 : shift === 3 ? mode & 0o2000 : mode & 0o1000;
    const letter = shift === 0 ? 't' : 's';
    const x = bits & 1 ? (special ? letter : 'x') : special ? letter.toUpperCase() : '-';
    text += (bits & 4 ? 'r' : '-') + (bits & 2 ? 'w' : '-') + x;
  }
  return text;
}

function typedMode(mode: number): string {
  return TYPE_LETTERS[(mode >> 12) & 15] + permissions(mode);
}

function octal(mode: number, digits: number): string {
  return mode.toString(8).padStart(digits, '0');
}

function hex(value: number | bigint, digits: number): string {
  return value.toString(16).toUpperCase().padStart(digits, '0');
}

function attrText(attr: Attr): string {
  const { mode, nlink, uid, gid, atime, mtime, ctime, sizeBytes, rdev } = attr;
  const device = rdev === 0 ? '' : `,${hex(rdev, 8)}`;
  const times = `${atime},${mtime},${ctime}`;
  return `[${typedMode(mode)}:${octal(mode, 7)},${nlink},${uid},${gid},${times},${sizeBytes}${device}]`;
}

function entryText({ entryTimeoutSeconds, node, attrTimeoutSeconds, attr }: Entry): string {
  return `(${entryTimeoutSeconds.toFixed(1)},${node},${attrTimeoutSeconds.toFixed(1)},${attrText(attr)})`;
}

const OPEN_MODES = ['O_RDONLY', 'O_WRONLY', 'O_RDWR', 'O_???'];
const OPEN_FLAGS: [number, string][] = [
  [0o4000, 'O_NONBLOCK'],
  [0o2000, 'O_APPEND'],
  [0o100, 'O_CREAT'],
  [0o1000, 'O_TRUNC'],
  [0o200, 'O_EXCL'],
];

function openText(flags: number): string {
  const names = OPEN_FLAGS.filter(([bit]) => flags & bit).map(([, name]) => name);
  return [OPEN_MODES[flags & 3], ...names].join('|');
}

function setattrText(change: SetattrRequest): string {
  const { valid } = change;
  const parts: string[] = [];
  if (valid & SetattrFlag.MODE) parts.push(`mode=${permissions(change.mode)}:${octal(change.mode & 0o7777, 5)}`);
  if (valid & SetattrFlag.UID) parts.push(`uid=${change.uid}`);
  if (valid & SetattrFlag.GID) parts.push(`gid=${change.gid}`);
  if (valid & SetattrFlag.ATIME) parts.push(`atime=${valid & SetattrFlag.ATIME_NOW ? 'NOW' : change.atime}`);
  if (valid & SetattrFlag.MTIME) parts.push(`mtime=${valid & SetattrFlag.MTIME_NOW ? 'NOW' : change.mtime}`);
  if (valid & SetattrFlag.SIZE) parts.push(`size=${change.sizeBytes}`);
  const where = valid & SetattrFlag.FH ? `[handle:${hex(change.handle, 8)}]` : '[no handle]';
  return `0x${(valid & ~(SetattrFlag.FH | SetattrFlag.LOCKOWNER)).toString(16).toUpperCase()},[${parts.join(';')}]) ${where}`;
}

function lockText({ flock, lock, owner, wait, handle }: LockRequest, node: number): string {
  if (flock) {
    const kind = lock.type === LockType.UNLOCK ? 'UNLOCK' : lock.type === LockType.READ ? 'LOCKSH' : 'LOCKEX';
    const command = wait || lock.type === LockType.UNLOCK ? kind : kind.replace('LOCK', 'TRY');
    return `flock (${node},${hex(owner, 16)},${command}) [handle:${hex(handle, 8)}]`;
  }
  const type = 'RWU'[lock.type] ?? '?';
  const name = wait ? 'setlkw' : 'setlk';
  return `${name} (inode:${node} owner:${hex(owner, 16)} start:${lock.start} end:${lock.end} type:${type}) [handle:${hex(handle, 8)}]`;
}

function made({ node }: Request, { name, mode }: MakeRequest, format: number): string {
  return `${node},${text(name)},${typedMode(format | mode)}:${octal(mode, 5)}`;
}

function text(name: Buffer): string {
  return name.toString('latin1');
}

function at(handle: number): string {
  return `[handle:${hex(handle, 8)}]`;
}

type Head = (request: Request, ...args: never[]) => string;

/** The part before the outcome, by operation. */
export const HEADS: Record<string, Head> = {
  lookup: ({ node }, name: Buffer) => `lookup (${node},${text(name)})`,
  getattr: ({ node }, handle: number | undefined) =>
    `getattr (${node}) ${handle === undefined ? '[no handle]' : at(handle)}`,
  setattr: ({ node }, change: SetattrRequest) => `setattr (${node},${setattrText(change)}`,
  readlink: ({ node }) => `readlink (${node})`,
  symlink: ({ node }, name: Buffer, target: Buffer) => `symlink (${text(target)},${node},${text(name)})`,
  mknod: (request, make: MakeRequest, rdev: number) => `mknod (${made(request, make, 0)},0x${hex(rdev, 8)})`,
  mkdir: (request, make: MakeRequest) => `mkdir (${made(request, make, 0o040000)})`,
  unlink: ({ node }, name: Buffer) => `unlink (${node},${text(name)})`,
  rmdir: ({ node }, name: Buffer) => `rmdir (${node},${text(name)})`,
  rename: (_request, { parent, name, newParent, newName, flags }: RenameRequest) =>
    `rename (${parent},${text(name)},${newParent},${text(newName)},${flags})`,
  link: ({ node }, inode: number, name: Buffer) => `link (${inode},${node},${text(name)})`,
  open: ({ node }, flags: number) => `open (${node},${openText(flags)})`,
  create: ({ node }, { name, mode }: MakeRequest, flags: number) =>
    `create (${node},${text(name)},${openText(flags)},${typedMode(mode)}:${octal(mode, 7)})`,
  read: ({ node }, { handle, offset, sizeBytes }: ReadRequest) => `read (${node},${sizeBytes},${offset}) ${at(handle)}`,
  write: ({ node }, { handle, offset, data }: WriteRequest) => `write (${node},${data.length},${offset}) ${at(handle)}`,
  flush: ({ node }, handle: number, owner: bigint) =>
    `flush (${node}) [handle:${hex(handle, 8)},lock_owner:${hex(owner, 16)}]`,
  release: ({ node }, handle: number) => `release (${node}) ${at(handle)}`,
  fsync: ({ node }, handle: number, dataOnly: boolean) => `fsync (${node},${dataOnly ? 1 : 0}) ${at(handle)}`,
  opendir: ({ node }) => `opendir (${node})`,
  readdir: ({ node }, handle: number, offset: number, list: DirectoryList) =>
    `readdir (${node},${list.limitBytes},${offset}) ${at(handle)}`,
  readdirplus: ({ node }, handle: number, offset: number, list: DirectoryList) =>
    `readdirplus (${node},${list.limitBytes},${offset}) ${at(handle)}`,
  releasedir: ({ node }, handle: number) => `releasedir (${node}) ${at(handle)}`,
  statfs: ({ node }) => `statfs (${node})`,
  access: ({ node }, mask: number) => `access (${node},0x${mask.toString(16).toUpperCase()})`,
  setxattr: ({ node }, name: Buffer, value: Buffer, flags: number) =>
    `setxattr (${node},${text(name)},${value.length},${flags})`,
  getxattr: ({ node }, name: Buffer, size: number) => `getxattr (${node},${text(name)},${size})`,
  listxattr: ({ node }, size: number) => `listxattr (${node},${size})`,
  removexattr: ({ node }, name: Buffer) => `removexattr (${node},${text(name)})`,
  getlk: ({ node }, { owner, lock }: LockRequest) =>
    `getlk (inode:${node} owner:${hex(owner, 16)} start:${lock.start} end:${lock.end} type:${'RWU'[lock.type] ?? '?'})`,
  setlk: ({ node }, lock: LockRequest) => lockText(lock, node),
};

function isAttrReply(value: object): value is AttrReply {
  return 'attrTimeoutSeconds' in value && !('node' in value);
}

/** What an operation that succeeded says about its result, behind `OK`; `request.outcome` follows it. */
export function resultText(request: Request, value: object | 0, name: string, args: readonly unknown[]): string {
  if (Buffer.isBuffer(value)) return name === 'readlink' ? ` (${text(value)})` : dataText(value.length);
  if (Array.isArray(value)) return dataText(value.reduce((sum, part: Buffer) => sum + part.length, 0));
  if (value === 0) {
    if (name === 'write') return ` (${(args[0] as WriteRequest).data.length})`;
    if (name.startsWith('readdir')) return dataText((args[2] as DirectoryList).recordBytes);
    return '';
  }
  if ('entry' in value) return ` ${entryText((value as CreateReply).entry)}`;
  if ('node' in value) return ` ${entryText(value as Entry)}`;
  if (isAttrReply(value)) return ` (${value.attrTimeoutSeconds.toFixed(1)},${attrText(value.attr)})`;
  if ('blocksFree' in value) return statfsText(value as StatfsReply);
  if ('handle' in value && request.outcome === '') return flagsText(value as OpenReply);
  return '';
}

function flagsText({ flags }: OpenReply): string {
  return ` (${flags & 1},${(flags >> 1) & 1})`;
}

function dataText(lengthBytes: number): string {
  return lengthBytes === 0 ? ' (no data)' : ` (${lengthBytes})`;
}

function statfsText({ blocks, blocksFree, blocksAvailable, blockSizeBytes, files, filesFree }: StatfsReply): string {
  const bytes = [blocks, blocksAvailable, blocksFree].map((count) => count * blockSizeBytes);
  return ` (${bytes.join(',')},${files - filesFree})`;
}
