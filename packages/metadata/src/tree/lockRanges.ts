import type { LockRange, PosixOwner } from '../tables/locks.ts';

/** Ranges without [start, end): what sticks out on either side stays. */
export function removeRange(ranges: readonly LockRange[], start: bigint, end: bigint): LockRange[] {
  const result: LockRange[] = [];
  for (const range of ranges) {
    if (range.end <= start || range.start >= end) {
      result.push(range);
      continue;
    }
    if (range.start < start) {
      result.push({ start: range.start, end: start, write: range.write });
    }
    if (range.end > end) {
      result.push({ start: end, end: range.end, write: range.write });
    }
  }
  return result;
}

/** Ranges of one owner with one more, which replaces what it overlaps; touching ranges of one type are merged. */
export function addRange(ranges: readonly LockRange[], added: LockRange): LockRange[] {
  if (added.start >= added.end) {
    return [...ranges];
  }
  const sorted = [...removeRange(ranges, added.start, added.end), added].sort(byStart);
  const result: LockRange[] = [];
  for (const range of sorted) {
    const previous = result.at(-1);
    if (previous !== undefined && previous.end === range.start && previous.write === range.write) {
      result[result.length - 1] = { start: previous.start, end: range.end, write: range.write };
    } else {
      result.push(range);
    }
  }
  return result;
}

function byStart(a: LockRange, b: LockRange): number {
  return a.start < b.start ? -1 : a.start > b.start ? 1 : 0;
}

/** The first range of another owner that forbids the wanted lock, in the order of owners and of their ranges. */
export function conflictingOwner(
  owners: readonly PosixOwner[],
  session: number,
  owner: bigint,
  start: bigint,
  end: bigint,
  write: boolean,
): { holder: PosixOwner; range: LockRange } | undefined {
  for (const holder of owners) {
    if (holder.session === session && holder.owner === owner) {
      continue;
    }
    const range = holder.ranges.find((r) => r.start < end && r.end > start && (write || r.write));
    if (range !== undefined) {
      return { holder, range };
    }
  }
  return undefined;
}
