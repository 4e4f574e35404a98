import type { ChunkServer } from './servers.ts';
import type { ChunkSettings } from './settings.ts';
import type { Topology } from './topology.ts';
import type { LabelExpression } from './views.ts';

/** Does a server with these labels satisfy the expression (spec 40 §9.1)? */
export function satisfies(labelMask: number, expression: LabelExpression): boolean {
  if (isAnyServer(expression)) return true;
  for (const mask of expression) {
    if (mask === 0) return false;
    if ((labelMask & mask) >>> 0 === mask >>> 0) return true;
  }
  return false;
}

function isAnyServer(expression: LabelExpression): boolean {
  return expression.length === 0 || expression[0] === 0;
}

/** Some expression names labels. */
export function hasLabels(labels: readonly LabelExpression[]): boolean {
  return labels.some((expression) => !isAnyServer(expression));
}

/** Servers of one group can take only one label between them (CHUNKS_UNIQUE_MODE). */
export type GroupOf = (server: ChunkServer) => number;

/** Groups of the unique mode: every server for itself, servers of one address, or servers of one rack. */
export function uniqueGroups(settings: ChunkSettings, topology: Topology): GroupOf {
  if (settings.uniqueMode === 1) return (server) => server.ip;
  if (settings.uniqueMode === 2) return (server) => topology.rack(server.ip) || -1 - server.slot;
  return (server) => server.slot;
}

/** No server: the label is unmatched. */
export const unmatched = -1;

/**
 * A maximum one-to-one assignment of servers to labels, by augmenting paths (spec 40 §9.6). Servers are tried from the last to
 * the first, so the preferred ones stand at the end. Returns for each label the index of its server, or `unmatched`.
 */
export function matchLabels(
  labels: readonly LabelExpression[],
  servers: readonly ChunkServer[],
  groupOf: GroupOf,
): number[] {
  const serverOfLabel = labels.map(() => unmatched);
  const labelOfGroup = new Map<number, number>();
  const groups = servers.map(groupOf);

  const assign = (label: number, tried: Set<number>): boolean => {
    for (let index = servers.length - 1; index >= 0; index--) {
      const group = groups[index];
      if (tried.has(group) || !satisfies(servers[index].labelMask, labels[label])) continue;
      tried.add(group);
      const owner = labelOfGroup.get(group);
      if (owner !== undefined && !assign(owner, tried)) continue;
      serverOfLabel[label] = index;
      labelOfGroup.set(group, label);
      return true;
    }
    return false;
  };

  for (let label = 0; label < labels.length; label++) assign(label, new Set());
  return serverOfLabel;
}

/** How many labels are matched. */
export function matchedCount(assignment: readonly number[]): number {
  return assignment.reduce((count, index) => (index === unmatched ? count : count + 1), 0);
}
