import { Mark } from './marks.ts';
import type { ChunkSlot } from './views.ts';
import { unmatchedLabels } from './wishes.ts';
import type { ChunkWorld } from './world.ts';

/** Priority queues (spec 40 §11.4), most urgent first. */
export const Queue = {
  endangeredHighGoal: 0,
  endangered: 1,
  oneRegular: 2,
  marked: 3,
  underGoal: 4,
  wrongLabels: 5,
  overGoal: 6,
} as const;

export const queueCount = 7;
/** Share of the chunk budget of a tick that a queue gets whatever the more urgent ones need. */
const guaranteedShares = [1, 0.1, 0.1, 0.01, 0.05, 0.01, 0.3];
/** A chunk whose lock merely ran out is left alone for so long, seconds. */
const staleLockSeconds = 3600;
const initialRing = 1024;
/** Visits in a row without effect after which a queue is left alone for this tick. */
const maxFruitless = 64;

/** A ring of chunk slots that grows up to a limit; then the oldest entry gives way. */
class Ring {
  private slots = new Uint32Array(initialRing);
  private head = 0;
  length = 0;

  /** Adds a slot; returns the slot that was pushed out, or 0. */
  push(slot: ChunkSlot, limit: number): ChunkSlot {
    const pushedOut = this.length >= limit ? this.shift() : 0;
    if (this.length === this.slots.length) this.grow();
    this.slots[(this.head + this.length) % this.slots.length] = slot;
    this.length++;
    return pushedOut;
  }

  shift(): ChunkSlot {
    const slot = this.slots[this.head];
    this.head = (this.head + 1) % this.slots.length;
    this.length--;
    return slot;
  }

  private grow(): void {
    const slots = new Uint32Array(this.slots.length * 2);
    for (let i = 0; i < this.length; i++) slots[i] = this.slots[(this.head + i) % this.slots.length];
    this.slots = slots;
    this.head = 0;
  }
}

/** Chunks that need attention before the normal walk comes to them. */
export class PriorityQueues {
  private readonly world: ChunkWorld;
  private readonly rings = Array.from({ length: queueCount }, () => new Ring());

  constructor(world: ChunkWorld) {
    this.world = world;
  }

  /** Takes the chunk into its queue if something is wrong with it (spec 40 §11.4). Returns whether it is queued now. */
  offer(slot: ChunkSlot): boolean {
    const { world } = this;
    if (world.marks.has(slot, Mark.queued)) return true;
    if (world.table.references(slot) === 0 || world.table.storageClass(slot) === 0) return false;
    if (world.lockedTo(slot) + staleLockSeconds >= world.now()) return false;
    const queue = this.classify(slot);
    if (queue === undefined) return false;
    this.push(slot, queue);
    return true;
  }

  /** The queue a chunk belongs to; undefined when it needs nothing or nothing can be done. */
  classify(slot: ChunkSlot): number | undefined {
    const { ok, okMarked } = this.world.counts(slot);
    if (ok + okMarked === 0) return undefined;
    const goal = this.world.goal(slot);
    if (ok === goal && unmatchedLabels(this.world, slot) === 0) return undefined;
    return queueOf(ok, okMarked, goal);
  }

  push(slot: ChunkSlot, queue: number): void {
    if (this.world.marks.has(slot, Mark.queued)) return;
    const pushedOut = this.rings[queue].push(slot, this.world.settings.priorityQueueLength);
    if (pushedOut !== 0) this.world.marks.clear(pushedOut, Mark.queued);
    this.world.marks.set(slot, Mark.queued);
  }

  /** No chunk waits in a queue more urgent than `queue`. */
  emptyBefore(queue: number): boolean {
    for (let index = 0; index < queue; index++) if (this.rings[index].length > 0) return false;
    return true;
  }

  lengths(): number[] {
    return this.rings.map((ring) => ring.length);
  }

  /**
   * Visits queued chunks within a budget, urgent ones first; each queue gets at least its share (spec 40 §11.4). A queue in which
   * one chunk after the other goes back because nothing can be done now is left until the next time.
   */
  work(budget: number, visit: (slot: ChunkSlot) => void): void {
    const present = this.lengths();
    let used = 0;
    for (let queue = 0; queue < queueCount; queue++) {
      used = Math.min(used, Math.floor((1 - guaranteedShares[queue]) * budget));
      let fruitless = 0;
      while (present[queue] > 0 && used < budget && fruitless < maxFruitless && this.rings[queue].length > 0) {
        present[queue]--;
        used++;
        const slot = this.rings[queue].shift();
        this.world.marks.clear(slot, Mark.queued);
        visit(slot);
        fruitless = this.world.marks.has(slot, Mark.queued) ? fruitless + 1 : 0;
      }
    }
  }

  /** Forgets everything: the length limit has changed. */
  clear(): void {
    for (const ring of this.rings) while (ring.length > 0) this.world.marks.clear(ring.shift(), Mark.queued);
  }
}

export function queueOf(ok: number, okMarked: number, goal: number): number {
  const total = ok + okMarked;
  if (total === 1 && goal > 2) return Queue.endangeredHighGoal;
  if (total === 1 && goal === 2) return Queue.endangered;
  if (ok === 1 && okMarked > 0) return Queue.oneRegular;
  if (okMarked > 0) return Queue.marked;
  if (ok < goal) return Queue.underGoal;
  return ok > goal ? Queue.overGoal : Queue.wrongLabels;
}
