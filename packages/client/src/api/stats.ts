import { type Attr, NodeType } from '@alces/proto';

const TYPE_BITS: Readonly<Record<number, number>> = {
  [NodeType.FILE]: 0o100000,
  [NodeType.DIRECTORY]: 0o040000,
  [NodeType.SYMLINK]: 0o120000,
  [NodeType.FIFO]: 0o010000,
  [NodeType.BLOCKDEV]: 0o060000,
  [NodeType.CHARDEV]: 0o020000,
  [NodeType.SOCKET]: 0o140000,
};

const BLOCK_BYTES = 65_536;

/** What kind of node something is, asked as Node's `fs.Stats` and `fs.Dirent` are. */
export class NodeKind {
  readonly #type: number;

  constructor(type: number) {
    this.#type = type;
  }

  isFile(): boolean {
    return this.#type === NodeType.FILE;
  }

  isDirectory(): boolean {
    return this.#type === NodeType.DIRECTORY;
  }

  isSymbolicLink(): boolean {
    return this.#type === NodeType.SYMLINK;
  }

  isFIFO(): boolean {
    return this.#type === NodeType.FIFO;
  }

  isBlockDevice(): boolean {
    return this.#type === NodeType.BLOCKDEV;
  }

  isCharacterDevice(): boolean {
    return this.#type === NodeType.CHARDEV;
  }

  isSocket(): boolean {
    return this.#type === NodeType.SOCKET;
  }
}

/** Attributes of a node, as `fs.Stats` has them. Times have whole seconds; MooseFS keeps no birth time. */
export class Stats extends NodeKind {
  readonly ino: number;
  readonly mode: number;
  readonly nlink: number;
  readonly uid: number;
  readonly gid: number;
  readonly rdev: number;
  readonly size: number;
  readonly blksize = BLOCK_BYTES;
  readonly blocks: number;
  readonly atimeMs: number;
  readonly mtimeMs: number;
  readonly ctimeMs: number;

  constructor(inode: number, attr: Attr) {
    super(attr.type);
    this.ino = inode;
    this.mode = (TYPE_BITS[attr.type] ?? 0) | attr.mode;
    this.nlink = attr.nlink;
    this.uid = attr.uid;
    this.gid = attr.gid;
    this.rdev = attr.rdev;
    this.size = attr.length;
    this.blocks = Math.ceil(attr.length / 512);
    this.atimeMs = attr.atime * 1000;
    this.mtimeMs = attr.mtime * 1000;
    this.ctimeMs = attr.ctime * 1000;
  }

  get atime(): Date {
    return new Date(this.atimeMs);
  }

  get mtime(): Date {
    return new Date(this.mtimeMs);
  }

  get ctime(): Date {
    return new Date(this.ctimeMs);
  }
}

/** An entry of a directory, as `fs.Dirent`, with the attributes that came with it. */
export class DirectoryItem extends NodeKind {
  readonly name: string;
  /** The name's bytes, for names that are no UTF-8. */
  readonly nameBytes: Buffer;
  readonly stats: Stats;

  constructor(name: Buffer, inode: number, attr: Attr) {
    super(attr.type);
    this.name = name.toString();
    // The listing is one big buffer; a name kept must not keep all of it.
    this.nameBytes = Buffer.from(name);
    this.stats = new Stats(inode, attr);
  }
}
