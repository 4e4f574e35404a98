/** A small reproducible source of random numbers (mulberry32). */
export class Dice {
  private seed: number;

  constructor(seed: number) {
    this.seed = seed >>> 0;
  }

  /** Integer in [0, limit). */
  below(limit: number): number {
    this.seed = (this.seed + 0x6d2b79f5) >>> 0;
    let t = this.seed;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return Math.floor((((t ^ (t >>> 14)) >>> 0) / 0x1_0000_0000) * limit);
  }

  chance(probability: number): boolean {
    return this.below(1000) < probability * 1000;
  }

  pick<T>(from: readonly T[]): T {
    return from[this.below(from.length)];
  }
}
