import { F64Column, U32Column, U64SumColumn } from '../store/columns.ts';
import { DETACHED_BUCKETS } from './constants.ts';

/**
 * What a directory has beyond a node: the list of its names and the running sums over everything below it (spec 10, section
 * 2.12; the directory itself is not counted). Rows 1..DETACHED_BUCKETS are the buckets of detached names, which are lists too.
 */
export class DirectoryTable {
  /** First and last edge of the list, 0 = empty. */
  readonly firstEdge = new U32Column();
  readonly lastEdge = new U32Column();
  /** Number of names in the directory, and of child directories among them. */
  readonly children = new U32Column();
  readonly subdirs = new U32Column();

  /** Sums over the subtree. */
  readonly inodes = new U32Column();
  readonly dirs = new U32Column();
  readonly files = new U32Column();
  readonly chunks = new F64Column();
  readonly length = new U64SumColumn();
  readonly size = new U64SumColumn();
  readonly realsize = new U64SumColumn();

  /** Free rows are chained through `firstEdge`. */
  private freeRow = 0;
  private used = DETACHED_BUCKETS + 1;

  insert(): number {
    const row = this.freeRow;
    if (row === 0) {
      return this.used++;
    }
    this.freeRow = this.firstEdge.get(row);
    this.firstEdge.set(row, 0);
    return row;
  }

  remove(row: number): void {
    this.clearSums(row);
    for (const column of [this.lastEdge, this.children, this.subdirs]) {
      column.set(row, 0);
    }
    this.firstEdge.set(row, this.freeRow);
    this.freeRow = row;
  }

  clearSums(row: number): void {
    for (const column of [this.inodes, this.dirs, this.files, this.chunks, this.length, this.size, this.realsize]) {
      column.set(row, 0);
    }
  }
}
