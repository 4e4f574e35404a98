import { goodState, isStale } from './copies.ts';
import type { ChunkSlot } from './views.ts';
import type { ChunkWorld } from './world.ts';

interface VersionContext {
  readonly world: ChunkWorld;
  allDataKnown(): boolean;
}

/**
 * A client asks for a chunk without a live copy: if an operation was interrupted by the end of a master the version that the servers
 * have is accepted now and not when the loop comes to the chunk. The chunk must be at rest.
 */
export function acceptInterrupted(context: VersionContext, slot: ChunkSlot): void {
  const { world } = context;
  const { live, stale, staleMarked } = world.counts(slot);
  if (live > 0 || stale + staleMarked === 0 || world.table.references(slot) === 0) return;
  if (stale + staleMarked >= world.goal(slot) || context.allDataKnown()) acceptVersion(context, slot);
}

/**
 * Rule 4b: every copy has another version than the master knows: an operation was interrupted, and the servers are right. Three things
 * differ from the stock master. It is logged, so that shadows and later masters agree (spec 40 §19 trap 8). An older version is taken
 * only when all servers are there: the right copy may be on one that is away. And so is one that is newer by more than one, which the
 * stock master never takes: the metadata went back behind changes that were lost (decision 0182).
 */
export function acceptVersion(context: VersionContext, slot: ChunkSlot): boolean {
  const { world } = context;
  const version = world.table.version(slot);
  let best = 0;
  for (let copy = world.copies.first(slot); copy !== 0; copy = world.copies.next(copy)) {
    if (isStale(world.copies.state(copy))) best = Math.max(best, world.copies.version(copy));
  }
  if (best === 0 || best < version - 1) return false;
  if (best !== version + 1 && !context.allDataKnown()) return false;
  world.noteIssued(slot, version);
  world.host.commit({ op: 'SETVERSION', chunkid: world.table.id(slot), version: best });
  adoptVersion(world, slot, best);
  return true;
}

/** Copies of this version are good from now on. */
export function adoptVersion(world: ChunkWorld, slot: ChunkSlot, version: number): void {
  for (let copy = world.copies.first(slot); copy !== 0; copy = world.copies.next(copy)) {
    const state = world.copies.state(copy);
    if (isStale(state) && world.copies.version(copy) === version) world.setCopyState(slot, copy, goodState(state));
  }
  world.setMustRaise(slot);
}
