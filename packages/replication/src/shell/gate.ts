/** What the gate asks of the core. */
export interface GateSource {
  /** The last version appended. */
  readonly lastVersion: number;
  /** True when a read may be answered now. */
  mayRead(): boolean;
  /** The newest moment for which the quorum has proved that this node leads. */
  provedAtMs(): number;
  nowMs(): number;
  /** An acknowledged entry proves that this node led when it was acknowledged. */
  readonly commitProves: boolean;
}

interface Waiting {
  version: number;
  /** Proof of leadership is needed for this moment; -Infinity: there is one. */
  proofMs: number;
  run: () => void;
}

/**
 * The point that every answer to a client waits for: what was appended before it is acknowledged as the protocol demands, and this node
 * is known to have been the leader when the answer was made (or later). Answers leave in the order in which they were made; those of a
 * node that leads no more never leave.
 */
export class ReplyGate {
  readonly #source: GateSource;
  #waiting: Waiting[] = [];
  #head = 0;
  #acknowledged = 0;

  constructor(source: GateSource) {
    this.#source = source;
  }

  get waitingCount(): number {
    return this.#waiting.length - this.#head;
  }

  /** Runs `run` as soon as an answer made now may leave: now, if it may. */
  after(run: () => void): void {
    const source = this.#source;
    const version = source.lastVersion;
    const proven = (version > this.#acknowledged && source.commitProves) || source.mayRead();
    this.#waiting.push({ version, proofMs: proven ? Number.NEGATIVE_INFINITY : source.nowMs(), run });
    this.#drain();
  }

  /** Entries up to `version` are acknowledged. */
  acknowledged(version: number): void {
    this.#acknowledged = Math.max(this.#acknowledged, version);
    this.#drain();
  }

  /** There may be a newer proof of leadership. */
  confirmed(): void {
    this.#drain();
  }

  /** The node begins to lead with everything up to `version` safe. */
  open(version: number): void {
    this.#acknowledged = version;
  }

  /** The node leads no more. */
  abandon(): void {
    this.#waiting = [];
    this.#head = 0;
  }

  #drain(): void {
    for (; this.#head < this.#waiting.length; ) {
      const { version, proofMs, run } = this.#waiting[this.#head];
      if (version > this.#acknowledged || proofMs > this.#source.provedAtMs()) return;
      this.#head++;
      run();
    }
    this.#waiting = [];
    this.#head = 0;
  }
}
