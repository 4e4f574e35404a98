import { MATOAN_METACHANGES_LOG } from '@alces/proto';

const CHANGES_PER_BLOCK = 5000;
const FIRST_BLOCK_BYTES = 64 * 1024;
/** Whatever the configured time says, no more than this is kept in memory. */
const KEPT_BYTES = 512 << 20;

const ROTATE = MATOAN_METACHANGES_LOG.encode({ layout: 'rotate' });

/** Consecutive changes as the frames that go to metaloggers, one behind the other; rotation marks stand between them. */
export interface ChangeBlock {
  readonly firstVersion: number;
  readonly startedAtSeconds: number;
  bytes: Buffer;
  lengthBytes: number;
  /** Offset of each change's frame. */
  readonly offsets: number[];
  next: ChangeBlock | undefined;
}

/** A place in the stream of changes. */
export interface StreamPosition {
  block: ChangeBlock;
  offset: number;
}

/** The changes that the master keeps in memory for metaloggers that come back (spec 52 §3.1). */
export class RecentChanges {
  #first: ChangeBlock;
  #last: ChangeBlock;
  #lastVersion: number;
  #bytes = 0;
  /** Changes below this one count as gone even if they are still here. */
  #oldestOffered: number;

  /** `nextVersion`: number of the first change that will be added. */
  constructor(nextVersion: number, nowSeconds: number) {
    this.#first = newBlock(nextVersion, nowSeconds);
    this.#last = this.#first;
    this.#lastVersion = nextVersion - 1;
    this.#oldestOffered = nextVersion;
  }

  /** Adds a change; `text` is its line without version and line end. Versions come without gaps. */
  add(version: number, text: Buffer, nowSeconds: number, keepSeconds: number): void {
    if (version !== this.#lastVersion + 1) throw new Error(`change ${version} follows ${this.#lastVersion}`);
    this.#lastVersion = version;
    if (this.#last.offsets.length === CHANGES_PER_BLOCK) this.#newBlock(version, nowSeconds, keepSeconds);
    this.#last.offsets.push(this.#last.lengthBytes);
    this.#append(MATOAN_METACHANGES_LOG.encode({ layout: 'change', metaVersion: version, text }));
    if (keepSeconds === 0) this.#oldestOffered = version + 1;
  }

  /** Puts changes in front of the first one that is here; they are the ones right before it. */
  prepend(changes: readonly { version: number; data: Buffer }[], nowSeconds: number): void {
    for (let end = changes.length; end > 0; end -= CHANGES_PER_BLOCK) {
      const some = changes.slice(Math.max(0, end - CHANGES_PER_BLOCK), end);
      const block = newBlock(some[0]!.version, nowSeconds);
      for (const { version, data } of some) {
        block.offsets.push(block.lengthBytes);
        this.#appendTo(block, MATOAN_METACHANGES_LOG.encode({ layout: 'change', metaVersion: version, text: data }));
      }
      block.next = this.#first;
      this.#first = block;
      this.#oldestOffered = block.firstVersion;
    }
  }

  /** The last version before a place in the stream. */
  versionBefore({ block, offset }: StreamPosition): number {
    const following = block.offsets.findIndex((start) => start >= offset);
    return block.firstVersion + (following < 0 ? block.offsets.length : following) - 1;
  }

  /** Marks the place at which the master rotated its changelog. */
  markRotation(): void {
    this.#append(ROTATE);
  }

  /** Where a metalogger that wants everything from `version` on has to start; undefined when that is not here. */
  positionOf(version: number): StreamPosition | undefined {
    if (version === this.#lastVersion + 1) return this.end();
    if (version < this.#oldestOffered || version > this.#lastVersion) return undefined;
    let block = this.#first;
    while (block.next && block.next.firstVersion <= version) block = block.next;
    return { block, offset: block.offsets[version - block.firstVersion]! };
  }

  /** Whether the first change that is here is this one. */
  offersFrom(version: number): boolean {
    return this.#first.firstVersion === version && this.#oldestOffered === version;
  }

  /** The place behind the last change. */
  end(): StreamPosition {
    return { block: this.#last, offset: this.#last.lengthBytes };
  }

  /** Whether the block is still kept: a reader that stands in one that is not has fallen too far behind. */
  keeps(block: ChangeBlock): boolean {
    return block.firstVersion >= this.#first.firstVersion;
  }

  #newBlock(version: number, nowSeconds: number, keepSeconds: number): void {
    const block = newBlock(version, nowSeconds);
    this.#last.next = block;
    this.#last = block;
    // Two blocks always stay, so that somebody who keeps up never loses the place.
    while (this.#first.next !== this.#last) {
      const second = this.#first.next!;
      const old = second.startedAtSeconds + keepSeconds < nowSeconds;
      if (!old && this.#bytes <= KEPT_BYTES) break;
      this.#bytes -= this.#first.lengthBytes;
      this.#first = second;
      this.#oldestOffered = Math.max(this.#oldestOffered, second.firstVersion);
    }
  }

  #append(frame: Buffer): void {
    this.#appendTo(this.#last, frame);
  }

  #appendTo(block: ChangeBlock, frame: Buffer): void {
    if (block.lengthBytes + frame.length > block.bytes.length) {
      const grown = Buffer.allocUnsafeSlow(Math.max(2 * block.bytes.length, block.lengthBytes + frame.length));
      block.bytes.copy(grown, 0, 0, block.lengthBytes);
      block.bytes = grown;
    }
    frame.copy(block.bytes, block.lengthBytes);
    block.lengthBytes += frame.length;
    this.#bytes += frame.length;
  }
}

function newBlock(firstVersion: number, startedAtSeconds: number): ChangeBlock {
  const bytes = Buffer.allocUnsafeSlow(FIRST_BLOCK_BYTES);
  return { firstVersion, startedAtSeconds, bytes, lengthBytes: 0, offsets: [], next: undefined };
}
