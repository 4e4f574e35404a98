import {
  type Attr,
  type DirectoryList,
  type Entry,
  type LockRequest,
  LockType,
  OpenFlag,
  type Operations,
  type Request,
  ROOT_NODE,
  SetattrFlag,
} from '../src/index.ts';

const S_IFDIR = 0o040000;
const S_IFREG = 0o100000;
const S_IFLNK = 0o120000;
const O_TRUNC = 0o1000;
const ENOENT = 2;
const EINTR = 4;
const EAGAIN = 11;
const EEXIST = 17;
const ENOTEMPTY = 39;
const ENODATA = 61;
const BLOCK_BYTES = 4096;
const EMPTY = Buffer.alloc(0);

interface Node {
  id: number;
  mode: number;
  uid: number;
  gid: number;
  nlink: number;
  mtime: number;
  rdev: number;
  data: Buffer;
  lengthBytes: number;
  children: Map<string, number>;
  xattrs: Map<string, Buffer>;
  lookups: number;
}

export interface MemoryOptions {
  entryTimeoutSeconds: number;
  attrTimeoutSeconds: number;
  directIo: boolean;
  /** Reads of a file with this name answer with zeros of this many bytes, without copying. */
  zeros: number;
  /** Answers everything with promises, as a networked server does. */
  asynchronous: boolean;
}

/** A small file system in memory, for tests and the benchmark. Counts what the tests ask about. */
export class MemoryFs {
  readonly options: MemoryOptions;
  readonly counts: Record<string, number> = {};
  readonly largest = { read: 0, write: 0 };
  readonly #nodes = new Map<number, Node>();
  readonly #locks = new Map<number, { owner: bigint; release: (() => void)[] }>();
  readonly #zeros: Buffer;
  #nextId = ROOT_NODE;

  constructor(options: MemoryOptions) {
    this.options = options;
    this.#zeros = Buffer.alloc(1024 * 1024);
    this.#create(S_IFDIR | 0o755, 0, 0, 0);
  }

  #create(mode: number, uid: number, gid: number, rdev: number): Node {
    const id = this.#nextId++;
    const isDirectory = (mode & 0o170000) === S_IFDIR;
    const node: Node = {
      id,
      mode,
      uid,
      gid,
      rdev,
      nlink: isDirectory ? 2 : 1,
      mtime: 1_700_000_000,
      data: EMPTY,
      lengthBytes: 0,
      children: new Map(),
      xattrs: new Map(),
      lookups: 0,
    };
    this.#nodes.set(id, node);
    return node;
  }

  nodeAt(path: string): Node | undefined {
    let node = this.#nodes.get(ROOT_NODE);
    for (const part of path.split('/').filter(Boolean)) {
      const id: number | undefined = node?.children.get(part);
      node = id === undefined ? undefined : this.#nodes.get(id);
    }
    return node;
  }

  replaceData(path: string, data: Buffer): void {
    const node = this.nodeAt(path);
    if (!node) throw new Error(`no ${path}`);
    node.data = data;
    node.lengthBytes = data.length;
  }

  /** Removes a name behind the kernel's back. */
  dropName(parent: string, name: string): void {
    this.nodeAt(parent)?.children.delete(name);
  }

  #attr(node: Node): Attr {
    return {
      inode: node.id,
      sizeBytes: node.lengthBytes,
      blocks: Math.ceil(node.lengthBytes / 512),
      atime: node.mtime,
      mtime: node.mtime,
      ctime: node.mtime,
      atimeNs: 0,
      mtimeNs: 0,
      ctimeNs: 0,
      mode: node.mode,
      nlink: node.nlink,
      uid: node.uid,
      gid: node.gid,
      rdev: node.rdev,
      blockSizeBytes: BLOCK_BYTES,
    };
  }

  #entry(node: Node): Entry {
    node.lookups += 1;
    return { node: node.id, generation: 1, ...this.#timeouts(), attr: this.#attr(node) };
  }

  #timeouts() {
    const { entryTimeoutSeconds, attrTimeoutSeconds } = this.options;
    return { entryTimeoutSeconds, attrTimeoutSeconds };
  }

  #attrReply(node: Node) {
    return { attrTimeoutSeconds: this.options.attrTimeoutSeconds, attr: this.#attr(node) };
  }

  #child(parent: number, name: Buffer): Node | undefined {
    const id = this.#nodes.get(parent)?.children.get(name.toString());
    return id === undefined ? undefined : this.#nodes.get(id);
  }

  #make(request: Request, name: Buffer, mode: number, rdev = 0): Entry | number {
    const parent = this.#nodes.get(request.node);
    if (!parent) return ENOENT;
    if (parent.children.has(name.toString())) return EEXIST;
    const node = this.#create(mode, request.uid, request.gid, rdev);
    parent.children.set(name.toString(), node.id);
    return this.#entry(node);
  }

  #remove(parent: number, name: Buffer): number {
    const node = this.#child(parent, name);
    if (!node) return ENOENT;
    if (node.children.size > 0) return ENOTEMPTY;
    this.#nodes.get(parent)?.children.delete(name.toString());
    node.nlink -= 1;
    return 0;
  }

  #resize(node: Node, lengthBytes: number): void {
    if (lengthBytes > node.data.length) {
      const grown = Buffer.alloc(Math.max(lengthBytes, node.data.length * 2));
      node.data.copy(grown, 0, 0, node.lengthBytes);
      node.data = grown;
    } else if (lengthBytes < node.lengthBytes) node.data.fill(0, lengthBytes, node.lengthBytes);
    node.lengthBytes = lengthBytes;
  }

  #list(directory: number, offset: number, list: DirectoryList, plus: boolean): number {
    const node = this.#nodes.get(directory);
    if (!node) return ENOENT;
    const all: [string, Node][] = [
      ['.', node],
      ['..', node],
    ];
    for (const [name, id] of node.children) all.push([name, this.#nodes.get(id) as Node]);
    for (let index = offset; index < all.length; index++) {
      const [name, child] = all[index];
      const bytes = Buffer.from(name);
      if (plus && index >= 2) {
        const entry = { node: child.id, generation: 1, ...this.#timeouts(), attr: this.#attr(child) };
        if (!list.addPlus(bytes, entry, index + 1)) break;
        child.lookups += 1;
      } else if (plus) {
        const bare = { node: 0, generation: 0, ...this.#timeouts(), attr: this.#attr(child) };
        if (!list.addPlus(bytes, bare, index + 1)) break;
      } else if (!list.add(bytes, child.id, child.mode, index + 1)) break;
    }
    return 0;
  }

  /** An exclusive flock per node, enough to wait for and to be interrupted at. */
  #lock(request: Request, ask: LockRequest): number | Promise<number> {
    const held = this.#locks.get(request.node);
    if (ask.lock.type === LockType.UNLOCK) return this.#unlock(request.node, ask.owner);
    if (!held || held.owner === ask.owner) {
      this.#locks.set(request.node, { owner: ask.owner, release: held?.release ?? [] });
      return 0;
    }
    if (!ask.wait) return EAGAIN;
    return new Promise((resolve) => {
      request.onInterrupt(() => {
        this.#count('interrupted');
        resolve(EINTR);
      });
      held.release.push(() => resolve(request.interrupted ? EINTR : this.#lock(request, ask)));
    });
  }

  #unlock(node: number, owner: bigint): number {
    const held = this.#locks.get(node);
    if (held?.owner !== owner) return 0;
    this.#locks.delete(node);
    for (const wake of held.release) wake();
    return 0;
  }

  #count(name: string): void {
    this.counts[name] = (this.counts[name] ?? 0) + 1;
  }

  operations(): Operations {
    const table = this.#table() as Record<string, (...args: unknown[]) => unknown>;
    const counted: Record<string, unknown> = {};
    for (const [name, run] of Object.entries(table)) {
      counted[name] = (...args: unknown[]) => {
        this.#count(name);
        const outcome = run(...args);
        if (!this.options.asynchronous || name === 'forget') return outcome;
        return new Promise((resolve) => setImmediate(() => resolve(outcome)));
      };
    }
    return counted as Operations;
  }

  #table(): Operations {
    const node = (id: number) => this.#nodes.get(id) as Node;
    return {
      lookup: (request, name) => {
        const found = this.#child(request.node, name);
        return found ? this.#entry(found) : ENOENT;
      },
      forget: (id, lookups) => {
        const found = this.#nodes.get(id);
        if (!found) return;
        found.lookups -= lookups;
        if (found.lookups === 0 && found.nlink === 0) this.#nodes.delete(id);
      },
      getattr: (request) => this.#attrReply(node(request.node)),
      setattr: (request, change) => {
        const target = node(request.node);
        if (change.valid & SetattrFlag.MODE) target.mode = (target.mode & 0o170000) | (change.mode & 0o7777);
        if (change.valid & SetattrFlag.UID) target.uid = change.uid;
        if (change.valid & SetattrFlag.GID) target.gid = change.gid;
        if (change.valid & SetattrFlag.SIZE) this.#resize(target, change.sizeBytes);
        if (change.valid & SetattrFlag.MTIME) target.mtime = change.mtime;
        return this.#attrReply(target);
      },
      readlink: (request) => node(request.node).data,
      symlink: (request, name, target) => {
        const made = this.#make(request, name, S_IFLNK | 0o777);
        if (typeof made !== 'number') node(made.node).data = target;
        return made;
      },
      mknod: (request, make, rdev) => this.#make(request, make.name, make.mode & ~make.umask, rdev),
      mkdir: (request, make) => this.#make(request, make.name, S_IFDIR | (make.mode & ~make.umask)),
      unlink: (request, name) => this.#remove(request.node, name),
      rmdir: (request, name) => this.#remove(request.node, name),
      rename: (_request, { parent, name, newParent, newName, flags }) => {
        const moved = this.#child(parent, name);
        if (!moved) return ENOENT;
        if (flags & 1 && this.#child(newParent, newName)) return EEXIST;
        this.#remove(newParent, newName);
        node(parent).children.delete(name.toString());
        node(newParent).children.set(newName.toString(), moved.id);
        return 0;
      },
      link: (request, id, name) => {
        node(request.node).children.set(name.toString(), id);
        node(id).nlink += 1;
        return this.#entry(node(id));
      },
      open: (request, flags) => {
        if (flags & O_TRUNC) this.#resize(node(request.node), 0);
        return { handle: request.node + 1000, flags: this.options.directIo ? OpenFlag.DIRECT_IO : 0 };
      },
      create: (request, make) => {
        const entry = this.#make(request, make.name, S_IFREG | (make.mode & 0o7777 & ~make.umask));
        if (typeof entry === 'number') return entry;
        const flags = this.options.directIo ? OpenFlag.DIRECT_IO : 0;
        return { entry, open: { handle: entry.node + 1000, flags } };
      },
      read: (request, { offset, sizeBytes }) => {
        this.largest.read = Math.max(this.largest.read, sizeBytes);
        if (this.options.zeros > 0) {
          return this.#zeros.subarray(0, Math.max(0, Math.min(sizeBytes, this.options.zeros - offset)));
        }
        const { data, lengthBytes } = node(request.node);
        return data.subarray(Math.min(offset, lengthBytes), Math.min(offset + sizeBytes, lengthBytes));
      },
      write: (request, { offset, data }) => {
        this.largest.write = Math.max(this.largest.write, data.length);
        if (this.options.zeros > 0) return 0;
        const target = node(request.node);
        if (offset + data.length > target.lengthBytes) this.#resize(target, offset + data.length);
        target.data.set(data, offset);
        return 0;
      },
      flush: () => 0,
      release: (request, _handle, _flags, owner, flockUnlock) => (flockUnlock ? this.#unlock(request.node, owner) : 0),
      fsync: () => 0,
      opendir: () => ({ handle: 0, flags: 0 }),
      readdir: (request, _handle, offset, list) => this.#list(request.node, offset, list, false),
      readdirplus: (request, _handle, offset, list) => this.#list(request.node, offset, list, true),
      releasedir: () => 0,
      statfs: () => ({
        blocks: 1000,
        blocksFree: 600,
        blocksAvailable: 500,
        files: 70,
        filesFree: 60,
        blockSizeBytes: 65536,
        nameMaxBytes: 255,
        fragmentSizeBytes: 65536,
      }),
      access: () => 0,
      setxattr: (request, name, value) => {
        node(request.node).xattrs.set(name.toString(), value);
        return 0;
      },
      getxattr: (request, name) => node(request.node).xattrs.get(name.toString()) ?? ENODATA,
      listxattr: (request) => Buffer.from([...node(request.node).xattrs.keys()].map((name) => `${name}\0`).join('')),
      removexattr: (request, name) => (node(request.node).xattrs.delete(name.toString()) ? 0 : ENODATA),
      getlk: (_request, ask) => ({ ...ask.lock, type: LockType.WRITE, pid: process.pid }),
      setlk: (request, ask) => this.#lock(request, ask),
      fallocate: (request, _handle, _mode, offset, lengthBytes) => {
        const target = node(request.node);
        if (offset + lengthBytes > target.lengthBytes) this.#resize(target, offset + lengthBytes);
        return 0;
      },
    };
  }
}
