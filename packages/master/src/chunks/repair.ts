import { CopyState } from './copies.ts';
import { matchLabels, uniqueGroups, unmatched } from './labels.ts';
import { type LoopContext, mayReceive, maySend, RepairClass } from './loop.ts';
import { Operation } from './marks.ts';
import { Mode } from './placement.ts';
import { Queue, queueOf } from './queues.ts';
import { type ChunkServer, hasSpace, Load } from './servers.ts';
import type { ChunkSlot, LabelExpression } from './views.ts';
import { serversWith, usesLabels } from './wishes.ts';

const repairLockSeconds = 120;

/** Where a copy could be put, and from where. */
interface Prospect {
  readonly slot: ChunkSlot;
  readonly goal: number;
  readonly ok: number;
  /** Limit class of the replication. */
  readonly kind: number;
  /** Servers that may take a copy now, best first. */
  readonly usable: readonly ChunkServer[];
  /** Servers that could take one later: limit reached, overloaded, in maintenance. */
  readonly later: readonly ChunkServer[];
  /** Servers with more than 1 % free, whether they hold a copy or not. */
  readonly withSpace: number;
}

type Attempt = 'ordered' | 'wait' | 'impossible';

/**
 * Rule 13: too few copies, or copies on servers with the wrong labels (spec 40 §11.5). Returns whether the visit is over: a
 * replication was ordered, or the chunk was only queued because more urgent ones wait.
 */
export function repair(loop: LoopContext, slot: ChunkSlot, wrongLabels: number, full: boolean): boolean {
  const { world, queues, stats } = loop;
  if (world.database.onlyMaintenanceAway()) return false;
  const { ok, okMarked } = world.counts(slot);
  const goal = world.goal(slot);
  const queue = queueOf(ok, okMarked, goal);
  if (full && !queues.emptyBefore(queue)) {
    queues.push(slot, queue);
    return true;
  }
  const prospect = survey(loop, slot, goal, ok, queue <= Queue.endangered);
  const labels = world.labels(slot);
  const attempt = usesLabels(world, labels) ? repairLabels(loop, prospect, labels) : repairPlain(loop, prospect);
  const forLabels = queue === Queue.wrongLabels;
  if (attempt === 'ordered') {
    if (forLabels) stats.wrongLabelsCopied++;
    else stats.underGoalCopied++;
    return true;
  }
  if (attempt === 'wait') {
    if (forLabels) stats.wrongLabelsNotCopied++;
    else stats.underGoalNotCopied++;
    queues.push(slot, queue);
  } else {
    if (goal > prospect.withSpace) loop.awaitServers(slot);
    if (wrongLabels > 0) stats.labelsDontMatch++;
  }
  return false;
}

/** Looks at all servers without a copy of the chunk (spec 40 §11.5 step 4). */
function survey(loop: LoopContext, slot: ChunkSlot, goal: number, ok: number, endangered: boolean): Prospect {
  const { world } = loop;
  const kind = endangered ? RepairClass.endangered : RepairClass.other;
  const fit: ChunkServer[] = [];
  const unfit: ChunkServer[] = [];
  const limited: ChunkServer[] = [];
  let withSpace = 0;
  for (const server of world.servers.all()) {
    if (!server.registered || !hasSpace(server)) continue;
    withSpace++;
    if (world.copies.find(slot, server.slot) !== 0) continue;
    if (!mayReceive(world, server, kind)) limited.push(server);
    else if (server.inMaintenance || server.loadState === Load.overloaded || server.loadState === Load.graceful) {
      unfit.push(server);
    } else fit.push(server);
  }
  shuffle(loop, fit);
  shuffle(loop, unfit);
  const usable = endangered ? [...fit, ...unfit] : fit;
  const later = endangered ? limited : [...limited, ...unfit];
  return { slot, goal, ok, kind, usable: byRack(loop, slot, kind, usable), later, withSpace };
}

function shuffle(loop: LoopContext, servers: ChunkServer[]): void {
  for (let index = servers.length - 1; index > 0; index--) {
    const other = loop.world.random.below(index + 1);
    [servers[index], servers[other]] = [servers[other], servers[index]];
  }
}

/** With REPLICATIONS_RESPECT_TOPOLOGY above 1 destinations in the rack of a source come first. */
function byRack(loop: LoopContext, slot: ChunkSlot, kind: number, servers: ChunkServer[]): ChunkServer[] {
  const { world } = loop;
  if (world.settings.replicationsRespectTopology < 2) return servers;
  const sources = possibleSources(loop, slot, kind);
  const inRack = (server: ChunkServer): boolean =>
    Math.min(...sources.map((source) => world.topology.distance(source.ip, server.ip))) === 1;
  return [...servers.filter(inRack), ...servers.filter((server) => !inRack(server))];
}

function repairPlain(loop: LoopContext, prospect: Prospect): Attempt {
  const { goal, ok, withSpace, usable, later } = prospect;
  if (goal > withSpace && ok === withSpace) return 'impossible';
  if (usable.length + later.length === 0) return 'impossible';
  for (const destination of usable) if (orderCopy(loop, prospect, destination)) return 'ordered';
  return 'wait';
}

function repairLabels(loop: LoopContext, prospect: Prospect, labels: readonly LabelExpression[]): Attempt {
  const { world } = loop;
  const { slot, usable, later, goal, ok } = prospect;
  const mode = world.metadata.classes.get(world.table.storageClass(slot))?.mode ?? Mode.std;
  const holders = new Set(serversWith(world, slot));
  const free = new Set(usable);
  const servers = [...later, ...usable.toReversed(), ...holders];
  const assignment = matchLabels(labels, servers, uniqueGroups(world.settings, world.topology));
  const needed = new Set(assignment.filter((index) => index !== unmatched).map((index) => servers[index]));
  const spare = usable.filter((server) => !needed.has(server));
  let wait = false;
  for (const index of assignment) {
    const server = index === unmatched ? undefined : servers[index];
    if (server !== undefined && holders.has(server)) continue;
    if (server !== undefined && free.has(server)) {
      if (orderCopy(loop, prospect, server)) return 'ordered';
      wait = true;
    } else if (server !== undefined && mode !== Mode.loose) {
      wait = true;
    } else if (mode !== Mode.strict && ok < goal) {
      if (spare.some((destination) => orderCopy(loop, prospect, destination))) return 'ordered';
      if (server !== undefined || spare.length + later.length > 0) wait = true;
    } else if (server !== undefined) {
      wait = true;
    }
  }
  return wait ? 'wait' : 'impossible';
}

/** Orders a copy on a server and locks the chunk; false when no source may send now. */
function orderCopy(loop: LoopContext, prospect: Prospect, destination: ChunkServer): boolean {
  const { world } = loop;
  const { slot, kind } = prospect;
  const source = chooseSource(loop, slot, kind, destination);
  if (source === undefined) return false;
  const version = world.table.version(slot);
  if (!loop.commands.replicate(source, destination, world.table.id(slot), version)) return false;
  world.begin(slot, Operation.replicate, undefined);
  world.addCopy(slot, destination, CopyState.busy, version);
  world.lockVolatile(slot, world.now() + repairLockSeconds);
  return true;
}

/** Servers with a good copy that may send; those with regular copies, if there are any. */
function possibleSources(loop: LoopContext, slot: ChunkSlot, kind: number): ChunkServer[] {
  const { world } = loop;
  const regular: ChunkServer[] = [];
  const marked: ChunkServer[] = [];
  for (let copy = world.copies.first(slot); copy !== 0; copy = world.copies.next(copy)) {
    const server = world.serverOf(copy);
    if (server === undefined || !maySend(world, server, kind)) continue;
    const state = world.copies.state(copy);
    if (state === CopyState.ok) regular.push(server);
    else if (state === CopyState.okMarked) marked.push(server);
  }
  return regular.length > 0 ? regular : marked;
}

function chooseSource(
  loop: LoopContext,
  slot: ChunkSlot,
  kind: number,
  destination: ChunkServer,
): ChunkServer | undefined {
  const { world } = loop;
  let sources = possibleSources(loop, slot, kind);
  if (sources.length === 0) return undefined;
  if (world.settings.replicationsRespectTopology > 0) {
    const distance = (server: ChunkServer): number => world.topology.distance(server.ip, destination.ip);
    const nearest = Math.min(...sources.map(distance));
    sources = sources.filter((server) => distance(server) === nearest);
  }
  return sources[world.random.below(sources.length)];
}
