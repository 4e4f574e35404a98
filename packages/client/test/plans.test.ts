import { CHUNK_SIZE } from '@alces/proto';
import type { Clock } from '@alces/runtime';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Piece } from '../src/data/piece.ts';
import { firstGap, pieceEnd, ReadPattern } from '../src/data/readPlan.ts';
import { Ticker } from '../src/data/ticker.ts';
import { connectLimits, pauseAfterTransfer, pauseAfterTry, remainingPatience } from '../src/retry.ts';
import { FileTimes } from '../src/session/fileTimes.ts';
import { OpenInodes } from '../src/session/openInodes.ts';
import { Standstill } from '../src/standstill.ts';

const MIB = 1 << 20;

describe('ReadPattern', () => {
  it('opens a growing window for reads in order, and closes it after a jump', () => {
    const pattern = new ReadPattern(MIB);
    expect(pattern.note(0, 1000)).toBe(MIB);
    expect(pattern.note(1000, 2000)).toBe(2 * MIB);
    for (let i = 2; i < 20; i++) pattern.note(i * 1000, (i + 1) * 1000);
    expect(pattern.note(20_000, 21_000)).toBe(16 * MIB);
    expect(pattern.note(100 * MIB, 100 * MIB + 10)).toBe(0);
    expect(pattern.note(100 * MIB + 10, 100 * MIB + 20)).toBe(MIB);
  });

  it('does not read ahead for random access, nor mind reads slightly out of order', () => {
    const random = new ReadPattern(MIB);
    expect([50, 10, 90, 30].map((at) => random.note(at * MIB, at * MIB + 4096))).toEqual([0, 0, 0, 0]);
    const shuffled = new ReadPattern(MIB);
    const windows = [0, 2, 1, 3, 5, 4].map((at) => shuffled.note(at * 131_072, (at + 1) * 131_072));
    expect(Math.min(...windows)).toBeGreaterThan(0);
  });
});

describe('gaps and pieces', () => {
  it('finds the first range that nothing covers', () => {
    const covered = [
      { start: 10, end: 20 },
      { start: 20, end: 30 },
      { start: 40, end: 50 },
    ];
    expect(firstGap(covered, 10, 30)).toBeUndefined();
    expect(firstGap(covered, 0, 60)).toEqual({ start: 0, end: 10 });
    expect(firstGap(covered, 15, 60)).toEqual({ start: 30, end: 40 });
    expect(firstGap(covered, 45, 60)).toEqual({ start: 50, end: 60 });
    expect(firstGap([], 3, 4)).toEqual({ start: 3, end: 4 });
  });

  it('never crosses a chunk', () => {
    fc.assert(
      fc.property(
        fc.nat(3 * CHUNK_SIZE),
        fc.integer({ min: 1, max: CHUNK_SIZE }),
        fc.nat(CHUNK_SIZE),
        (start, whole, more) => {
          const end = pieceEnd(start, start + whole + more, start + whole);
          expect(end).toBeGreaterThan(start);
          expect(Math.floor((end - 1) / CHUNK_SIZE)).toBe(Math.floor(start / CHUNK_SIZE));
          expect(end).toBeLessThanOrEqual(start + whole + more);
        },
      ),
    );
  });

  it('collects any part of what arrived in pieces', async () => {
    const piece = new Piece(1000, 1010, 0);
    const waiting = piece.wait(1005)!;
    piece.add([Buffer.from('01'), Buffer.from('2')], 3);
    piece.add([Buffer.from('3456')], 4);
    await waiting;
    expect(piece.wait(1007)).toBeUndefined();
    piece.add([Buffer.from('789')], 3);
    for (let from = 1000; from < 1010; from++) {
      for (let to = from + 1; to <= 1010; to++) {
        const views: Buffer[] = [];
        piece.collect(from, to, views);
        expect(Buffer.concat(views).toString()).toBe('0123456789'.slice(from - 1000, to - 1000));
      }
    }
  });
});

describe('pauses', () => {
  it('are those of the stock mount', () => {
    expect([1, 2, 29, 30, 31].map(pauseAfterTry)).toEqual([1, 301, 8401, 10_001, 10_001]);
    expect([1, 2, 3, 4].map(pauseAfterTransfer)).toEqual([0, 0, 1, 301]);
    expect(remainingPatience(1, 5)).toBe(5 + 10 * 300);
    expect(connectLimits(0)).toEqual([200, 300]);
    expect(connectLimits(9)).toHaveLength(10);
  });
});

describe('a standstill of the process', () => {
  const clock = (times: { now: number; tick: () => void }): Clock => ({
    wallMs: () => times.now,
    monotonicMs: () => times.now,
    unixSeconds: () => 0,
    timeout: () => () => {},
    interval(_periodMs, run) {
      times.tick = run;
      return () => {};
    },
  });

  it('makes the ticker wait for the next turn, in which what arrived has been read', () => {
    const times = { now: 1000, tick: () => {} };
    const ticker = new Ticker(clock(times));
    const ticks: number[] = [];
    ticker.add({ tick: (now) => ticks.push(now) });
    for (const now of [1025, 1050, 9000, 9025]) {
      times.now = now;
      times.tick();
    }
    expect(ticks).toEqual([1025, 1050, 9025]);
  });

  it('is a longer time between two looks', () => {
    const standstill = new Standstill(100, 0);
    expect([50, 150, 300, 310].map((now) => standstill.happened(now))).toEqual([false, false, true, false]);
  });
});

describe('OpenInodes', () => {
  it('reports released inodes ten more times', () => {
    const forgotten: number[] = [];
    const inodes = new OpenInodes((inode) => forgotten.push(inode));
    inodes.acquire(7);
    inodes.acquire(3);
    inodes.acquire(3);
    inodes.setBackground([5, 3]);
    inodes.release(3);
    expect(inodes.isAcquired(3)).toBe(true);
    expect(inodes.report()).toEqual([3, 5, 7]);
    inodes.release(7);
    for (let i = 0; i < 10; i++) expect(inodes.report()).toEqual([3, 5, 7]);
    expect(forgotten).toEqual([7]);
    expect(inodes.report()).toEqual([3, 5]);
    expect(() => inodes.release(7)).toThrow('more often');
  });

  it('forgets a lingering inode opened again only after its next release, and the oldest of too many', () => {
    const forgotten: number[] = [];
    const inodes = new OpenInodes((inode) => forgotten.push(inode));
    inodes.acquire(1);
    inodes.release(1);
    inodes.acquire(1);
    for (let i = 0; i < 20; i++) inodes.report();
    expect(forgotten).toEqual([]);
    for (let inode = 10; inode < 5012; inode++) {
      inodes.acquire(inode);
      inodes.release(inode);
    }
    expect(forgotten).toEqual([10, 11]);
  });
});

describe('FileTimes', () => {
  it('reports each value twice', () => {
    const times = new FileTimes();
    times.noteRead(4, 100);
    times.noteWrite(4, 101);
    expect(times.pending(4)).toMatchObject({ atime: 100, mtime: 101 });
    expect(times.report()).toEqual([{ inode: 4, atime: 100, mtime: 101 }]);
    times.noteRead(4, 102);
    expect(times.report()).toEqual([{ inode: 4, atime: 102, mtime: 101 }]);
    expect(times.report()).toEqual([{ inode: 4, atime: 102, mtime: 0 }]);
    expect(times.report()).toEqual([]);
    times.noteWrite(4, 200);
    times.forget(4, false, true);
    expect(times.report()).toEqual([]);
  });
});
