import type { Clock, Random } from '@alces/runtime';
import type { ChunkCounters, ChunkServiceHost } from './api.ts';
import { type CopyRef, CopyState, CopyStore, isLive, isRegular } from './copies.ts';
import type { ServerDatabase } from './database.ts';
import { ChunkMarks, Mark, Operation } from './marks.ts';
import { type ChunkServer, Removal, ServerSet } from './servers.ts';
import type { ChunkSettings } from './settings.ts';
import { maxCounted, StatusCounters } from './statusCounters.ts';
import type { Topology } from './topology.ts';
import type { ChunkSlot, ChunkTable, LabelExpression, MetadataView } from './views.ts';

/** How many copies of a chunk are in each state. */
export interface CopyCounts {
  ok: number;
  okMarked: number;
  busy: number;
  busyMarked: number;
  stale: number;
  staleMarked: number;
  bad: number;
  deleting: number;
  /** ok, busy and both on marked disks. */
  live: number;
  /** ok and busy. */
  regular: number;
}

/** What a client waits for: the end of an operation on chunkservers. */
export interface ChunkOperation {
  /** Undefined: nobody waits (any more). */
  done: ((status: number) => void) | undefined;
  /** Version before the operation: a server that did not even start still has it. */
  oldVersion: number;
  /** Chunk that servers are duplicating, 0 = none. */
  source: ChunkSlot;
  /** Last status received from each server, by server slot; entries of copies that were removed are removed. */
  readonly statuses: Map<number, number>;
}

export interface WorldOptions {
  readonly metadata: MetadataView;
  readonly database: ServerDatabase;
  readonly settings: ChunkSettings;
  readonly topology: Topology;
  readonly clock: Clock;
  readonly random: Random;
  readonly host: ChunkServiceHost;
}

/**
 * What the chunk side knows: copies, marks and operations beside the chunk table of the metadata, and the connected servers.
 * Every change of a copy goes through here, so that counters always agree with the copies.
 */
export class ChunkWorld {
  readonly table: ChunkTable;
  readonly metadata: MetadataView;
  readonly database: ServerDatabase;
  readonly clock: Clock;
  readonly random: Random;
  readonly host: ChunkServiceHost;
  readonly copies = new CopyStore();
  readonly marks = new ChunkMarks();
  readonly servers = new ServerSet();
  readonly status = new StatusCounters();
  readonly operations = new Map<ChunkSlot, ChunkOperation>();
  readonly counters: ChunkCounters = noCounts();
  settings: ChunkSettings;
  topology: Topology;
  /** Chunks that are being duplicated, and for how many new ones. */
  private readonly sources = new Map<ChunkSlot, number>();
  /** Versions above the present one that some server may have been ordered to take: they must not be given out again. */
  private readonly issuedVersions = new Map<ChunkSlot, number>();
  /** Locks that are not part of the metadata: repair replications, chunks dropped behind the end of a file. */
  private readonly volatileLocks = new Map<ChunkSlot, number>();
  private readonly scratch: CopyCounts = emptyCounts();

  constructor(options: WorldOptions) {
    this.metadata = options.metadata;
    this.table = options.metadata.chunks;
    this.database = options.database;
    this.settings = options.settings;
    this.topology = options.topology;
    this.clock = options.clock;
    this.random = options.random;
    this.host = options.host;
  }

  now(): number {
    return this.clock.unixSeconds();
  }

  // --- the chunk as a whole ----------------------------------------------------------------------------------------

  isLocked(slot: ChunkSlot): boolean {
    return this.lockedTo(slot) >= this.now();
  }

  /** Unix time until which the chunk is locked, for whatever reason; 0 = not locked. */
  lockedTo(slot: ChunkSlot): number {
    return Math.max(this.table.lockedTo(slot), this.volatileLocks.get(slot) ?? 0);
  }

  /** A lock that is forgotten at a restart. */
  lockVolatile(slot: ChunkSlot, until: number): void {
    this.volatileLocks.set(slot, until);
  }

  unlockVolatile(slot: ChunkSlot): void {
    this.volatileLocks.delete(slot);
  }

  operation(slot: ChunkSlot): number {
    return this.marks.operation(slot);
  }

  /** Labels that rule the chunk now: keep or archive (spec 40 §1.2). Empty for a chunk without references. */
  labels(slot: ChunkSlot): readonly LabelExpression[] {
    return this.classLabels(this.table.storageClass(slot), this.table.archived(slot));
  }

  goal(slot: ChunkSlot): number {
    return this.labels(slot).length;
  }

  /** Goal of a class with the archive flag off or on. */
  readonly goalOf = (classId: number, archived: boolean): number => this.classLabels(classId, archived).length;

  /** The next write must raise the version first (spec 40 §4.3). */
  mustRaise(slot: ChunkSlot): boolean {
    return !this.marks.has(slot, Mark.raised);
  }

  setMustRaise(slot: ChunkSlot): void {
    this.marks.clear(slot, Mark.raised);
  }

  clearMustRaise(slot: ChunkSlot): void {
    this.marks.set(slot, Mark.raised);
  }

  /** The version is about to go back from this one. */
  noteIssued(slot: ChunkSlot, version: number): void {
    this.issuedVersions.set(slot, Math.max(version, this.issuedVersions.get(slot) ?? 0));
  }

  /**
   * The version is about to be raised: makes sure that the new one was never given out, so that two copies of one version always
   * have the same contents. A server that took part in an operation that was taken back may come back later.
   */
  skipIssued(slot: ChunkSlot): void {
    const issued = this.issuedVersions.get(slot);
    if (issued === undefined) return;
    this.issuedVersions.delete(slot);
    if (issued <= this.table.version(slot)) return;
    this.host.commit({ op: 'SETVERSION', chunkid: this.table.id(slot), version: issued });
  }

  // --- copies ------------------------------------------------------------------------------------------------------

  /** Counts of the chunk's copies, in a record that the next call overwrites. Copies on vanished servers must be dropped before. */
  counts(slot: ChunkSlot): CopyCounts {
    const counts = this.scratch;
    clearCounts(counts);
    for (let copy = this.copies.first(slot); copy !== 0; copy = this.copies.next(copy)) {
      counts[countNames[this.copies.state(copy) - 1]]++;
    }
    counts.regular = counts.ok + counts.busy;
    counts.live = counts.regular + counts.okMarked + counts.busyMarked;
    return counts;
  }

  addCopy(slot: ChunkSlot, server: ChunkServer, state: number, version: number): CopyRef {
    const copy = this.copies.add(slot, server.slot, state, version);
    if (isLive(state)) this.noteWriting(slot, server.slot, 1);
    this.recount(slot);
    return copy;
  }

  removeCopy(slot: ChunkSlot, copy: CopyRef): void {
    if (isLive(this.copies.state(copy))) this.noteWriting(slot, this.copies.server(copy), -1);
    this.operations.get(slot)?.statuses.delete(this.copies.server(copy));
    this.copies.remove(slot, copy);
    this.recount(slot);
  }

  setCopyState(slot: ChunkSlot, copy: CopyRef, state: number): void {
    const before = this.copies.state(copy);
    if (before === state) return;
    if (isLive(before) !== isLive(state)) this.noteWriting(slot, this.copies.server(copy), isLive(state) ? 1 : -1);
    this.copies.setState(copy, state);
    this.recount(slot);
  }

  /** Unusable, version unknown. */
  spoil(slot: ChunkSlot, copy: CopyRef): void {
    this.copies.setVersion(copy, 0);
    this.setCopyState(slot, copy, CopyState.bad);
  }

  /** The server of a copy; undefined when it has gone. */
  serverOf(copy: CopyRef): ChunkServer | undefined {
    return this.servers.get(this.copies.server(copy));
  }

  /** Drops copies on servers that have gone; true if there were any. The version must then be raised before a write. */
  dropVanished(slot: ChunkSlot): boolean {
    let dropped = false;
    let copy = this.copies.first(slot);
    while (copy !== 0) {
      const next = this.copies.next(copy);
      if (this.serverOf(copy) === undefined) {
        this.removeCopy(slot, copy);
        dropped = true;
      }
      copy = next;
    }
    if (dropped) this.setMustRaise(slot);
    return dropped;
  }

  /** Too few regular copies and some on marked disks: these disks must not be taken away (spec 40 §2.1 rule 4). */
  noteRemovalInProgress(slot: ChunkSlot): void {
    const counts = this.counts(slot);
    if (counts.regular >= this.goal(slot)) return;
    if (counts.okMarked + counts.busyMarked === 0) return;
    for (let copy = this.copies.first(slot); copy !== 0; copy = this.copies.next(copy)) {
      const state = this.copies.state(copy);
      if (state !== CopyState.okMarked && state !== CopyState.busyMarked) continue;
      const server = this.serverOf(copy);
      if (server !== undefined) server.removal = Removal.inProgress;
    }
  }

  // --- chunks being written ----------------------------------------------------------------------------------------

  setWriting(slot: ChunkSlot): void {
    if (this.marks.has(slot, Mark.writing)) return;
    this.marks.set(slot, Mark.writing);
    this.countWriting(slot, 1);
  }

  clearWriting(slot: ChunkSlot): void {
    if (!this.marks.has(slot, Mark.writing)) return;
    this.countWriting(slot, -1);
    this.marks.clear(slot, Mark.writing);
  }

  private countWriting(slot: ChunkSlot, by: 1 | -1): void {
    for (let copy = this.copies.first(slot); copy !== 0; copy = this.copies.next(copy)) {
      if (isLive(this.copies.state(copy))) this.noteWriting(slot, this.copies.server(copy), by);
    }
  }

  private noteWriting(slot: ChunkSlot, serverSlot: number, by: 1 | -1): void {
    if (!this.marks.has(slot, Mark.writing)) return;
    const server = this.servers.get(serverSlot);
    if (server !== undefined) server.writing += by;
  }

  // --- status counters ---------------------------------------------------------------------------------------------

  /** Puts the chunk into its cell of the status counters. */
  recount(slot: ChunkSlot): void {
    let live = 0;
    let regular = 0;
    for (let copy = this.copies.first(slot); copy !== 0; copy = this.copies.next(copy)) {
      const state = this.copies.state(copy);
      if (isLive(state)) live++;
      if (isRegular(state)) regular++;
    }
    const classId = this.table.storageClass(slot);
    const archived = this.table.archived(slot);
    this.uncount(slot);
    live = Math.min(live, maxCounted);
    regular = Math.min(regular, maxCounted);
    this.marks.setCounted(slot, classId, archived, live, regular);
    this.status.add(classId, archived, live, regular, 1);
  }

  /** The record vanishes. */
  forget(slot: ChunkSlot): void {
    if (this.copies.first(slot) !== 0 || this.operations.has(slot)) {
      throw new Error(`chunk ${this.table.id(slot)} vanishes while it has copies or an operation`);
    }
    this.clearWriting(slot);
    this.uncount(slot);
    this.marks.reset(slot);
    this.volatileLocks.delete(slot);
    this.issuedVersions.delete(slot);
  }

  private uncount(slot: ChunkSlot): void {
    const { marks } = this;
    if (!marks.has(slot, Mark.counted)) return;
    const archived = marks.has(slot, Mark.countedArchived);
    this.status.add(marks.countedClass(slot), archived, marks.countedLive(slot), marks.countedRegular(slot), -1);
    marks.clear(slot, Mark.counted);
  }

  private classLabels(classId: number, archived: boolean): readonly LabelExpression[] {
    const definition = this.metadata.classes.get(classId);
    if (definition === undefined) return noLabels;
    return archived ? definition.archiveLabels : definition.keepLabels;
  }

  // --- operations --------------------------------------------------------------------------------------------------

  /** Starts an operation; `done` is told its end. */
  begin(slot: ChunkSlot, operation: number, done: ((status: number) => void) | undefined): ChunkOperation {
    this.marks.setOperation(slot, operation);
    this.marks.clear(slot, Mark.failed);
    const record = { done, oldVersion: 0, source: 0, statuses: new Map<number, number>() };
    this.operations.set(slot, record);
    return record;
  }

  end(slot: ChunkSlot): void {
    this.marks.setOperation(slot, Operation.none);
    this.operations.delete(slot);
  }

  /** Servers make a chunk out of `source`, which must not change before they are done: each does it at a time of its own. */
  setSource(record: ChunkOperation, source: ChunkSlot): void {
    record.source = source;
    this.sources.set(source, (this.sources.get(source) ?? 0) + 1);
  }

  /** Returns the chunk that was duplicated, 0 if there was none. */
  releaseSource(slot: ChunkSlot): ChunkSlot {
    const record = this.operations.get(slot);
    if (record === undefined || record.source === 0) return 0;
    const { source } = record;
    record.source = 0;
    const users = this.sources.get(source)! - 1;
    if (users === 0) this.sources.delete(source);
    else this.sources.set(source, users);
    return source;
  }

  /** The chunk is being duplicated. */
  isSource(slot: ChunkSlot): boolean {
    return this.sources.has(slot);
  }
}

const noLabels: readonly LabelExpression[] = [];

/** In the order of the numbers of `CopyState`. */
const countNames = [
  'ok',
  'okMarked',
  'busy',
  'busyMarked',
  'stale',
  'staleMarked',
  'bad',
  'deleting',
] as const satisfies readonly (keyof CopyCounts)[];

function emptyCounts(): CopyCounts {
  return {
    ok: 0,
    okMarked: 0,
    busy: 0,
    busyMarked: 0,
    stale: 0,
    staleMarked: 0,
    bad: 0,
    deleting: 0,
    live: 0,
    regular: 0,
  };
}

function clearCounts(counts: CopyCounts): void {
  counts.ok = 0;
  counts.okMarked = 0;
  counts.busy = 0;
  counts.busyMarked = 0;
  counts.stale = 0;
  counts.staleMarked = 0;
  counts.bad = 0;
  counts.deleting = 0;
}

function noCounts(): ChunkCounters {
  return {
    deletesSent: 0,
    replicationsSent: 0,
    createsSent: 0,
    changesSent: 0,
    deletesOk: 0,
    deletesFailed: 0,
    replicationsOk: 0,
    replicationsFailed: 0,
    createsOk: 0,
    createsFailed: 0,
    changesOk: 0,
    changesFailed: 0,
  };
}
