/**
 * Buffers of one size that are used again and again. Bulk data passes through them, so that moving gigabytes allocates
 * nothing. A buffer that is not given back is only lost to the pool, never to the process.
 */
export class BufferPool {
  readonly sizeBytes: number;
  readonly #keep: number;
  #free: Buffer[] = [];

  /** At most `keep` idle buffers are held. */
  constructor(sizeBytes: number, keep: number) {
    this.sizeBytes = sizeBytes;
    this.#keep = keep;
  }

  take(): Buffer {
    return this.#free.pop() ?? Buffer.allocUnsafeSlow(this.sizeBytes);
  }

  /** The caller must not touch the buffer afterwards. */
  give(buffer: Buffer): void {
    if (this.#free.length < this.#keep) this.#free.push(buffer);
  }
}
