import { hasLabels, matchedCount, matchLabels, uniqueGroups, unmatched } from './labels.ts';
import { type ChunkServer, isUsable, Load } from './servers.ts';
import type { ChunkWorld } from './world.ts';

const chunkBytes = 64 * 1024 * 1024;
/** Class modes (spec 40 §9.1). */
export const Mode = { loose: 0, std: 1, strict: 2 } as const;

/** Copies placed since the ages of all servers were last drawn anew. */
export interface PlacementState {
  placedSinceReset: number;
}

/** `overloaded`: servers that are busy now would make it possible; try again. `none`: no server fits. */
export type Placement = readonly ChunkServer[] | 'overloaded' | 'none';

interface Candidates {
  /** Servers that may be used, best first. */
  readonly servers: ChunkServer[];
  readonly overloaded: number;
}

/** Chooses servers for a new chunk of a class, best first, one for each copy (spec 40 §7). */
export function chooseServers(
  world: ChunkWorld,
  state: PlacementState,
  classId: number,
  clientAddress: number,
): Placement {
  const definition = world.metadata.classes.get(classId);
  if (definition === undefined || definition.createLabels.length === 0) return 'none';
  const labels = definition.createLabels;
  const candidates = findCandidates(world, clientAddress);
  const { servers, overloaded } = candidates;
  if (servers.length === 0) return overloaded > 0 ? 'overloaded' : 'none';
  if (servers.length < labels.length && servers.length + overloaded >= labels.length) return 'overloaded';
  const chosen = hasLabels(labels) ? matchCreation(world, labels, definition.mode, candidates) : servers;
  if (typeof chosen === 'string') return chosen;
  const used = chosen.slice(0, labels.length);
  notePlacement(world, state, used);
  return used;
}

function matchCreation(
  world: ChunkWorld,
  labels: Parameters<typeof matchLabels>[0],
  mode: number,
  { servers, overloaded }: Candidates,
): ChunkServer[] | 'overloaded' | 'none' {
  const worstFirst = servers.toReversed();
  const assignment = matchLabels(labels, worstFirst, uniqueGroups(world.settings, world.topology));
  const good = matchedCount(assignment);
  const matched = new Set(assignment.filter((index) => index !== unmatched).map((index) => worstFirst[index]));
  const loose = mode !== Mode.std && mode !== Mode.strict;
  if (!loose && good < labels.length && good + overloaded >= labels.length) return 'overloaded';
  const first = servers.filter((server) => matched.has(server));
  if (mode === Mode.strict) return good === 0 ? 'none' : first;
  return [...first, ...servers.filter((server) => !matched.has(server))];
}

function findCandidates(world: ChunkWorld, clientAddress: number): Candidates {
  const standard: ChunkServer[] = [];
  const grace: ChunkServer[] = [];
  let overloaded = 0;
  for (const server of world.servers.usable()) {
    if (server.totalBytes - server.usedBytes <= chunkBytes * (1 + 10 * server.writing)) continue;
    if (server.loadState === Load.overloaded) overloaded++;
    else if (server.loadState === Load.rebalance || server.loadState === Load.graceful || server.inMaintenance) {
      grace.push(server);
    } else standard.push(server);
  }
  const manyInGrace = 5 * grace.length > grace.length + standard.length;
  const servers = manyInGrace ? [...standard, ...grace] : standard;
  return { servers: nearFirst(world, byScore(world, servers), clientAddress), overloaded };
}

function byScore(world: ChunkWorld, servers: readonly ChunkServer[]): ChunkServer[] {
  const total = usableBytes(world);
  const score = (server: ChunkServer): number => {
    const weight = server.fresh ? 1 : (total / server.totalBytes + server.credit) / (server.age + 1);
    return weight + 1000 * (server.writing + server.receiving);
  };
  return servers
    .map((server) => ({ server, score: score(server) }))
    .sort((a, b) => a.score - b.score)
    .map(({ server }) => server);
}

function nearFirst(world: ChunkWorld, servers: ChunkServer[], clientAddress: number): ChunkServer[] {
  const limit = world.settings.creationsRespectTopology;
  if (limit === 0) return servers;
  const isNear = (server: ChunkServer): boolean => world.topology.distance(server.ip, clientAddress) < limit;
  return [...servers.filter(isNear), ...servers.filter((server) => !isNear(server))];
}

/** Weighted round robin: brings age and credit of the servers up to date (spec 40 §7.2). */
function notePlacement(world: ChunkWorld, state: PlacementState, used: readonly ChunkServer[]): void {
  const usable = world.servers.usable();
  const total = usableBytes(world);
  for (const server of usable) server.age += used.length;
  state.placedSinceReset += used.length;
  const reset = state.placedSinceReset > 10 * usable.length;
  used.forEach((server, position) => {
    if (server.fresh) server.fresh = false;
    else if (!reset) server.credit += total / server.totalBytes - (server.age + position + 1 - used.length);
    server.age = used.length - position - 1;
  });
  if (!reset) return;
  state.placedSinceReset = 0;
  for (const server of usable) {
    server.age = world.random.below(Math.ceil(total / server.totalBytes));
    server.credit = 0;
  }
}

function usableBytes(world: ChunkWorld): number {
  let sum = 0;
  for (const server of world.servers.all()) if (isUsable(server)) sum += server.totalBytes;
  return sum;
}
