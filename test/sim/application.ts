import type { RequestNote } from '@alces/journal';
import type { Application, Entry, ImageSource, ReplicationNode } from '@alces/replication';
import type { Disk } from '@alces/runtime';
import type { Observer } from './checker.ts';
import { Model, type Operation, type Snapshot } from './model.ts';

/** Changes after which an image is saved. */
const IMAGE_EVERY = 60;

export interface ClientRequest {
  session: number;
  request: number;
  /** A change; or a read of a key. */
  change?: Operation;
  read?: string;
}

export interface ClientAnswer {
  request: number;
  /** The version at which it was done. */
  version?: number;
  value?: string[];
  /** This node does not lead, or cannot tell. */
  no?: string;
}

/** The program of one node: the model, its image on disk, and its service. */
export class SimApplication implements Application {
  readonly model = new Model();
  readonly #name: string;
  readonly #disk: Disk;
  readonly #folder: string;
  readonly #observer: Observer;
  /** Entries below the image are kept for other nodes, as the leader asks. */
  readonly #retains: boolean;
  node: ReplicationNode | undefined;
  leading = false;
  frozen = false;
  #imageVersion = 0;
  #saving = false;
  #drop: () => void = () => {};

  constructor(name: string, disk: Disk, folder: string, observer: Observer, retains: boolean) {
    this.#name = name;
    this.#disk = disk;
    this.#folder = folder;
    this.#observer = observer;
    this.#retains = retains;
  }

  get #imagePath(): string {
    return `${this.#folder}/image.json`;
  }

  /** Loads the image that is on disk. */
  async load(): Promise<void> {
    await this.#disk.makeFolder(this.#folder);
    if (!(await this.#disk.exists(this.#imagePath))) return;
    this.model.load(await this.#disk.readFile(this.#imagePath));
    this.#imageVersion = this.model.version;
  }

  /** Calls `drop` when all clients must be dropped. */
  onDrop(drop: () => void): void {
    this.#drop = drop;
  }

  get appliedVersion(): number {
    return this.model.version;
  }

  apply(entry: Entry): void {
    if (this.leading) throw new Error(`${this.#name} is told to apply ${entry.version} while it leads`);
    this.model.apply(entry);
    this.#observer.committed(this.#name, entry.version, this.model.hash, entry.data);
    this.maybeSave();
  }

  lead(epoch: number): void {
    this.leading = true;
    this.frozen = false;
    this.#observer.leads(this.#name, epoch);
  }

  follow(): void {
    this.leading = false;
    this.#drop();
  }

  freeze(frozen: boolean): void {
    this.frozen = frozen;
  }

  async rewind(version: number): Promise<void> {
    this.model.clear();
    if (version === 0 || !(await this.#disk.exists(this.#imagePath))) return;
    const bytes = await this.#disk.readFile(this.#imagePath);
    this.model.load(bytes);
    if (this.model.version > version) this.model.clear();
  }

  async createImage(): Promise<ImageSource> {
    const isSafe = this.node === undefined || this.model.version <= this.node.imageableVersion;
    // Whoever needs the image may be needed to make the newest changes safe.
    const bytes = isSafe || this.#imageVersion === 0 ? this.model.save() : await this.#disk.readFile(this.#imagePath);
    const { version } = JSON.parse(bytes.toString()) as Snapshot;
    return {
      version,
      lengthBytes: bytes.length,
      read: async (offset, length) => bytes.subarray(offset, offset + length),
      close: async () => {},
    };
  }

  async installImage(path: string, version: number): Promise<void> {
    const bytes = await this.#disk.readFile(path);
    this.model.load(bytes);
    if (this.model.version !== version) throw new Error(`an image of ${this.model.version} instead of ${version}`);
    await this.#disk.replaceFile(this.#imagePath, bytes);
    this.#imageVersion = version;
    this.#observer.installed(this.#name, version, this.model.hash);
  }

  /** Saves an image now and then, once everything in it is committed and on disk, and lets the journal forget. */
  maybeSave(): void {
    const { node, model } = this;
    if (node === undefined || this.#saving || model.version - this.#imageVersion < IMAGE_EVERY) return;
    if (model.version > node.imageableVersion) return;
    this.#saving = true;
    const { version } = model;
    const bytes = model.save();
    this.#disk
      .replaceFile(this.#imagePath, bytes)
      .then(() => {
        this.#imageVersion = version;
        node.pruned(this.#retains ? Math.min(version, node.retainVersion) : version);
      })
      .catch((error: Error) => this.#observer.note(`${this.#name}: image not saved: ${error.message}`))
      .finally(() => {
        this.#saving = false;
      });
  }

  /** Serves a client. `answer` is called at most once. */
  serve(request: ClientRequest, answer: (answer: ClientAnswer) => void): void {
    const { node } = this;
    const refuse = (no: string) => answer({ request: request.request, no });
    if (node === undefined || !this.leading || this.frozen || !node.mayAppend) return refuse('not leading');
    if (request.read !== undefined) {
      const value = [...(this.model.lists.get(request.read) ?? [])];
      const { version } = this.model;
      node.afterCommit(() => answer({ request: request.request, version, value }));
    } else if (request.change !== undefined) {
      this.#change(node, request, request.change, answer, refuse);
    }
    this.maybeSave();
  }

  #change(
    node: ReplicationNode,
    { session, request }: ClientRequest,
    change: Operation,
    answer: (answer: ClientAnswer) => void,
    refuse: (no: string) => void,
  ): void {
    let known: RequestNote | undefined;
    try {
      known = this.model.ledger.find({ session, slot: 0, request });
    } catch {
      return refuse('forgotten');
    }
    if (known !== undefined) {
      const version = Number(known.answer.toString());
      node.afterCommit(() => answer({ request, version }));
      return;
    }
    const entry = this.model.plan(change, { session, slot: 0, request, chunkId: 0 });
    this.model.apply(entry);
    const { hash } = this.model;
    node.append(entry);
    node.afterCommit(() => {
      this.#observer.committed(this.#name, entry.version, hash, entry.data);
      answer({ request, version: entry.version });
    });
  }
}
