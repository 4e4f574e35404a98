import { addressMask, parseAddress } from './settings.ts';

interface AddressRange {
  readonly first: number;
  readonly last: number;
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
  const ranges: AddressRange[] = [];
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
    ranges.push({ first: range[0], last: range[1], rack });
  });
  return topologyOf(ranges, paths.map(elements));
}

/** No definitions at all. */
export const flatTopology: Topology = topologyOf([], [[]]);

function splitLine(line: string): [string, string, string] {
  const match = /^(\S+)(?:[ \t]+(\S+)(?:[ \t]+(.*))?)?$/.exec(line);
  return [match?.[1] ?? '', match?.[2] ?? '', match?.[3] ?? ''];
}

function parseRange(text: string): [number, number] | undefined {
  if (text === '*') return [0, 0xffffffff];
  const dash = /^([\d.]+)-([\d.]+)$/.exec(text);
  if (dash) return between(fullAddress(dash[1]), fullAddress(dash[2]));
  const slash = /^([\d.]+)\/([\d.]+)$/.exec(text);
  const address = fullAddress(slash === null ? text : slash[1]);
  if (address === undefined) return undefined;
  if (slash === null) return [address, address];
  const mask = /^\d{1,2}$/.test(slash[2]) ? bitsMask(Number(slash[2])) : fullAddress(slash[2]);
  if (mask === undefined) return undefined;
  const network = (address & mask) >>> 0;
  return [network, (network | ~mask) >>> 0];
}

/** `/0` counts as `/32`, as in the stock master. */
function bitsMask(bits: number): number | undefined {
  if (bits > 32) return undefined;
  return addressMask(bits === 0 ? 32 : bits);
}

function fullAddress(text: string): number | undefined {
  return text.split('.').length === 4 ? parseAddress(text) : undefined;
}

function between(a: number | undefined, b: number | undefined): [number, number] | undefined {
  if (a === undefined || b === undefined) return undefined;
  return a <= b ? [a, b] : [b, a];
}

function elements(path: string): readonly string[] {
  return path === '' ? [] : path.split('|');
}

function topologyOf(ranges: readonly AddressRange[], paths: readonly (readonly string[])[]): Topology {
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
function flatten(ranges: readonly AddressRange[]): { starts: number[]; racks: number[] } {
  const edges = new Set([0]);
  for (const range of ranges) {
    edges.add(range.first);
    if (range.last < 0xffffffff) edges.add(range.last + 1);
  }
  const starts = [...edges].sort((a, b) => a - b);
  const index = new Map(starts.map((start, position) => [start, position]));
  const racks = starts.map(() => 0);
  for (const range of ranges) {
    const end = range.last < 0xffffffff ? (index.get(range.last + 1) ?? starts.length) : starts.length;
    racks.fill(range.rack, index.get(range.first), end);
  }
  return { starts, racks };
}
