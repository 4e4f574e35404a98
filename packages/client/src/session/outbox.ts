import { CLTOMA_ALCES_NUMBERED, type Message } from '@alces/proto';

const SLAB_BYTES = 64 * 1024;

/** Encodes frames one behind the other, so that those of one turn go out in one write. */
export class Outbox {
  #slab = Buffer.allocUnsafeSlow(SLAB_BYTES);
  #used = 0;
  #unsentFrom = 0;
  #whole: Buffer[] = [];

  /** Adds a frame, behind the announcement of its number unless that is 0; the view returned (of the frame) stays unchanged. */
  add<Q>(message: Message<Q>, fields: Q, number = 0): Buffer {
    let start = this.#used;
    try {
      if (number !== 0) start = CLTOMA_ALCES_NUMBERED.encodeInto(this.#slab, start, { request: number });
      this.#used = message.encodeInto(this.#slab, start, fields);
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      const frame = message.encode(fields);
      if (number !== 0) this.addBytes(CLTOMA_ALCES_NUMBERED.encode({ request: number }));
      return this.#addToNewSlab(frame);
    }
    return this.#slab.subarray(start, this.#used);
  }

  /** Adds bytes that are frames already. */
  addBytes(bytes: Buffer): void {
    this.#cut();
    this.#whole.push(bytes);
  }

  get isEmpty(): boolean {
    return this.#whole.length === 0 && this.#used === this.#unsentFrom;
  }

  /** Everything added since the last call, in order. */
  take(): Buffer[] {
    this.#cut();
    const taken = this.#whole;
    this.#whole = [];
    return taken;
  }

  #cut(): void {
    if (this.#used === this.#unsentFrom) return;
    this.#whole.push(this.#slab.subarray(this.#unsentFrom, this.#used));
    this.#unsentFrom = this.#used;
  }

  #addToNewSlab(frame: Buffer): Buffer {
    this.addBytes(frame);
    this.#slab = Buffer.allocUnsafeSlow(SLAB_BYTES);
    this.#used = 0;
    this.#unsentFrom = 0;
    return frame;
  }
}
