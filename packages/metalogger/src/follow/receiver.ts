import type { StateDigest } from '@alces/metadata';
import type { Line } from '../archive/lines.ts';
import { Backpressure } from '../link/backpressure.ts';
import type { Pushed } from '../link/inbox.ts';
import type { MasterLink } from '../link/masterLink.ts';
import { type Host, pause } from './host.ts';

/** Digests at so many rotations are kept, to compare them with the images that the master saved there. */
const KEPT_DIGESTS = 3;
/** Chunk locks that end within this time after a rotation count as none: the image may be saved so much later. */
const SAVING_SECONDS = 600;
const LINES_PER_TURN = 2000;
const LOOK_MS = 20;

/** The shadow's digest at a rotation of the master's change logs. */
export interface RotationDigest {
  digest: Promise<StateDigest | undefined>;
  time: number;
}

/**
 * Gives what the master pushes to archive and shadow. A change that was read from the master's files may be pushed once more; that is
 * known and ignored.
 */
export class Receiver {
  readonly #host: Host;
  readonly #link: MasterLink;
  readonly #backpressure: Backpressure;
  readonly #digests = new Map<number, RotationDigest>();

  constructor(host: Host, link: MasterLink) {
    const { archive, keeper, environment } = host;
    this.#host = host;
    this.#link = link;
    this.#backpressure = new Backpressure(
      environment.clock,
      link,
      () => archive.pendingBytes + (keeper.shadow?.waitingBytes ?? 0),
    );
  }

  /** The digest at a version, if the master rotated its change logs there. */
  digestAt(version: number): RotationDigest | undefined {
    return this.#digests.get(version);
  }

  readonly take = (pushed: Pushed): 'taken' | 'later' => {
    const { archive, keeper } = this.#host;
    if (keeper.quiescing) return 'later';
    if (pushed === 'rotated') {
      if (keeper.loading) return 'later';
      archive.rotate();
      this.#noteDigest();
      return 'taken';
    }
    if (pushed.version === archive.lastVersion + 1) this.#add(pushed);
    else if (archive.matches(pushed.version, pushed.text) !== true) this.#lost(pushed.version);
    return 'taken';
  };

  /** Takes changes that were read from the master's files. */
  async takeAll(lines: readonly Line[]): Promise<void> {
    for (let i = 0; i < lines.length; ) {
      if (this.take(lines[i]) === 'later') await pause(this.#host, LOOK_MS);
      else if (++i % LINES_PER_TURN === 0) await pause(this.#host, 0);
    }
  }

  #add({ version, text }: Line): void {
    const { archive, keeper } = this.#host;
    archive.add(version, text);
    keeper.shadow?.add(version, text);
    this.#backpressure.check();
  }

  #lost(version: number): void {
    const host = this.#host;
    const last = host.archive.lastVersion;
    if (version <= last) {
      host.rebuildReason = 'diverged';
      host.report.error(
        `the master sent change ${version}, but changes up to ${last} had been received: it has gone back`,
      );
    } else {
      host.report.warn(`some changes lost: [${last}-${version - 1}], download metadata again`);
      // The master's change logs did not help the last time.
      if (host.gapAt === last) host.rebuildReason = 'gap';
      host.gapAt = last;
    }
    this.#link.close('the stream of changes is interrupted');
  }

  #noteDigest(): void {
    const { archive, keeper, environment } = this.#host;
    const { shadow } = keeper;
    if (shadow === undefined) return;
    const version = archive.lastVersion + 1;
    const time = environment.clock.unixSeconds() + SAVING_SECONDS;
    this.#digests.set(version, { digest: shadow.digestAt(version, time), time });
    const [oldest] = this.#digests.keys();
    if (this.#digests.size > KEPT_DIGESTS && oldest !== undefined) this.#digests.delete(oldest);
  }
}
