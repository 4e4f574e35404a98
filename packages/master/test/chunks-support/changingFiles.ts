import { type Client, ops } from '@alces/client';
import { SnapshotMode } from '@alces/proto';
import { expect } from 'vitest';
import { until } from '../../../../test/support/until.ts';

const BLOCK = 65536;
const BLOCKS = 4;

/** One file that is changed again and again, and what must be in it. */
class ChangingFile {
  readonly path: string;
  content: Buffer = Buffer.alloc(BLOCKS * BLOCK, 1);
  changes = 0;

  constructor(path: string) {
    this.path = path;
  }
}

/** Files under a load of writes, truncations and snapshots; all that was acknowledged must be in them at the end. */
export class ChangingFiles {
  readonly #client: Client;
  readonly #files: readonly ChangingFile[];
  #stopped = false;
  /** The load's first error. */
  #failure: unknown;

  private constructor(client: Client, count: number) {
    this.#client = client;
    this.#files = Array.from({ length: count }, (_, index) => new ChangingFile(`/f${index}`));
  }

  static async make(client: Client, count: number): Promise<ChangingFiles> {
    const files = new ChangingFiles(client, count);
    for (const { path, content } of files.#files) await client.writeFile(path, content);
    return files;
  }

  /** Resolves when it was stopped. */
  async change(): Promise<void> {
    const all = this.#files.map((file) => this.#changeOne(file));
    await Promise.all(all).catch((error: unknown) => {
      this.#failure = error;
      throw error;
    });
  }

  stop(): void {
    this.#stopped = true;
  }

  /** Resolves when every file was changed once more. */
  async progress(): Promise<void> {
    const before = this.#files.map(({ changes }) => changes);
    await until('every file to be changed again', 40_000, () => {
      if (this.#failure !== undefined) throw this.#failure;
      return this.#files.every(({ changes }, index) => changes > before[index]);
    });
  }

  async check(): Promise<void> {
    for (const { path, content } of this.#files) {
      const found = await this.#client.readFile(path);
      expect(found.length, path).toBe(content.length);
      expect(found.equals(content), `${path} has the content that was acknowledged`).toBe(true);
    }
  }

  async #changeOne(file: ChangingFile): Promise<void> {
    let number = 2;
    while (!this.#stopped) {
      number++;
      if (number % 7 === 0) await this.#cut(file, number);
      else if (number % 11 === 0) await this.#share(file);
      else await this.#write(file, number);
      file.changes++;
    }
  }

  async #write(file: ChangingFile, number: number): Promise<void> {
    const offset = (number % BLOCKS) * BLOCK + (number % 3) * 1000;
    const data = Buffer.alloc(5000 + (number % 5) * 10_000, number);
    const handle = await this.#client.open(file.path, 'r+');
    try {
      await handle.write(data, offset);
      await handle.sync();
    } finally {
      await handle.close();
    }
    const after = Buffer.alloc(Math.max(file.content.length, offset + data.length));
    file.content.copy(after);
    data.copy(after, offset);
    file.content = after;
  }

  async #cut(file: ChangingFile, number: number): Promise<void> {
    const length = 2 * BLOCK + (number % 13) * 1111;
    await this.#client.truncate(file.path, length);
    const after = Buffer.alloc(length);
    file.content.copy(after);
    file.content = after;
  }

  /** The chunks are shared with a snapshot from now on, so that the next change makes new ones. */
  async #share(file: ChangingFile): Promise<void> {
    const { session, caller } = this.#client;
    const { ino } = await this.#client.stat(file.path);
    const name = Buffer.from(`${file.path.slice(1)}.snapshot`);
    await ops.snapshot(session, ino, 1, name, { mode: SnapshotMode.CAN_OVERWRITE, umask: 0 }, caller);
  }
}
