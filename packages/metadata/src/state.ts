import { type Observer, silentObserver } from './observer.ts';
import { Arena } from './store/arena.ts';
import { InodeNumbers } from './store/inodeNumbers.ts';
import { AclTable } from './tables/acls.ts';
import { ChunkTable } from './tables/chunks.ts';
import { ChunkserverTable } from './tables/chunkservers.ts';
import { FIRST_EDGE_ID } from './tables/constants.ts';
import { DirectoryTable } from './tables/directories.ts';
import { EdgeTable } from './tables/edges.ts';
import { FreeInodeQueue } from './tables/freeInodes.ts';
import { FlockTable, PosixLockTable } from './tables/locks.ts';
import { NodeTable } from './tables/nodes.ts';
import { OpenFileTable } from './tables/openFiles.ts';
import { QuotaTable } from './tables/quotas.ts';
import { SessionTable } from './tables/sessions.ts';
import { StorageClassTable } from './tables/storageClasses.ts';
import { XattrTable } from './tables/xattrs.ts';
import { type Accounting, newAccounting } from './tree/accounting.ts';

/**
 * All metadata of a file system: what the image stores plus the sums derived from it. Only `apply` (and the image loader
 * through src/load.ts) changes it; everybody else reads.
 */
export interface State {
  /** Number of the next change log line; an image with metaversion V holds the effect of lines 1..V-1. */
  metaversion: number;
  /** Identity of the file system, 0 = not chosen yet. */
  metaid: bigint;
  /** Highest inode number ever allocated. */
  maxinode: number;
  nextedgeid: bigint;
  nextchunkid: number;
  nextsessionid: number;
  readonly nodes: NodeTable;
  readonly edges: EdgeTable;
  readonly directories: DirectoryTable;
  readonly chunks: ChunkTable;
  readonly xattrs: XattrTable;
  readonly acls: AclTable;
  readonly quotas: QuotaTable;
  readonly openFiles: OpenFileTable;
  readonly flocks: FlockTable;
  readonly posixLocks: PosixLockTable;
  readonly sessions: SessionTable;
  readonly storageClasses: StorageClassTable;
  readonly chunkservers: ChunkserverTable;
  readonly freeInodes: FreeInodeQueue;
  /** Inode numbers in use: nodes and those in `freeInodes`. */
  readonly inodeNumbers: InodeNumbers;
  /** Sums of the lengths of trash and sustained files and their numbers (spec 10, section 3.1). */
  readonly detached: { trashBytes: number; trashCount: number; sustainedBytes: number; sustainedCount: number };
  /** See tree/accounting.ts. */
  readonly accounting: Accounting;
  /**
   * Changes of chunks that were begun (WRITE that makes chunkservers do something, TRUNC) and whose end is not in the change log, by
   * the chunk that is to be the result. Only a hint for who takes over from a master that died: not part of images and digests.
   */
  readonly begunChanges: Map<number, BegunChange>;
  observer: Observer;
}

/** A change of a chunk that chunkservers may or may not have made. */
export interface BegunChange {
  readonly inode: number;
  readonly index: number;
  /** The chunk that was there before; the same one if it is changed in place, 0 if there was none. */
  readonly previousChunkId: number;
  /** A truncation: nobody was given the result. */
  readonly truncates: boolean;
}

export interface StateOptions {
  /** Told about every change; default: nobody listens. */
  observer?: Observer;
  /** Seed of the hash of names (against prepared collisions). Has no influence on the content of the state. */
  hashSeed?: number;
}

/** A state without any node (not even a root), with the predefined storage classes: the start of loading an image. */
export function createState(options: StateOptions = {}): State {
  const arena = new Arena();
  const nodes = new NodeTable(arena);
  const directories = new DirectoryTable();
  return {
    metaversion: 1,
    metaid: 0n,
    maxinode: 0,
    nextedgeid: FIRST_EDGE_ID,
    nextchunkid: 1,
    nextsessionid: 1,
    nodes,
    edges: new EdgeTable(arena, nodes, directories, options.hashSeed ?? 0),
    directories,
    chunks: new ChunkTable(arena),
    xattrs: new XattrTable(arena, nodes),
    acls: new AclTable(arena, nodes),
    quotas: new QuotaTable(),
    openFiles: new OpenFileTable(),
    flocks: new FlockTable(),
    posixLocks: new PosixLockTable(),
    sessions: new SessionTable(),
    storageClasses: new StorageClassTable(),
    chunkservers: new ChunkserverTable(),
    freeInodes: new FreeInodeQueue(),
    inodeNumbers: new InodeNumbers(),
    detached: { trashBytes: 0, trashCount: 0, sustainedBytes: 0, sustainedCount: 0 },
    accounting: newAccounting(),
    begunChanges: new Map(),
    observer: options.observer ?? silentObserver,
  };
}
