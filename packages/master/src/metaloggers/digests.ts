import { digestSteps, type State, type StateDigest, takeSnapshot } from '@alces/metadata';
import { MATOAN_ALCES_DIGEST, MATOAN_ALCES_DIGEST_AT } from '@alces/proto';
import { type Clock, runInSlices } from '@alces/runtime';

/** Clients wait no longer than this for a digest. */
const SLICE_MS = 2;
/** A digest takes a quarter of a second of a processor for a million files; this is the share of time that it may take. */
const LARGEST_SHARE = 0.1;
const SHORTEST_PAUSE_MS = 500;

/** Sends a frame to whoever asked. */
export type Reply = (frame: Buffer) => void;

/** Makes digests of the state for metaloggers that want to compare theirs: one at a time, for all who asked. */
export class Digests {
  readonly #clock: Clock;
  readonly #state: State;
  #waiting: Reply[] = [];
  #busy = false;
  #stopped = false;

  constructor(clock: Clock, state: State) {
    this.#clock = clock;
    this.#state = state;
  }

  /** Somebody asks; the answers are two frames: at which version, and the digest. */
  ask(reply: Reply): void {
    this.#waiting.push(reply);
    if (!this.#busy) this.#begin();
  }

  stop(): void {
    this.#stopped = true;
    this.#waiting = [];
  }

  #begin(): void {
    const asked = this.#waiting;
    this.#waiting = [];
    this.#busy = true;
    const beganMs = this.#clock.monotonicMs();
    const { metaversion: metaVersion } = this.#state;
    const time = this.#clock.unixSeconds();
    const snapshot = takeSnapshot(this.#state);
    for (const reply of asked) reply(MATOAN_ALCES_DIGEST_AT.encode({ metaVersion, time }));
    void runInSlices(this.#clock, SLICE_MS, digestSteps(snapshot.state, time), () => !this.#stopped).then((digest) => {
      snapshot.release();
      if (digest === undefined) return;
      const frame = encodeDigest(metaVersion, digest);
      for (const reply of asked) reply(frame);
      const tookMs = this.#clock.monotonicMs() - beganMs;
      this.#clock.timeout(Math.max(SHORTEST_PAUSE_MS, tookMs / LARGEST_SHARE), () => this.#rested());
    });
  }

  #rested(): void {
    this.#busy = false;
    if (this.#waiting.length > 0 && !this.#stopped) this.#begin();
  }
}

function encodeDigest(metaVersion: number, digest: StateDigest): Buffer {
  const tables = [...digest].map(([name, hash]) => ({ name: Buffer.from(name), digest: hash }));
  return MATOAN_ALCES_DIGEST.encode({ metaVersion, tables });
}
