import type { Reporter } from '@alces/journal';
import { differingTables, type StateDigest } from '@alces/metadata';
import { ANTOMA_ALCES_DIGEST, ANTOMA_ALCES_VERDICT } from '@alces/proto';
import type { Clock } from '@alces/runtime';
import type { DigestListener, MasterLink } from '../link/masterLink.ts';
import type { ShadowKeeper } from '../shadow/keeper.ts';

/** Equality is no news; the log says it again after this time. */
const SAY_AGAIN_MS = 3_600_000;

/** When a new file system was made is in no change log, so its root has other times in every copy that was not made from an image. */
const UNLOGGED_TABLE = 'root times';

/** What the last comparison with the master gave. */
export interface DigestVerdict {
  version: number;
  /** Unix time. */
  time: number;
  /** Names of the tables that differ, none if the states are equal. */
  differing: readonly string[];
}

export interface DigestExchangeOptions {
  clock: Clock;
  link: MasterLink;
  keeper: ShadowKeeper;
  report: Reporter;
  verdict(verdict: DigestVerdict): void;
}

/** Compares digests of the state with an Alces master, over one connection. */
export class DigestExchange implements DigestListener {
  readonly #options: DigestExchangeOptions;
  #asked = false;
  #own: { version: number; digest: Promise<StateDigest | undefined> } | undefined;
  #saidMs = Number.NEGATIVE_INFINITY;

  constructor(options: DigestExchangeOptions) {
    this.#options = options;
  }

  /** Asks for a comparison, unless one is under way or there is nothing to compare. */
  ask(): void {
    const { link, keeper } = this.#options;
    if (this.#asked || keeper.shadow === undefined || link.isClosed) return;
    this.#asked = true;
    link.send(ANTOMA_ALCES_DIGEST.encode({}));
  }

  digestAt(version: number, time: number): void {
    const { shadow } = this.#options.keeper;
    this.#own = shadow === undefined ? undefined : { version, digest: shadow.digestAt(version, time) };
  }

  digest(version: number, tables: StateDigest): void {
    this.#asked = false;
    const own = this.#own;
    this.#own = undefined;
    if (own?.version !== version) return;
    own.digest.then(
      (digest) => {
        if (digest !== undefined) this.#compare(version, digest, tables);
      },
      (error: unknown) => this.#options.report.error(`digest of the state: ${String(error)}`),
    );
  }

  #compare(version: number, own: StateDigest, theirs: StateDigest): void {
    const { clock, link, report } = this.#options;
    const differing = differingTables(own, theirs).filter((table) => table !== UNLOGGED_TABLE);
    link.send(
      ANTOMA_ALCES_VERDICT.encode({
        metaVersion: version,
        tables: differing.map((table) => ({ name: Buffer.from(table) })),
      }),
    );
    if (differing.length > 0) {
      report.error(`STATE DIFFERS FROM THE MASTER'S at version ${version}, in: ${differing.join(', ')}`);
      this.#saidMs = Number.NEGATIVE_INFINITY;
    } else if (clock.monotonicMs() - this.#saidMs > SAY_AGAIN_MS) {
      report.info(`state equals the master's at version ${version}`);
      this.#saidMs = clock.monotonicMs();
    }
    this.#options.verdict({ version, time: clock.unixSeconds(), differing });
  }
}
