import {
  CLTOMA_FUSE_CREATE,
  CLTOMA_FUSE_LOOKUP,
  CLTOMA_FUSE_MKDIR,
  CLTOMA_FUSE_READDIR,
  CLTOMA_FUSE_RENAME,
  CLTOMA_FUSE_RMDIR,
  CLTOMA_FUSE_SYMLINK,
  CLTOMA_FUSE_UNLINK,
  type Frame,
  MATOCL_FUSE_LOOKUP,
  MATOCL_FUSE_MKDIR,
  MATOCL_FUSE_READDIR,
  ReaddirFlag,
  Status,
  statusName,
} from '@alces/proto';

/** One connection of a registered client: one request at a time. */
export interface Wire {
  /** Sends a frame and resolves to its answer; rejects when the connection ends. */
  request(frame: Buffer): Promise<Frame>;
}

type Kind = 'file' | 'directory' | 'link';
type Listing = ReadonlyMap<string, Kind>;

interface Step {
  what: string;
  frame: Buffer;
  after: Listing;
}

const ROOT = 1;
const MOST_ENTRIES = 40;
const KIND_OF_TYPE: Record<number, Kind> = { 1: 'file', 2: 'directory', 3: 'link' };
const who = { msgid: 1, uid: 0, gids: [0] };

const show = (listing: Listing) => [...listing].map(([name, kind]) => `${name}:${kind}`).sort();
const areEqual = (a: Listing, b: Listing) => show(a).join() === show(b).join();

/**
 * A client that changes a directory of its own, one change after the other, and knows what must be in it: what was acknowledged, and perhaps the
 * one change that was under way when the master died.
 */
export class Worker {
  readonly name: string;
  readonly #below: (limit: number) => number;
  #inode = 0;
  #known: Listing = new Map();
  #underWay: Step | undefined;
  #numbers = 0;
  #wasMade = false;
  /** Changes that were acknowledged. */
  acknowledged = 0;

  /** `below(limit)`: a random integer. */
  constructor(name: string, below: (limit: number) => number) {
    this.name = name;
    this.#below = below;
  }

  /** Compares what is there with what must be there. Throws an Error that tells the difference. */
  async check(wire: Wire): Promise<void> {
    await this.#findHome(wire);
    const found = await this.#list(wire);
    const possible = this.#underWay === undefined ? [this.#known] : [this.#known, this.#underWay.after];
    const match = possible.find((listing) => areEqual(listing, found));
    if (match === undefined) {
      const [known, next] = possible.map(show);
      throw new Error(
        `${this.name}: found ${show(found)}\nacknowledged: ${known}\nunder way: ${this.#underWay?.what ?? 'nothing'} -> ${next}`,
      );
    }
    this.#known = match;
    this.#underWay = undefined;
  }

  /** Makes changes until the connection ends. */
  async work(wire: Wire): Promise<never> {
    for (;;) {
      const step = this.#next();
      this.#underWay = step;
      const { payload } = await wire.request(step.frame);
      // Every answer of these begins with the message's number; a failed one has nothing behind it but the status.
      const status = payload.length === 5 ? payload[4]! : Status.OK;
      if (status !== Status.OK) throw new Error(`${this.name}: ${step.what}: ${statusName(status)}`);
      this.#known = step.after;
      this.#underWay = undefined;
      this.acknowledged++;
    }
  }

  async #findHome(wire: Wire): Promise<void> {
    const name = Buffer.from(this.name);
    const lookup = CLTOMA_FUSE_LOOKUP.encode({ ...who, parent: ROOT, name });
    const found = MATOCL_FUSE_LOOKUP.decode((await wire.request(lookup)).payload);
    if (found.layout === 'status') {
      if (this.#wasMade) throw new Error(`${this.name} is gone: ${statusName(found.status)}`);
      const made = await wire.request(
        CLTOMA_FUSE_MKDIR.encode({ ...who, parent: ROOT, name, mode: 0o755, umask: 0, copysgid: 0 }),
      );
      const answer = MATOCL_FUSE_MKDIR.decode(made.payload);
      if (answer.layout === 'status') throw new Error(`${this.name} was not made: ${statusName(answer.status)}`);
      this.#inode = answer.inode;
    } else {
      if (this.#wasMade && found.inode !== this.#inode) throw new Error(`${this.name} is another directory now`);
      this.#inode = found.inode;
    }
    this.#wasMade = true;
  }

  async #list(wire: Wire): Promise<Listing> {
    const request = CLTOMA_FUSE_READDIR.encode({
      ...who,
      inode: this.#inode,
      flags: ReaddirFlag.WITHATTR,
      maxEntries: 10_000,
      nedgeid: 0n,
    });
    const answer = MATOCL_FUSE_READDIR.decode((await wire.request(request)).payload);
    if (answer.layout !== 'attr') throw new Error(`${this.name}: not listed (${answer.layout})`);
    const entries = answer.entries.map(({ name, attr }): [string, Kind] => [name.toString(), KIND_OF_TYPE[attr.type]!]);
    return new Map(entries.filter(([name]) => name !== '.' && name !== '..'));
  }

  #next(): Step {
    const choice = this.#known.size >= MOST_ENTRIES ? 3 + this.#below(2) : this.#below(5);
    const entry = [...this.#known][this.#below(Math.max(1, this.#known.size))];
    if (choice >= 3 && entry !== undefined) return choice === 3 ? this.#rename(entry) : this.#remove(entry);
    return this.#make((['file', 'directory', 'link'] as const)[choice % 3]!);
  }

  #make(kind: Kind): Step {
    const name = `${kind}-${this.#numbers++}`;
    const at = { ...who, parent: this.#inode, name: Buffer.from(name) };
    const frames = {
      file: () => CLTOMA_FUSE_CREATE.encode({ ...at, mode: 0o644, umask: 0 }),
      directory: () => CLTOMA_FUSE_MKDIR.encode({ ...at, mode: 0o755, umask: 0, copysgid: 0 }),
      link: () => CLTOMA_FUSE_SYMLINK.encode({ ...at, path: Buffer.from('target\0') }),
    };
    return { what: `make ${name}`, frame: frames[kind](), after: new Map([...this.#known, [name, kind]]) };
  }

  #rename([name, kind]: [string, Kind]): Step {
    const to = `renamed-${this.#numbers++}`;
    const frame = CLTOMA_FUSE_RENAME.encode({
      ...who,
      srcParent: this.#inode,
      srcName: Buffer.from(name),
      dstParent: this.#inode,
      dstName: Buffer.from(to),
    });
    return { what: `rename ${name} ${to}`, frame, after: new Map([...this.#without(name), [to, kind]]) };
  }

  #remove([name, kind]: [string, Kind]): Step {
    const message = kind === 'directory' ? CLTOMA_FUSE_RMDIR : CLTOMA_FUSE_UNLINK;
    const frame = message.encode({ ...who, parent: this.#inode, name: Buffer.from(name) });
    return { what: `remove ${name}`, frame, after: this.#without(name) };
  }

  #without(name: string): Map<string, Kind> {
    const rest = new Map(this.#known);
    rest.delete(name);
    return rest;
  }
}
