import { crc32 } from '@alces/proto';

const KEPT = 4096;

/** Checksums of the last lines, by which the master's history is known again after an interruption. */
export class RecentLines {
  readonly #checksums = new Uint32Array(KEPT);
  #first = 0;
  #last = -1;

  /** Adds a line; a version that does not follow the last one begins anew. */
  add(version: number, text: Uint8Array): void {
    if (version !== this.#last + 1) this.#first = version;
    this.#last = version;
    this.#first = Math.max(this.#first, version - KEPT + 1);
    this.#checksums[version % KEPT] = crc32(text);
  }

  /** Whether the change with this version was this one; undefined: not known any more. */
  matches(version: number, text: Uint8Array): boolean | undefined {
    if (version < this.#first || version > this.#last) return undefined;
    return this.#checksums[version % KEPT] === crc32(text);
  }
}
