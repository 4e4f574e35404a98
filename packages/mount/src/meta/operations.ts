import { type MasterSession, MfsError, ops } from '@alces/client';
import {
  type AttrReply,
  type DirectoryList,
  type Entry,
  OpenFlag as KernelOpenFlag,
  type OpenReply,
  type Operations,
  type Request,
  type StatfsReply,
  type WriteRequest,
} from '@alces/fuse';
import { type Attr, MAX_NAME_LENGTH, ROOT_INODE, Status, TRASH_BUCKETS } from '@alces/proto';
import type { Clock } from '@alces/runtime';
import { formatOf } from '../attributes.ts';
import { Errno } from '../errors.ts';
import { Handles } from '../openFiles.ts';
import {
  bucketInode,
  bucketName,
  bucketOfName,
  detachedInode,
  detachedName,
  folderAttr,
  type MetaNode,
  nodeOf,
  SUSTAINED_INODE,
  TRASH_INODE,
  UNDEL_INODE,
} from './tree.ts';

const ATTR_TIMEOUT_SECONDS = 1;
const BLOCK_SIZE_BYTES = 65_536;
/** What the stock meta mount shows as inodes. */
const INODES = 1_003_000_234;
const PATH_LIMIT_BYTES = 1024;
const S_IFDIR = 0o040000;
const NEWLINE = Buffer.from('\n');

/** The meta mount knows fewer statuses than the mount proper (spec 00 §2.9). */
const KNOWN_STATUSES = new Set<number>([
  Status.EPERM,
  Status.ENOTDIR,
  Status.ENOENT,
  Status.EACCES,
  Status.EEXIST,
  Status.EINVAL,
  Status.ENOTEMPTY,
  Status.IO,
  Status.EROFS,
  Status.QUOTA,
]);

interface Listed {
  name: Buffer;
  inode: number;
  format: number;
}

interface OpenFolder {
  readonly handle: number;
  readonly inode: number;
  entries: Listed[] | undefined;
}

interface OpenPath {
  readonly handle: number;
  readonly inode: number;
  /** The path and a newline. */
  content: Buffer;
  changed: boolean;
  /** The first write replaces the content. */
  written: boolean;
}

export interface MetaContext {
  readonly session: MasterSession;
  readonly clock: Clock;
  /** All deleted files directly in `trash` (`mfsflattrash`). */
  readonly flatTrash: boolean;
}

function metaErrno(error: unknown): number {
  if (!(error instanceof MfsError)) throw error;
  return KNOWN_STATUSES.has(error.status) ? error.errno : Errno.EINVAL;
}

/** The trash and the sustained files of a file system as folders (spec 10 §13). Only root gets beyond the top. */
class MetaFileSystem {
  readonly #context: MetaContext;
  readonly #folders = new Handles<OpenFolder>();
  readonly #paths = new Handles<OpenPath>();

  constructor(context: MetaContext) {
    this.#context = context;
  }

  #fixed(inode: number): Entry {
    const node = nodeOf(inode);
    if (node.kind === 'file' || node.kind === 'masterinfo') throw new Error(`inode ${inode} is no folder`);
    const attr = folderAttr(inode, node.kind, this.#context.clock.unixSeconds());
    return { node: inode, generation: 1, entryTimeoutSeconds: 0, attrTimeoutSeconds: ATTR_TIMEOUT_SECONDS, attr };
  }

  #detached(inode: number, attr: Attr): Entry {
    const { uid, gid, nlink, atime, mtime, ctime, length, type, mode } = attr;
    const times = { atime, mtime, ctime, atimeNs: 0, mtimeNs: 0, ctimeNs: 0 };
    const size = { sizeBytes: length, blocks: Math.ceil(length / 512), blockSizeBytes: BLOCK_SIZE_BYTES };
    const owner = { uid, gid, nlink, rdev: 0, mode: formatOf(type) | mode };
    const timeouts = { entryTimeoutSeconds: 0, attrTimeoutSeconds: ATTR_TIMEOUT_SECONDS };
    return { node: inode, generation: 1, ...timeouts, attr: { inode, ...times, ...size, ...owner } };
  }

  async #file(inode: number): Promise<Entry> {
    return this.#detached(inode, await ops.getDetachedAttr(this.#context.session, inode));
  }

  /** What a name in a folder means; undefined: nothing. */
  #inodeOf(parent: MetaNode, parentInode: number, name: Buffer): number | undefined {
    const text = name.toString('latin1');
    if (text === '.') return parentInode;
    if (text === '..') return parent.kind === 'bucket' || parent.kind === 'undel' ? TRASH_INODE : ROOT_INODE;
    switch (parent.kind) {
      case 'root':
        return text === 'trash' ? TRASH_INODE : text === 'sustained' ? SUSTAINED_INODE : undefined;
      case 'trash':
        if (text === 'undel') return UNDEL_INODE;
        return this.#context.flatTrash ? detachedInode(name) : this.#bucketNamed(name);
      case 'bucket':
        return text === 'undel' ? UNDEL_INODE : detachedInode(name);
      case 'sustained':
        return detachedInode(name);
      default:
        return undefined;
    }
  }

  #bucketNamed(name: Buffer): number | undefined {
    const bucket = bucketOfName(name);
    return bucket === undefined ? undefined : bucketInode(bucket);
  }

  lookup(request: Request, name: Buffer): Promise<Entry> | Entry | number {
    if (name.length > MAX_NAME_LENGTH) return Errno.ENAMETOOLONG;
    const inode = this.#inodeOf(nodeOf(request.node), request.node, name);
    if (inode === undefined) return Errno.ENOENT;
    return nodeOf(inode).kind === 'file' ? this.#file(inode) : this.#fixed(inode);
  }

  async getattr(request: Request): Promise<AttrReply> {
    const isFile = nodeOf(request.node).kind === 'file';
    const { attr, attrTimeoutSeconds } = isFile ? await this.#file(request.node) : this.#fixed(request.node);
    return { attr, attrTimeoutSeconds };
  }

  opendir(request: Request): OpenReply {
    const handle = this.#folders.nextHandle();
    this.#folders.add({ handle, inode: request.node, entries: undefined });
    return { handle, flags: 0 };
  }

  async readdir(handle: number, offset: number, list: DirectoryList): Promise<number> {
    const folder = this.#folders.get(handle);
    if (folder === undefined) return Errno.EBADF;
    if (offset === 0 || folder.entries === undefined) folder.entries = await this.#entries(folder.inode);
    for (let index = offset; index < folder.entries.length; index++) {
      const { name, inode, format } = folder.entries[index];
      if (!list.add(name, inode, format, index + 1)) break;
    }
    return 0;
  }

  releasedir(handle: number): number {
    this.#folders.remove(handle);
    return 0;
  }

  async #entries(inode: number): Promise<Listed[]> {
    const node = nodeOf(inode);
    const folder = (text: string, child: number): Listed => ({
      name: Buffer.from(text),
      inode: child,
      format: S_IFDIR,
    });
    const dots = ['.', '..'].map((text) => folder(text, this.#inodeOf(node, inode, Buffer.from(text)) ?? ROOT_INODE));
    switch (node.kind) {
      case 'root':
        return [...dots, folder('trash', TRASH_INODE), folder('sustained', SUSTAINED_INODE)];
      case 'trash':
        if (this.#context.flatTrash) return [...dots, folder('undel', UNDEL_INODE), ...(await this.#trash())];
        return [...dots, folder('undel', UNDEL_INODE), ...this.#buckets()];
      case 'bucket':
        return [...dots, folder('undel', UNDEL_INODE), ...(await this.#trash(node.bucket))];
      case 'sustained':
        return [...dots, ...this.#listed(await ops.getSustained(this.#context.session))];
      default:
        return dots;
    }
  }

  #buckets(): Listed[] {
    return Array.from({ length: TRASH_BUCKETS }, (_, bucket) => ({
      name: bucketName(bucket),
      inode: bucketInode(bucket),
      format: S_IFDIR,
    }));
  }

  async #trash(bucket?: number): Promise<Listed[]> {
    return this.#listed(await ops.getTrash(this.#context.session, bucket));
  }

  #listed(entries: Awaited<ReturnType<typeof ops.getTrash>>): Listed[] {
    return entries.map(({ name, inode }) => ({ name: detachedName(inode, name), inode, format: formatOf(1) }));
  }

  /** A deleted file reads as the path to which it would be restored. */
  async open(request: Request): Promise<OpenReply> {
    const path = await ops.getTrashPath(this.#context.session, request.node);
    const handle = this.#paths.nextHandle();
    const content = Buffer.concat([path, NEWLINE]);
    this.#paths.add({ handle, inode: request.node, content, changed: false, written: false });
    return { handle, flags: KernelOpenFlag.DIRECT_IO };
  }

  read(handle: number, offset: number, sizeBytes: number): Buffer | number {
    return this.#paths.get(handle)?.content.subarray(offset, offset + sizeBytes) ?? Errno.EBADF;
  }

  write({ handle, offset, data }: WriteRequest): number {
    const open = this.#paths.get(handle);
    if (open === undefined) return Errno.EBADF;
    if (offset + data.length > PATH_LIMIT_BYTES) return Errno.EINVAL;
    const before = open.written ? open.content : Buffer.alloc(0);
    const after = Buffer.alloc(Math.max(before.length, offset + data.length));
    before.copy(after);
    data.copy(after, offset);
    Object.assign(open, { content: after, changed: true, written: true });
    return 0;
  }

  /** Sets a new path; close(2) reports what the master says to it. */
  async flush(handle: number): Promise<number> {
    const open = this.#paths.get(handle);
    if (!open?.changed) return 0;
    open.changed = false;
    const endsLine = open.content.length > 0 && open.content[open.content.length - 1] === NEWLINE[0];
    const path = endsLine ? open.content.subarray(0, -1) : open.content;
    await ops.setTrashPath(this.#context.session, open.inode, path);
    return 0;
  }

  release(handle: number): number {
    this.#paths.remove(handle);
    return 0;
  }

  #isTrash(inode: number): boolean {
    const { kind } = nodeOf(inode);
    return kind === 'bucket' || (kind === 'trash' && this.#context.flatTrash);
  }

  async unlink(request: Request, name: Buffer): Promise<number> {
    if (!this.#isTrash(request.node)) return Errno.EACCES;
    const inode = detachedInode(name);
    if (inode === undefined) return Errno.ENOENT;
    await ops.purge(this.#context.session, inode);
    return 0;
  }

  /** Moving a deleted file to `undel` restores it. */
  async rename(parent: number, name: Buffer, newParent: number): Promise<number> {
    if (!this.#isTrash(parent) || nodeOf(newParent).kind !== 'undel') return Errno.EACCES;
    const inode = detachedInode(name);
    if (inode === undefined) return Errno.ENOENT;
    await ops.undelete(this.#context.session, inode);
    return 0;
  }

  async statfs(): Promise<StatfsReply> {
    const { trashBytes, sustainedBytes } = await ops.statfs(this.#context.session);
    return {
      blocks: Math.floor((trashBytes + sustainedBytes) / BLOCK_SIZE_BYTES),
      blocksFree: Math.floor(sustainedBytes / BLOCK_SIZE_BYTES),
      blocksAvailable: Math.floor(sustainedBytes / BLOCK_SIZE_BYTES),
      files: INODES,
      filesFree: INODES,
      blockSizeBytes: BLOCK_SIZE_BYTES,
      nameMaxBytes: MAX_NAME_LENGTH,
      fragmentSizeBytes: BLOCK_SIZE_BYTES,
    };
  }
}

type Run = (request: Request, ...args: unknown[]) => unknown;

/** Errnos instead of exceptions, and nothing but the top for anybody but root. */
function guarded(operations: Operations): Operations {
  const wrapped: Record<string, Run> = {};
  for (const [name, operation] of Object.entries(operations)) {
    const run = operation as Run;
    wrapped[name] = async (request, ...args) => {
      if (request.uid !== 0 && request.node !== ROOT_INODE && name !== 'getattr') return Errno.EACCES;
      try {
        return await run(request, ...args);
      } catch (error) {
        return metaErrno(error);
      }
    };
  }
  return wrapped as Operations;
}

/** The operations of a meta mount; what is not here is ENOSYS. */
export function metaOperations(context: MetaContext): Operations {
  const meta = new MetaFileSystem(context);
  return guarded({
    lookup: (request, name) => meta.lookup(request, name),
    getattr: (request) => meta.getattr(request),
    setattr: (request) => meta.getattr(request),
    opendir: (request) => meta.opendir(request),
    readdir: (_request, handle, offset, list) => meta.readdir(handle, offset, list),
    releasedir: (_request, handle) => meta.releasedir(handle),
    open: (request) => meta.open(request),
    read: (_request, { handle, offset, sizeBytes }) => meta.read(handle, offset, sizeBytes),
    write: (_request, write) => meta.write(write),
    flush: (_request, handle) => meta.flush(handle),
    release: (_request, handle) => meta.release(handle),
    unlink: (request, name) => meta.unlink(request, name),
    rename: (_request, { parent, name, newParent }) => meta.rename(parent, name, newParent),
    statfs: () => meta.statfs(),
  });
}
