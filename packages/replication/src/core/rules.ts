/**
 * The decisions that everybody's data hang on. They are apart so that a test can replace one by a wrong one and see the
 * simulation find it; programs use `strictRules`.
 */
export interface Rules {
  /** Must a frame of `epoch` be refused by a node that promised `promised`? */
  isStale(epoch: number, promised: number): boolean;
  /** The last version that is committed, given what each configured node has (-1: nothing of this epoch). */
  committed(versions: readonly number[], quorum: number): number;
  /** The last entry that is kept of a journal that ends at `last`, when the leader's parts from it behind `common`. */
  kept(common: number, last: number): number;
  /**
   * Does a node count for a quorum that has nothing of what it promised and stored, as it is new or lost its disk? It may know what every
   * other node promised, and have everything that its leader had.
   */
  mayTakePart(knowsPromises: boolean, hasAll: boolean): boolean;
}

export const strictRules: Rules = {
  isStale: (epoch, promised) => epoch < promised,
  committed: (versions, quorum) => [...versions].sort((a, b) => b - a)[quorum - 1] ?? -1,
  kept: (common) => common,
  mayTakePart: (knowsPromises, hasAll) => knowsPromises && hasAll,
};
