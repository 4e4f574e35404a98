import type { State } from '../state.ts';
import { contributionOf } from '../tree/contribution.ts';
import { parentOf } from '../tree/names.ts';
import { exceedsOwnQuota, NO_GROWTH } from './quota.ts';

/**
 * Whether a quota forbids to move a node (rows) from one directory to another, where it replaces `target` (0 = nothing). Only
 * directories that do not hold it already are asked (decision 0032: the stock master also asks those above both places, where
 * nothing grows).
 */
export function planMoveQuota(state: State, from: number, to: number, row: number, target: number): boolean {
  if (state.quotas.size === 0) {
    return false;
  }
  const common = new Set<number>();
  for (let at = from; at !== 0; at = parentOf(state, at)) {
    common.add(at);
  }
  const added = contributionOf(state, row);
  const removed = target === 0 ? NO_GROWTH : contributionOf(state, target);
  const growth = {
    inodes: Math.max(added.inodes - removed.inodes, 0),
    length: Math.max(added.length - removed.length, 0),
    size: Math.max(added.size - removed.size, 0),
    realsize: Math.max(added.realsize - removed.realsize, 0),
  };
  for (let at = to; at !== 0 && !common.has(at); at = parentOf(state, at)) {
    if (exceedsOwnQuota(state, at, growth)) {
      return true;
    }
  }
  return false;
}
