const PAGE_BITS = 9;
const PAGE_SLOTS = 1 << PAGE_BITS;

interface PagedList {
  /** Numbers of the existing pages, ascending. */
  readonly numbers: number[];
  readonly pages: Map<number, Float64Array>;
}

/** Chunk lists of huge files, by node row: pages of entries, of which those without a chunk do not exist. */
export class PagedChunkLists {
  private readonly lists = new Map<number, PagedList>();

  create(row: number): void {
    this.lists.set(row, { numbers: [], pages: new Map() });
  }

  remove(row: number): void {
    this.lists.delete(row);
  }

  get(row: number, index: number): number {
    const page = this.list(row).pages.get(index >>> PAGE_BITS);
    return page === undefined ? 0 : page[index & (PAGE_SLOTS - 1)];
  }

  set(row: number, index: number, chunkId: number): void {
    const list = this.list(row);
    const number = index >>> PAGE_BITS;
    let page = list.pages.get(number);
    if (page === undefined) {
      if (chunkId === 0) {
        return;
      }
      page = new Float64Array(PAGE_SLOTS);
      list.pages.set(number, page);
      list.numbers.splice(lowerBound(list.numbers, number), 0, number);
    }
    page[index & (PAGE_SLOTS - 1)] = chunkId;
  }

  /** Forgets the entries from `slots` on. */
  truncate(row: number, slots: number): void {
    const { numbers, pages } = this.list(row);
    const firstGone = Math.ceil(slots / PAGE_SLOTS);
    for (const number of numbers.splice(lowerBound(numbers, firstGone))) {
      pages.delete(number);
    }
    pages.get(firstGone - 1)?.fill(0, slots - (firstGone - 1) * PAGE_SLOTS);
  }

  /** Index of the first non-zero entry at or after `from`; Infinity when there is none. */
  nextUsed(row: number, from: number): number {
    const { numbers, pages } = this.list(row);
    for (let i = lowerBound(numbers, from >>> PAGE_BITS); i < numbers.length; i++) {
      const firstIndex = numbers[i] * PAGE_SLOTS;
      const page = pages.get(numbers[i]);
      for (let slot = Math.max(from - firstIndex, 0); page !== undefined && slot < PAGE_SLOTS; slot++) {
        if (page[slot] !== 0) {
          return firstIndex + slot;
        }
      }
    }
    return Number.POSITIVE_INFINITY;
  }

  private list(row: number): PagedList {
    const list = this.lists.get(row);
    if (list === undefined) {
      throw new Error(`node row ${row} has no paged chunk list`);
    }
    return list;
  }
}

/** Position of the first element that is not below `value`. */
function lowerBound(sorted: readonly number[], value: number): number {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (sorted[middle] < value) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}
