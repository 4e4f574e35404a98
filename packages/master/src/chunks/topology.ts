import { type AddressRange, parseNetwork } from '../exports/network.ts';

interface RackRange extends AddressRange {
  readonly rack: number;
}

/** Which rack an address belongs to, and how far apart two addresses are (spec 40 §8). */
export interface Topology {
  /** Rack id, 0 when no definition covers the address. */
  rack(ip: number): number;
  /** 0 the same address, 1 the same rack, else 1 + elements left of the longer path after the common ones. */
  distance(a: number, b: number): number;
}

/** Reads mfstopology.cfg. Lines that make no sense are reported with their number and left out. */
export function parseTopology(text: string, warn: (line: number, message: string) => void): Topology {
  const paths = [''];
  const ids = new Map([['', 0]]);
  const ranges: RackRange[] = [];
  text.split('\n').forEach((raw, index) => {
    const line = raw.trim();
    if (line === '' || line.startsWith('#')) return;
    const [addresses, path, rest] = splitLine(line);
    const range = parseRange(addresses);
    if (range === undefined || path === '' || (rest !== '' && !rest.startsWith('#'))) {
      warn(index + 1, `cannot parse topology definition: ${line}`);
      return;
    }
    let rack = ids.get(path);
    if (rack === undefined) {
      rack = paths.push(path) - 1;
      ids.set(path, rack);
    }
    ranges.push({ ...range, rack });
  });
  return topologyOf(ranges, paths.map(elements));
}

/** No definitions at all. */
export const flatTopology: Topology = topologyOf([], [[]]);

function splitLine(line: string): [string, string, string] {
  const match = /^(\S+)(?:[ \t]+(\S+)(?:[ \t]+(.*))?)?$/.exec(line);
  return [match?.[1] ?? '', match?.[2] ?? '', match?.[3] ?? ''];
}

function parseRange(text: string): AddressRange | undefined {
  const range = parseNetwork(text);
  return range === undefined || range.from <= range.to ? range : { from: range.to, to: range.from };
}

function elements(path: string): readonly string[] {
  return path === '' ? [] : path.split('|');
}

function topologyOf(ranges: readonly RackRange[], paths: readonly (readonly string[])[]): Topology {
  const { starts, racks } = flatten(ranges);
  const rack = (ip: number): number => {
    let low = 0;
    let high = starts.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >>> 1;
      if (starts[middle] <= ip) low = middle;
      else high = middle - 1;
    }
    return racks[low];
  };
  const distance = (a: number, b: number): number => {
    if (a === b) return 0;
    const rackA = rack(a);
    const rackB = rack(b);
    return rackA === rackB ? 1 : pathDistance(paths[rackA], paths[rackB]);
  };
  return { rack, distance };
}

function pathDistance(a: readonly string[], b: readonly string[]): number {
  let common = 0;
  while (common < a.length && common < b.length && a[common] === b[common]) common++;
  return 1 + Math.max(a.length, b.length) - common;
}

/** Cuts overlapping ranges into disjoint pieces; the later definition wins. */
function flatten(ranges: readonly RackRange[]): { starts: number[]; racks: number[] } {
  const edges = new Set([0]);
  for (const range of ranges) {
    edges.add(range.from);
    if (range.to < 0xffffffff) edges.add(range.to + 1);
  }
  const starts = [...edges].sort((a, b) => a - b);
  const index = new Map(starts.map((start, position) => [start, position]));
  const racks = starts.map(() => 0);
  for (const range of ranges) {
    const end = range.to < 0xffffffff ? (index.get(range.to + 1) ?? starts.length) : starts.length;
    racks.fill(range.rack, index.get(range.from), end);
  }
  return { starts, racks };
}
