import type { Clock } from '@alces/runtime';
import { ExpiringMap } from './expiringMap.ts';

const LIMIT = 400_448;

/** Names that are known not to exist (`mfsnegentrycacheto`, off by default; spec 10 §12.5). */
export class NegativeEntries {
  readonly #names: ExpiringMap<string, true>;
  readonly #enabled: boolean;

  constructor(clock: Clock, lifeSeconds: number) {
    this.#enabled = lifeSeconds > 0;
    this.#names = new ExpiringMap(clock, lifeSeconds * 1000, LIMIT);
  }

  has(parent: number, name: Buffer): boolean {
    return this.#enabled && this.#names.get(keyOf(parent, name)) === true;
  }

  add(parent: number, name: Buffer): void {
    if (this.#enabled) this.#names.set(keyOf(parent, name), true);
  }

  remove(parent: number, name: Buffer): void {
    if (this.#enabled) this.#names.delete(keyOf(parent, name));
  }

  clear(): void {
    this.#names.clear();
  }
}

function keyOf(parent: number, name: Buffer): string {
  return `${parent}/${name.toString('latin1')}`;
}
