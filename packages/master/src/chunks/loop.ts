import type { OperationContext } from './operations.ts';
import { type ChunkServer, Load } from './servers.ts';
import type { ChunkWorld } from './world.ts';

/** What was done and not done in a pass of the maintenance loop (spec 40 §12.2). */
export interface PassStats {
  invalidDeleted: number;
  invalidNotDeleted: number;
  unusedDeleted: number;
  unusedNotDeleted: number;
  diskCleanDeleted: number;
  diskCleanNotDeleted: number;
  overGoalDeleted: number;
  overGoalNotDeleted: number;
  underGoalCopied: number;
  underGoalNotCopied: number;
  wrongLabelsCopied: number;
  wrongLabelsNotCopied: number;
  rebalanced: number;
  labelsDontMatch: number;
  lockedUnused: number;
  lockedUsed: number;
}

export function emptyStats(): PassStats {
  return {
    invalidDeleted: 0,
    invalidNotDeleted: 0,
    unusedDeleted: 0,
    unusedNotDeleted: 0,
    diskCleanDeleted: 0,
    diskCleanNotDeleted: 0,
    overGoalDeleted: 0,
    overGoalNotDeleted: 0,
    underGoalCopied: 0,
    underGoalNotCopied: 0,
    wrongLabelsCopied: 0,
    wrongLabelsNotCopied: 0,
    rebalanced: 0,
    labelsDontMatch: 0,
    lockedUnused: 0,
    lockedUsed: 0,
  };
}

/** What the rules of the maintenance loop share. */
export interface LoopContext extends OperationContext {
  stats: PassStats;
  /** Present limit of deletions without an answer, per server (spec 40 §11.7). */
  deleteLimit: number;
  /** Unix time of the last rebalance. */
  lastRebalance: number;
  /** Servers fit for over-goal deletion and rebalancing, emptiest first; made anew each tick. */
  emptiestFirst: readonly ChunkServer[];
  /** Some usable server has 1 % or less free. */
  nearlyFull: boolean;
}

/** May be chosen when copies are moved or thinned out: not overloaded, not in a grace period, not in maintenance. */
export function isCalm(server: ChunkServer): boolean {
  if (server.inMaintenance) return false;
  return server.loadState === Load.unknown || server.loadState === Load.ok || server.loadState === Load.rebalance;
}

/**
 * A number in [0, 1) that depends on server and second: it makes fractional limits mean "in this share of the seconds"
 * (spec 40 §11.5 step 4).
 */
export function dither(world: ChunkWorld, server: ChunkServer): number {
  const mixed = Math.imul(server.slot + 1, 0x9e3779b1) ^ Math.imul(world.now(), 0x85ebca6b);
  return (Math.imul(mixed ^ (mixed >>> 15), 0xc2b2ae35) >>> 0) / 0x100000000;
}

/** Kinds of replication, as indexes of the limits. */
export const RepairClass = { endangered: 0, other: 1, smallRebalance: 2, largeRebalance: 3 } as const;

export function maySend(world: ChunkWorld, server: ChunkServer, kind: number): boolean {
  return server.sending + dither(world, server) < world.settings.readReplicationLimits[kind];
}

export function mayReceive(world: ChunkWorld, server: ChunkServer, kind: number): boolean {
  return server.receiving + dither(world, server) < world.settings.writeReplicationLimits[kind];
}
