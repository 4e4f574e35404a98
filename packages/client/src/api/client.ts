import { constants } from 'node:os';
import type { Readable, Writable } from 'node:stream';
import {
  GetMode,
  MAX_XATTR_NAME_LENGTH,
  MAX_XATTR_VALUE_LENGTH,
  NodeType,
  OpenFlag,
  SetMode,
  Status,
  XattrSetMode,
} from '@alces/proto';
import type { DataEngine, MasterSession } from '../contracts.ts';
import { MfsError } from '../errors.ts';
import * as ops from '../operations/index.ts';
import type { AttrChanges, Caller } from '../types.ts';
import { type Data, FileHandle, secondsOf } from './fileHandle.ts';
import { asNode, type PathLike } from './fsError.ts';
import { parseOpenFlags } from './openFlags.ts';
import { removeTree } from './remove.ts';
import type { Place, Resolver } from './resolver.ts';
import { DirectoryItem, Stats } from './stats.ts';
import { type ReadStreamOptions, readStream, type WriteStreamOptions, writeStream } from './streams.ts';

const DOT_DOT = Buffer.from('..');
const FUSE_SUPER_MAGIC = 0x6573_5546;
const { EISDIR } = constants.errno;
const TRUNCATE_AND_WRITE = OpenFlag.WRITE | OpenFlag.TRUNCATE;

/** A stock master accepts other names and then cannot store them. */
function xattrName(name: string): Buffer {
  const bytes = Buffer.from(name);
  if (bytes.length === 0) throw new MfsError(Status.EINVAL);
  if (bytes.length > MAX_XATTR_NAME_LENGTH) throw new MfsError(Status.ERANGE);
  return bytes;
}

function xattrValue(value: Buffer): Buffer {
  if (value.length > MAX_XATTR_VALUE_LENGTH) throw new MfsError(Status.ERANGE);
  return value;
}

/** A file system, after the model of `node:fs/promises`: paths are absolute from the session's directory, strings or bytes. */
export class Client implements AsyncDisposable {
  readonly session: MasterSession;
  readonly data: DataEngine;
  readonly caller: Caller;
  readonly #umask: number;
  readonly #paths: Resolver;

  constructor(session: MasterSession, data: DataEngine, paths: Resolver, caller: Caller, umask: number) {
    this.session = session;
    this.data = data;
    this.caller = caller;
    this.#paths = paths;
    this.#umask = umask;
  }

  stat(path: PathLike): Promise<Stats> {
    return asNode('stat', path, () => this.#stat(path, true));
  }

  lstat(path: PathLike): Promise<Stats> {
    return asNode('lstat', path, () => this.#stat(path, false));
  }

  async #stat(path: PathLike, follow: boolean): Promise<Stats> {
    const { inode, attr } = await this.#paths.node(path, follow);
    if (attr.type !== NodeType.FILE) return new Stats(inode, attr);
    return new Stats(inode, { ...attr, length: this.data.noteLength(inode, attr.length) });
  }

  /** Throws EACCES, EROFS or ENOENT if `mask` (R 4, W 2, X 1; default 0: existence) is not granted. */
  access(path: PathLike, mask = 0): Promise<void> {
    return asNode('access', path, async () => {
      const { inode } = await this.#paths.node(path, true);
      if (mask !== 0) await ops.access(this.session, inode, mask, this.caller);
    });
  }

  /** Entries without `.` and `..`, with their attributes. */
  entries(path: PathLike): Promise<DirectoryItem[]> {
    return asNode('scandir', path, async () => {
      const { inode } = await this.#paths.node(path, true);
      const listed = await ops.readdir(this.session, inode, this.caller);
      const proper = listed.filter(({ name }) => !(name[0] === 0x2e && (name.length === 1 || name.equals(DOT_DOT))));
      return proper.map((entry) => new DirectoryItem(entry.name, entry.inode, entry.attr));
    });
  }

  readdir(path: PathLike, options: { readonly withFileTypes: true }): Promise<DirectoryItem[]>;
  readdir(path: PathLike): Promise<string[]>;
  async readdir(path: PathLike, options?: { readonly withFileTypes: true }): Promise<DirectoryItem[] | string[]> {
    const entries = await this.entries(path);
    return options?.withFileTypes ? entries : entries.map(({ name }) => name);
  }

  /** With `recursive` missing parents are made too; resolves with the path of the first directory made, if any. */
  mkdir(
    path: PathLike,
    { recursive = false, mode = 0o777 }: { readonly recursive?: boolean; readonly mode?: number } = {},
  ): Promise<string | undefined> {
    return asNode('mkdir', path, () => (recursive ? this.#makePath(String(path), mode) : this.#mkdir(path, mode)));
  }

  async #mkdir(path: PathLike, mode: number): Promise<undefined> {
    const { parent, name, entry } = await this.#paths.place(path, false);
    if (entry !== undefined) throw new MfsError(Status.EEXIST);
    await ops.mkdir(this.session, parent, name, { mode, umask: this.#umask }, this.caller);
  }

  async #makePath(path: string, mode: number): Promise<string | undefined> {
    const names = path.split('/').filter(Boolean);
    let first: string | undefined;
    for (let depth = 1; depth <= names.length; depth++) {
      const part = `/${names.slice(0, depth).join('/')}`;
      try {
        await this.#mkdir(part, mode);
        first ??= part;
      } catch (error) {
        if (!(error instanceof MfsError) || error.status !== Status.EEXIST) throw error;
        const { attr } = await this.#paths.node(part, true);
        if (attr.type !== NodeType.DIRECTORY) throw depth === names.length ? error : new MfsError(Status.ENOTDIR);
      }
    }
    return first;
  }

  rmdir(path: PathLike): Promise<void> {
    return asNode('rmdir', path, () => this.#remove(path, ops.rmdir));
  }

  unlink(path: PathLike): Promise<void> {
    return asNode('unlink', path, () => this.#remove(path, ops.unlink));
  }

  async #remove(path: PathLike, remove: typeof ops.unlink): Promise<void> {
    const { parent, name, entry } = await this.#paths.place(path, false);
    if (entry === undefined) throw new MfsError(Status.ENOENT);
    await remove(this.session, parent, name, this.caller);
    this.#paths.forget();
  }

  /** Removes a file, or with `recursive` a whole tree. `force`: nothing there is no error. */
  rm(
    path: PathLike,
    { recursive = false, force = false }: { readonly recursive?: boolean; readonly force?: boolean } = {},
  ): Promise<void> {
    return asNode('rm', path, async () => {
      const place = await this.#paths.place(path, false).catch((error: unknown) => {
        if (force && error instanceof MfsError && error.status === Status.ENOENT) return undefined;
        throw error;
      });
      if (place?.entry === undefined) {
        if (force) return;
        throw new MfsError(Status.ENOENT);
      }
      await removeTree(this.session, { ...place, entry: place.entry }, recursive, this.caller);
      this.#paths.forget();
    });
  }

  rename(from: PathLike, to: PathLike): Promise<void> {
    const action = async (): Promise<void> => {
      const source = await this.#paths.place(from, false);
      if (source.entry === undefined) throw new MfsError(Status.ENOENT);
      const target = await this.#paths.place(to, false);
      // A stock master loses data when both are the same node, and dies of a directory moved into itself.
      if (target.entry?.inode === source.entry.inode) return;
      if (target.parent === source.entry.inode) throw new MfsError(Status.EINVAL);
      await ops.rename(this.session, source.parent, source.name, target.parent, target.name, this.caller);
      this.#paths.forget();
    };
    return asNode('rename', from, action, to);
  }

  link(existing: PathLike, path: PathLike): Promise<void> {
    const action = async (): Promise<void> => {
      const { inode } = await this.#paths.node(existing, false);
      const { parent, name } = await this.#freePlace(path);
      await ops.link(this.session, inode, parent, name, this.caller);
    };
    return asNode('link', existing, action, path);
  }

  symlink(target: PathLike, path: PathLike): Promise<void> {
    const action = async (): Promise<void> => {
      const { parent, name } = await this.#freePlace(path);
      const text = typeof target === 'string' ? Buffer.from(target) : target;
      await ops.symlink(this.session, parent, name, text, this.caller);
    };
    return asNode('symlink', target, action, path);
  }

  async #freePlace(path: PathLike): Promise<Place> {
    const place = await this.#paths.place(path, false);
    if (place.entry !== undefined) throw new MfsError(Status.EEXIST);
    return place;
  }

  /** The target's bytes; `String()` of it for text. */
  readlink(path: PathLike): Promise<Buffer> {
    return asNode('readlink', path, async () => {
      const { inode } = await this.#paths.node(path, false);
      return ops.readlink(this.session, inode);
    });
  }

  chmod(path: PathLike, mode: number): Promise<void> {
    return this.#setattr('chmod', path, true, { mode: mode & 0o7777 });
  }

  chown(path: PathLike, uid: number, gid: number): Promise<void> {
    return this.#setattr('chown', path, true, { uid, gid });
  }

  lchown(path: PathLike, uid: number, gid: number): Promise<void> {
    return this.#setattr('lchown', path, false, { uid, gid });
  }

  async utimes(path: PathLike, atime: number | string | Date, mtime: number | string | Date): Promise<void> {
    await this.#setattr('utime', path, true, { atime: secondsOf(atime), mtime: secondsOf(mtime) });
  }

  async lutimes(path: PathLike, atime: number | string | Date, mtime: number | string | Date): Promise<void> {
    await this.#setattr('lutime', path, false, { atime: secondsOf(atime), mtime: secondsOf(mtime) });
  }

  #setattr(syscall: string, path: PathLike, follow: boolean, changes: AttrChanges): Promise<void> {
    return asNode(syscall, path, async () => {
      const { inode } = await this.#paths.node(path, follow);
      if (changes.mtime !== undefined) this.session.forgetTimes(inode, true, true);
      await ops.setattr(this.session, inode, changes, this.caller);
    });
  }

  truncate(path: PathLike, length = 0): Promise<void> {
    return asNode('truncate', path, async () => {
      const { inode } = await this.#paths.node(path, true);
      await this.data.truncate(inode, length, this.caller, false);
    });
  }

  /** `flags` as in `fs.open`: `r`, `w+`, `ax`, ... or O_ bits. */
  open(path: PathLike, flags: string | number = 'r', mode = 0o666): Promise<FileHandle> {
    return asNode('open', path, async () => {
      const wanted = parseOpenFlags(flags);
      for (;;) {
        const place = await this.#paths.place(path, !wanted.exclusive);
        if (place.entry !== undefined && wanted.create && wanted.exclusive) throw new MfsError(Status.EEXIST);
        if (place.entry === undefined && !wanted.create) throw new MfsError(Status.ENOENT);
        try {
          const io = place.entry === undefined ? await this.#create(place, mode) : await this.#openNode(place, wanted);
          return new FileHandle(this, io, wanted, path);
        } catch (error) {
          // Somebody else was faster; then the file is there now.
          const raced = place.entry === undefined && error instanceof MfsError && error.status === Status.EEXIST;
          if (!raced || wanted.exclusive) throw error;
        }
      }
    });
  }

  async #create({ parent, name }: Place, mode: number) {
    const made = await ops.create(this.session, parent, name, { mode: mode & 0o7777, umask: this.#umask }, this.caller);
    this.session.acquireInode(made.inode);
    return this.data.open({ inode: made.inode, length: made.attr.length });
  }

  async #openNode({ entry }: Place, { read, write, truncate }: ReturnType<typeof parseOpenFlags>) {
    const { inode, attr } = entry!;
    if (attr.type === NodeType.DIRECTORY) throw new MfsError(Status.EPERM, EISDIR);
    if (truncate) await this.data.flushInode(inode);
    this.session.acquireInode(inode);
    try {
      const flags = (read ? OpenFlag.READ : 0) | (truncate ? TRUNCATE_AND_WRITE : 0) | (write ? OpenFlag.WRITE : 0);
      const opening = ops.open(this.session, inode, flags, this.caller);
      const ahead = read && !truncate && attr.length > 0;
      const chunkZero = ahead ? ops.readChunk(this.session, inode, 0) : undefined;
      // Whoever reads will see the error.
      chunkZero?.catch(() => {});
      const opened = await opening;
      return this.data.open({
        inode,
        length: opened.attr.length,
        truncated: truncate,
        ...(chunkZero && { chunkZero }),
      });
    } catch (error) {
      this.session.releaseInode(inode);
      throw error;
    }
  }

  readFile(path: PathLike): Promise<Buffer>;
  readFile(path: PathLike, encoding: BufferEncoding): Promise<string>;
  async readFile(path: PathLike, encoding?: BufferEncoding): Promise<Buffer | string> {
    await using file = await this.open(path);
    const content = await file.readFile();
    return encoding === undefined ? content : content.toString(encoding);
  }

  async writeFile(
    path: PathLike,
    data: Data,
    { mode = 0o666, flag = 'w' }: { readonly mode?: number; readonly flag?: string } = {},
  ): Promise<void> {
    const file = await this.open(path, flag, mode);
    try {
      await file.write(data);
    } finally {
      await file.close();
    }
  }

  appendFile(path: PathLike, data: Data): Promise<void> {
    return this.writeFile(path, data, { flag: 'a' });
  }

  createReadStream(path: PathLike, options: ReadStreamOptions = {}): Readable {
    return readStream(() => this.open(path), options);
  }

  createWriteStream(
    path: PathLike,
    options: WriteStreamOptions & { readonly flags?: string; readonly mode?: number } = {},
  ): Writable {
    return writeStream(() => this.open(path, options.flags ?? 'w', options.mode), options);
  }

  /** As `fs.statfs`: counted in blocks of `bsize` bytes. */
  statfs() {
    return asNode('statfs', undefined, async () => {
      const space = await ops.statfs(this.session);
      const blocks = (bytes: number): number => Math.floor(bytes / 65_536);
      return {
        type: FUSE_SUPER_MAGIC,
        bsize: 65_536,
        blocks: blocks(space.totalBytes),
        bfree: blocks(space.freeBytes),
        bavail: blocks(space.availableBytes),
        files: space.inodes,
        ffree: 0xffff_ffff - space.inodes,
      };
    });
  }

  /** Name of the storage class; goals are the classes `1` to `9`. */
  getGoal(path: PathLike): Promise<string> {
    return asNode('getgoal', path, async () => {
      const { inode } = await this.#paths.node(path, true);
      const { files, dirs } = await ops.getStorageClass(this.session, inode, GetMode.NORMAL);
      return [...files, ...dirs][0].name;
    });
  }

  /** Sets the goal (number of copies, or name of a storage class), with `recursive` of everything below. */
  setGoal(
    path: PathLike,
    goal: number | string,
    { recursive = false }: { readonly recursive?: boolean } = {},
  ): Promise<void> {
    return asNode('setgoal', path, async () => {
      const { inode } = await this.#paths.node(path, true);
      const mode = SetMode.SET | (recursive ? SetMode.RECURSIVE : 0);
      await ops.setStorageClass(this.session, inode, String(goal), mode, this.caller.uid);
    });
  }

  getxattr(path: PathLike, name: string): Promise<Buffer> {
    return asNode('getxattr', path, async () => {
      const { inode } = await this.#paths.node(path, true);
      return Buffer.from(await ops.getxattr(this.session, inode, xattrName(name), this.caller));
    });
  }

  setxattr(path: PathLike, name: string, value: string | Buffer): Promise<void> {
    return asNode('setxattr', path, async () => {
      const { inode } = await this.#paths.node(path, true);
      const bytes = typeof value === 'string' ? Buffer.from(value) : value;
      const how = XattrSetMode.CREATE_OR_REPLACE;
      await ops.setxattr(this.session, inode, xattrName(name), xattrValue(bytes), how, this.caller);
    });
  }

  removexattr(path: PathLike, name: string): Promise<void> {
    return asNode('removexattr', path, async () => {
      const { inode } = await this.#paths.node(path, true);
      await ops.removexattr(this.session, inode, xattrName(name), this.caller);
    });
  }

  listxattr(path: PathLike): Promise<string[]> {
    return asNode('listxattr', path, async () => {
      const { inode } = await this.#paths.node(path, true);
      const list = await ops.listxattr(this.session, inode, this.caller);
      return list.toString().split('\0').filter(Boolean);
    });
  }

  /** Writes what is left, ends the session and closes all connections. */
  async close(): Promise<void> {
    await this.data.close();
    await this.session.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}
