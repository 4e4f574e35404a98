const SEGMENT_ENTRIES = 8192;

interface Segment {
  readonly inodes: Uint32Array;
  readonly times: Uint32Array;
}

/**
 * The queue of freed inode numbers that wait for reuse, with the time of freeing, oldest first (spec 50, section 3.5).
 * Positions count up from the first entry ever queued, so `head <= position < tail`.
 */
export class FreeInodeQueue {
  private readonly segments: Segment[] = [];
  /** Position of the first entry of segments[0]. */
  private base = 0;
  head = 0;
  tail = 0;

  get count(): number {
    return this.tail - this.head;
  }

  inodeAt(position: number): number {
    const offset = position - this.base;
    return this.segments[Math.floor(offset / SEGMENT_ENTRIES)].inodes[offset % SEGMENT_ENTRIES];
  }

  timeAt(position: number): number {
    const offset = position - this.base;
    return this.segments[Math.floor(offset / SEGMENT_ENTRIES)].times[offset % SEGMENT_ENTRIES];
  }

  push(inode: number, time: number): void {
    const offset = this.tail - this.base;
    const number = Math.floor(offset / SEGMENT_ENTRIES);
    if (number === this.segments.length) {
      this.segments.push({ inodes: new Uint32Array(SEGMENT_ENTRIES), times: new Uint32Array(SEGMENT_ENTRIES) });
    }
    this.segments[number].inodes[offset % SEGMENT_ENTRIES] = inode;
    this.segments[number].times[offset % SEGMENT_ENTRIES] = time;
    this.tail++;
  }

  /** Removes the oldest entry and returns its inode. */
  shift(): number {
    const inode = this.inodeAt(this.head);
    this.head++;
    if (this.head - this.base === SEGMENT_ENTRIES) {
      this.segments.shift();
      this.base += SEGMENT_ENTRIES;
    }
    return inode;
  }

  /** If the newest entry's time is above `time` (the clock went back), lowers all times above `time` to it. */
  lowerTimes(time: number): void {
    if (this.count === 0 || this.timeAt(this.tail - 1) <= time) {
      return;
    }
    for (let offset = this.head - this.base; offset < this.tail - this.base; offset++) {
      const { times } = this.segments[Math.floor(offset / SEGMENT_ENTRIES)];
      times[offset % SEGMENT_ENTRIES] = Math.min(times[offset % SEGMENT_ENTRIES], time);
    }
  }
}
