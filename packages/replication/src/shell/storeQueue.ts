import type { Clock } from '@alces/runtime';
import type { StoreOperation } from '../core/effects.ts';
import type { Entry } from '../entry.ts';
import type { EpochFile } from '../storage/epochFile.ts';
import type { EntryStorage } from '../storage/types.ts';

const RETRY_MS = 1000;
/** Entries that are written together at most. */
const LARGEST_BATCH = 16_384;

export interface StoreQueueOptions {
  clock: Clock;
  entries: EntryStorage;
  epochs: EpochFile;
  /** Puts the fetched image in the place of the application's; durable when it resolves. Called again after a crash in between. */
  installImage(image: number, version: number): Promise<void>;
  /** Entries were removed from the journal and are in a file of their own; nothing else is stored before this resolves. */
  removed(version: number): Promise<void>;
  /** The operation of this number, and all before it, are done. */
  done(id: number): void;
  report(level: 'info' | 'warn' | 'error', text: string): void;
}

interface Work {
  id: number;
  operation: StoreOperation;
}

/**
 * Makes the changes of what is on disk, in order and one at a time; appends that wait are made together. What fails is tried again every
 * second, and nothing behind it happens before it succeeded.
 */
export class StoreQueue {
  readonly #options: StoreQueueOptions;
  #work: Work[] = [];
  #running = false;
  #closed = false;
  #stalledBy: string | undefined;
  #idle: (() => void)[] = [];

  constructor(options: StoreQueueOptions) {
    this.#options = options;
  }

  /** Why the disk takes nothing at present; undefined: it does. */
  get stalledBy(): string | undefined {
    return this.#stalledBy;
  }

  push(id: number, operation: StoreOperation): void {
    if (this.#closed) return;
    this.#work.push({ id, operation });
    if (!this.#running) void this.#run();
  }

  /** Resolves when what was pushed is on disk; or the disk does not take it now, then the rest is given up. */
  async close(): Promise<void> {
    this.#closed = true;
    if (this.#running) await new Promise<void>((resolve) => this.#idle.push(resolve));
  }

  async #run(): Promise<void> {
    this.#running = true;
    while (this.#work.length > 0) {
      const batch = this.#takeBatch();
      if (!(await this.#persist(batch))) break;
      this.#options.done(batch[batch.length - 1].id);
    }
    this.#running = false;
    for (const resolve of this.#idle.splice(0)) resolve();
  }

  /** The next operation, with the appends behind it if it is one. */
  #takeBatch(): Work[] {
    const [first] = this.#work;
    let count = 1;
    if (first.operation.kind === 'append') {
      let entries = first.operation.entries.length;
      for (; count < this.#work.length; count++) {
        const { operation } = this.#work[count];
        if (operation.kind !== 'append' || operation.sync !== first.operation.sync) break;
        entries += operation.entries.length;
        if (entries > LARGEST_BATCH) break;
      }
    }
    return this.#work.splice(0, count);
  }

  /** Makes the change, however often it must be tried. False: given up, the node stops. */
  async #persist(batch: Work[]): Promise<boolean> {
    for (;;) {
      try {
        await this.#perform(batch);
        if (this.#stalledBy !== undefined) this.#options.report('warn', 'the journal can be written again');
        this.#stalledBy = undefined;
        return true;
      } catch (error) {
        if (this.#closed) return false;
        await this.#stall(batch[0].operation.kind, error);
      }
    }
  }

  async #stall(what: string, error: unknown): Promise<void> {
    const reason = `${what}: ${error instanceof Error ? error.message : error}`;
    if (this.#stalledBy === undefined)
      this.#options.report('error', `can't write the journal (${reason}) - trying again every second`);
    this.#stalledBy = reason;
    await new Promise<void>((resolve) => {
      this.#options.clock.timeout(RETRY_MS, resolve);
    });
  }

  async #perform(batch: Work[]): Promise<void> {
    const { entries, epochs } = this.#options;
    const { operation } = batch[0];
    switch (operation.kind) {
      case 'append':
        return entries.append(allEntries(batch), operation.sync);
      case 'truncate':
        await entries.truncate(operation.version, operation.epoch);
        return this.#options.removed(operation.version);
      case 'prune':
        return entries.prune(operation.version);
      case 'state':
        // The history must not speak of entries that the loss of power can still take.
        await entries.sync();
        return epochs.save({ state: operation.state, installing: undefined });
      case 'install':
        await epochs.save({
          state: operation.state,
          installing: { version: operation.version, image: operation.image },
        });
        await entries.reset(operation.version);
        await this.#options.installImage(operation.image, operation.version);
        return epochs.save({ state: operation.state, installing: undefined });
    }
  }
}

function allEntries(batch: Work[]): readonly Entry[] {
  const lists = batch.map(({ operation }) => (operation.kind === 'append' ? operation.entries : []));
  return lists.length === 1 ? lists[0] : lists.flat();
}
