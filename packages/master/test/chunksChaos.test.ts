import { Status } from '@alces/proto';
import { describe, expect, test } from 'vitest';
import { CopyState } from '../src/chunks/copies.ts';
import type { Outcome } from './chunks-support/fileOperations.ts';
import { SeededRandom } from './chunks-support/simulatedClock.ts';
import { quickSettings, SimulatedCluster } from './chunks-support/simulatedCluster.ts';

/**
 * Random writes, truncations, goals, removals and snapshots while servers come and go, lose and spoil copies and refuse commands.
 * The model knows for each chunk which contents a reader may see.
 */
class Chaos {
  readonly cluster: SimulatedCluster;
  private readonly random: SeededRandom;
  private readonly files: number[] = [];
  /** Contents that are right for a chunk: the last acknowledged write, and what was tried since. */
  private readonly contents = new Map<number, Set<number>>();
  private readonly versions = new Map<number, number>();
  private readonly pending: { outcome: Outcome; inode: number; content: number }[] = [];
  private nextContent = 1;

  constructor(seed: number) {
    this.random = new SeededRandom(seed);
    this.cluster = new SimulatedCluster(seed, quickSettings({ uniqueMode: 0, softDeleteLimit: 3, hardDeleteLimit: 9 }));
    this.cluster.start(5, { maxDelayMs: 400, listPart: 3 });
  }

  step(): void {
    const { cluster, random } = this;
    cluster.clock.advance(20 * (1 + random.below(20)));
    this.slowJournal();
    this.finishWrites();
    const dice = random.below(100);
    if (dice < 8) this.files.push(cluster.createFile(1 + random.below(4)));
    else if (dice < 45) this.startWrite();
    else if (dice < 52) this.snapshot();
    else if (dice < 57) this.changeGoal();
    else if (dice < 60) this.remove();
    else if (dice < 66) this.truncate();
    else if (dice < 74) this.toggleServer();
    else if (dice < 78) this.refuse();
    else if (dice < 82) this.spoilCopy();
    this.check();
  }

  /** Now and then entries take a step to become safe, and commands to chunkservers wait for them. */
  private slowJournal(): void {
    this.releaseCommands();
    if (this.random.chance(0.2)) this.cluster.heldBack = [];
  }

  private releaseCommands(): void {
    const { heldBack } = this.cluster;
    this.cluster.heldBack = undefined;
    for (const run of heldBack ?? []) run();
  }

  /** No more trouble: everything must come into order. */
  settle(): void {
    const { cluster } = this;
    this.releaseCommands();
    for (const server of cluster.servers) {
      server.refusals.length = 0;
      server.connect();
    }
    for (let round = 0; round < 40; round++) {
      cluster.run(4);
      this.finishWrites();
      this.check();
    }
  }

  // --- what happens ------------------------------------------------------------------------------------------------

  private file(): number | undefined {
    return this.files.length === 0 ? undefined : this.random.pick(this.files);
  }

  private startWrite(): void {
    const inode = this.file();
    if (inode === undefined) return;
    const previous = this.cluster.chunkOf(inode);
    const inherited = previous === 0 ? new Set([0]) : (this.contents.get(previous) ?? this.allContents());
    const outcome = this.cluster.grant(inode);
    if (outcome.chunkId !== 0 && !this.contents.has(outcome.chunkId)) {
      this.contents.set(outcome.chunkId, new Set(inherited));
    }
    this.pending.push({ outcome, inode, content: this.nextContent++ });
  }

  /** Clients whose grant has come write, some of them slowly, and end their write. */
  private finishWrites(): void {
    for (const write of [...this.pending]) {
      const { outcome, inode, content } = write;
      if (outcome.status === undefined) continue;
      if (outcome.status === Status.OK && this.random.chance(0.3)) continue;
      this.pending.splice(this.pending.indexOf(write), 1);
      if (outcome.status !== Status.OK || outcome.servers.length === 0) continue;
      this.learn(inode, outcome.chunkId);
      const right = this.contents.get(outcome.chunkId)!;
      right.add(content);
      if (this.cluster.store(outcome, content)) {
        right.clear();
        right.add(content);
      }
      this.cluster.master.unlock(outcome.chunkId);
    }
  }

  /** A waiting write was granted on a chunk that is new to the model. */
  private learn(_inode: number, chunkId: number): void {
    if (!this.contents.has(chunkId)) this.contents.set(chunkId, this.allContents());
  }

  private allContents(): Set<number> {
    return new Set(Array.from({ length: this.nextContent }, (_, index) => index));
  }

  private snapshot(): void {
    const inode = this.file();
    if (inode === undefined || this.cluster.chunkOf(inode) === 0) return;
    const { cluster } = this;
    cluster.commit({ op: 'LENGTH', inode, length: 100, chtime: 1 });
    const copy = cluster.createFile(1 + this.random.below(4));
    cluster.commit({ op: 'APPEND', dst: copy, src: inode, from: 0, to: 0 });
    this.files.push(copy);
  }

  private changeGoal(): void {
    const inode = this.file();
    if (inode !== undefined) this.cluster.setGoal(inode, 1 + this.random.below(4));
  }

  private remove(): void {
    const inode = this.file();
    if (inode === undefined) return;
    this.files.splice(this.files.indexOf(inode), 1);
    this.cluster.removeFile(inode);
  }

  private truncate(): void {
    const inode = this.file();
    if (inode === undefined) return;
    const chunkId = this.cluster.chunkOf(inode);
    if (chunkId === 0) return;
    const outcome = this.cluster.truncate(inode, 0, 1 + this.random.below(1000));
    if (outcome.chunkId !== 0 && outcome.chunkId !== chunkId) {
      this.contents.set(outcome.chunkId, new Set(this.contents.get(chunkId) ?? this.allContents()));
    }
  }

  private toggleServer(): void {
    const server = this.random.pick(this.cluster.servers);
    const connected = this.cluster.servers.filter((other) => other.isConnected).length;
    if (!server.isConnected) server.connect();
    else if (connected > 2 && this.random.chance(0.2)) server.stop();
    else if (connected > 2) server.disconnect();
  }

  private refuse(): void {
    const server = this.random.pick(this.cluster.servers);
    server.refusals.push(this.random.pick([Status.IO, Status.NOSPACE, Status.NOTDONE]));
  }

  /** A copy is lost or damaged, where the file system can bear it: another right one is on a connected server. */
  private spoilCopy(): void {
    const { cluster } = this;
    const server = this.random.pick(cluster.servers);
    if (!server.isRegistered || server.disk.size === 0) return;
    const chunkId = this.random.pick([...server.disk.keys()]);
    const slot = cluster.state.chunks.find(chunkId);
    if (slot === 0 || !this.contents.has(chunkId)) return;
    if (cluster.master.world.operation(slot) !== 0 || cluster.master.world.isLocked(slot)) return;
    const counts = cluster.master.world.counts(slot);
    const others = this.rightCopies(chunkId).filter((other) => other !== server && other.isRegistered);
    if (counts.ok < 2 || counts.ok > cluster.master.world.goal(slot) || others.length < 2) return;
    if (this.random.chance(0.5)) server.lose(chunkId);
    else server.damage(chunkId);
  }

  // --- what must be so ---------------------------------------------------------------------------------------------

  /** Servers, connected or not, with a right copy of the chunk on their disks. */
  private rightCopies(chunkId: number) {
    const right = this.contents.get(chunkId)!;
    return this.cluster.servers.filter((server) => {
      const copy = server.disk.get(chunkId);
      return copy !== undefined && right.has(copy.content);
    });
  }

  private check(): void {
    const { state, master } = this.cluster;
    const { chunks } = state;
    for (let row = 1; row < chunks.rowLimit; row++) {
      const chunkId = chunks.id.get(row);
      if (chunkId === 0) continue;
      this.checkVersion(chunkId, chunks.version.get(row));
      this.checkCounted(row);
      const busy = master.world.operation(row) !== 0;
      if (chunks.refs.get(row) === 0 || busy || !this.contents.has(chunkId)) continue;
      if (this.wasStored(chunkId)) expect(this.rightCopies(chunkId).length, `copies of ${chunkId}`).toBeGreaterThan(0);
    }
    expect(master.totals().chunks).toBe(chunks.count);
  }

  private readonly stored = new Set<number>();

  /** Some server has had a copy of it: a chunk whose creation failed everywhere has none. */
  private wasStored(chunkId: number): boolean {
    if (this.cluster.master.liveCopies(chunkId) > 0) this.stored.add(chunkId);
    return this.stored.has(chunkId);
  }

  /** Versions go back by one only, when no server did what was asked, or when all servers have the one before. */
  private checkVersion(chunkId: number, version: number): void {
    const before = this.versions.get(chunkId) ?? 0;
    expect(version).toBeGreaterThanOrEqual(before - 1);
    this.versions.set(chunkId, version);
  }

  /** The counters agree with the copies. */
  private checkCounted(slot: number): void {
    const { world } = this.cluster.master;
    let live = 0;
    let regular = 0;
    for (let copy = world.copies.first(slot); copy !== 0; copy = world.copies.next(copy)) {
      const copyState = world.copies.state(copy);
      if (copyState <= CopyState.busyMarked) live++;
      if (copyState === CopyState.ok || copyState === CopyState.busy) regular++;
    }
    expect([world.marks.countedLive(slot), world.marks.countedRegular(slot)]).toEqual([live, regular]);
    expect(world.marks.countedClass(slot)).toBe(world.table.storageClass(slot));
  }

  /** Every chunk has exactly its goal of right copies, the disks hold nothing else, and nobody waits for anything. */
  checkOrder(): void {
    const { cluster } = this;
    const { world } = cluster.master;
    cluster.runUntil('nothing under way', () =>
      world.servers.all().every((server) => {
        return server.sending + server.receiving + server.writing + server.deletes.size === 0;
      }),
    );
    expect(world.operations.size).toBe(0);
    expect(this.pending).toEqual([]);
    expect(cluster.master.waiters.count).toBe(0);
    const expected = new Map<number, number>();
    for (let slot = 1; slot < world.table.slotLimit; slot++) {
      const chunkId = world.table.id(slot);
      if (chunkId === 0 || world.table.references(slot) === 0) continue;
      const { ok, bad, stale } = world.counts(slot);
      // The only copies refused a command with an error, or are too few to be believed: they are kept for the operator.
      if (ok === 0 && bad + stale > 0) continue;
      if (ok === 0) expect(this.stored.has(chunkId), `chunk ${chunkId} was lost`).toBe(false);
      else expect(ok, `copies of ${chunkId}`).toBe(world.goal(slot));
      expected.set(chunkId, ok);
    }
    for (const [chunkId, ok] of expected) {
      const right = this.contents.get(chunkId);
      const holders = cluster.holders(chunkId);
      expect(holders.length, `disks with ${chunkId}`).toBe(ok);
      for (const server of holders) if (right) expect(right).toContain(server.disk.get(chunkId)!.content);
      const contents = new Set(holders.map((server) => server.disk.get(chunkId)!.content));
      if (right?.size === 1) expect(contents.size, `contents of ${chunkId}`).toBeLessThanOrEqual(1);
    }
  }
}

describe('chaos', () => {
  test.each(Array.from({ length: 40 }, (_, index) => index + 1))('seed %d', (seed) => {
    const chaos = new Chaos(seed);
    for (let step = 0; step < 400; step++) chaos.step();
    chaos.settle();
    chaos.checkOrder();
  });
});
