import type { Position } from '../history.ts';

/** A frame that no correct peer sends: the connection must be closed. */
export class BadMessage extends Error {
  override readonly name = 'BadMessage';
}

export function asList(value: unknown, longest: number): unknown[] {
  if (!Array.isArray(value) || value.length > longest) throw new BadMessage('not a list, or too long');
  return value;
}

export function asPosition(value: unknown): Position {
  const fields = new Fields(value, 2);
  return { epoch: fields.count(), version: fields.count() };
}

/** Reads the values of a decoded list one after the other, checking each. */
export class Fields {
  readonly #values: unknown[];
  #at = 0;

  constructor(value: unknown, length: number) {
    this.#values = asList(value, length);
    if (this.#values.length !== length) throw new BadMessage(`${this.#values.length} fields instead of ${length}`);
  }

  next(): unknown {
    if (this.#at >= this.#values.length) throw new BadMessage('fields are missing');
    return this.#values[this.#at++];
  }

  end(): void {
    if (this.#at !== this.#values.length) throw new BadMessage('there are more fields');
  }

  /** An integer of at least `least`. */
  count(least = 0): number {
    const value = this.next();
    if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < least) throw new BadMessage('not a count');
    return value;
  }

  /** Any number of milliseconds; -Infinity stands for none. */
  time(): number {
    const value = this.next();
    if (typeof value !== 'number' || Number.isNaN(value)) throw new BadMessage('not a time');
    return value;
  }

  flag(): boolean {
    const value = this.next();
    if (typeof value !== 'boolean') throw new BadMessage('not a flag');
    return value;
  }

  choice<T>(choices: readonly T[]): T {
    const index = this.count();
    if (index >= choices.length) throw new BadMessage('not one of the choices');
    return choices[index];
  }

  text(longest: number): string {
    const value = this.next();
    if (typeof value !== 'string' || value.length > longest) throw new BadMessage('not a text, or too long');
    return value;
  }

  /** The name of a node; may be empty. */
  name(): string {
    const value = this.text(64);
    if (!/^[A-Za-z0-9._-]*$/.test(value)) throw new BadMessage('not a name');
    return value;
  }

  bytes(): Buffer {
    const value = this.next();
    if (!(value instanceof Uint8Array)) throw new BadMessage('not bytes');
    return Buffer.isBuffer(value) ? value : Buffer.from(value.buffer, value.byteOffset, value.length);
  }

  list(longest: number): unknown[] {
    return asList(this.next(), longest);
  }
}
