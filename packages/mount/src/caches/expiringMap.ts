import type { Clock } from '@alces/runtime';

interface Slot<V> {
  readonly value: V;
  readonly expiresMs: number;
}

/** A bounded map whose entries end after a time; when it is full the oldest entry makes room. */
export class ExpiringMap<K, V> {
  readonly #clock: Clock;
  readonly #lifeMs: number;
  readonly #limit: number;
  readonly #slots = new Map<K, Slot<V>>();

  constructor(clock: Clock, lifeMs: number, limit: number) {
    this.#clock = clock;
    this.#lifeMs = lifeMs;
    this.#limit = limit;
  }

  /** Entries, those included whose time is over and that nobody has asked for since. */
  get size(): number {
    return this.#slots.size;
  }

  get(key: K): V | undefined {
    const slot = this.#slots.get(key);
    if (slot === undefined) return undefined;
    if (slot.expiresMs > this.#clock.monotonicMs()) return slot.value;
    this.#slots.delete(key);
    return undefined;
  }

  set(key: K, value: V): void {
    if (this.#lifeMs <= 0) return;
    this.#slots.delete(key);
    if (this.#slots.size >= this.#limit) this.#dropOldest();
    this.#slots.set(key, { value, expiresMs: this.#clock.monotonicMs() + this.#lifeMs });
  }

  delete(key: K): void {
    this.#slots.delete(key);
  }

  clear(): void {
    this.#slots.clear();
  }

  #dropOldest(): void {
    for (const key of this.#slots.keys()) {
      this.#slots.delete(key);
      return;
    }
  }
}
