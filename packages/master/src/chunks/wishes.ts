import { CopyState } from './copies.ts';
import { hasLabels, matchedCount, matchLabels, uniqueGroups } from './labels.ts';
import type { ChunkServer } from './servers.ts';
import type { ChunkSlot, LabelExpression } from './views.ts';
import type { ChunkWorld } from './world.ts';

/** Does it matter on which servers the copies are? */
export function usesLabels(world: ChunkWorld, labels: readonly LabelExpression[]): boolean {
  return world.settings.uniqueMode !== 0 || hasLabels(labels);
}

/** Labels of the chunk that no ok copy satisfies; 0 where labels do not matter. */
export function unmatchedLabels(world: ChunkWorld, slot: ChunkSlot): number {
  const labels = world.labels(slot);
  if (!usesLabels(world, labels)) return 0;
  const assignment = matchLabels(labels, serversWith(world, slot), uniqueGroups(world.settings, world.topology));
  return labels.length - matchedCount(assignment);
}

/** Servers that hold an ok copy. */
export function serversWith(world: ChunkWorld, slot: ChunkSlot): ChunkServer[] {
  const servers: ChunkServer[] = [];
  for (let copy = world.copies.first(slot); copy !== 0; copy = world.copies.next(copy)) {
    const server = world.serverOf(copy);
    if (server !== undefined && world.copies.state(copy) === CopyState.ok) servers.push(server);
  }
  return servers;
}
