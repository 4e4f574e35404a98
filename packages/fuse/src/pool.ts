import { allocateBlock, type Block } from './words.ts';

/** Read buffers of one size. Those lent to WRITE requests come back when the request is answered. */
export class BlockPool {
  readonly #lengthBytes: number;
  readonly #keep: number;
  readonly #free: Block[] = [];

  /** @param keep how many idle buffers are kept; more are left to the garbage collector */
  constructor(lengthBytes: number, keep: number) {
    this.#lengthBytes = lengthBytes;
    this.#keep = keep;
  }

  take(): Block {
    return this.#free.pop() ?? allocateBlock(this.#lengthBytes);
  }

  give(block: Block): void {
    if (this.#free.length < this.#keep) this.#free.push(block);
  }
}
