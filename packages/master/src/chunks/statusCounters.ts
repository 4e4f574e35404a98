import type { ChunkTotals } from './api.ts';

const side = 11;
const perFlag = side * side;
const perClass = 2 * perFlag;
/** Copies above this count as this. */
export const maxCounted = 10;

/** Goal of a class with the archive flag off or on; class 0 has goal 0. */
export type GoalOf = (classId: number, archived: boolean) => number;

/**
 * Number of chunks by (class, archive flag, live copies, regular copies). Goals are looked up when a question is asked, so that a
 * changed class definition counts at once (spec 40 §1.2).
 */
export class StatusCounters {
  private readonly cells = new Uint32Array(256 * perClass);

  add(classId: number, archived: boolean, live: number, regular: number, by: 1 | -1): void {
    const cell = classId * perClass + (archived ? perFlag : 0) + live * side + regular;
    this.cells[cell] += by;
  }

  /** 11 x 11 numbers, row = goal, column = live (0) or regular (1) copies. */
  matrix(which: 0 | 1, goalOf: GoalOf): Uint32Array {
    const matrix = new Uint32Array(perFlag);
    this.each((classId, archived, live, regular, chunks) => {
      const goal = classId === 0 ? 0 : Math.min(goalOf(classId, archived), maxCounted);
      matrix[goal * side + (which === 0 ? live : regular)] += chunks;
    });
    return matrix;
  }

  totals(): ChunkTotals {
    let count = 0;
    let copies = 0;
    let regularCopies = 0;
    this.each((_classId, _archived, live, regular, chunks) => {
      count += chunks;
      copies += live * chunks;
      regularCopies += regular * chunks;
    });
    return { chunks: count, copies, regularCopies };
  }

  /** Chunks of one class with fewer, exactly, and more regular copies than `goal`. */
  classStatus(classId: number, archived: boolean, goal: number): { under: number; exact: number; over: number } {
    const status = { under: 0, exact: 0, over: 0 };
    const start = classId * perClass + (archived ? perFlag : 0);
    for (let cell = 0; cell < perFlag; cell++) {
      const regular = cell % side;
      if (regular < goal) status.under += this.cells[start + cell];
      else if (regular === goal) status.exact += this.cells[start + cell];
      else status.over += this.cells[start + cell];
    }
    return status;
  }

  private each(
    visit: (classId: number, archived: boolean, live: number, regular: number, chunks: number) => void,
  ): void {
    for (let cell = 0; cell < this.cells.length; cell++) {
      const chunks = this.cells[cell];
      if (chunks === 0) continue;
      const inFlag = cell % perFlag;
      visit(Math.floor(cell / perClass), cell % perClass >= perFlag, Math.floor(inFlag / side), inFlag % side, chunks);
    }
  }
}
