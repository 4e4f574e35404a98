import type { DirectoryEntry } from '@alces/client';
import type { Request } from '@alces/fuse';
import type { Attr } from '@alces/proto';
import type { Clock } from '@alces/runtime';

/** A listing is trusted so long; the stock mount trusts it as long as the directory is open. */
const TRUST_MS = 30_000;

/** What an open directory contained when it was read, with attributes, for the process that reads it. */
export class Listing {
  readonly directory: number;
  readonly #entries: readonly DirectoryEntry[];
  readonly #untilMs: number;
  readonly #clock: Clock;
  readonly #changed = new Set<number>();
  readonly #gone = new Set<string>();
  #byName: Map<string, DirectoryEntry> | undefined;
  #byInode: Map<number, Attr> | undefined;

  constructor(directory: number, entries: readonly DirectoryEntry[], clock: Clock) {
    this.directory = directory;
    this.#entries = entries;
    this.#clock = clock;
    this.#untilMs = clock.monotonicMs() + TRUST_MS;
  }

  get #trusted(): boolean {
    return this.#clock.monotonicMs() < this.#untilMs;
  }

  /** Attribute flags of 0 mean that the master gave no attributes. */
  find(name: Buffer): DirectoryEntry | undefined {
    if (!this.#trusted) return undefined;
    this.#byName ??= new Map(this.#entries.map((entry) => [entry.name.toString('latin1'), entry]));
    const key = name.toString('latin1');
    const entry = this.#gone.has(key) ? undefined : this.#byName.get(key);
    return entry === undefined || entry.attr.flags === 0 || this.#changed.has(entry.inode) ? undefined : entry;
  }

  attrOf(inode: number): Attr | undefined {
    if (!this.#trusted || this.#changed.has(inode)) return undefined;
    this.#byInode ??= new Map(this.#entries.map((entry) => [entry.inode, entry.attr]));
    const attr = this.#byInode.get(inode);
    return attr === undefined || attr.flags === 0 ? undefined : attr;
  }

  nodeChanged(inode: number): void {
    this.#changed.add(inode);
  }

  nameChanged(name: Buffer): void {
    this.#gone.add(name.toString('latin1'));
  }
}

/** The listings of open directories: lookups and getattrs of the process that reads one are answered from it (spec 10 §12.5). */
export class Listings {
  readonly #byProcess = new Map<string, Set<Listing>>();

  #of({ uid, gid, pid }: Request): Set<Listing> | undefined {
    return this.#byProcess.size === 0 ? undefined : this.#byProcess.get(`${uid}/${gid}/${pid}`);
  }

  add(request: Request, listing: Listing): void {
    const all = this.#of(request);
    if (all !== undefined) all.add(listing);
    else this.#byProcess.set(`${request.uid}/${request.gid}/${request.pid}`, new Set([listing]));
  }

  remove(listing: Listing): void {
    for (const [process, all] of this.#byProcess) {
      if (all.delete(listing) && all.size === 0) this.#byProcess.delete(process);
    }
  }

  find(request: Request, directory: number, name: Buffer): DirectoryEntry | undefined {
    const all = this.#of(request);
    if (all === undefined) return undefined;
    for (const listing of all) if (listing.directory === directory) return listing.find(name);
    return undefined;
  }

  attrOf(request: Request, inode: number): Attr | undefined {
    const all = this.#of(request);
    if (all === undefined) return undefined;
    for (const listing of all) {
      const attr = listing.attrOf(inode);
      if (attr !== undefined) return attr;
    }
    return undefined;
  }

  nodeChanged(inode: number): void {
    this.#each((listing) => listing.nodeChanged(inode));
  }

  nameChanged(directory: number, name: Buffer): void {
    this.#each((listing) => {
      if (listing.directory === directory) listing.nameChanged(name);
    });
  }

  #each(run: (listing: Listing) => void): void {
    for (const all of this.#byProcess.values()) for (const listing of all) run(listing);
  }
}
