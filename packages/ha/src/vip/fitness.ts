import type { NodeStatus } from '@alces/replication';
import { WEIGHTS } from './weights.ts';

/** What decides whether a node should have the VIP; part of the answer to `status`. */
export type FitnessFacts = Pick<
  NodeStatus,
  'self' | 'witness' | 'role' | 'data' | 'splitBrain' | 'stalledBy' | 'leader' | 'phase' | 'problem'
> & {
  maintenance: boolean;
};

export interface Fitness {
  fit: boolean;
  /** In plain words; also says what a fit node is. */
  reason: string;
  /** Added to the node's VRRP priority. */
  weight: number;
}

const unfit = (reason: string): Fitness => ({ fit: false, reason, weight: WEIGHTS.unfit });
const fit = (reason: string, weight: number): Fitness => ({ fit: true, reason, weight });

/**
 * Whether the VIP may come to this node or stay with it. A node that follows is fit although it is behind: what it lacks it fetches
 * when it is promoted. It only comes last.
 */
export function fitness(facts: FitnessFacts): Fitness {
  if (facts.witness) return unfit('a witness never leads');
  if (facts.maintenance) return unfit('maintenance is on');
  if (facts.stalledBy !== undefined) return unfit(`the journal can't be written: ${facts.stalledBy}`);
  if (facts.role === 'Primary') return fit('leads', WEIGHTS.leading);
  // Clients must not come to another history because the one that leads dies.
  if (facts.splitBrain) return unfit("split brain: it has changes of its own; 'mfsha resolve' says whose go");
  // keepalived must know before the former leader lets go of the VIP.
  if (facts.phase !== 'following') return fit('is about to lead', WEIGHTS.leading);
  if (facts.data === 'Inconsistent') return unfit('its data are not complete yet (Inconsistent)');
  if (facts.data === 'Outdated') return fit('follows, behind the leader', WEIGHTS.outdated);
  return fit(facts.leader === undefined ? 'has no leader' : `follows ${facts.leader}`, WEIGHTS.fit);
}
