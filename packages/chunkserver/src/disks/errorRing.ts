/** Errors that count towards giving a folder up (spec 30 §2.10). */
const SERIOUS: ReadonlySet<string> = new Set(['EIO', 'EROFS', 'ENOENT']);
const RING_SIZE = 30;

export interface DiskError {
  chunkId: number;
  /** The system's error code, empty for errors of content (CRC, header). */
  code: string;
  unixSeconds: number;
}

/** The last errors of one folder. */
export class ErrorRing {
  #errors: DiskError[] = [];

  add(error: DiskError): void {
    this.#errors.push(error);
    if (this.#errors.length > RING_SIZE) this.#errors.shift();
  }

  get newest(): DiskError | undefined {
    return this.#errors.at(-1);
  }

  /** Serious errors not older than `periodSeconds`; in a read-only folder only missing files are serious. */
  serious(nowSeconds: number, periodSeconds: number, readOnly: boolean): number {
    return this.#errors.filter(
      (error) =>
        error.unixSeconds + periodSeconds >= nowSeconds &&
        (readOnly ? error.code === 'ENOENT' : SERIOUS.has(error.code)),
    ).length;
  }

  clear(): void {
    this.#errors = [];
  }
}
