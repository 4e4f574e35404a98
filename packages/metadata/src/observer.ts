import type { OperationName } from './operations.ts';

/** What changed in a node's attributes (bit mask of `Observer.nodeChanged`). */
export const CHANGED_ATTRIBUTES = 0x01;
export const CHANGED_LENGTH = 0x02;
export const CHANGED_XATTR = 0x04;
export const CHANGED_ACL = 0x08;
export const CHANGED_CHUNKS = 0x10;
export const CHANGED_QUOTA = 0x20;
/** Type 1 <-> 8 <-> 9 (trash, sustained, undelete). */
export const CHANGED_TYPE = 0x40;

/**
 * What `apply` reports while it changes the state: everything the master's shell needs for chunk management and for client
 * invalidations. Calls are synchronous and come in the order of the changes; the state may be read in them but not changed.
 * Row numbers are those of the tables (node rows, chunk rows), valid during the call.
 */
export interface Observer {
  nodeCreated(nodeRow: number, inode: number): void;
  /** The node is about to be removed; its fields can still be read. */
  nodeRemoved(nodeRow: number, inode: number): void;
  /**
   * `what` is a mask of CHANGED_*. Times of directories changed by adding or removing names are reported too, but not that the
   * sizes shown for all directories above a changed file are others.
   */
  nodeChanged(nodeRow: number, inode: number, what: number): void;
  /** `name` is a view, valid during the call. */
  entryAdded(parentInode: number, name: Buffer, childInode: number): void;
  entryRemoved(parentInode: number, name: Buffer, childInode: number): void;
  /** A new chunk; `copyOfRow` is the chunk it duplicates (copy on write), 0 = an empty one. */
  chunkCreated(chunkRow: number, chunkId: number, copyOfRow: number): void;
  /** The chunk is about to be removed from the table. */
  chunkRemoved(chunkRow: number, chunkId: number): void;
  /** References were added or removed, or moved between storage classes. */
  chunkReferencesChanged(chunkRow: number, chunkId: number): void;
  chunkVersionChanged(chunkRow: number, chunkId: number, version: number): void;
  chunkLockChanged(chunkRow: number, chunkId: number, lockedTo: number): void;
  chunkArchiveChanged(chunkRow: number, chunkId: number, archive: number): void;
  sessionChanged(sessionId: number, change: 'added' | 'changed' | 'disconnected' | 'removed'): void;
  /** The relation "session has inode open" was added or removed (also by SESDEL). */
  openChanged(sessionId: number, inode: number, open: boolean): void;
  storageClassChanged(classId: number): void;
  /** The chunkserver database changed in this record (address as it was before for csop 2). */
  chunkserverChanged(csop: number, ip: number, port: number): void;
  /** Replay tolerated an entry that the stock program could not have replayed (spec 51, section 7). */
  deviation(operation: OperationName, what: string): void;
}

function ignore(): void {
  // nobody listens
}

/** An observer that ignores everything; spread it to implement only some calls. */
export const silentObserver: Observer = {
  nodeCreated: ignore,
  nodeRemoved: ignore,
  nodeChanged: ignore,
  entryAdded: ignore,
  entryRemoved: ignore,
  chunkCreated: ignore,
  chunkRemoved: ignore,
  chunkReferencesChanged: ignore,
  chunkVersionChanged: ignore,
  chunkLockChanged: ignore,
  chunkArchiveChanged: ignore,
  sessionChanged: ignore,
  openChanged: ignore,
  storageClassChanged: ignore,
  chunkserverChanged: ignore,
  deviation: ignore,
};
