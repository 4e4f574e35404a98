import type { Operation, State } from '@alces/metadata';
import type { Clock, Random } from '@alces/runtime';

/**
 * The changes that a master makes before it serves (spec 50 §7.3): names in an unknown order are numbered anew, and a file system
 * without identity gets one. To be applied and appended in this order.
 */
export function openingChanges(state: State, renumberEdges: boolean, clock: Clock, random: Random): Operation[] {
  const changes: Operation[] = [];
  if (renumberEdges) changes.push({ op: 'RENUMERATEEDGES', nextedgeid: 0n });
  if (state.metaid === 0n) {
    const id = (BigInt(clock.unixSeconds()) << 32n) | BigInt(random.u32());
    changes.push({ op: 'SETMETAID', id });
  }
  return changes;
}
