import type { State } from '../state.ts';
import { TYPE_DIRECTORY } from '../tables/constants.ts';
import { contributionOf } from '../tree/contribution.ts';
import { exceedsOwnQuota, exceedsQuota, type Growth, NO_GROWTH } from './quota.ts';

/** A source directory whose counterpart exists, with what is still to be looked at. */
interface Frame {
  counterpart: number;
  next: number;
  growth: Growth;
}

/**
 * Whether a quota forbids a snapshot (rows; spec 10, section 5.2): the target directory and those above it are asked for the
 * whole growth, existing subdirectories for what is added in them.
 */
export function snapshotExceedsQuota(state: State, source: number, parent: number, name: Uint8Array): boolean {
  const { edges } = state;
  if (state.quotas.size === 0) {
    return false;
  }
  const total: Frame = { counterpart: 0, next: 0, growth: { ...NO_GROWTH } };
  const frames: Frame[] = [total];
  visit(state, source, parent, name, frames);
  while (frames.length > 1) {
    const frame = frames[frames.length - 1];
    const edge = frame.next;
    if (edge !== 0) {
      frame.next = edges.nextSibling.get(edge);
      visit(state, edges.child.get(edge), frame.counterpart, edges.name(edge), frames);
      continue;
    }
    frames.pop();
    if (exceedsOwnQuota(state, frame.counterpart, frame.growth)) {
      return true;
    }
    add(frames[frames.length - 1].growth, frame.growth);
  }
  return exceedsQuota(state, parent, total.growth);
}

function visit(state: State, source: number, directory: number, name: Uint8Array, frames: Frame[]): void {
  const { nodes, edges } = state;
  const edge = edges.find(directory, name);
  const growth = frames[frames.length - 1].growth;
  const whole = contributionOf(state, source);
  if (edge === 0) {
    add(growth, whole);
    return;
  }
  const counterpart = edges.child.get(edge);
  if (nodes.type.get(source) === TYPE_DIRECTORY) {
    frames.push({ counterpart, next: edges.firstChild(source), growth: { ...NO_GROWTH } });
    return;
  }
  const present = contributionOf(state, counterpart);
  growth.length += Math.max(whole.length - present.length, 0);
  growth.size += Math.max(whole.size - present.size, 0);
  growth.realsize += Math.max(whole.realsize - present.realsize, 0);
}

function add(to: Growth, more: Growth): void {
  to.inodes += more.inodes;
  to.length += more.length;
  to.size += more.size;
  to.realsize += more.realsize;
}
