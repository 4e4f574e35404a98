import { CHUNK_SIZE } from '@alces/proto';
import { type MountContext, nodeChanged } from './context.ts';
import type { LinkStatistics } from './statistics.ts';

/**
 * Passes on to the kernel what other clients change (spec 00 §6.7). The kernel may make a notification wait for a read of the same
 * file, so nobody waits for it here.
 */
export function forwardInvalidations(context: MountContext, link: LinkStatistics): () => void {
  const { session, kernel, files } = context;
  let connectedBefore = session.connected;
  const invalidate = (inode: number, offset: number, lengthBytes: number): void => {
    nodeChanged(context, inode);
    void kernel.notifier?.invalidateInode(inode, offset, lengthBytes);
  };
  return session.listen({
    chunkChanged: ({ inode, index, truncated }) => invalidate(inode, index * CHUNK_SIZE, truncated ? 0 : CHUNK_SIZE),
    lengthChanged: (inode, length) => invalidate(inode, length, 0),
    connected: () => {
      if (connectedBefore) {
        link.reconnects += 1;
        // What happened meanwhile was told to nobody.
        context.lookups.clear();
        for (const inode of files.inodes()) invalidate(inode, 0, 0);
      }
      connectedBefore = true;
    },
  });
}
