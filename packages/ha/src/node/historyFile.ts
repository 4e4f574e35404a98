import { appendFile, readFile, rename, stat } from 'node:fs/promises';
import type { HistoryEvent } from '../control/types.ts';

const MOST_BYTES = 1 << 20;

/** What happened on a node, a line of JSON each; the newest two megabytes at most. */
export class HistoryFile {
  readonly #path: string;
  #last: Promise<void> = Promise.resolve();

  constructor(path: string) {
    this.#path = path;
  }

  /** Never rejects: what can't be noted is lost. */
  add(event: HistoryEvent): void {
    this.#last = this.#last.then(() => this.#append(event)).catch(() => {});
  }

  async #append(event: HistoryEvent): Promise<void> {
    const size = await stat(this.#path).then(
      (found) => found.size,
      () => 0,
    );
    if (size > MOST_BYTES) await rename(this.#path, `${this.#path}.1`);
    await appendFile(this.#path, `${JSON.stringify(event)}\n`);
  }

  /** The newest events, oldest first. */
  async newest(count: number): Promise<HistoryEvent[]> {
    await this.#last;
    const lines: string[] = [];
    for (const path of [`${this.#path}.1`, this.#path]) {
      const text = await readFile(path, 'utf8').catch(() => '');
      lines.push(...text.split('\n').filter(Boolean));
    }
    return lines.slice(-count).flatMap(parseEvent);
  }

  /** Resolves when everything is noted. */
  settled(): Promise<void> {
    return this.#last;
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
