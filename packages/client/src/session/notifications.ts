import {
  ANTOAN_BAD_COMMAND_SIZE,
  ANTOAN_NOP,
  ANTOAN_UNKNOWN_COMMAND,
  type Frame,
  MATOCL_ALCES_PONG,
  MATOCL_FUSE_CHUNK_HAS_CHANGED,
  MATOCL_FUSE_FLENG_HAS_CHANGED,
  MATOCL_FUSE_INVALIDATE_CHUNK_CACHE,
  MATOCL_FUSE_TIME_SYNC,
} from '@alces/proto';
import type { SessionListener } from '../types.ts';

/**
 * Handles a packet with message id 0 (spec 00 §6.6, §6.7). False: such a packet must not come. Throws DecodeError for a
 * wrong size.
 */
export function dispatchNotification(
  { type, payload }: Frame,
  listeners: Iterable<SessionListener>,
  timeAnswered: (timeUs: number) => void,
): boolean {
  switch (type) {
    case ANTOAN_NOP.number:
    case ANTOAN_UNKNOWN_COMMAND.number:
    case ANTOAN_BAD_COMMAND_SIZE.number:
    case MATOCL_ALCES_PONG.number:
      return true;
    case MATOCL_FUSE_CHUNK_HAS_CHANGED.number: {
      const { inode, index, chunkId, version, length, truncateFlag } = MATOCL_FUSE_CHUNK_HAS_CHANGED.decode(payload);
      const change = { inode, index, chunkId, version, fileLength: length, truncated: truncateFlag !== 0 };
      for (const listener of listeners) listener.chunkChanged?.(change);
      return true;
    }
    case MATOCL_FUSE_FLENG_HAS_CHANGED.number: {
      const { inode, length } = MATOCL_FUSE_FLENG_HAS_CHANGED.decode(payload);
      for (const listener of listeners) listener.lengthChanged?.(inode, length);
      return true;
    }
    case MATOCL_FUSE_INVALIDATE_CHUNK_CACHE.number:
      MATOCL_FUSE_INVALIDATE_CHUNK_CACHE.decode(payload);
      for (const listener of listeners) listener.locationsInvalid?.();
      return true;
    case MATOCL_FUSE_TIME_SYNC.number:
      timeAnswered(MATOCL_FUSE_TIME_SYNC.decode(payload).timeUs);
      return true;
    default:
      return false;
  }
}
