import { CommitQueue, findChangelogs, Journal, type JournalOptions, readHistory, type SaveMode } from '@alces/journal';
import type { Disk } from '@alces/runtime';
import { type CrashKind, type Host, type SeededRandom, Simulation } from '@alces/sim';
import { describe, expect, it } from 'vitest';
import { access, accessLine, Report } from './support.ts';

const FOLDER = '/data';
const INODES = 1_000_000;

/** One master's life after another on a simulated machine, writing changes until it crashes. */
class Lives {
  readonly world: Simulation;
  readonly host: Host;
  readonly random: SeededRandom;
  readonly report = new Report();
  /** What was appended last for each version; earlier lives may have appended something else that was never acknowledged. */
  readonly appended: number[] = [];
  acknowledged = 0;

  constructor(seed: number) {
    this.world = new Simulation(seed);
    this.host = this.world.addHost('master', '10.0.0.1');
    this.random = this.world.random.fork();
  }

  /** Lets virtual time pass until a promise settles. */
  async wait<T>(promise: Promise<T>): Promise<T> {
    let settled = false;
    const done = () => {
      settled = true;
    };
    promise.then(done, done);
    await this.world.runUntil('the disk', 60_000, () => settled);
    return promise;
  }

  options(saveMode: SaveMode, nextVersion: number): JournalOptions {
    const { clock, disk } = this.host.environment();
    return {
      clock,
      disk,
      folder: FOLDER,
      saveMode,
      backLogs: 50,
      nextVersion,
      report: this.report,
      endOfTurn: (run) => void clock.timeout(0, run),
    };
  }

  /** Appends changes at random times until the host crashes. */
  async live(saveMode: SaveMode, nextVersion: number, kind: CrashKind): Promise<void> {
    const journal = await this.wait(Journal.open(this.options(saveMode, nextVersion)));
    let version = nextVersion;
    const end = this.world.nowMs + this.random.between(1, 200);
    while (this.world.nowMs < end) {
      for (let burst = this.random.below(20); burst > 0; burst--, version++) {
        const mine = version;
        this.appended[mine] = this.random.below(INODES);
        journal.append(mine, access(this.appended[mine]!));
        journal.committed(mine, () => {
          this.acknowledged = mine;
        });
      }
      if (this.random.below(15) === 0) void journal.rotate();
      await this.world.run(this.random.between(0, 6));
    }
    this.host.crash(kind);
    this.host.restart();
  }

  disk(): Disk {
    return this.host.environment().disk;
  }

  /** The changes on disk, from version 1 as far as they go without a hole. */
  async survivors(): Promise<string[]> {
    const disk = this.disk();
    const paths = await this.wait(findChangelogs(disk, FOLDER, ['changelog']));
    const history = await this.wait(readHistory({ disk, paths, version: 1, report: this.report }));
    const lines: string[] = [];
    for (const { path, runs } of history.files) {
      const bytes = await this.wait(disk.readFile(path));
      for (const run of runs) {
        const text = bytes.toString('latin1', run.start, run.end).split(/(?<=\n)/);
        text.forEach((line, index) => {
          lines[run.first + index] = line;
        });
      }
    }
    const hole = Array.from({ length: lines.length }, (_, version) => version).find(
      (version) => version > 0 && lines[version] === undefined,
    );
    return lines.slice(1, hole ?? lines.length);
  }
}

describe('after the loss of power', () => {
  it('with save mode 2 nothing that was acknowledged is missing, over several lives', async () => {
    for (let seed = 1; seed <= 150; seed++) {
      const lives = new Lives(seed);
      let next = 1;
      for (let life = 0; life < 4; life++) {
        await lives.live(2, next, 'power');
        const survivors = await lives.survivors();
        expect([seed, survivors.length]).toEqual([seed, Math.max(survivors.length, lives.acknowledged)]);
        const expected = survivors.map((_, index) => accessLine(index + 1, lives.appended[index + 1]!));
        expect([seed, survivors]).toEqual([seed, expected]);
        next = survivors.length + 1;
        lives.acknowledged = survivors.length;
      }
    }
  });
});

describe('after the end of the process', () => {
  it.each([0, 1, 2] as const)('with save mode %i nothing that was acknowledged is missing', async (saveMode) => {
    for (let seed = 1000; seed <= 1060; seed++) {
      const lives = new Lives(seed);
      await lives.live(saveMode, 1, 'kill');
      const survivors = await lives.survivors();
      expect([seed, survivors.length]).toEqual([seed, Math.max(survivors.length, lives.acknowledged)]);
      const expected = survivors.map((_, index) => accessLine(index + 1, lives.appended[index + 1]!));
      expect([seed, survivors]).toEqual([seed, expected]);
    }
  });
});

describe('a disk that fills up and is emptied', () => {
  it('loses no acknowledged change and holds no torn line, even when the power goes', async () => {
    for (let seed = 2000; seed <= 2050; seed++) {
      const lives = new Lives(seed);
      const { faults } = lives.host.disk;
      faults.capacityBytes = 200 + lives.random.below(4000);
      const release = lives.random.between(20, 150);
      lives.world.scheduler.after(release, () => {
        faults.capacityBytes = Number.POSITIVE_INFINITY;
      });
      await lives.live(2, 1, 'power');
      const survivors = await lives.survivors();
      expect([seed, survivors.length]).toEqual([seed, Math.max(survivors.length, lives.acknowledged)]);
      const expected = survivors.map((_, index) => accessLine(index + 1, lives.appended[index + 1]!));
      expect([seed, survivors]).toEqual([seed, expected]);
    }
  });

  it('goes on by itself', async () => {
    const lives = new Lives(7);
    lives.host.disk.faults.capacityBytes = 100;
    const journal = await lives.wait(Journal.open(lives.options(2, 1)));
    for (let version = 1; version <= 50; version++) journal.append(version, access(version));
    await lives.world.run(3000);
    expect(journal.committedVersion).toBe(0);
    expect(journal.stalledBy).toMatch(/ENOSPC/);
    lives.host.disk.faults.capacityBytes = Number.POSITIVE_INFINITY;
    await lives.world.runUntil('the journal to go on', 3000, () => journal.committedVersion === 50);
    expect(lives.report.lines.length).toBe(2);
    await lives.wait(journal.close());
  });
});

describe('the queue of commits', () => {
  it('runs callbacks in the order of their making, each once', () => {
    const queue = new CommitQueue(10);
    const order: string[] = [];
    queue.when(10, () => order.push('at once'));
    queue.when(12, () => order.push('12'));
    queue.when(11, () => {
      order.push('11');
      queue.when(11, () => order.push('11 again'));
    });
    queue.advance(11);
    expect(order).toEqual(['at once']);
    queue.advance(12);
    queue.advance(5);
    queue.when(13, () => order.push('13'));
    queue.advance(20);
    expect(order).toEqual(['at once', '12', '11', '11 again', '13']);
    expect(queue.committed).toBe(20);
  });
});
