/**
 * Which chunks one chunkserver has, with the versions as reported (bit 31: on a disk marked for removal): a hash table in typed
 * arrays, 15 to 30 bytes a chunk. It is cut into segments that grow one by one, so that no insertion takes longer than moving
 * one segment.
 */

const SEGMENTS = 256;
const INITIAL_CAPACITY = 16;
const HIGH = 0x1_0000_0000;
const STEPS_BETWEEN_YIELDS = 256;

/** Linear probing; the id 0 marks a free place. Capacities are powers of two, at most 3/4 full. */
interface Segment {
  low: Uint32Array;
  high: Uint32Array;
  versions: Uint32Array;
  count: number;
}

function makeSegment(capacity: number): Segment {
  return {
    low: new Uint32Array(capacity),
    high: new Uint32Array(capacity),
    versions: new Uint32Array(capacity),
    count: 0,
  };
}

/** Mixes the bits of an id; the low ones choose the segment, those above the place in it. */
function hashOf(low: number, high: number): number {
  const mixed = Math.imul(low ^ Math.imul(high, 0x9e37_79b1), 0x85eb_ca6b);
  return Math.imul(mixed ^ (mixed >>> 15), 0xc2b2_ae35) >>> 0;
}

export class LocationTable {
  readonly #segments: (Segment | undefined)[] = Array.from({ length: SEGMENTS }, () => undefined);
  #count = 0;
  /** The highest id that was ever entered. */
  highestId = 0;

  /** Number of chunks. */
  get count(): number {
    return this.#count;
  }

  /** Bytes held outside the JavaScript heap. */
  get byteLength(): number {
    return this.#segments.reduce((sum, segment) => sum + (segment === undefined ? 0 : segment.low.length * 12), 0);
  }

  /** The reported version of a chunk, -1 when the server does not have it. */
  get(chunkId: number): number {
    const low = chunkId >>> 0;
    const high = Math.floor(chunkId / HIGH);
    const hash = hashOf(low, high);
    const segment = this.#segments[hash % SEGMENTS];
    if (segment === undefined) return -1;
    const place = findPlace(segment, low, high, hash);
    return isFree(segment, place) ? -1 : segment.versions[place];
  }

  /** Enters a chunk, or replaces its version. `chunkId` must not be 0. */
  set(chunkId: number, version: number): void {
    const low = chunkId >>> 0;
    const high = Math.floor(chunkId / HIGH);
    const hash = hashOf(low, high);
    const segment = this.#roomFor(hash % SEGMENTS);
    const place = findPlace(segment, low, high, hash);
    if (isFree(segment, place)) {
      segment.low[place] = low;
      segment.high[place] = high;
      segment.count++;
      this.#count++;
      if (chunkId > this.highestId) this.highestId = chunkId;
    }
    segment.versions[place] = version;
  }

  /** Takes a chunk out. Returns its version, -1 when it was not there. */
  delete(chunkId: number): number {
    const low = chunkId >>> 0;
    const high = Math.floor(chunkId / HIGH);
    const hash = hashOf(low, high);
    const segment = this.#segments[hash % SEGMENTS];
    if (segment === undefined) return -1;
    const place = findPlace(segment, low, high, hash);
    if (isFree(segment, place)) return -1;
    const version = segment.versions[place];
    closeGap(segment, place);
    segment.count--;
    this.#count--;
    return version;
  }

  /**
   * Empties the table, calling `take` for each chunk; yields now and then. What is not taken yet is found and may be taken out
   * between two steps; nothing may be entered any more.
   */
  *drain(take: (chunkId: number, version: number) => void): Generator<void> {
    let steps = 0;
    for (const segment of this.#segments) {
      if (segment === undefined) continue;
      for (let place = segment.low.length - 1; place >= 0; ) {
        if (isFree(segment, place)) {
          place--;
        } else {
          const chunkId = segment.high[place] * HIGH + segment.low[place];
          const version = segment.versions[place];
          closeGap(segment, place);
          segment.count--;
          this.#count--;
          take(chunkId, version);
        }
        if (++steps % STEPS_BETWEEN_YIELDS === 0) yield;
      }
    }
    this.#segments.fill(undefined);
  }

  /** Ids from `least` on, in no order. */
  *idsFrom(least: number): Generator<number> {
    for (const segment of this.#segments) {
      if (segment === undefined) continue;
      for (let place = 0; place < segment.low.length; place++) {
        const chunkId = segment.high[place] * HIGH + segment.low[place];
        if (chunkId !== 0 && chunkId >= least) yield chunkId;
      }
    }
  }

  #roomFor(index: number): Segment {
    const segment = this.#segments[index];
    if (segment !== undefined && segment.count < segment.low.length * 0.75) return segment;
    const grown = makeSegment(segment === undefined ? INITIAL_CAPACITY : segment.low.length * 2);
    if (segment !== undefined) moveAll(segment, grown);
    this.#segments[index] = grown;
    return grown;
  }
}

function isFree(segment: Segment, place: number): boolean {
  return segment.low[place] === 0 && segment.high[place] === 0;
}

function firstPlace(hash: number, capacity: number): number {
  return (hash >>> 8) & (capacity - 1);
}

/** Where an id is, or the free place where it belongs. */
function findPlace(segment: Segment, low: number, high: number, hash: number): number {
  const mask = segment.low.length - 1;
  let place = firstPlace(hash, segment.low.length);
  while (!isFree(segment, place) && (segment.low[place] !== low || segment.high[place] !== high)) {
    place = (place + 1) & mask;
  }
  return place;
}

/** Frees a place, moving back what would not be found behind the gap. */
function closeGap(segment: Segment, freed: number): void {
  const { low, high, versions } = segment;
  const mask = low.length - 1;
  let gap = freed;
  for (let place = (gap + 1) & mask; !isFree(segment, place); place = (place + 1) & mask) {
    const wanted = firstPlace(hashOf(low[place], high[place]), low.length);
    // It stays when its first place lies between the gap (exclusive) and where it is now.
    if (((place - wanted) & mask) < ((place - gap) & mask)) continue;
    low[gap] = low[place];
    high[gap] = high[place];
    versions[gap] = versions[place];
    gap = place;
  }
  low[gap] = 0;
  high[gap] = 0;
}

function moveAll(from: Segment, to: Segment): void {
  for (let place = 0; place < from.low.length; place++) {
    if (isFree(from, place)) continue;
    const [low, high] = [from.low[place], from.high[place]];
    const target = findPlace(to, low, high, hashOf(low, high));
    to.low[target] = low;
    to.high[target] = high;
    to.versions[target] = from.versions[place];
  }
  to.count = from.count;
}
