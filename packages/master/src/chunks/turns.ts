import { DecodeError } from '@alces/proto';
import type { Cancel, Clock, Logger } from '@alces/runtime';
import { BadMessage, type Link } from './link.ts';

/** Messages are worked off for so long, then others get their turn. */
const sliceMs = 5;
const betweenSlicesMs = 1;

export interface TurnsOptions {
  readonly clock: Clock;
  readonly log: Logger;
  /** Works off the link's first waiting frame; false: time was up before its end. Throws BadMessage or DecodeError. */
  handle(link: Link, type: number, payload: Buffer, deadlineMs: number): boolean;
  /** A slice of work is over. */
  done(): void;
}

/** Works off what links have received, in slices of time and turn by turn, so that no chunkserver waits for another's list. */
export class LinkTurns {
  private readonly options: TurnsOptions;
  /** Links with frames to work off, in the order of their turns. */
  private readonly busy = new Set<Link>();
  private cancelSlice: Cancel | undefined;
  private working = false;

  constructor(options: TurnsOptions) {
    this.options = options;
  }

  ready(link: Link): void {
    this.busy.add(link);
    if (this.cancelSlice === undefined && !this.working) this.work();
  }

  forget(link: Link): void {
    this.busy.delete(link);
  }

  stop(): void {
    this.cancelSlice?.();
    this.busy.clear();
  }

  private work(): void {
    const { clock } = this.options;
    const deadlineMs = clock.monotonicMs() + sliceMs;
    this.working = true;
    for (const link of this.busy) {
      if (!this.drain(link, deadlineMs)) break;
      this.busy.delete(link);
    }
    this.working = false;
    this.options.done();
    if (this.busy.size > 0) this.continueLater();
  }

  private continueLater(): void {
    this.cancelSlice = this.options.clock.timeout(betweenSlicesMs, () => {
      this.cancelSlice = undefined;
      this.work();
    });
  }

  /** True when everything that the link had was worked off, false when time is up. */
  private drain(link: Link, deadlineMs: number): boolean {
    try {
      while (!link.isClosed) {
        const frame = link.frame();
        if (frame === undefined) break;
        if (!this.options.handle(link, frame.type, frame.payload, deadlineMs)) {
          this.toTheEnd(link);
          return false;
        }
        if (!link.isClosed) link.finishFrame();
      }
    } catch (error) {
      if (!(error instanceof BadMessage || error instanceof DecodeError)) throw error;
      this.options.log.info(`chunkserver ${link.name}: ${error.message} - connection closed`);
      link.close();
    }
    if (link.hasEnded) link.close();
    return true;
  }

  /** The other links come first now. */
  private toTheEnd(link: Link): void {
    this.busy.delete(link);
    this.busy.add(link);
  }
}
