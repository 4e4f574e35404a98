import {
  type Answer,
  type AttrReply,
  type Entry,
  type Attr as KernelAttr,
  OpenFlag,
  type OpenReply,
  type Operations,
  type Request,
} from '@alces/fuse';
import { FIRST_SPECIAL_INODE, MASTERINFO_INODE, ROOT_INODE } from '@alces/proto';
import { Errno } from '../errors.ts';
import type { SpecialFile, SpecialHandle } from './content.ts';

const TIMEOUT_SECONDS = 3600;
const S_IFREG = 0o100000;
const BLOCK_SIZE_BYTES = 65_536;
const O_ACCMODE = 0o3;
const ACCESS_WX = 3;
const MASTERINFO = Buffer.from('.masterinfo');

function isSpecial(inode: number): boolean {
  return inode >= FIRST_SPECIAL_INODE && inode <= MASTERINFO_INODE;
}

function attrOf({ inode, sizeBytes, mode }: SpecialFile): KernelAttr {
  const times = { atime: 0, mtime: 0, ctime: 0, atimeNs: 0, mtimeNs: 0, ctimeNs: 0 };
  const owner = { nlink: 1, uid: 0, gid: 0, rdev: 0, blockSizeBytes: BLOCK_SIZE_BYTES };
  return { inode, sizeBytes, blocks: Math.ceil(sizeBytes / 512), mode: S_IFREG | mode, ...times, ...owner };
}

function entryOf(file: SpecialFile): Entry {
  const timeouts = { entryTimeoutSeconds: TIMEOUT_SECONDS, attrTimeoutSeconds: TIMEOUT_SECONDS };
  return { node: file.inode, generation: 1, ...timeouts, attr: attrOf(file) };
}

/** The special files of a mount: which there are, and which handles are open on them. */
class SpecialNodes {
  readonly #byInode: ReadonlyMap<number, SpecialFile>;
  readonly #byName: ReadonlyMap<string, SpecialFile>;
  readonly #handles = new Map<number, SpecialHandle>();
  readonly #resetStatistics: () => void;
  #nextHandle = 1;

  constructor(files: readonly SpecialFile[], resetStatistics: () => void) {
    this.#byInode = new Map(files.map((file) => [file.inode, file]));
    this.#byName = new Map(files.map((file) => [file.name, file]));
    this.#resetStatistics = resetStatistics;
  }

  named(parent: number, name: Buffer): SpecialFile | undefined {
    if (parent !== ROOT_INODE || name[0] !== 0x2e) return undefined;
    return this.#byName.get(name.toString('latin1'));
  }

  get masterInfo(): SpecialFile {
    return this.#byInode.get(MASTERINFO_INODE) as SpecialFile;
  }

  file(request: Request): SpecialFile | undefined {
    const file = this.#byInode.get(request.node);
    if (file !== undefined) request.remark = ` (internal node: ${file.label})`;
    return file;
  }

  getattr(request: Request): AttrReply | number {
    const file = this.file(request);
    return file === undefined ? Errno.ENOENT : { attrTimeoutSeconds: TIMEOUT_SECONDS, attr: attrOf(file) };
  }

  setattr(request: Request): AttrReply | number {
    return request.node === MASTERINFO_INODE ? Errno.EPERM : this.getattr(request);
  }

  open(request: Request, flags: number): OpenReply | number {
    const file = this.file(request);
    if (file === undefined) return Errno.ENOENT;
    if (file.rootOnly && request.uid !== 0) return Errno.EPERM;
    if ((flags & O_ACCMODE) !== 0 && !file.writable) return Errno.EACCES;
    const handle = this.#nextHandle++;
    this.#handles.set(handle, { handle, inode: file.inode, content: file.open(), written: false });
    return { handle, flags: file.direct ? OpenFlag.DIRECT_IO : OpenFlag.KEEP_CACHE };
  }

  read(request: Request, handle: number, offset: number, sizeBytes: number): Answer<Buffer> {
    const open = this.#handles.get(handle);
    if (open === undefined) return Errno.EBADF;
    const bytes = open.content.read(offset, sizeBytes, (stop) => request.onInterrupt(stop));
    if (!(bytes instanceof Promise)) return bytes;
    return bytes.then((later) => (request.interrupted && later.length === 0 ? Errno.EINTR : later));
  }

  write(request: Request, handle: number): number {
    const open = this.#handles.get(handle);
    if (open === undefined) return Errno.EBADF;
    if (this.file(request)?.label !== 'STATS') return Errno.EACCES;
    open.written = true;
    return 0;
  }

  release(request: Request, handle: number): number {
    const open = this.#handles.get(handle);
    this.file(request);
    if (open?.written) this.#resetStatistics();
    this.#handles.delete(handle);
    return 0;
  }
}

/** Operations that name an entry: special names in the root can't be touched. */
function guardNames(base: Operations, special: SpecialNodes): Operations {
  const taken = (request: Request, name: Buffer): boolean => special.named(request.node, name) !== undefined;
  return {
    mknod: (request, make, rdev) => (taken(request, make.name) ? Errno.EACCES : base.mknod!(request, make, rdev)),
    mkdir: (request, make) => (taken(request, make.name) ? Errno.EACCES : base.mkdir!(request, make)),
    create: (request, make, flags) => (taken(request, make.name) ? Errno.EACCES : base.create!(request, make, flags)),
    symlink: (request, name, target) => (taken(request, name) ? Errno.EACCES : base.symlink!(request, name, target)),
    link: (request, inode, name) =>
      taken(request, name) || isSpecial(inode) ? Errno.EACCES : base.link!(request, inode, name),
    unlink: (request, name) => (taken(request, name) ? Errno.EACCES : base.unlink!(request, name)),
    rmdir: (request, name) => (taken(request, name) ? Errno.EACCES : base.rmdir!(request, name)),
    rename: (request, change) =>
      special.named(change.parent, change.name) || special.named(change.newParent, change.newName)
        ? Errno.EACCES
        : base.rename!(request, change),
  };
}

async function lookup(base: Operations, special: SpecialNodes, request: Request, name: Buffer) {
  const found = await base.lookup!(request, name);
  // The tools look for this file in every folder.
  return found === Errno.ENOENT && name.equals(MASTERINFO) ? entryOf(special.masterInfo) : found;
}

/** Adds the special files to the operations of a mount (spec 10 §12.3). */
export function withSpecialFiles(
  base: Operations,
  files: readonly SpecialFile[],
  resetStatistics: () => void,
  countInternal: () => void,
): Operations {
  const special = new SpecialNodes(files, resetStatistics);
  return {
    ...base,
    ...guardNames(base, special),
    lookup: (request, name) => {
      const file = special.named(request.node, name);
      if (file === undefined)
        return name.equals(MASTERINFO) ? lookup(base, special, request, name) : base.lookup!(request, name);
      countInternal();
      request.remark = ` (internal node: ${file.label})`;
      return entryOf(file);
    },
    getattr: (request, handle) => (isSpecial(request.node) ? special.getattr(request) : base.getattr!(request, handle)),
    setattr: (request, change) => (isSpecial(request.node) ? special.setattr(request) : base.setattr!(request, change)),
    access: (request, mask) => {
      if (!isSpecial(request.node)) return base.access!(request, mask);
      return mask & ACCESS_WX ? Errno.EACCES : 0;
    },
    open: (request, flags) => (isSpecial(request.node) ? special.open(request, flags) : base.open!(request, flags)),
    read: (request, ask) =>
      isSpecial(request.node) ? special.read(request, ask.handle, ask.offset, ask.sizeBytes) : base.read!(request, ask),
    write: (request, ask) => (isSpecial(request.node) ? special.write(request, ask.handle) : base.write!(request, ask)),
    flush: (request, handle, owner) => (isSpecial(request.node) ? 0 : base.flush!(request, handle, owner)),
    fsync: (request, handle, dataOnly) => (isSpecial(request.node) ? 0 : base.fsync!(request, handle, dataOnly)),
    release: (request, handle, flags, owner, flockUnlock) =>
      isSpecial(request.node)
        ? special.release(request, handle)
        : base.release!(request, handle, flags, owner, flockUnlock),
    ...withoutXattrsAndLocks(base),
  };
}

/** The operations on `.masterinfo` alone, for a mount that has no other special file. */
export function masterInfoOperations(file: SpecialFile): Operations {
  const special = new SpecialNodes([file], () => {});
  return {
    lookup: () => entryOf(file),
    getattr: (request) => special.getattr(request),
    setattr: (request) => special.setattr(request),
    open: (request, flags) => special.open(request, flags),
    read: (request, { handle, offset, sizeBytes }) => special.read(request, handle, offset, sizeBytes),
    write: (request, { handle }) => special.write(request, handle),
    release: (request, handle) => special.release(request, handle),
  };
}

/** An IPv4 address in dotted form as a number. */
export function ipNumber(text: string): number {
  return text.split('.').reduce((sum, part) => sum * 256 + Number(part), 0);
}

/** Special files have neither: EPERM. What the mount does not support at all stays that way. */
function withoutXattrsAndLocks(base: Operations): Operations {
  return {
    ...(base.getxattr && {
      getxattr: (request, name, size) => (isSpecial(request.node) ? Errno.EPERM : base.getxattr!(request, name, size)),
      listxattr: (request, size) => (isSpecial(request.node) ? Errno.EPERM : base.listxattr!(request, size)),
      setxattr: (request, name, value, flags) =>
        isSpecial(request.node) ? Errno.EPERM : base.setxattr!(request, name, value, flags),
      removexattr: (request, name) => (isSpecial(request.node) ? Errno.EPERM : base.removexattr!(request, name)),
    }),
    getlk: (request, lock) => (isSpecial(request.node) ? Errno.EPERM : base.getlk!(request, lock)),
    setlk: (request, lock) => (isSpecial(request.node) ? Errno.EPERM : base.setlk!(request, lock)),
  } satisfies Operations;
}
