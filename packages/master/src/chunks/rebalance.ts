import { type GroupOf, matchLabels, satisfies, uniqueGroups, unmatched } from './labels.ts';
import { type LoopContext, mayReceive, maySend, RepairClass } from './loop.ts';
import { Mode } from './placement.ts';
import { Queue } from './queues.ts';
import { type ChunkServer, usage } from './servers.ts';
import type { ChunkSlot, LabelExpression } from './views.ts';
import { serversWith, usesLabels } from './wishes.ts';

/** A difference of usage `d` may be levelled once per `levellingPace / d` seconds. */
const levellingPace = 0.01;

interface Move {
  readonly source: ChunkServer;
  readonly destination: ChunkServer;
  readonly difference: number;
}

/** Rule 15: moves a copy from a full server to an empty one (spec 40 §11.6). The chunk has exactly its goal of ok copies. */
export function rebalance(loop: LoopContext, slot: ChunkSlot): void {
  const { world } = loop;
  if (!loop.nearlyFull && !loop.queues.emptyBefore(Queue.overGoal)) return;
  const move = bestMove(loop, slot);
  if (move === undefined) return;
  const { source, destination } = move;
  if (!loop.commands.replicate(source, destination, world.table.id(slot), world.table.version(slot))) return;
  world.setMustRaise(slot);
  loop.lastRebalance = world.now();
  loop.stats.rebalanced++;
}

function bestMove(loop: LoopContext, slot: ChunkSlot): Move | undefined {
  const { world, emptiestFirst } = loop;
  const sources = serversWith(world, slot);
  const acceptable = world.settings.acceptableDifference;
  let best: Move | undefined;
  for (const source of sources) {
    let fits: ((destination: ChunkServer) => boolean) | undefined;
    for (const destination of emptiestFirst) {
      const difference = usage(source) - usage(destination);
      if (difference <= (best?.difference ?? 0)) break;
      if (difference <= acceptable && loop.lastRebalance + levellingPace / difference >= world.now()) break;
      if (world.copies.find(slot, destination.slot) !== 0) continue;
      const kind = difference > 1.5 * acceptable ? RepairClass.largeRebalance : RepairClass.smallRebalance;
      if (!maySend(world, source, kind) || !mayReceive(world, destination, kind)) continue;
      fits ??= placementRule(loop, slot, sources, source);
      if (fits(destination)) best = { source, destination, difference };
    }
  }
  return best;
}

/** Which destinations keep to labels and unique mode when the copy on `source` moves there. */
function placementRule(
  loop: LoopContext,
  slot: ChunkSlot,
  sources: readonly ChunkServer[],
  source: ChunkServer,
): (destination: ChunkServer) => boolean {
  const { world } = loop;
  const labels = world.labels(slot);
  if (!usesLabels(world, labels)) return () => true;
  const groupOf = uniqueGroups(world.settings, world.topology);
  const taken = new Set(holders(loop, slot).map(groupOf));
  const wanted = wantedLabels(loop, slot, labels, sources, source, groupOf);
  return (destination) => {
    if (world.settings.uniqueMode !== 0 && taken.has(groupOf(destination))) return false;
    return wanted === 'any' || wanted.some((label) => satisfies(destination.labelMask, label));
  };
}

/** Labels of which a destination must satisfy one. */
function wantedLabels(
  loop: LoopContext,
  slot: ChunkSlot,
  labels: readonly LabelExpression[],
  sources: readonly ChunkServer[],
  source: ChunkServer,
  groupOf: GroupOf,
): readonly LabelExpression[] | 'any' {
  const { world } = loop;
  const assignment = matchLabels(labels, sources, groupOf);
  const label = assignment.indexOf(sources.indexOf(source));
  if (label !== unmatched) return [labels[label]];
  const mode = world.metadata.classes.get(world.table.storageClass(slot))?.mode ?? Mode.std;
  if (mode === Mode.loose) return 'any';
  return labels.filter((_label, index) => assignment[index] === unmatched);
}

/** Servers with a copy in whatever state. */
function holders(loop: LoopContext, slot: ChunkSlot): ChunkServer[] {
  const { world } = loop;
  const servers: ChunkServer[] = [];
  for (let copy = world.copies.first(slot); copy !== 0; copy = world.copies.next(copy)) {
    const server = world.serverOf(copy);
    if (server !== undefined) servers.push(server);
  }
  return servers;
}
