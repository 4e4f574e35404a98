import type { Disk } from '@alces/runtime';
import type { HistoryEvent } from '../control/types.ts';

const MOST_BYTES = 1 << 20;
/** While the disk takes nothing, no more events than this wait for it. */
const MOST_WAITING = 1000;

/** What happened on a node, a line of JSON each; the newest two megabytes at most. */
export class HistoryFile {
  readonly #disk: Disk;
  readonly #path: string;
  #waiting: HistoryEvent[] = [];
  #running: Promise<void> | undefined;

  constructor(disk: Disk, path: string) {
    this.#disk = disk;
    this.#path = path;
  }

  /** Never throws: what can't be noted is lost. */
  add(event: HistoryEvent): void {
    if (this.#waiting.length >= MOST_WAITING) return;
    this.#waiting.push(event);
    this.#running ??= this.#run().finally(() => {
      this.#running = undefined;
    });
  }

  async #run(): Promise<void> {
    while (this.#waiting.length > 0) {
      const lines = this.#waiting.splice(0).map((event) => `${JSON.stringify(event)}\n`);
      await this.#append(Buffer.from(lines.join(''))).catch(() => {});
    }
  }

  async #append(lines: Buffer): Promise<void> {
    const file = await this.#disk.open(this.#path, 'append');
    let size: number;
    try {
      size = await file.size();
      await file.write(size, [lines]);
    } finally {
      await file.close();
    }
    if (size > MOST_BYTES) await this.#disk.rename(this.#path, `${this.#path}.1`);
  }

  /** The newest events, oldest first. */
  async newest(count: number): Promise<HistoryEvent[]> {
    await this.settled();
    const lines: string[] = [];
    for (const path of [`${this.#path}.1`, this.#path]) {
      if (!(await this.#disk.exists(path))) continue;
      lines.push(...(await this.#disk.readFile(path)).toString().split('\n').filter(Boolean));
    }
    return lines.slice(-count).flatMap(parseEvent);
  }

  /** Resolves when everything is noted. */
  async settled(): Promise<void> {
    await this.#running;
  }
}

/** A line that a crash cut off is left out. */
function parseEvent(line: string): HistoryEvent[] {
  try {
    const { timeMs, epoch, what }: HistoryEvent = JSON.parse(line);
    return [{ timeMs: Number(timeMs), epoch: Number(epoch), what: String(what) }];
  } catch {
    return [];
  }
}
