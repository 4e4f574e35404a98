import { constants } from 'node:os';
import { MAX_NAME_LENGTH, NodeType, ROOT_INODE, Status } from '@alces/proto';
import type { Clock } from '@alces/runtime';
import type { MasterSession } from '../contracts.ts';
import { MfsError } from '../errors.ts';
import { getattr, lookup, readlink } from '../operations/nodes.ts';
import type { Caller, Entry, LookupEntry } from '../types.ts';
import type { PathLike } from './fsError.ts';

const MAX_LINKS = 40;
const MAX_CACHED = 10_000;
const SLASH = 0x2f;
const DOT = 0x2e;

/** A place in the tree: a name in a directory, and what the name means now. */
export interface Place {
  readonly parent: number;
  readonly name: Buffer;
  /** Undefined: nothing there. */
  readonly entry: LookupEntry | undefined;
}

function splitPath(path: PathLike): Buffer[] {
  const bytes = typeof path === 'string' ? Buffer.from(path) : path;
  if (bytes.length === 0) throw new MfsError(Status.ENOENT);
  if (bytes.includes(0)) throw new MfsError(Status.EINVAL);
  const names: Buffer[] = [];
  for (let start = 0; start < bytes.length; ) {
    let end = bytes.indexOf(SLASH, start);
    if (end === -1) end = bytes.length;
    const name = bytes.subarray(start, end);
    if (name.length > 0 && !(name.length === 1 && name[0] === DOT)) names.push(name);
    if (name.length > MAX_NAME_LENGTH) throw new MfsError(Status.EINVAL, constants.errno.ENAMETOOLONG);
    start = end + 1;
  }
  return names;
}

function endsWithSlash(path: PathLike): boolean {
  return typeof path === 'string' ? path.endsWith('/') : path[path.length - 1] === SLASH;
}

/** A found directory may be used without asking again until `untilMs`. */
interface CachedDirectory {
  readonly inode: number;
  readonly untilMs: number;
}

/** Walks paths. Directories on the way are remembered for a moment, as a mount's directory entries are. */
export class Resolver {
  readonly #session: MasterSession;
  readonly #caller: Caller;
  readonly #clock: Clock;
  readonly #cacheMs: number;
  readonly #directories = new Map<string, CachedDirectory>();

  constructor(session: MasterSession, caller: Caller, clock: Clock, cacheMs: number) {
    this.#session = session;
    this.#caller = caller;
    this.#clock = clock;
    this.#cacheMs = cacheMs;
  }

  /** The node that a path means. Throws ENOENT, ENOTDIR, ELOOP, EACCES. */
  async node(path: PathLike, followLast: boolean): Promise<Entry & Pick<LookupEntry, 'chunkZero'>> {
    const { entry } = await this.place(path, followLast || endsWithSlash(path));
    if (entry === undefined) throw new MfsError(Status.ENOENT);
    if (endsWithSlash(path) && entry.attr.type !== NodeType.DIRECTORY) throw new MfsError(Status.ENOTDIR);
    return entry;
  }

  /** Where a path leads; only its last name may be missing. With `followLast` a symbolic link there is followed, also to a missing target. */
  async place(path: PathLike, followLast: boolean): Promise<Place> {
    const names = splitPath(path);
    let parent = ROOT_INODE;
    let links = 0;
    for (let i = 0; i < names.length; ) {
      const name = names[i];
      const last = i === names.length - 1;
      const known = last ? undefined : this.#cached(parent, name);
      if (known !== undefined) {
        parent = known;
        i++;
        continue;
      }
      const entry = await this.#lookup(parent, name);
      if (entry === undefined) {
        if (last) return { parent, name, entry };
        throw new MfsError(Status.ENOENT);
      }
      if (entry.attr.type === NodeType.SYMLINK && (!last || followLast)) {
        if (++links > MAX_LINKS) throw new MfsError(Status.EINVAL, constants.errno.ELOOP);
        const target = await readlink(this.#session, entry.inode);
        names.splice(0, i + 1, ...splitPath(target));
        i = 0;
        if (target[0] === SLASH) parent = ROOT_INODE;
        continue;
      }
      if (last) return { parent, name, entry };
      if (entry.attr.type !== NodeType.DIRECTORY) throw new MfsError(Status.ENOTDIR);
      this.#remember(parent, name, entry.inode);
      parent = entry.inode;
      i++;
    }
    return this.#root(parent);
  }

  /** The path was `/`, or a link to it: there is no name to act on. */
  async #root(inode: number): Promise<Place> {
    const attr = await getattr(this.#session, inode, this.#caller);
    return { parent: inode, name: Buffer.from('.'), entry: { inode, attr, flags: 0 } };
  }

  /** Something was moved or removed: what was remembered may be wrong. */
  forget(): void {
    this.#directories.clear();
  }

  async #lookup(parent: number, name: Buffer): Promise<LookupEntry | undefined> {
    try {
      return await lookup(this.#session, parent, name, this.#caller);
    } catch (error) {
      if (!(error instanceof MfsError)) throw error;
      if (error.status !== Status.ENOENT && error.status !== Status.ENOENT_NOCACHE) throw error;
      return undefined;
    }
  }

  #cached(parent: number, name: Buffer): number | undefined {
    if (this.#cacheMs === 0) return undefined;
    const key = `${parent}/${name.toString('latin1')}`;
    const found = this.#directories.get(key);
    if (found === undefined) return undefined;
    if (found.untilMs > this.#clock.monotonicMs()) return found.inode;
    this.#directories.delete(key);
    return undefined;
  }

  #remember(parent: number, name: Buffer, inode: number): void {
    if (this.#cacheMs === 0) return;
    if (this.#directories.size >= MAX_CACHED) this.#directories.clear();
    const untilMs = this.#clock.monotonicMs() + this.#cacheMs;
    this.#directories.set(`${parent}/${name.toString('latin1')}`, { inode, untilMs });
  }
}
