import type { BegunChange } from '@alces/metadata';
import type { ChunkServiceHost } from './api.ts';
import { Operation } from './marks.ts';
import { acceptVersion } from './versions.ts';
import type { ChunkSlot } from './views.ts';
import type { ChunkWorld } from './world.ts';

/** A chunk whose lock ran out so long ago lost its copies in some other way than by a change that was never made. */
const MAX_AGE_SECONDS = 86_400;
/** Changes looked at in one tick. */
const PER_TICK = 100;

export interface InterruptedContext {
  readonly world: ChunkWorld & { readonly host: ChunkServiceHost };
  allDataKnown(): boolean;
  settle(chunkId: number): void;
  unlock(chunkId: number): number;
  rollBack(inode: number, index: number, previousChunkId: number, chunkId: number): void;
}

/**
 * Changes of chunks that were begun when the master before ended. Its clients may or may not have been given the result, and
 * chunkservers may or may not have made it. Where it is certain that nobody was given it, it is taken back: a file whose slot names a
 * chunk that was never made has its chunk of before again, and a lock that nobody holds is opened.
 */
export class InterruptedChanges {
  private readonly context: InterruptedContext;
  /** Those of the state, by identity: a change that is begun anew is another one. */
  private readonly begun: ReadonlyMap<number, BegunChange>;
  private readonly pending: Map<number, BegunChange>;

  constructor(context: InterruptedContext, begun: ReadonlyMap<number, BegunChange>) {
    this.context = context;
    this.begun = begun;
    this.pending = new Map(begun);
  }

  /** Every tick. */
  work(): void {
    let looked = 0;
    for (const [chunkId, change] of this.pending) {
      this.pending.delete(chunkId);
      if (!this.decide(chunkId, change)) this.pending.set(chunkId, change);
      if (++looked >= PER_TICK || looked > this.pending.size) return;
    }
  }

  /** False: not enough is known yet. */
  private decide(chunkId: number, change: BegunChange): boolean {
    const { context } = this;
    const { world } = context;
    const slot = world.table.find(chunkId);
    if (slot === 0 || this.begun.get(chunkId) !== change || world.operation(slot) !== Operation.none) return true;
    if (world.table.lockedTo(slot) + MAX_AGE_SECONDS < world.now()) return true;
    const { inode, index, previousChunkId, truncates } = change;
    const isNew = previousChunkId !== chunkId;
    // Nobody gets the result of a truncation before its end.
    if (truncates && isNew) context.rollBack(inode, index, previousChunkId, chunkId);
    else if (truncates) context.unlock(chunkId);
    else return this.decideWrite(slot, chunkId, change);
    return true;
  }

  private decideWrite(slot: ChunkSlot, chunkId: number, change: BegunChange): boolean {
    const { context } = this;
    const { world } = context;
    context.settle(chunkId);
    world.dropVanished(slot);
    // Somebody made it: then a client may have been given it and be writing.
    if (world.counts(slot).live > 0) return true;
    if (!context.allDataKnown()) return false;
    const { inode, index, previousChunkId } = change;
    if (previousChunkId === chunkId) {
      if (acceptVersion(context, slot)) context.unlock(chunkId);
    } else if (world.copies.first(slot) === 0) {
      context.rollBack(inode, index, previousChunkId, chunkId);
    }
    return true;
  }
}
