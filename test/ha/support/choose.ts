import type { SeededRandom } from '@alces/sim';
import type { Model, Operation } from './model.ts';

const MOST_THINGS = 60;
const MOST_RECORDS = 48;

/** Chooses the next operation of a worker: one that must succeed on the folder as the model has it. */
export class Chooser {
  readonly #random: SeededRandom;
  readonly #model: Model;
  #names = 0;
  #versions = 0;

  constructor(random: SeededRandom, model: Model) {
    this.#random = random;
    this.#model = model;
  }

  next(): Operation {
    const roll = this.#random.below(100);
    const crowded = this.#model.things.size >= MOST_THINGS;
    if (roll < 30) return crowded ? this.#remove() : this.#make();
    if (roll < 55) return this.#rename();
    if (roll < 65) return this.#remove();
    return this.#change();
  }

  #fresh(): string {
    return `n${this.#names++}`;
  }

  #pick(kind?: 'file' | 'folder' | 'symlink'): string | undefined {
    const names = [...this.#model.things].filter(([, thing]) => kind === undefined || thing.kind === kind);
    return names.length === 0 ? undefined : names[this.#random.below(names.length)][0];
  }

  #make(): Operation {
    const name = this.#fresh();
    const roll = this.#random.below(10);
    if (roll === 0) return { op: 'symlink', name, target: `to/${name}` };
    if (roll === 1) return { op: 'mkdir', name };
    const file = this.#pick('file');
    if (roll <= 3 && file !== undefined) return { op: 'link', name: file, to: name };
    return { op: 'create', name };
  }

  #remove(): Operation {
    const name = this.#pick();
    if (name === undefined) return this.#make();
    return { op: this.#model.things.get(name)?.kind === 'folder' ? 'rmdir' : 'unlink', name };
  }

  #rename(): Operation {
    const name = this.#pick();
    if (name === undefined) return this.#make();
    const other = this.#random.below(3) === 0 ? this.#pick('file') : undefined;
    const replaces = other !== undefined && this.#mayReplace(name, other);
    return { op: 'rename', name, to: replaces ? other : this.#fresh() };
  }

  /** Renaming onto another name of the same file does nothing at all, and folders replace no files. */
  #mayReplace(name: string, other: string): boolean {
    const { things } = this.#model;
    return things.get(name)?.kind !== 'folder' && things.get(name) !== things.get(other);
  }

  #change(): Operation {
    const name = this.#pick('file');
    if (name === undefined) return this.#make();
    const { records } = this.#model.file(name);
    const roll = this.#random.below(10);
    if (roll === 0) return { op: 'chmod', name, mode: 0o600 + this.#random.below(0o100) };
    if (roll === 1) return { op: 'truncate', name, records: this.#random.below(Math.max(1, records.length)) };
    const record = roll < 6 ? Math.min(records.length, MOST_RECORDS) : this.#random.below(MOST_RECORDS);
    this.#versions = (this.#versions % 0xfffe) + 1;
    return { op: 'write', name, record, version: this.#versions };
  }
}
