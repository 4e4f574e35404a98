import { CopyState, isLive, isMarked } from './copies.ts';
import { cleanUp, copyLost, type OperationContext, removeUnused } from './operations.ts';
import type { ChunkServer } from './servers.ts';
import type { ChunkSlot } from './views.ts';

/** A reported id further ahead than this is nonsense. */
const maxIdAhead = 1_000_000_000;
/** Chunks that nobody knows are kept for so long: the metadata may be older than they are. */
const unknownChunkSeconds = 7 * 86400;

/** Bit 31 of a reported version: the copy lies on a disk marked for removal. */
const markedBit = 0x80000000;

/** Counts entries that were thrown away, for one line in the log now and then. */
export interface ReportContext extends OperationContext {
  ignored(server: ChunkServer, chunkId: number): void;
  /** Known copies were reported lost: counters are not final for a while. */
  copiesWereLost(): void;
}

/** A server has this copy: registration list or CHUNK_NEW (spec 40 §2.1). */
export function reportCopy(context: ReportContext, server: ChunkServer, chunkId: number, versionWord: number): void {
  const { world } = context;
  const version = (versionWord & ~markedBit) >>> 0;
  const marked = (versionWord & markedBit) !== 0;
  const slot = findOrAdd(context, server, chunkId, version, world.now() + unknownChunkSeconds);
  if (slot === 0) return;
  const copy = world.copies.find(slot, server.slot);
  if (copy !== 0) {
    const state = world.copies.state(copy);
    if (isLive(state)) world.setCopyState(slot, copy, withMark(state, marked));
  } else {
    const good = version === world.table.version(slot);
    const state = good ? CopyState.ok : CopyState.stale;
    world.addCopy(slot, server, withMark(state, marked), version);
    world.setMustRaise(slot);
  }
  if (marked) world.noteRemovalInProgress(slot);
}

/** The same state (ok, busy or stale) on a disk that is marked for removal or not. */
function withMark(state: number, marked: boolean): number {
  if (isMarked(state) === marked) return state;
  return marked ? state + 1 : state - 1;
}

/** A copy is damaged (spec 40 §2.2). */
export function reportDamage(context: ReportContext, server: ChunkServer, chunkId: number): void {
  const { world } = context;
  const slot = findOrAdd(context, server, chunkId, 0, 0);
  if (slot === 0) return;
  const copy = world.copies.find(slot, server.slot);
  if (copy === 0) world.addCopy(slot, server, CopyState.bad, 0);
  else if (world.copies.state(copy) !== CopyState.deleting) world.spoil(slot, copy);
  world.setMustRaise(slot);
  copyLost(context, slot);
  world.noteRemovalInProgress(slot);
  if (copy !== 0) context.queues.offer(slot);
}

/** A copy is gone (spec 40 §2.3). */
export function reportLoss(context: ReportContext, server: ChunkServer, chunkId: number): void {
  const { world } = context;
  server.doubtful.delete(chunkId);
  const slot = world.table.find(chunkId);
  if (slot === 0) return;
  const copy = world.copies.find(slot, server.slot);
  world.setMustRaise(slot);
  if (copy !== 0) {
    context.copiesWereLost();
    world.removeCopy(slot, copy);
    copyLost(context, slot);
  }
  if (!removeUnused(context, slot)) {
    world.noteRemovalInProgress(slot);
    context.queues.offer(slot);
  }
}

function findOrAdd(
  context: ReportContext,
  server: ChunkServer,
  chunkId: number,
  version: number,
  lockedTo: number,
): ChunkSlot {
  const { table, host } = context.world;
  const slot = table.find(chunkId);
  if (slot !== 0) return slot;
  if (chunkId === 0 || chunkId > table.nextChunkId + maxIdAhead) {
    context.ignored(server, chunkId);
    return 0;
  }
  host.commit({ op: 'CHUNKADD', chunkid: chunkId, version, lockedto: lockedTo });
  return table.find(chunkId);
}

/** Drops the copies of servers that have gone, in slices (spec 40 §1.3 "removing"). */
export class VanishedSweep {
  private readonly context: OperationContext;
  /** Server slots whose copies are being dropped, and those that wait for the next walk. */
  private sweeping: number[] = [];
  private next: number[] = [];
  private cursor: ChunkSlot = 0;

  constructor(context: OperationContext) {
    this.context = context;
  }

  /** Copies of a server that has gone are still being dropped. */
  get active(): boolean {
    return this.sweeping.length + this.next.length > 0;
  }

  add(serverSlot: number): void {
    this.next.push(serverSlot);
  }

  /** Walks on until `deadlineMs` of the monotonic clock. */
  work(deadlineMs: number): void {
    const { world } = this.context;
    while (this.active) {
      if (this.sweeping.length === 0) {
        this.sweeping = this.next;
        this.next = [];
        this.cursor = 1;
      }
      const stop = Math.min(this.cursor + sweepStride, world.table.slotLimit);
      while (this.cursor < stop) cleanUp(this.context, this.cursor++);
      if (this.cursor >= world.table.slotLimit) {
        for (const slot of this.sweeping) world.servers.release(slot);
        this.sweeping = [];
      }
      if (world.clock.monotonicMs() >= deadlineMs) return;
    }
  }
}

/** Chunks between two looks at the clock. */
const sweepStride = 512;
