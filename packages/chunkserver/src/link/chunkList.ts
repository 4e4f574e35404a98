import { CSTOMA_REGISTER, encodeFrame } from '@alces/proto';
import type { Store } from '../store/context.ts';
import { reportedVersion } from './reportQueue.ts';

/** First byte of a part of the list. */
const PART = 61;
const ENTRY_BYTES = 12;
const HIGH = 0x1_0000_0000;

/**
 * The chunk list of a registration, cut into parts (spec 30 §1.8), each made when it is asked for. What changes meanwhile is told
 * by the reports that follow the list.
 */
export class ChunkList {
  readonly #store: Store;
  readonly #perPart: number;
  #nextSlot = 0;

  constructor(store: Store, perPart: number) {
    this.#store = store;
    this.#perPart = perPart;
  }

  /** The frame with the next part, undefined after the last one. */
  next(): Buffer | undefined {
    const { table } = this.#store;
    const payload = Buffer.allocUnsafe(1 + this.#perPart * ENTRY_BYTES);
    payload[0] = PART;
    let at = 1;
    for (; at < payload.length && this.#nextSlot < table.slotLimit; this.#nextSlot++) {
      if (!table.isUsed(this.#nextSlot)) continue;
      const chunkId = table.id(this.#nextSlot);
      payload.writeUInt32BE(Math.floor(chunkId / HIGH), at);
      payload.writeUInt32BE(chunkId >>> 0, at + 4);
      payload.writeUInt32BE(reportedVersion(this.#store, this.#nextSlot), at + 8);
      at += ENTRY_BYTES;
    }
    return at === 1 ? undefined : encodeFrame(CSTOMA_REGISTER.number, payload.subarray(0, at));
  }
}
