import { emptyStats, isCalm, type LoopContext } from './loop.ts';
import { visitChunk } from './rules.ts';
import { hasSpace, isUsable, Removal, usage } from './servers.ts';
import type { ChunkSlot } from './views.ts';

export const ticksPerSecond = 50;
/** Passes after which the delete limit is looked at again. */
const limitPeriod = 16;
/** A tick that took longer halves the number of chunks of the next one. */
const longTickMs = 8;
const minBudget = 64;

/** The maintenance loop (spec 40 §11): queued chunks first, then a walk over all chunks, in slices of one tick. */
export class MaintenanceLoop {
  private readonly loop: LoopContext;
  /** Chunks of a tick: as configured, or less while ticks take too long. */
  private budget = minBudget;
  private cursor: ChunkSlot = 1;
  private passTick = 0;
  private passes = 0;
  private deletionsDone = 0;
  private deletionsRefused = 0;
  private previousDeletions = 0;
  private loopStart = 0;
  private loopEnd = 0;
  private published = emptyStats();

  constructor(loop: LoopContext) {
    this.loop = loop;
  }

  /** One slice of work. To be called only while maintenance is allowed (spec 40 §11.1). */
  tick(): void {
    const { loop } = this;
    const { world } = loop;
    loop.emptiestFirst = world.servers
      .usable()
      .filter(isCalm)
      .sort((a, b) => usage(a) - usage(b));
    loop.nearlyFull = world.servers.all().some((server) => isUsable(server) && !hasSpace(server));
    this.budget = Math.min(this.budget, Math.ceil(world.settings.loopMaxChunksPerSecond / ticksPerSecond));
    const startMs = world.clock.monotonicMs();
    loop.queues.work(this.budget, (slot) => visitChunk(loop, slot, false));
    this.walk(this.budget);
    const long = world.clock.monotonicMs() - startMs > longTickMs;
    this.budget = Math.max(minBudget, Math.floor(long ? this.budget / 2 : this.budget * 2));
  }

  /** Numbers of CHUNKSTEST_INFO, those of the last complete pass. */
  report(): number[] {
    const stats = this.published;
    return [
      this.loopStart,
      this.loopEnd,
      stats.invalidDeleted,
      stats.invalidNotDeleted,
      stats.unusedDeleted,
      stats.unusedNotDeleted,
      stats.diskCleanDeleted,
      stats.diskCleanNotDeleted,
      stats.overGoalDeleted,
      stats.overGoalNotDeleted,
      stats.underGoalCopied,
      stats.underGoalNotCopied,
      stats.wrongLabelsCopied,
      stats.wrongLabelsNotCopied,
      stats.rebalanced,
      stats.labelsDontMatch,
      stats.lockedUnused,
      stats.lockedUsed,
    ];
  }

  /** Visits as many chunks as the pace of one pass per CHUNKS_LOOP_MIN_TIME demands, within the budget. */
  private walk(budget: number): void {
    const { world } = this.loop;
    const passTicks = world.settings.loopMinSeconds * ticksPerSecond;
    this.passTick++;
    const end = world.table.slotLimit;
    const target = Math.min(end, Math.ceil((end * this.passTick) / passTicks));
    const stop = Math.min(target, this.cursor + budget);
    while (this.cursor < stop) visitChunk(this.loop, this.cursor++, true);
    if (this.cursor >= end && this.passTick >= passTicks) this.endPass();
  }

  private endPass(): void {
    const { loop } = this;
    this.cursor = 1;
    this.passTick = 0;
    this.published = loop.stats;
    this.loopStart = this.loopEnd;
    this.loopEnd = loop.world.now();
    this.adjustDeleteLimit();
    loop.stats = emptyStats();
    for (const server of loop.world.servers.all()) server.removal = removalAfterPass(server.removal);
  }

  /** Raises the limit while deletions pile up, lowers it when they become fewer (spec 40 §11.7). */
  private adjustDeleteLimit(): void {
    const { loop } = this;
    const { stats } = loop;
    const { softDeleteLimit: soft, hardDeleteLimit: hard } = loop.world.settings;
    this.deletionsDone += stats.invalidDeleted + stats.unusedDeleted + stats.overGoalDeleted;
    this.deletionsRefused += stats.invalidNotDeleted + stats.unusedNotDeleted + stats.overGoalNotDeleted;
    if (++this.passes % limitPeriod !== 0) return;
    const all = this.deletionsDone + this.deletionsRefused;
    if (this.deletionsRefused > this.deletionsDone && all > this.previousDeletions) {
      loop.deleteLimit = Math.min(hard, loop.deleteLimit * 1.5);
    } else if (all < this.previousDeletions && loop.deleteLimit > soft) {
      loop.deleteLimit = Math.max(soft, loop.deleteLimit / 1.5);
    }
    this.previousDeletions = all;
    this.deletionsDone = 0;
    this.deletionsRefused = 0;
  }
}

/** Progress of emptying marked disks when a whole pass has gone by (spec 40 §13.6). */
function removalAfterPass(removal: number): number {
  if (removal === Removal.unknown) return Removal.unknownOnePass;
  if (removal === Removal.inProgress) return Removal.wasInProgress;
  return Removal.removable;
}
