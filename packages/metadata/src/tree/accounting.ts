import type { State } from '../state.ts';
import { isFileType } from '../tables/constants.ts';
import type { StorageClass } from '../tables/storageClasses.ts';
import { noContribution, slotSize } from './contribution.ts';
import { addForEachName } from './sums.ts';

/**
 * Progress of carrying a changed number of copies of a storage class into the real sizes of directories. Files in rows below
 * `cursor` are accounted with the present definitions, the others with `copiesBefore`; so the sums stay exact while a table of
 * millions of files is worked off in steps. Real sizes only serve answers and quota tests of the live master; they are not
 * replicated, so the pace does not matter.
 */
export interface Accounting {
  active: boolean;
  cursor: number;
  readonly copiesBefore: Uint8Array;
}

/** An accounting with nothing to do. */
export function newAccounting(): Accounting {
  return { active: false, cursor: 0, copiesBefore: new Uint8Array(256) };
}

/** Copies with which the real size of a file (node row) is contained in the sums at present. */
export function accountedCopies(state: State, row: number): number {
  const { accounting } = state;
  const classId = state.nodes.sclass.get(row);
  return accounting.active && row >= accounting.cursor
    ? accounting.copiesBefore[classId]
    : state.storageClasses.copies(classId);
}

/** Defines or redefines a storage class. If its number of copies changes, `continueAccounting` has work to do afterwards. */
export function defineStorageClass(state: State, classId: number, definition: StorageClass): void {
  const { accounting, storageClasses } = state;
  while (accounting.active) {
    continueAccounting(state, state.nodes.rowLimit);
  }
  for (let id = 0; id < accounting.copiesBefore.length; id++) {
    accounting.copiesBefore[id] = storageClasses.copies(id);
  }
  storageClasses.set(classId, definition);
  accounting.active =
    storageClasses.copies(classId) !== accounting.copiesBefore[classId] && storageClasses.files[classId] > 0;
  accounting.cursor = 1;
}

/**
 * Works off the next `rows` rows of the node table after a storage class was redefined. To be called from time to time while
 * `state.accounting.active` is true.
 */
export function continueAccounting(state: State, rows: number): void {
  const { accounting, nodes, storageClasses } = state;
  if (!accounting.active) {
    return;
  }
  const end = Math.min(accounting.cursor + rows, nodes.rowLimit);
  for (let row = accounting.cursor; row < end; row++) {
    const classId = nodes.sclass.get(row);
    const copies = storageClasses.copies(classId) - accounting.copiesBefore[classId];
    if (copies !== 0 && isFileType(nodes.type.get(row))) {
      const what = noContribution();
      what.realsize = sizeOfFile(state, row) * copies;
      addForEachName(state, row, what, 1);
    }
    accounting.cursor = row + 1;
  }
  accounting.active = end < nodes.rowLimit;
}

function sizeOfFile(state: State, row: number): number {
  const { nodes } = state;
  const slots = nodes.slots.get(row);
  let size = 0;
  for (let i = nodes.nextUsedSlot(row, 0); i < slots; i = nodes.nextUsedSlot(row, i + 1)) {
    size += slotSize(i, nodes.length.get(row));
  }
  return size;
}
