import { BLOCK_SIZE } from '@alces/proto';
import type { VolumeInfo } from '../os/files.ts';
import type { SpaceLimit } from './hddConfig.ts';

/** What a folder reports: the reserve counts as used (spec 30 §2.11). */
export interface FolderSpace {
  totalBytes: number;
  availableBytes: number;
}

/** Chunks of a folder, and the average of the block counts known so far. */
export interface ChunkVolume {
  chunks: number;
  /** Undefined while no chunk's size is known. */
  averageBlocks: number | undefined;
}

const FILE_OVERHEAD_BYTES = 8192;

function withoutLimit(volume: VolumeInfo, reserveBytes: number): FolderSpace {
  return {
    totalBytes: volume.fragmentBytes * (volume.blocks - (volume.freeBlocks - volume.availableBlocks)),
    availableBytes: Math.max(0, volume.fragmentBytes * volume.availableBlocks - reserveBytes),
  };
}

function withLimit(volume: VolumeInfo, limitBytes: number, content: ChunkVolume): FolderSpace {
  const usedBytes =
    content.averageBlocks === undefined
      ? volume.fragmentBytes * (volume.blocks - volume.freeBlocks)
      : content.chunks * (content.averageBlocks * BLOCK_SIZE + FILE_OVERHEAD_BYTES);
  return { totalBytes: limitBytes, availableBytes: Math.max(0, Math.round(limitBytes - usedBytes)) };
}

/** A volume that runs out of inodes before it runs out of bytes has only what the inodes can hold. */
function withInodes(space: FolderSpace, volume: VolumeInfo, content: ChunkVolume): FolderSpace {
  if (volume.inodes === 0) return space;
  const fileBytes = (content.averageBlocks ?? 1) * BLOCK_SIZE + FILE_OVERHEAD_BYTES;
  const reachable = volume.availableInodes * fileBytes;
  if (reachable >= space.availableBytes) return space;
  return {
    totalBytes: Math.round(space.totalBytes - (space.availableBytes - reachable)),
    availableBytes: Math.round(reachable),
  };
}

/** Total and available bytes of a folder. `leaveFreeBytes` is the reserve of folders whose line names none. */
export function folderSpace(
  volume: VolumeInfo,
  limit: SpaceLimit,
  leaveFreeBytes: number,
  content: ChunkVolume,
): FolderSpace {
  const space =
    limit.kind === 'atMost'
      ? withLimit(volume, limit.bytes, content)
      : withoutLimit(volume, limit.kind === 'leaveFree' ? limit.bytes : leaveFreeBytes);
  return withInodes(space, volume, content);
}
