import type { Random } from '@alces/runtime';
import type { CoreStatus } from '../core/status.ts';

/**
 * The built-in failure detector, for sites without keepalived: when no leader was heard for a while the node with the lowest rank stands
 * for the lead first. It may be wrong at any time; the journal decides.
 */
export class FailureDetector {
  readonly #timeoutMs: number;
  readonly #rank: number;
  readonly #random: Random;
  #dueMs: number | undefined;

  constructor(options: { timeoutMs: number; rank: number }, random: Random) {
    this.#timeoutMs = options.timeoutMs;
    this.#rank = options.rank;
    this.#random = random;
  }

  /** To be asked regularly: true when this node should stand for the lead now. */
  isDue(nowMs: number, status: CoreStatus): boolean {
    if (status.leader !== undefined || status.phase !== 'following') {
      this.#dueMs = undefined;
      return false;
    }
    const waitMs = this.#timeoutMs * (1 + this.#rank / 2);
    this.#dueMs ??= nowMs + waitMs + this.#random.below(Math.max(1, this.#timeoutMs / 4));
    if (nowMs < this.#dueMs) return false;
    this.#dueMs = undefined;
    return true;
  }
}
