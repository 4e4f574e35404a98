import type { FileTestInfo, MissingChunk } from './api.ts';
import { isStale } from './copies.ts';
import { Operation } from './marks.ts';
import type { OperationContext } from './operations.ts';
import type { ChunkSlot } from './views.ts';

const chunkBytes = 64 * 1024 * 1024;
/** A slice is due so often, and a loop has this many slices: about 55 minutes (spec 40 §14.4). */
export const fileTestPeriodMs = 100;
const slicesPerLoop = 32768;
/** A slice ends after so long. */
const sliceBudgetMs = 5;
const fileStride = 64;
const startDelaySeconds = 900;
const disconnectionPauseSeconds = 600;
const droppedChunkLockSeconds = 7 * 86400;
const maxMessageBytes = 1_000_000;
/** Greatest archive delay that counts, days (spec 40 §10). */
const maxArchiveDays = 49710;

type Findings = {
  files: number;
  underGoalFiles: number;
  missingFiles: number;
  missingTrashFiles: number;
  missingSustainedFiles: number;
  chunks: number;
  underGoalChunks: number;
  missingChunks: number;
  unknownChunks: number;
  messages: string;
  readonly missing: MissingChunk[];
};

function noFindings(): Findings {
  return {
    files: 0,
    underGoalFiles: 0,
    missingFiles: 0,
    missingTrashFiles: 0,
    missingSustainedFiles: 0,
    chunks: 0,
    underGoalChunks: 0,
    missingChunks: 0,
    unknownChunks: 0,
    messages: '',
    missing: [],
  };
}

/**
 * Walks over all files and looks at their chunks: counts those that miss copies, lists missing chunks, sets archive flags, and
 * drops chunks without copies behind the end of a file (spec 40 §14.4).
 */
export class FileTest {
  private readonly context: OperationContext;
  private readonly startedAt: number;
  private pausedUntil: number;
  private cursor = 1;
  private slice = 0;
  private loopStart = 0;
  private loopEnd = 0;
  private found = noFindings();
  private published = noFindings();

  constructor(context: OperationContext) {
    this.context = context;
    this.startedAt = context.world.now();
    this.pausedUntil = this.startedAt + startDelaySeconds;
  }

  /** A chunkserver went away: what is missing now may be back soon. */
  pause(): void {
    this.pausedUntil = Math.max(this.pausedUntil, this.context.world.now() + disconnectionPauseSeconds);
  }

  /** One slice; every `fileTestPeriodMs`. */
  tick(): void {
    const { world } = this.context;
    if (world.now() < this.pausedUntil) return;
    const { files } = world.metadata;
    if (this.slice === 0) this.startLoop();
    this.slice++;
    const end = files.nodeLimit;
    const target = Math.min(end, Math.ceil((end * this.slice) / slicesPerLoop));
    const deadlineMs = world.clock.monotonicMs() + sliceBudgetMs;
    for (let visited = 1; this.cursor < target; visited++) {
      this.testFile(this.cursor++);
      if (visited % fileStride === 0 && world.clock.monotonicMs() >= deadlineMs) break;
    }
    if (this.cursor >= end && this.slice >= slicesPerLoop) {
      this.slice = 0;
      this.cursor = 1;
    }
  }

  report(): FileTestInfo {
    const { published } = this;
    const unknown = published.unknownChunks > 0 ? `unknown chunks: ${published.unknownChunks}\n` : '';
    return {
      loopStart: this.loopStart,
      loopEnd: this.loopEnd,
      files: published.files,
      underGoalFiles: published.underGoalFiles,
      missingFiles: published.missingFiles,
      missingTrashFiles: published.missingTrashFiles,
      missingSustainedFiles: published.missingSustainedFiles,
      chunks: published.chunks,
      underGoalChunks: published.underGoalChunks,
      missingChunks: published.missingChunks,
      messages: published.messages + unknown,
    };
  }

  missing(): readonly MissingChunk[] {
    return this.published.missing;
  }

  private startLoop(): void {
    this.published = this.found;
    this.found = noFindings();
    this.loopStart = this.loopEnd;
    this.loopEnd = this.context.world.now();
  }

  private testFile(nodeSlot: number): void {
    const { files } = this.context.world.metadata;
    const inode = files.inode(nodeSlot);
    if (inode === 0) return;
    this.found.files++;
    let missing = false;
    let underGoal = false;
    let archive = false;
    const count = files.chunkCount(nodeSlot);
    for (let index = files.nextChunkIndex(nodeSlot, 0); index < count; ) {
      const chunkId = files.chunkId(nodeSlot, index);
      if (chunkId !== 0) {
        const state = this.testChunk(nodeSlot, inode, index, chunkId);
        if (state === 'missing') missing = true;
        else if (state === 'under goal') underGoal = true;
        archive ||= this.isArchivable(chunkId);
      }
      index = files.nextChunkIndex(nodeSlot, index + 1);
    }
    if (missing) this.countMissing(nodeSlot);
    else if (underGoal) this.found.underGoalFiles++;
    if (archive && this.isOld(nodeSlot)) this.archive(inode);
  }

  private testChunk(
    nodeSlot: number,
    inode: number,
    index: number,
    chunkId: number,
  ): 'fine' | 'under goal' | 'missing' {
    const { world } = this.context;
    this.found.chunks++;
    const slot = world.table.find(chunkId);
    if (slot === 0) {
      this.found.unknownChunks++;
      this.found.missingChunks++;
      const hex = chunkId.toString(16).toUpperCase().padStart(16, '0');
      this.message(`structure error - chunk ${hex} not found (inode: ${inode} ; index: ${index})\n`);
      return 'missing';
    }
    world.dropVanished(slot);
    const { live } = world.counts(slot);
    if (live === 0) return this.withoutCopies(nodeSlot, inode, index, slot);
    if (live >= world.goal(slot)) return 'fine';
    this.found.underGoalChunks++;
    return 'under goal';
  }

  private withoutCopies(nodeSlot: number, inode: number, index: number, slot: ChunkSlot): 'fine' | 'missing' {
    const { world } = this.context;
    const chunksInUse = Math.ceil(world.metadata.files.lengthBytes(nodeSlot) / chunkBytes);
    if (index >= chunksInUse && !world.isLocked(slot) && world.operation(slot) === Operation.none) {
      world.host.commit({ op: 'SETFILECHUNK', inode, index, chunkid: 0 });
      if (world.table.references(slot) === 0) world.lockVolatile(slot, world.now() + droppedChunkLockSeconds);
      return 'fine';
    }
    this.found.missingChunks++;
    if (this.found.missing.length < world.settings.missingLogCapacity) {
      this.found.missing.push({ chunkId: world.table.id(slot), inode, index, type: this.missingType(slot) });
    }
    return 'missing';
  }

  private missingType(slot: ChunkSlot): number {
    const { copies } = this.context.world;
    let type = 0;
    for (let copy = copies.first(slot); copy !== 0; copy = copies.next(copy)) {
      if (isStale(copies.state(copy))) return 2;
      type = 1;
    }
    return type;
  }

  private countMissing(nodeSlot: number): void {
    const { files } = this.context.world.metadata;
    const kind = files.kind(nodeSlot);
    if (kind === 'file') this.found.missingFiles += files.linkCount(nodeSlot);
    else if (kind === 'trash') this.found.missingTrashFiles++;
    else this.found.missingSustainedFiles++;
  }

  private isArchivable(chunkId: number): boolean {
    const { world } = this.context;
    const slot = world.table.find(chunkId);
    return slot !== 0 && !world.table.archived(slot) && world.counts(slot).live > 0;
  }

  /**
   * Unchanged for longer than the archive delay of its class (spec 40 §10). Immutable files stay as they are, because the entry
   * could not be replayed (spec 51 §7.6), and so do deleted ones.
   */
  private isOld(nodeSlot: number): boolean {
    const { world } = this.context;
    const { files, classes } = world.metadata;
    if (files.isImmutable(nodeSlot) || files.kind(nodeSlot) !== 'file') return false;
    const days = classes.get(files.storageClass(nodeSlot))?.archiveDelayDays ?? 0;
    return days >= 1 && days <= maxArchiveDays && files.ctime(nodeSlot) + days * 86400 < world.now();
  }

  private archive(inode: number): void {
    const results = { changed: 0, unchanged: 0, denied: 0 };
    this.context.world.host.commit({ op: 'ARCHCHG', inode, uid: 0, cmd: 1, ...results });
  }

  private message(text: string): void {
    if (this.found.messages.length + text.length <= maxMessageBytes) this.found.messages += text;
  }
}
