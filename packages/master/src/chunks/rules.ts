import { isBusy } from './copies.ts';
import { deleteInvalid, deleteSurplus, deleteUnused, makeRoomForRegular } from './deletion.ts';
import type { LoopContext } from './loop.ts';
import { Operation } from './marks.ts';
import { removeUnused, wakeWaiters } from './operations.ts';
import { rebalance } from './rebalance.ts';
import { repair } from './repair.ts';
import { acceptVersion } from './versions.ts';
import type { ChunkSlot } from './views.ts';
import { unmatchedLabels } from './wishes.ts';
import type { ChunkWorld } from './world.ts';

/**
 * Looks after one chunk: the rules of spec 40 §11.3 in their order. `full`: a visit of the normal walk; else an extra visit
 * because something happened to the chunk.
 */
export function visitChunk(loop: LoopContext, slot: ChunkSlot, full: boolean): void {
  const { world } = loop;
  if (world.table.id(slot) === 0) return;
  world.dropVanished(slot);
  world.recount(slot);
  if (removeUnused(loop, slot)) return;
  const locked = world.isLocked(slot);
  if (!locked) world.clearWriting(slot);
  world.noteRemovalInProgress(slot);
  if (!locked && settleUnlocked(loop, slot)) return;
  const { ok, okMarked } = world.counts(slot);
  const unwanted = world.table.references(slot) === 0 && !locked;
  if (ok + okMarked > 0 || unwanted) deleteInvalid(loop, slot);
  if (full) endLostReplication(loop, slot, locked);
  if (isBlocked(loop, slot)) return;
  if (unwanted) {
    if (full) deleteUnused(loop, slot);
    return;
  }
  lookAfterCopies(loop, slot, full);
}

/** Rules 10 to 15: number and places of the copies of a chunk that is used and at rest. */
function lookAfterCopies(loop: LoopContext, slot: ChunkSlot, full: boolean): void {
  const { world } = loop;
  const goal = world.goal(slot);
  if (goal === 0) return;
  const { ok, okMarked } = world.counts(slot);
  if (ok > goal) {
    deleteSurplus(loop, slot, goal);
    return;
  }
  if (full && makeRoomForRegular(loop, slot, goal)) return;
  if (ok + okMarked === 0) return;
  const wrongLabels = unmatchedLabels(world, slot);
  if ((wrongLabels > 0 || ok < goal) && repair(loop, slot, wrongLabels, full)) return;
  if (full && ok === goal) rebalance(loop, slot);
}

/** Rules 2 and 4, for a chunk whose lock ran out. Returns whether the visit ends. */
function settleUnlocked(loop: LoopContext, slot: ChunkSlot): boolean {
  const { world } = loop;
  const counts = world.counts(slot);
  if (counts.busy + counts.busyMarked > 0) {
    if (world.operation(slot) === Operation.none && counts.ok + counts.okMarked > 0) spoilBusy(world, slot);
    return false;
  }
  if (counts.live > 0 || world.table.references(slot) === 0) return false;
  const stale = counts.stale + counts.staleMarked;
  if (stale >= Math.max(1, world.goal(slot))) acceptVersion(loop, slot);
  return true;
}

function spoilBusy(world: ChunkWorld, slot: ChunkSlot): void {
  for (let copy = world.copies.first(slot); copy !== 0; copy = world.copies.next(copy)) {
    if (isBusy(world.copies.state(copy))) world.spoil(slot, copy);
  }
}

/** Rule 6: a replication that took longer than its lock. What may still come of it is thrown away. */
function endLostReplication(loop: LoopContext, slot: ChunkSlot, locked: boolean): void {
  const { world } = loop;
  if (locked || world.operation(slot) !== Operation.replicate) return;
  spoilBusy(world, slot);
  world.end(slot);
  world.unlockVolatile(slot);
  wakeWaiters(loop, world.table.id(slot));
}

/** Rules 7 and 8: somebody works on the chunk, or on a duplicate of it. */
function isBlocked(loop: LoopContext, slot: ChunkSlot): boolean {
  const { world, stats } = loop;
  const counts = world.counts(slot);
  if (world.operation(slot) !== Operation.none || world.isLocked(slot)) {
    if (world.table.references(slot) === 0) stats.lockedUnused++;
    else stats.lockedUsed++;
    return true;
  }
  return counts.busy + counts.busyMarked > 0 || world.isSource(slot);
}
