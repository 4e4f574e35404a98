import { type CopyRef, CopyState, isGood, isLive } from './copies.ts';
import { matchLabels, uniqueGroups, unmatched } from './labels.ts';
import { isCalm, type LoopContext } from './loop.ts';
import { Queue } from './queues.ts';
import { type ChunkServer, hasSpace, usage } from './servers.ts';
import type { ChunkSlot } from './views.ts';
import { usesLabels } from './wishes.ts';

/** Orders the deletion of a copy; `version` 0 = whatever it is. The server must be below its limit. */
function deleteCopy(loop: LoopContext, slot: ChunkSlot, copy: CopyRef, server: ChunkServer, version: number): void {
  const { world } = loop;
  if (isGood(world.copies.state(copy))) world.setMustRaise(slot);
  world.setCopyState(slot, copy, CopyState.deleting);
  loop.commands.delete(server, world.table.id(slot), version);
}

function mayDelete(loop: LoopContext, server: ChunkServer): boolean {
  return server.deletes.size < Math.floor(loop.deleteLimit);
}

/** Rule 5: copies that are of no use. The caller has made sure that a good copy remains, or that nobody wants the chunk. */
export function deleteInvalid(loop: LoopContext, slot: ChunkSlot): void {
  const { world, stats } = loop;
  const chunkId = world.table.id(slot);
  for (let copy = world.copies.first(slot); copy !== 0; copy = world.copies.next(copy)) {
    const server = world.serverOf(copy);
    if (server === undefined || isLive(world.copies.state(copy)) || server.deletes.has(chunkId)) continue;
    if (mayDelete(loop, server)) {
      stats.invalidDeleted++;
      deleteCopy(loop, slot, copy, server, 0);
    } else {
      stats.invalidNotDeleted++;
    }
  }
}

/** Rule 9: good copies of a chunk that no file refers to. */
export function deleteUnused(loop: LoopContext, slot: ChunkSlot): void {
  const { world, stats } = loop;
  const version = world.table.version(slot);
  for (let copy = world.copies.first(slot); copy !== 0; copy = world.copies.next(copy)) {
    const server = world.serverOf(copy);
    if (server === undefined || !isGood(world.copies.state(copy))) continue;
    if (mayDelete(loop, server)) {
      stats.unusedDeleted++;
      deleteCopy(loop, slot, copy, server, version);
    } else {
      stats.unusedNotDeleted++;
    }
  }
}

interface Placed {
  readonly copy: CopyRef;
  readonly server: ChunkServer;
}

/** Rule 10: more copies than wanted. `goal` is at least 1. */
export function deleteSurplus(loop: LoopContext, slot: ChunkSlot, goal: number): void {
  const { stats } = loop;
  const held = okCopies(loop, slot).sort((a, b) => usage(b.server) - usage(a.server));
  let surplus = held.length - goal;
  for (const { copy, server } of dispensable(loop, slot, held)) {
    if (surplus <= 0) return;
    if (!mayDelete(loop, server)) {
      stats.overGoalNotDeleted += surplus;
      loop.queues.push(slot, Queue.overGoal);
      return;
    }
    stats.overGoalDeleted++;
    surplus--;
    deleteCopy(loop, slot, copy, server, 0);
  }
}

/** Copies that may go, in the order in which they go. `held` is ordered fullest server first. */
function dispensable(loop: LoopContext, slot: ChunkSlot, held: readonly Placed[]): readonly Placed[] {
  const { world } = loop;
  const chunkId = world.table.id(slot);
  const doubtful = held.filter(({ server }) => server.doubtful.has(chunkId));
  if (doubtful.length > 0) return doubtful;
  const calm = held.filter(({ server }) => isCalm(server));
  const labels = world.labels(slot);
  if (!usesLabels(world, labels)) return calm;
  const servers = held.map(({ server }) => server);
  const needed = new Set(matchLabels(labels, servers, uniqueGroups(world.settings, world.topology)));
  needed.delete(unmatched);
  return calm.filter((placed) => !needed.has(held.indexOf(placed)));
}

function okCopies(loop: LoopContext, slot: ChunkSlot): Placed[] {
  const { world } = loop;
  const placed: Placed[] = [];
  for (let copy = world.copies.first(slot); copy !== 0; copy = world.copies.next(copy)) {
    const server = world.serverOf(copy);
    if (server !== undefined && world.copies.state(copy) === CopyState.ok) placed.push({ copy, server });
  }
  return placed;
}

/**
 * Rule 11: every server holds a copy, and some of these lie on marked disks: deletes one of them so that a regular copy can
 * take its place. True if it did.
 */
export function makeRoomForRegular(loop: LoopContext, slot: ChunkSlot, goal: number): boolean {
  const { world, stats } = loop;
  const { ok, okMarked } = world.counts(slot);
  const usable = world.servers.usable().length;
  if (ok >= goal || okMarked === 0 || ok + okMarked <= 1 || ok + okMarked < usable) return false;
  if (!loop.queues.emptyBefore(Queue.marked)) return false;
  const candidates: Placed[] = [];
  for (let copy = world.copies.first(slot); copy !== 0; copy = world.copies.next(copy)) {
    const server = world.serverOf(copy);
    if (server === undefined || world.copies.state(copy) !== CopyState.okMarked) continue;
    if (hasSpace(server)) candidates.push({ copy, server });
  }
  if (ok + candidates.length < usable) return false;
  const chosen = candidates.find(({ server }) => mayDelete(loop, server));
  if (chosen === undefined) {
    stats.diskCleanNotDeleted++;
    return false;
  }
  stats.diskCleanDeleted++;
  deleteCopy(loop, slot, chosen.copy, chosen.server, 0);
  return true;
}
