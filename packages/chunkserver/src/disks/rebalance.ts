import { LoadStatus } from '@alces/proto';
import type { Cancel } from '@alces/runtime';
import { NONE } from '../store/chunkTable.ts';
import type { Store } from '../store/context.ts';
import { moveChunk } from '../store/move.ts';
import { type Folder, isWorking, usage } from './folder.ts';

/** Moving chunks between the folders of this server (spec 30 §2.13). */

const MINIMUM_BYTES = 1_000_000_000;
const NEARLY_FULL = 0.99;
const DIFFERENCE = 0.01;
/** Once begun, a rebalance goes on until the folders are closer together. */
const DIFFERENCE_RUNNING = 0.005;
const PAUSE_MS = 60_000;
const LOOK_AGAIN_MS = 1000;
/** Chunks looked at to find one that can be moved. */
const CANDIDATES = 16;

export interface RebalancePlan {
  sources: Folder[];
  destinations: Folder[];
}

const NOTHING: RebalancePlan = { sources: [], destinations: [] };

function mayReceive(folder: Folder): boolean {
  return usage(folder) < NEARLY_FULL && folder.duplicates.length === 0 && folder.space.availableBytes > 0;
}

/** The plan that `<` and `>` force; undefined when there are none that matter. */
function forcedPlan(folders: readonly Folder[]): RebalancePlan | undefined {
  const emptied = folders.filter((folder) => folder.line.role === 'source' && folder.chunks > 0);
  const filled = folders.filter((folder) => folder.line.role === 'destination' && folder.duplicates.length === 0);
  if (folders.length < 2 || (emptied.length === 0 && filled.length === 0)) return undefined;
  const others = (of: readonly Folder[]) => folders.filter((folder) => !of.includes(folder));
  const sources = emptied.length > 0 ? emptied : others(filled);
  const destinations = filled.length > 0 ? filled : others(emptied).filter((folder) => folder.line.role !== 'source');
  return { sources: sources.filter((folder) => folder.chunks > 0), destinations: destinations.filter(mayReceive) };
}

function planByUsage(folders: readonly Folder[], running: boolean): RebalancePlan {
  const free = folders.filter((folder) => folder.line.role === 'none' && folder.space.totalBytes > MINIMUM_BYTES);
  if (free.length < 2) return NOTHING;
  const average = free.reduce((sum, folder) => sum + usage(folder), 0) / free.length;
  const difference = running ? DIFFERENCE_RUNNING : DIFFERENCE;
  const below = free.filter((folder) => usage(folder) < average - difference);
  const above = free.filter((folder) => usage(folder) > average + difference);
  if (below.length === 0 && above.length === 0) return NOTHING;
  const destinations = below.length > 0 ? below : free.filter((folder) => !above.includes(folder));
  const sources = above.length > 0 ? above : free.filter((folder) => !below.includes(folder));
  return { sources: sources.filter((folder) => folder.chunks > 0), destinations: destinations.filter(mayReceive) };
}

/** From which folders to which ones chunks should go now. */
export function planRebalance(folders: readonly Folder[], running: boolean): RebalancePlan {
  const usable = folders.filter((folder) => isWorking(folder) && !folder.line.marked && !folder.readOnly);
  const plan = forcedPlan(usable) ?? planByUsage(usable, running);
  return plan.sources.length > 0 && plan.destinations.length > 0 ? plan : NOTHING;
}

/** The local rebalance: one move at a time, or several per destination in high-speed mode. */
export class Rebalancer {
  readonly #store: Store;
  readonly #statusChanged: () => void;
  readonly #perDestination = new Map<Folder, number>();
  readonly #moves = new Set<Promise<void>>();
  readonly #moving = new Set<number>();
  #cancel: Cancel = () => {};
  #mode: 'idle' | 'standard' | 'highSpeed' = 'idle';
  #stopped = false;

  constructor(store: Store, statusChanged: () => void) {
    this.#store = store;
    this.#statusChanged = statusChanged;
  }

  /** What the master is told about it; undefined: no rebalance. */
  get loadStatus(): number | undefined {
    if (this.#mode === 'idle') return undefined;
    return this.#mode === 'highSpeed' ? LoadStatus.OVERLOADED : LoadStatus.REBALANCE;
  }

  start(): void {
    this.#later(LOOK_AGAIN_MS);
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#cancel();
    await Promise.all(this.#moves);
  }

  #later(delayMs: number): void {
    this.#cancel();
    if (!this.#stopped) this.#cancel = this.#store.clock.timeout(delayMs, () => this.#look());
  }

  #look(): void {
    const { settings, folders } = this.#store;
    const highSpeed = settings.highSpeedRebalanceLimit > 0;
    if (!highSpeed && settings.rebalanceUtilization === 0) {
      this.#setMode('idle');
      this.#later(LOOK_AGAIN_MS);
      return;
    }
    const plan = planRebalance(folders, this.#mode !== 'idle');
    if (plan.sources.length === 0) {
      if (this.#moves.size > 0) return;
      const wasMoving = this.#mode !== 'idle';
      this.#setMode('idle');
      this.#later(wasMoving ? PAUSE_MS : LOOK_AGAIN_MS);
      return;
    }
    this.#setMode(highSpeed ? 'highSpeed' : 'standard');
    const started = highSpeed ? this.#startMany(plan) : this.#moves.size === 0 && this.#startOne(plan);
    if (!started && this.#moves.size === 0) this.#later(LOOK_AGAIN_MS);
  }

  #setMode(mode: 'idle' | 'standard' | 'highSpeed'): void {
    if (mode === this.#mode) return;
    this.#mode = mode;
    this.#statusChanged();
  }

  #startMany(plan: RebalancePlan): boolean {
    let started = false;
    for (const destination of plan.destinations) {
      const limit = this.#store.settings.highSpeedRebalanceLimit;
      while ((this.#perDestination.get(destination) ?? 0) < limit) {
        if (!this.#startOne({ sources: plan.sources, destinations: [destination] })) break;
        started = true;
      }
    }
    return started;
  }

  #startOne(plan: RebalancePlan): boolean {
    const { random } = this.#store;
    const source = plan.sources[random.below(plan.sources.length)];
    const destination = plan.destinations[random.below(plan.destinations.length)];
    const chunkId = this.#pick(source);
    if (chunkId === undefined) return false;
    const move = this.#move(chunkId, destination).finally(() => {
      this.#moves.delete(move);
      this.#moving.delete(chunkId);
      this.#perDestination.set(destination, (this.#perDestination.get(destination) ?? 1) - 1);
    });
    this.#moving.add(chunkId);
    this.#perDestination.set(destination, (this.#perDestination.get(destination) ?? 0) + 1);
    this.#moves.add(move);
    return true;
  }

  /** Some chunk of the folder that is in order and not in use. */
  #pick(folder: Folder): number | undefined {
    const { table, active, random } = this.#store;
    let slot = table.oldest(folder.number);
    for (let skip = random.below(Math.min(folder.chunks, 1000) || 1); skip > 0; skip--) slot = table.next(slot);
    for (let tries = 0; tries < CANDIDATES && slot !== NONE; tries++, slot = table.next(slot)) {
      const chunkId = table.id(slot);
      if (!table.isDamaged(slot) && !active.isInUse(chunkId) && !this.#moving.has(chunkId)) return chunkId;
    }
    return undefined;
  }

  async #move(chunkId: number, destination: Folder): Promise<void> {
    const { clock, counters, settings } = this.#store;
    const startMs = clock.monotonicMs();
    const moved = await moveChunk(this.#store, chunkId, destination);
    if (moved && this.#mode === 'highSpeed') counters.movesHighSpeed++;
    else if (moved) counters.movesLowSpeed++;
    if (this.#mode === 'highSpeed') {
      this.#later(0);
      return;
    }
    // A share of the time is spent on moves, the rest belongs to the clients.
    const utilization = Math.max(1, settings.rebalanceUtilization);
    const tookMs = clock.monotonicMs() - startMs;
    this.#later(moved ? (tookMs * (100 - utilization)) / utilization : LOOK_AGAIN_MS);
  }
}
