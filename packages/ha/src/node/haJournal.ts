import type { InheritedChanges, JournalFollower, MasterJournal } from '@alces/journal';
import { type Change, LineWriter, writeChange } from '@alces/metadata';
import type { Entry, ReplicationNode } from '@alces/replication';

export interface HaJournalOptions {
  node: ReplicationNode;
  /** Resolves when every change appended so far may be in an image of this node. */
  imageable(): Promise<void>;
  /** Is told each change that became safe, in order. */
  committed(entry: Entry): void;
  /** Nothing that was ever acknowledged can be missing in this journal. */
  isComplete: boolean;
  /** Runs a function when the present turn of the event loop is over. */
  endOfTurn: (run: () => void) => void;
}

/** The replicated journal as the master of a leading node sees it. */
export class HaJournal implements MasterJournal {
  readonly #options: HaJournalOptions;
  readonly #followers = new Set<JournalFollower>();
  readonly #writer = new LineWriter();
  /** Appended and not told to the followers yet. */
  #untold: Entry[] = [];
  #telling = false;
  #ended = false;

  readonly inherited: InheritedChanges;

  constructor(options: HaJournalOptions) {
    this.#options = options;
    const { node, isComplete } = options;
    const { lastVersion } = node;
    this.inherited = {
      lastVersion,
      isComplete,
      from: (version) => node.newestEntries(version)?.filter((entry) => entry.version <= lastVersion),
    };
  }

  get nextVersion(): number {
    // A master that has not noticed yet that it is over must not even change its state.
    this.#refuseUnlessLeading();
    return this.#options.node.lastVersion + 1;
  }

  get committedVersion(): number {
    return this.#options.node.committedVersion;
  }

  get stalledBy(): string | undefined {
    return this.#options.node.status().stalledBy;
  }

  append(version: number, change: Change): void {
    const { node } = this.#options;
    this.#refuseUnlessLeading();
    if (version !== node.lastVersion + 1) throw new Error(`change ${version} behind ${node.lastVersion}`);
    const writer = this.#writer;
    writer.length = 0;
    writeChange(writer, change);
    const entry: Entry = { version, data: Buffer.from(writer.bytes.subarray(0, writer.length)), note: undefined };
    node.append(entry);
    this.#untold.push(entry);
    if (this.#telling) return;
    this.#telling = true;
    // In this turn's wake: what it appends is told together, when it is safe.
    this.#options.endOfTurn(() => {
      this.#telling = false;
      const told = this.#untold;
      this.#untold = [];
      this.afterCommit(() => this.#tell(told));
    });
  }

  #refuseUnlessLeading(): void {
    if (this.#ended || !this.#options.node.mayAppend) throw new Error('this node does not lead');
  }

  annotate(version: number, note: Buffer): void {
    this.#options.node.annotate(version, note);
  }

  #tell(entries: readonly Entry[]): void {
    for (const entry of entries) {
      this.#options.committed(entry);
      for (const follower of this.#followers) follower.change(entry.version, entry.data);
    }
    for (const follower of this.#followers) follower.flushed();
  }

  afterCommit(run: () => void): void {
    if (!this.#ended) this.#options.node.afterCommit(run);
  }

  /** The node does not lead any more: what a master that ends still wants to answer, it must not. */
  end(): void {
    this.#ended = true;
  }

  follow(follower: JournalFollower): () => void {
    this.#followers.add(follower);
    return () => this.#followers.delete(follower);
  }

  async rotate(): Promise<void> {
    await this.#options.imageable();
    for (const follower of this.#followers) follower.rotated();
  }

  /** What can be configured while a master runs concerns files of one machine. */
  configure(): void {}

  /** The journal outlives the master that used it. */
  async close(): Promise<void> {}
}
