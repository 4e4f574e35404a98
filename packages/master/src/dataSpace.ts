import { type Disk, isMissing, type Logger } from '@alces/runtime';

const MIB = 1024 * 1024;
/** Space must be this much above the limit before it counts as enough again, so that the log is not filled with both messages. */
const ENOUGH = 1.1;

/** Watches the free space of the data folder: a master that cannot write its journal acknowledges nothing. */
export class DataSpace {
  readonly #disk: Disk;
  readonly #folder: string;
  readonly #log: Logger;
  readonly #leastBytes: () => number;
  #freeBytes: number | undefined;
  #isLow = false;

  /** `leastMib`: below that the log warns; 0: never. */
  constructor(disk: Disk, folder: string, log: Logger, leastMib: () => number) {
    this.#disk = disk;
    this.#folder = folder;
    this.#log = log;
    this.#leastBytes = () => leastMib() * MIB;
  }

  /** As of the last look; undefined: not known. */
  get freeBytes(): number | undefined {
    return this.#freeBytes;
  }

  get isLow(): boolean {
    return this.#isLow;
  }

  /** Looks, and tells the log when space has become low, and when there is enough again. Never rejects. */
  async look(): Promise<void> {
    try {
      this.#freeBytes = await this.#disk.freeBytes(this.#folder);
    } catch (error) {
      if (isMissing(error))
        this.#log.error(
          `${this.#folder} is gone: changes are written to deleted files! Make it again and end this process (kill ${process.pid}): it stores its metadata there as it stops`,
        );
      else this.#log.warn(`can't see how much space is free in ${this.#folder}: ${error}`);
      return;
    }
    const least = this.#leastBytes();
    const mib = Math.floor(this.#freeBytes / MIB);
    if (!this.#isLow && this.#freeBytes < least) {
      this.#isLow = true;
      this.#log.warn(
        `only ${mib} MiB are free in ${this.#folder}: when it is full no change is acknowledged any more (warned below ${least / MIB} MiB, DATA_FREE_WARN)`,
      );
    } else if (this.#isLow && this.#freeBytes >= least * ENOUGH) {
      this.#isLow = false;
      this.#log.info(`${mib} MiB are free in ${this.#folder}: enough again`);
    }
  }
}
