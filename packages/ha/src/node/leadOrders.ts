import type { ReplicationNode } from '@alces/replication';
import type { Clock, Random } from '@alces/runtime';

export interface LeadOrdersOptions {
  clock: Clock;
  random: Random;
  node(): ReplicationNode;
  /** Whether clients are served; undefined: a witness. */
  isServing(): boolean | undefined;
  /** Why the master could not serve when the node led last, as long as that counts. */
  obstacle(): string | undefined;
  forgetObstacle(): void;
  /** Lets go of the VIP, for another node. */
  yieldVip(): void;
}

const POLL_MS = 5;
/** An order to lead is repeated that long: its epoch may be lost to another candidate. */
const SWITCH_WAIT_MS = 10_000;
/** keepalived hears of the new leader's weight before the former one lets go of the VIP. */
const YIELD_AFTER_MS = 20;
/** An operator's order is given again when another node leads for so long, to twice that. */
const INSIST_MS = 300;

/** Orders of an operator, or of the node itself, about who shall lead: given, insisted on, and waited for. */
export class LeadOrders {
  readonly #options: LeadOrdersOptions;
  #insistAtMs = 0;
  #countermands = 0;

  constructor(options: LeadOrdersOptions) {
    this.#options = options;
  }

  /** Resolves when this node serves. Rejects with what is in the way. */
  async promote(force: boolean, waitMs: number): Promise<void> {
    const { clock, isServing, obstacle, forgetObstacle } = this.#options;
    const node = this.#options.node();
    if (isServing() === undefined) throw new Error('a witness never leads');
    forgetObstacle();
    this.#insistAtMs = clock.monotonicMs() + INSIST_MS;
    node.promote({ force });
    const given = this.#countermands;
    const isOver = () => this.#countermands !== given;
    await this.until(waitMs, () => {
      if (isServing() || obstacle() !== undefined || isOver()) return true;
      this.#insist(node, force);
      return false;
    });
    if (isServing()) return;
    const reason = obstacle();
    if (reason !== undefined) throw new Error(reason);
    if (isOver()) throw new Error('another order came in between');
    const { problem, phase } = node.status();
    throw new Error(`${problem || `it did not come to lead (${phase})`} (after ${waitMs} ms)`);
  }

  /** This node is not to lead any more: who waits for it need not. */
  countermand(): void {
    this.#countermands++;
  }

  /** Somebody else's older wish may have won although this order is newer. */
  #insist(node: ReplicationNode, force: boolean): void {
    const { clock, random } = this.#options;
    const { phase, leader, self } = node.status();
    const nowMs = clock.monotonicMs();
    if (phase !== 'following' || leader === undefined || leader === self || nowMs < this.#insistAtMs) return;
    this.#insistAtMs = nowMs + INSIST_MS + random.below(INSIST_MS);
    node.promote({ force });
  }

  /** A planned switch. Resolves with the new leader. */
  async switchTo(wanted: string | undefined): Promise<string> {
    const node = this.#options.node();
    const { self, peers, role, leader } = node.status();
    if (role !== 'Primary')
      throw new Error(
        `${leader ?? 'nobody'} leads; 'mfsha switch' is for the node that does ('mfsha promote' takes the lead)`,
      );
    if (wanted === self) return self;
    const inStep = peers.filter(
      ({ witness, connection, data }) => !witness && connection === 'Connected' && data === 'UpToDate',
    );
    let obstacle: string | undefined = 'no other node is up to date';
    const target = (wanted === undefined ? inStep.map(({ id }) => id) : [wanted]).find((id) => {
      obstacle = node.switchTo(id);
      return obstacle === undefined;
    });
    if (target === undefined) throw new Error(obstacle);
    if (!(await this.until(SWITCH_WAIT_MS, () => node.status().leader === target)))
      throw new Error(`${target} did not come to lead; see 'mfsha status'`);
    await this.pause(YIELD_AFTER_MS);
    this.#options.yieldVip();
    return target;
  }

  pause(delayMs: number): Promise<void> {
    return new Promise((resolve) => {
      this.#options.clock.timeout(delayMs, resolve);
    });
  }

  /** Resolves with true when `probe` is, or with false after `waitMs`. */
  async until(waitMs: number, probe: () => boolean): Promise<boolean> {
    const { clock } = this.#options;
    const endMs = clock.monotonicMs() + waitMs;
    while (!probe()) {
      if (clock.monotonicMs() >= endMs) return false;
      await this.pause(POLL_MS);
    }
    return true;
  }
}
