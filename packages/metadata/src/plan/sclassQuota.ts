import { judgeSclass } from '../apply/recursive.ts';
import type { SetsclassOperation } from '../operations.ts';
import type { State } from '../state.ts';
import { isFileType, TYPE_DIRECTORY } from '../tables/constants.ts';
import { contributionOf } from '../tree/contribution.ts';
import { parentOf } from '../tree/names.ts';
import { forEachBelow } from '../tree/walk.ts';
import { exceedsOwnQuota, exceedsQuota, fileExceedsQuota, NO_GROWTH } from './quota.ts';

/** Growth of a file's real size by a change of class; 0 if the class stays. */
function realsizeGrowth(state: State, row: number, op: SetsclassOperation, adminClasses: boolean): number {
  const { nodes, storageClasses } = state;
  if (!isFileType(nodes.type.get(row)) || judgeSclass(state, row, op, adminClasses) !== 'changed') {
    return 0;
  }
  const more = storageClasses.copies(op.dstClass) - storageClasses.copies(nodes.sclass.get(row));
  return more > 0 ? contributionOf(state, row).size * more : 0;
}

/**
 * Whether a quota forbids the growth of real size by a SETSCLASS: asked are the directories above the named node, and those
 * below it for what is in them.
 */
export function sclassExceedsQuota(state: State, top: number, op: SetsclassOperation, adminClasses: boolean): boolean {
  const { nodes, edges } = state;
  if (state.quotas.size === 0) {
    return false;
  }
  if (nodes.type.get(top) !== TYPE_DIRECTORY || (op.smode & 4) === 0) {
    return fileExceedsQuota(state, top, { ...NO_GROWTH, realsize: realsizeGrowth(state, top, op, adminClasses) });
  }
  const directories: number[] = [];
  const growth = new Map<number, number>();
  forEachBelow(state, top, (row) => {
    if (nodes.type.get(row) !== TYPE_DIRECTORY) {
      return;
    }
    let sum = 0;
    for (let edge = edges.firstChild(row); edge !== 0; edge = edges.nextSibling.get(edge)) {
      sum += realsizeGrowth(state, edges.child.get(edge), op, adminClasses);
    }
    directories.push(row);
    growth.set(row, sum);
  });
  for (let i = directories.length - 1; i > 0; i--) {
    const row = directories[i];
    const sum = growth.get(row) ?? 0;
    if (exceedsOwnQuota(state, row, { ...NO_GROWTH, realsize: sum })) {
      return true;
    }
    const parent = parentOf(state, row);
    growth.set(parent, (growth.get(parent) ?? 0) + sum);
  }
  return exceedsQuota(state, top, { ...NO_GROWTH, realsize: growth.get(top) ?? 0 });
}
