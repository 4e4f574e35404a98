import { CommitQueue } from '@alces/journal';
import {
  apply,
  type CarriedSection,
  ChangelogError,
  continueAccounting,
  digestSteps,
  parseChange,
  type Snapshot,
  type State,
  type StateDigest,
  takeSnapshot,
} from '@alces/metadata';
import { Status, statusText } from '@alces/proto';
import { type Clock, runInSlices } from '@alces/runtime';
import { type WriteImageOptions, writeOwnImage } from '../archive/images.ts';
import type { LoadedShadow } from './load.ts';

/** Changes are applied for so long before something else has its turn. */
const SLICE_MS = 5;
const CHANGES_PER_LOOK = 64;
/** Directory sums that a changed storage class makes wrong are set right a bit after each slice. */
const ACCOUNTING_ROWS = 2000;
/** What a waiting change costs beside its text. */
const WAITING_BYTES = 64;

interface Waiting {
  version: number;
  text: Buffer;
}

/** The change that did not fit the state. */
export interface Mismatch {
  version: number;
  reason: string;
}

/**
 * The file system's metadata as the received changes make them: applied in slices, in order, as soon as they arrive. When a change
 * does not fit, the state is of no more use; `failed` is told, once.
 */
export class Shadow {
  readonly state: State;
  readonly carried: readonly CarriedSection[];
  readonly #clock: Clock;
  readonly #failed: (mismatch: Mismatch) => void;
  readonly #applied: CommitQueue;
  #waiting: Waiting[] = [];
  #next = 0;
  #waitingBytes = 0;
  #scheduled = false;
  #stopped = false;
  /** Snapshots that are wanted at a version to come: what to do when it never comes. */
  readonly #wanted = new Set<() => void>();

  constructor(loaded: LoadedShadow, clock: Clock, failed: (mismatch: Mismatch) => void) {
    this.state = loaded.state;
    this.carried = loaded.carried;
    this.#clock = clock;
    this.#failed = failed;
    this.#applied = new CommitQueue(loaded.state.metaversion - 1);
  }

  /** Bytes of changes that are not applied yet. */
  get waitingBytes(): number {
    return this.#waitingBytes;
  }

  /** Changes that are not applied yet. */
  get lag(): number {
    return this.#waiting.length - this.#next;
  }

  /** Adds the next change; the text must not be changed afterwards. */
  add(version: number, text: Buffer): void {
    if (this.#stopped) return;
    this.#waiting.push({ version, text });
    this.#waitingBytes += WAITING_BYTES + text.length;
    this.#schedule();
  }

  /** A snapshot of the state as it is in front of the change with this number; undefined if that is applied already. */
  snapshotAt(version: number): Promise<Snapshot | undefined> {
    return new Promise((resolve) => {
      const give = () => {
        this.#wanted.delete(give);
        const reached = !this.#stopped && this.state.metaversion === version;
        resolve(reached ? takeSnapshot(this.state) : undefined);
      };
      if (this.#stopped) return give();
      this.#wanted.add(give);
      this.#applied.when(version - 1, give);
    });
  }

  /** Digest of the state at a version; undefined when that has passed, or the shadow was given up. `time`: see `digestSteps`. */
  async digestAt(version: number, time: number): Promise<StateDigest | undefined> {
    const snapshot = await this.snapshotAt(version);
    if (snapshot === undefined) return undefined;
    try {
      return await runInSlices(this.#clock, SLICE_MS, digestSteps(snapshot.state, time), () => !this.#stopped);
    } finally {
      snapshot.release();
    }
  }

  /** Writes an image of the present state while changes go on. Resolves to its version. */
  async writeImage(options: Omit<WriteImageOptions, 'carried'>): Promise<number> {
    const snapshot = takeSnapshot(this.state);
    try {
      await writeOwnImage(snapshot.state, { ...options, carried: this.carried });
      return snapshot.state.metaversion;
    } finally {
      snapshot.release();
    }
  }

  /** Applies nothing more. */
  stop(): void {
    this.#stopped = true;
    this.#waiting = [];
    this.#next = 0;
    this.#waitingBytes = 0;
    for (const give of [...this.#wanted]) give();
  }

  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    this.#clock.timeout(0, () => {
      this.#scheduled = false;
      this.#slice();
    });
  }

  #slice(): void {
    const endMs = this.#clock.monotonicMs() + SLICE_MS;
    do {
      for (let count = 0; count < CHANGES_PER_LOOK; count++) {
        if (this.#next === this.#waiting.length) return this.#caughtUp();
        if (!this.#applyOne(this.#waiting[this.#next++])) return;
      }
    } while (this.#clock.monotonicMs() < endMs);
    this.#waiting.splice(0, this.#next);
    this.#next = 0;
    this.#schedule();
  }

  #caughtUp(): void {
    this.#waiting = [];
    this.#next = 0;
    if (!this.state.accounting.active) return;
    continueAccounting(this.state, ACCOUNTING_ROWS);
    this.#schedule();
  }

  #applyOne({ version, text }: Waiting): boolean {
    const { state } = this;
    const reason = state.metaversion === version ? applyText(state, text) : `the state is at ${state.metaversion}`;
    if (reason !== undefined) {
      this.stop();
      this.#failed({ version, reason });
      return false;
    }
    this.#waitingBytes -= WAITING_BYTES + text.length;
    this.#applied.advance(version);
    return !this.#stopped;
  }
}

/** Applies a change; answers what was wrong with it. */
function applyText(state: State, text: Buffer): string | undefined {
  try {
    const { timestamp, operation } = parseChange(text);
    const status = apply(state, timestamp, operation, 'replay');
    return status === Status.OK
      ? undefined
      : `operation (${text.toString('latin1')}) error: ${status} (${statusText(status)})`;
  } catch (error) {
    if (!(error instanceof ChangelogError)) throw error;
    return `(${text.toString('latin1')}): ${error.message}`;
  }
}
