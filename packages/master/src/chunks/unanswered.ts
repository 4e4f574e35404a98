import type { ChunkServer } from './servers.ts';
import type { ChunkWorld } from './world.ts';

/** Commands are executed by then, unless a chunkserver is in trouble. Shorter than the wait for its first NOP. */
const settleMs = 2000;

type Address = { readonly ip: number; readonly port: number };

/**
 * Commands that a server had not answered when it went away. It executes them all the same and does not tell, so what it reports
 * when it is back at once may be out of date a moment later (decision 0083).
 */
export class UnansweredCommands {
  private readonly world: ChunkWorld;
  /** Chunks that the server was to delete. */
  private readonly deletions = new Map<string, Set<number>>();
  /** Until when the server may still be busy. */
  private readonly busyUntilMs = new Map<string, number>();

  constructor(world: ChunkWorld) {
    this.world = world;
  }

  /** The server is about to be forgotten. */
  note(server: ChunkServer): void {
    const { world } = this;
    const doubtful = new Set([...server.doubtful, ...server.deletes]);
    if (doubtful.size > 0) this.deletions.set(key(server), doubtful);
    const busy = [...world.operations.keys()].some((slot) => world.copies.find(slot, server.slot) !== 0);
    if (busy || server.deletes.size > 0 || server.receiving > 0) {
      this.busyUntilMs.set(key(server), world.clock.monotonicMs() + settleMs);
    }
  }

  /** Chunks whose deletion is in doubt, for a server that is back. */
  takeDoubtful(server: Address): Set<number> {
    const doubtful = this.deletions.get(key(server)) ?? new Set();
    this.deletions.delete(key(server));
    return doubtful;
  }

  /** How long a server that is back must wait before it tells its chunks, milliseconds. */
  takeWaitMs(server: Address): number {
    const untilMs = this.busyUntilMs.get(key(server)) ?? 0;
    this.busyUntilMs.delete(key(server));
    return Math.max(0, untilMs - this.world.clock.monotonicMs());
  }
}

function key(server: Address): string {
  return `${server.ip}:${server.port}`;
}
