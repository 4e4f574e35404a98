import { type ReportContext, reportCopy, reportDamage } from '../reports.ts';
import type { ChunkServer } from '../servers.ts';
import type { LocationTable } from './locations.ts';

/** A server whose copies were told to this node while it followed, and are being entered. */
interface Arrival {
  readonly server: ChunkServer;
  readonly locations: LocationTable;
  readonly damaged: Set<number>;
  readonly steps: Generator<void>;
  /** All copies are entered. */
  done(): void;
}

/**
 * Copies that are known from the time of following, on their way into the master's tables: in slices, and at once for each chunk
 * that somebody asks for. From the moment of `add` on they count as known.
 */
export class Arrivals {
  private readonly context: ReportContext;
  private readonly arrivals = new Set<Arrival>();

  constructor(context: ReportContext) {
    this.context = context;
  }

  get active(): boolean {
    return this.arrivals.size > 0;
  }

  add(server: ChunkServer, locations: LocationTable, damaged: Set<number>, done: () => void): void {
    const arrival = { server, locations, damaged, done, steps: enterAll(this.context, server, locations, damaged) };
    this.arrivals.add(arrival);
    this.enterUnknown(arrival);
  }

  /** Enters what is known of one chunk. To be called before anybody looks at its copies. */
  settle(chunkId: number): void {
    for (const { server, locations, damaged } of this.arrivals) {
      const version = locations.delete(chunkId);
      if (version >= 0) reportCopy(this.context, server, chunkId, version);
      if (damaged.delete(chunkId)) reportDamage(this.context, server, chunkId);
    }
  }

  /** The server has gone: what was not entered yet never will be. */
  drop(server: ChunkServer): void {
    for (const arrival of this.arrivals) if (arrival.server === server) this.arrivals.delete(arrival);
  }

  /** Enters more, until `deadlineMs` of the monotonic clock. */
  work(deadlineMs: number): void {
    const { clock } = this.context.world;
    for (const arrival of this.arrivals) {
      while (arrival.steps.next().done !== true) if (clock.monotonicMs() >= deadlineMs) return;
      this.arrivals.delete(arrival);
      arrival.done();
    }
  }

  /** Ids that the metadata do not know must be known before the next chunk is made, or it would get one of them. */
  private enterUnknown({ locations }: Arrival): void {
    const { table } = this.context.world;
    if (locations.highestId < table.nextChunkId) return;
    for (const chunkId of [...locations.idsFrom(table.nextChunkId)].sort((a, b) => a - b)) this.settle(chunkId);
  }
}

function* enterAll(
  context: ReportContext,
  server: ChunkServer,
  locations: LocationTable,
  damaged: Set<number>,
): Generator<void> {
  yield* locations.drain((chunkId, version) => reportCopy(context, server, chunkId, version));
  for (const chunkId of damaged) {
    damaged.delete(chunkId);
    reportDamage(context, server, chunkId);
    yield;
  }
}
