import { Status } from '@alces/proto';
import type { StartResult, TruncateStart, WriteStart } from './api.ts';
import type { Commands } from './commands.ts';
import { busyState, CopyState, goodState, isBusy, isGood, isLive, isStale, staleState } from './copies.ts';
import { Mark, Operation } from './marks.ts';
import { chooseServers, type PlacementState } from './placement.ts';
import type { PriorityQueues } from './queues.ts';
import type { ChunkServer } from './servers.ts';
import { acceptInterrupted } from './versions.ts';
import type { ChunkSlot } from './views.ts';
import type { WaitingRequests } from './waiters.ts';
import type { ChunkWorld } from './world.ts';

/** What the operations need to know of the rest of the chunk side. */
export interface OperationContext {
  readonly world: ChunkWorld;
  readonly commands: Commands;
  readonly queues: PriorityQueues;
  readonly waiters: WaitingRequests;
  readonly placement: PlacementState;
  /** Servers are registering, reporting, or the master has just started: copies may still turn up (spec 40 §1.3). */
  changing(): boolean;
  /** No server registers and the start is more than 10 s ago. */
  stable(): boolean;
  /** All servers of the database are connected and all copies are counted. */
  allDataKnown(): boolean;
  /** Something failed that may work the next time: the chunk is offered to the queues again in a second. */
  retryLater(slot: ChunkSlot): void;
  /** Offers the chunk to the queues again when another server has registered. */
  awaitServers(slot: ChunkSlot): void;
  /** Extra pass of the maintenance rules over one chunk. */
  repairNow(slot: ChunkSlot): void;
}

/** Grants a write (spec 40 §3.1). */
export function startWrite(context: OperationContext, request: WriteStart): StartResult {
  if (request.chunkId === 0) return createChunk(context, request);
  const { world, commands } = context;
  const slot = world.table.find(request.chunkId);
  const refusal = checkChange(context, slot, request.continueOperation);
  if (refusal !== undefined) return refusal;
  if (world.table.references(slot) > 1) {
    return copyOnWrite(context, slot, Operation.duplicate, request.done, (id) => request.commit(1, id), true, 0);
  }
  if (!world.mustRaise(slot)) {
    request.commit(0, request.chunkId);
    world.setWriting(slot);
    return { kind: 'ready', chunkId: request.chunkId };
  }
  if (world.counts(slot).live === 0) return noCopies(context);
  const oldVersion = world.table.version(slot);
  world.skipIssued(slot);
  request.commit(1, request.chunkId);
  const newVersion = world.table.version(slot);
  world.begin(slot, Operation.setVersion, request.done).oldVersion = oldVersion;
  world.setWriting(slot);
  orderOnLive(world, slot, newVersion, (server) =>
    commands.setVersion(server, request.chunkId, newVersion, oldVersion),
  );
  return { kind: 'pending', chunkId: request.chunkId };
}

/** Cuts or extends a chunk (spec 40 §3.2). */
export function startTruncate(context: OperationContext, request: TruncateStart): StartResult {
  const { world, commands } = context;
  const slot = world.table.find(request.chunkId);
  const refusal = checkChange(context, slot, false);
  if (refusal !== undefined) return refusal;
  const length = request.chunkLengthBytes;
  if (world.table.references(slot) > 1) {
    return copyOnWrite(context, slot, Operation.duplicateTruncate, request.done, request.commit, false, length);
  }
  if (world.counts(slot).live === 0) return noCopies(context);
  const oldVersion = world.table.version(slot);
  world.skipIssued(slot);
  request.commit(request.chunkId);
  const newVersion = world.table.version(slot);
  world.begin(slot, Operation.truncate, request.done).oldVersion = oldVersion;
  orderOnLive(world, slot, newVersion, (server) =>
    commands.truncate(server, request.chunkId, length, newVersion, oldVersion),
  );
  return { kind: 'pending', chunkId: request.chunkId };
}

/** The checks before any change of an existing chunk, in the order of spec 40 §3.1. */
function checkChange(context: OperationContext, slot: ChunkSlot, continueOperation: boolean): StartResult | undefined {
  const { world } = context;
  if (slot === 0) return { kind: 'refused', status: Status.NOCHUNK };
  if (world.isLocked(slot) && !continueOperation) return { kind: 'wait', status: Status.LOCKED };
  if (world.operation(slot) !== Operation.none) return { kind: 'wait', status: Status.CHUNKBUSY };
  if (world.isSource(slot) && world.table.references(slot) < 2) return { kind: 'wait', status: Status.CHUNKBUSY };
  world.dropVanished(slot);
  acceptInterrupted(context, slot);
  if (context.changing() && world.counts(slot).ok < world.goal(slot)) {
    return { kind: 'refused', status: Status.EAGAIN };
  }
  return undefined;
}

function noCopies(context: OperationContext): StartResult {
  return { kind: 'refused', status: context.allDataKnown() ? Status.CHUNKLOST : Status.CSNOTPRESENT };
}

function createChunk(context: OperationContext, request: WriteStart): StartResult {
  const { world, commands } = context;
  const placement = chooseServers(world, context.placement, request.storageClass, request.clientAddress);
  if (typeof placement === 'string') return { kind: 'refused', status: noPlace(context, placement) };
  const chunkId = world.table.nextChunkId;
  request.commit(1, chunkId);
  const slot = newChunkSlot(world, chunkId);
  const version = world.table.version(slot);
  world.begin(slot, Operation.create, request.done);
  world.setWriting(slot);
  for (const server of placement) {
    world.addCopy(slot, server, CopyState.busy, version);
    commands.create(server, chunkId, version);
  }
  return { kind: 'pending', chunkId };
}

function noPlace(context: OperationContext, placement: 'overloaded' | 'none'): number {
  if (placement === 'overloaded' || !context.allDataKnown()) return Status.EAGAIN;
  const servers = context.world.servers.usable().length;
  return servers > 0 && context.stable() ? Status.NOSPACE : Status.NOCHUNKSERVERS;
}

/** The chunk is shared: a new one is made of it, on the servers that have it. */
function copyOnWrite(
  context: OperationContext,
  source: ChunkSlot,
  operation: number,
  done: (status: number) => void,
  commit: (chunkId: number) => void,
  writing: boolean,
  lengthBytes: number,
): StartResult {
  const { world, commands } = context;
  if (world.counts(source).live === 0) return noCopies(context);
  const from = { chunkId: world.table.id(source), version: world.table.version(source) };
  const chunkId = world.table.nextChunkId;
  commit(chunkId);
  const slot = newChunkSlot(world, chunkId);
  const to = { chunkId, version: world.table.version(slot) };
  world.setSource(world.begin(slot, operation, done), source);
  if (writing) world.setWriting(slot);
  for (const server of liveServers(world, source)) {
    world.addCopy(slot, server, CopyState.busy, to.version);
    if (operation === Operation.duplicate) commands.duplicate(server, to, from);
    else commands.duplicateTruncate(server, to, from, lengthBytes);
  }
  return { kind: 'pending', chunkId };
}

function newChunkSlot(world: ChunkWorld, chunkId: number): ChunkSlot {
  const slot = world.table.find(chunkId);
  if (slot === 0) throw new Error(`chunk ${chunkId} does not exist after the entry that makes it`);
  return slot;
}

function liveServers(world: ChunkWorld, slot: ChunkSlot): ChunkServer[] {
  const servers: ChunkServer[] = [];
  for (let copy = world.copies.first(slot); copy !== 0; copy = world.copies.next(copy)) {
    const server = world.serverOf(copy);
    if (server !== undefined && isLive(world.copies.state(copy))) servers.push(server);
  }
  return servers;
}

/** Gives a command to each live copy; they are busy and have the new version from now on. */
function orderOnLive(
  world: ChunkWorld,
  slot: ChunkSlot,
  version: number,
  command: (server: ChunkServer) => void,
): void {
  for (let copy = world.copies.first(slot); copy !== 0; copy = world.copies.next(copy)) {
    const server = world.serverOf(copy);
    const state = world.copies.state(copy);
    if (server === undefined || !isLive(state)) continue;
    world.setCopyState(slot, copy, busyState(state));
    world.copies.setVersion(copy, version);
    command(server);
  }
}

/** A server answered CREATE, SET_VERSION, DUPLICATE, TRUNCATE or DUPTRUNC (spec 40 §4.1). */
export function operationStatus(context: OperationContext, server: ChunkServer, chunkId: number, status: number): void {
  const { world } = context;
  const slot = world.table.find(chunkId);
  if (slot === 0) return;
  const copy = world.copies.find(slot, server.slot);
  const operation = world.operation(slot);
  const record = world.operations.get(slot);
  if (record === undefined || copy === 0 || operation === Operation.replicate) return;
  if (!isBusy(world.copies.state(copy))) return;
  record.statuses.set(server.slot, status);
  const state = world.copies.state(copy);
  if (status === Status.OK) {
    server.doubtful.delete(chunkId);
    world.setCopyState(slot, copy, goodState(state));
  } else {
    world.marks.set(slot, Mark.failed);
    if (status !== Status.NOTDONE) {
      world.spoil(slot, copy);
    } else if (operation === Operation.setVersion || operation === Operation.truncate) {
      world.copies.setVersion(copy, record.oldVersion);
      world.setCopyState(slot, copy, staleState(state));
    } else {
      world.removeCopy(slot, copy);
    }
  }
  finishIfDone(context, slot);
}

/** Ends the operation when no busy copy is left (spec 40 §4.2). */
export function finishIfDone(context: OperationContext, slot: ChunkSlot): void {
  const { world } = context;
  const counts = world.counts(slot);
  if (counts.busy + counts.busyMarked > 0) return;
  if (world.operation(slot) === Operation.none) return;
  const good = counts.ok + counts.okMarked > 0;
  const source = world.releaseSource(slot);
  endOperation(context, slot, good);
  if (source !== 0) wakeWaiters(context, world.table.id(source));
}

function endOperation(context: OperationContext, slot: ChunkSlot, good: boolean): void {
  const { world } = context;
  if (!good) {
    failOperation(context, slot);
  } else if (world.marks.has(slot, Mark.failed)) {
    emergencyRaise(context, slot);
  } else {
    const done = world.operations.get(slot)?.done;
    world.end(slot);
    world.clearMustRaise(slot);
    done?.(Status.OK);
    if (world.lockedTo(slot) === 0) wakeWaiters(context, world.table.id(slot));
  }
}

/** Some copies failed: the good ones get a version of their own, and the client goes on waiting. */
function emergencyRaise(context: OperationContext, slot: ChunkSlot): void {
  const { world, commands } = context;
  const chunkId = world.table.id(slot);
  const oldVersion = world.table.version(slot);
  const newVersion = oldVersion + 1;
  world.host.commit({ op: 'SETVERSION', chunkid: chunkId, version: newVersion });
  world.marks.setOperation(slot, Operation.setVersion);
  world.marks.clear(slot, Mark.failed);
  world.operations.get(slot)!.oldVersion = oldVersion;
  orderOnLive(world, slot, newVersion, (server) => commands.setVersion(server, chunkId, newVersion, oldVersion));
}

function failOperation(context: OperationContext, slot: ChunkSlot): void {
  const { world } = context;
  const operation = world.operation(slot);
  const record = world.operations.get(slot);
  const statuses = [...(record?.statuses.values() ?? [])];
  const status = statuses.some((received) => received !== Status.NOSPACE) ? Status.NOTDONE : Status.NOSPACE;
  world.end(slot);
  world.setMustRaise(slot);
  if (record !== undefined && (operation === Operation.setVersion || operation === Operation.truncate)) {
    lowerVersion(world, slot, record.oldVersion);
  }
  if (record?.done !== undefined) record.done(status);
  else if (world.lockedTo(slot) === 0) wakeWaiters(context, world.table.id(slot));
}

/** No server did what was asked: the copies that did not even start are good again with the version before. */
function lowerVersion(world: ChunkWorld, slot: ChunkSlot, previous: number): void {
  let found = false;
  for (let copy = world.copies.first(slot); copy !== 0; copy = world.copies.next(copy)) {
    const state = world.copies.state(copy);
    if (!isStale(state) || world.copies.version(copy) !== previous) continue;
    world.setCopyState(slot, copy, goodState(state));
    found = true;
  }
  if (!found) return;
  world.noteIssued(slot, world.table.version(slot));
  world.host.commit({ op: 'SETVERSION', chunkid: world.table.id(slot), version: previous });
}

/** Cleans up a chunk after a server went away (spec 40 §2.4). */
export function cleanUp(context: OperationContext, slot: ChunkSlot): void {
  const { world } = context;
  if (world.table.id(slot) === 0 || !world.dropVanished(slot)) return;
  copyLost(context, slot);
  if (!removeUnused(context, slot)) context.queues.offer(slot);
}

/** A copy went bad or away by itself: an operation in progress must not wait for it any longer. */
export function copyLost(context: OperationContext, slot: ChunkSlot): void {
  const { world } = context;
  const operation = world.operation(slot);
  if (operation === Operation.none) return;
  if (operation === Operation.replicate) {
    endReplication(context, slot);
  } else {
    world.marks.set(slot, Mark.failed);
    finishIfDone(context, slot);
  }
}

/** Ends a repair replication when its busy copy is gone or done. */
function endReplication(context: OperationContext, slot: ChunkSlot): void {
  const counts = context.world.counts(slot);
  if (counts.busy + counts.busyMarked > 0) return;
  context.world.end(slot);
  context.world.unlockVolatile(slot);
  wakeWaiters(context, context.world.table.id(slot));
}

/** A server answered REPLICATE (spec 40 §4.4). */
export function replicationStatus(
  context: OperationContext,
  server: ChunkServer,
  chunkId: number,
  version: number,
  status: number,
): void {
  const { world } = context;
  const slot = world.table.find(chunkId);
  if (slot === 0) return;
  const copy = world.copies.find(slot, server.slot);
  if (status === Status.OK) server.doubtful.delete(chunkId);
  const repair = copy !== 0 && isBusy(world.copies.state(copy)) && world.operation(slot) === Operation.replicate;
  const sameVersion = version === world.table.version(slot);
  if (repair) {
    if (status !== Status.OK) world.removeCopy(slot, copy);
    else if (sameVersion) world.setCopyState(slot, copy, goodState(world.copies.state(copy)));
    else world.spoil(slot, copy);
    endReplication(context, slot);
  } else if (status === Status.OK) {
    rebalanced(world, slot, server, version);
  }
  if (status === Status.OK) context.queues.offer(slot);
  else context.retryLater(slot);
}

/** A copy that was ordered without a lock has arrived; it is worth nothing if the chunk has changed meanwhile. */
function rebalanced(world: ChunkWorld, slot: ChunkSlot, server: ChunkServer, version: number): void {
  const copy = world.copies.find(slot, server.slot);
  const sameVersion = version === world.table.version(slot);
  if (copy !== 0) {
    if (isGood(world.copies.state(copy)) && !sameVersion) world.spoil(slot, copy);
    return;
  }
  const good = sameVersion && !world.isLocked(slot) && world.operation(slot) === Operation.none;
  world.addCopy(slot, server, good ? CopyState.ok : CopyState.bad, good ? version : 0);
}

/** A server answered DELETE (spec 40 §2.5). */
export function deleteStatus(context: OperationContext, server: ChunkServer, chunkId: number, status: number): void {
  const { world } = context;
  const slot = world.table.find(chunkId);
  if (slot === 0 || (status !== Status.OK && status !== Status.NOCHUNK)) return;
  server.doubtful.delete(chunkId);
  const copy = world.copies.find(slot, server.slot);
  if (copy === 0) return;
  world.removeCopy(slot, copy);
  copyLost(context, slot);
  if (!removeUnused(context, slot)) context.queues.offer(slot);
}

/** Removes the record of a chunk that nobody has or wants (spec 40 §2.6). */
export function removeUnused(context: OperationContext, slot: ChunkSlot): boolean {
  const { world } = context;
  if (world.table.id(slot) === 0) return false;
  if (world.table.references(slot) > 0 || world.copies.first(slot) !== 0) return false;
  if (world.operation(slot) !== Operation.none || world.marks.has(slot, Mark.queued)) return false;
  if (world.isSource(slot)) return false;
  if (world.isLocked(slot) || !context.allDataKnown()) return false;
  const entry = { op: 'CHUNKDEL' as const, chunkid: world.table.id(slot), version: world.table.version(slot) };
  world.host.commit(entry);
  return true;
}

/** Executes requests that wait for a chunk, unless it is locked or busy. */
export function wakeWaiters(context: OperationContext, chunkId: number): void {
  const { world } = context;
  context.waiters.wake(chunkId, () => {
    const slot = world.table.find(chunkId);
    if (slot === 0) return false;
    return world.isLocked(slot) || world.operation(slot) !== Operation.none || world.isSource(slot);
  });
}

/** After UNLOCK or ROLLBACK: the chunk is looked after, then those who wait for it go on (spec 40 §3.3). */
export function unlocked(context: OperationContext, slot: ChunkSlot): void {
  const { world } = context;
  world.clearWriting(slot);
  if (world.operation(slot) !== Operation.replicate) world.unlockVolatile(slot);
  if (context.queues.offer(slot)) context.repairNow(slot);
  wakeWaiters(context, world.table.id(slot));
}
