import type { Cancel, Clock } from '@alces/runtime';
import { parseVirtualAddress } from './address.ts';
import { type FitnessFacts, fitness } from './fitness.ts';
import { openHostLink } from './hostLink.ts';
import { holdsAddress } from './ipCommand.ts';
import { createVipKeeper } from './keeper.ts';
import type { VrrpState } from './notifyFifo.ts';
import { checkVipRights } from './rights.ts';

export interface HostSideOptions {
  dataPath: string;
  /** `external`: keepalived's decisions are obeyed. */
  detector: 'external' | 'builtin';
  /** HANG_TIMEOUT_MS: a node that is silent for that long counts as hung. */
  hangMs: number;
  /** `10.0.0.100/24`, or undefined. */
  vip: string | undefined;
  vipInterface: string | undefined;
  /** The node itself adds and removes the VIP. */
  manageVip: boolean;
  clock: Clock;
  /** Asked many times a second: must be cheap. */
  facts(): FitnessFacts;
  /** keepalived gave the VIP to this host. Called again for each notification. */
  promote(): void;
  /** keepalived took it away. */
  demote(): void;
  report(level: 'info' | 'warn' | 'error', text: string): void;
}

/** Everything between a node and its host: keepalived, the VIP, the guardian. */
export interface HostSide {
  /** The node leads and its ports are open: brings the VIP here if that is the node's business. Repeatable; never rejects. */
  leads(): Promise<void>;
  /** The node does not lead (at the start too: a crash may have left the VIP). Repeatable; never rejects. */
  follows(): Promise<void>;
  /** Something that decides about fitness has changed. */
  changed(): void;
  /** A former rival is back: says where the VIP is once more. */
  announce(): void;
  /** Lets go of the VIP, so that keepalived moves it, for as long as it takes. For a planned switch to another node. */
  yieldVip(): void;
  /** For `status`. */
  vip(): { address: string; held: boolean } | null;
  close(): Promise<void>;
}

/** A node that made room for another stays unfit that long, if keepalived does not answer before. */
const YIELD_MS = 3000;
/** The VIP follows a leader that was made otherwise (`mfsha promote`, an order that came late) after so long. */
const MISPLACED_MS = 250;
/** The VIP that comes here so soon after another node began to lead was given up before keepalived knew whose it is. */
const FRESH_LEAD_MS = 250;
/** It is wanted here, and this node takes the lead, if it has not gone there after so long. */
const POSTPONED_MS = 400;
/** Whether the VIP is here although keepalived has not said so is looked at that often; so long a leader may be missing before it counts. */
const UNTOLD_LOOK_MS = 500;
const UNTOLD_MS = 2000;

function anotherLeads({ leader, self, phase }: FitnessFacts): boolean {
  return leader !== undefined && leader !== self && phase === 'following';
}

/** Rejects when the VIP, the interface or the FIFO is not usable, or the node lacks the rights to manage the VIP. */
export async function openHostSide(options: HostSideOptions): Promise<HostSide> {
  const { clock, report, manageVip, detector } = options;
  const address = options.vip === undefined ? undefined : parseVirtualAddress(options.vip).address;
  if (options.vip !== undefined && manageVip) checkVipRights();
  const keeper =
    options.vip !== undefined && manageVip
      ? createVipKeeper({
          vip: options.vip,
          ...(options.vipInterface !== undefined && { interfaceName: options.vipInterface }),
          clock,
          report,
        })
      : undefined;
  let yieldsUntilMs = 0;
  let vrrp: VrrpState | undefined;
  let rightPlaceMs = clock.monotonicMs();
  let leader: string | undefined;
  let leaderSinceMs = clock.monotonicMs();
  let cancelPostponed: Cancel = () => {};
  /** Notes since when the present leader is heard. */
  const look = () => {
    const facts = options.facts();
    if (facts.leader !== leader) {
      leader = facts.leader;
      leaderSinceMs = clock.monotonicMs();
    }
    return facts;
  };
  const isHandover = () => anotherLeads(look()) && clock.monotonicMs() - leaderSinceMs < FRESH_LEAD_MS;
  const weight = () => {
    const nowMs = clock.monotonicMs();
    const facts = look();
    if (vrrp !== 'MASTER' || !anotherLeads(facts)) rightPlaceMs = nowMs;
    if (nowMs - rightPlaceMs >= MISPLACED_MS) {
      report('info', `the VIP is here, and ${facts.leader} leads: making room for it`);
      yieldsUntilMs = nowMs + YIELD_MS;
      rightPlaceMs = nowMs;
    }
    return fitness({ ...facts, maintenance: facts.maintenance || nowMs < yieldsUntilMs }).weight;
  };
  const link = await openHostLink({
    dataPath: options.dataPath,
    hangMs: options.hangMs,
    ...(keeper !== undefined &&
      options.vip !== undefined && { vip: { address: options.vip, interfaceName: keeper.interfaceName } }),
    clock,
    weight,
    state(state) {
      report('info', `keepalived says ${state}`);
      vrrp = state;
      cancelPostponed();
      if (state !== 'MASTER') yieldsUntilMs = 0;
      if (detector === 'builtin') return;
      if (state !== 'MASTER') options.demote();
      else if (isHandover()) postpone();
      else options.promote();
      link.update();
    },
    report,
  });
  const postpone = () => {
    report('info', `${leader} has just come to lead: making room for it`);
    yieldsUntilMs = clock.monotonicMs() + POSTPONED_MS;
    cancelPostponed = clock.timeout(POSTPONED_MS, () => {
      // Whatever made it unfit meanwhile would take the VIP away from the one that leads now.
      yieldsUntilMs = 0;
      options.promote();
      link.update();
    });
  };
  const failed = (error: unknown) => report('error', `virtual address: ${String(error)}`);
  const cancelLook =
    address === undefined || detector === 'builtin' || manageVip
      ? () => {}
      : watchUntold(options, address, () => vrrp === 'MASTER');
  return {
    async leads() {
      link.update();
      await keeper?.take().catch(failed);
    },
    async follows() {
      link.update();
      await keeper?.drop().catch(failed);
    },
    changed: () => link.update(),
    announce: () => keeper?.announce(),
    yieldVip() {
      yieldsUntilMs = clock.monotonicMs() + YIELD_MS;
      link.update();
    },
    vip: () => (address === undefined ? null : { address, held: holdsAddress(address) }),
    async close() {
      cancelLook();
      cancelPostponed();
      await keeper?.close().catch(failed);
      await link.close();
    },
  };
}

/**
 * The VIP came here, nobody leads, and no word of keepalived arrived: its FIFO was replaced behind its back (a new disk), or it has hooks of the
 * operator's that failed. Better late than never. Who demoted a node whose keepalived is MASTER meant it.
 */
function watchUntold(options: HostSideOptions, address: string, isTold: () => boolean): Cancel {
  const { clock, report } = options;
  let soundMs = clock.monotonicMs();
  return clock.interval(UNTOLD_LOOK_MS, () => {
    const nowMs = clock.monotonicMs();
    const facts = options.facts();
    const isUntold = !isTold() && facts.leader === undefined && facts.phase === 'following' && fitness(facts).fit;
    if (!isUntold || !holdsAddress(address)) soundMs = nowMs;
    if (nowMs - soundMs < UNTOLD_MS) return;
    soundMs = nowMs;
    report(
      'warn',
      `the VIP is here, nobody leads, and keepalived did not say MASTER: 'systemctl restart keepalived' connects it to this node again`,
    );
    options.promote();
  });
}
