/**
 * What the chunk side reads of the metadata. Nothing here changes metadata: changes are changelog entries given to
 * `ChunkServiceHost.commit`, and the metadata shows them when that call returns.
 */

/** A chunk's place in the chunk table; stays the same for the life of the chunk record. */
export type ChunkSlot = number;

/** The chunk table. Slots are above 0 and below `slotLimit`; unused ones have id 0. */
export interface ChunkTable {
  /** The slot of a chunk, 0 for an unknown one. */
  find(chunkId: number): ChunkSlot;
  readonly slotLimit: number;
  readonly count: number;
  readonly nextChunkId: number;
  /** 0 for an unused slot. */
  id(slot: ChunkSlot): number;
  version(slot: ChunkSlot): number;
  /** Unix time until which the chunk is locked (inclusive); 0 = not locked. */
  lockedTo(slot: ChunkSlot): number;
  /** Number of (file, index) pairs that refer to the chunk. */
  references(slot: ChunkSlot): number;
  /** Storage class that rules the chunk (spec 40 §14.2), 0 without references. */
  storageClass(slot: ChunkSlot): number;
  archived(slot: ChunkSlot): boolean;
}

/** A label expression: up to four masks, a server satisfies one of them; a first mask of 0 means any server (spec 40 §9.1). */
export type LabelExpression = readonly number[];

export interface StorageClassView {
  /** 0 LOOSE, 1 STD, 2 STRICT. */
  readonly mode: number;
  readonly createLabels: readonly LabelExpression[];
  readonly keepLabels: readonly LabelExpression[];
  readonly archiveLabels: readonly LabelExpression[];
  readonly archiveDelayDays: number;
}

export interface StorageClasses {
  /** Definition of a class, undefined when there is none with this id. */
  get(classId: number): StorageClassView | undefined;
}

/** A chunkserver in the metadata (spec 40 §13.1). */
export interface ServerEntry {
  readonly ip: number;
  readonly port: number;
  /** 0 = none yet. */
  readonly csid: number;
  /** 0 no, 1 on, 2 temporary. */
  readonly maintenance: number;
  /** Unix time of its end, 0 = none. */
  readonly maintenanceTimeout: number;
}

export interface ServerEntries {
  all(): Iterable<ServerEntry>;
  byAddress(ip: number, port: number): ServerEntry | undefined;
  byId(csid: number): ServerEntry | undefined;
}

export type FileKind = 'file' | 'trash' | 'sustained';

/** Files, for the file test (spec 40 §14.4). */
export interface FileTable {
  /** Node slots are above 0 and below this number. */
  readonly nodeLimit: number;
  /** Slot of a file by its inode, 0 when there is none or it is not a file. */
  find(inode: number): number;
  /** Inode of the file in this slot, 0 when there is none or it is not a file. */
  inode(nodeSlot: number): number;
  kind(nodeSlot: number): FileKind;
  isImmutable(nodeSlot: number): boolean;
  lengthBytes(nodeSlot: number): number;
  ctime(nodeSlot: number): number;
  storageClass(nodeSlot: number): number;
  /** Names that refer to the file. */
  linkCount(nodeSlot: number): number;
  /** Index of the next entry of the file's chunk list at or after `from` that may hold a chunk; `chunkCount` when there is none. */
  nextChunkIndex(nodeSlot: number, from: number): number;
  /** Entries of the chunk list of the file. */
  chunkCount(nodeSlot: number): number;
  chunkId(nodeSlot: number, index: number): number;
}

/** All that the chunk side sees of the metadata. */
export interface MetadataView {
  readonly chunks: ChunkTable;
  readonly classes: StorageClasses;
  readonly servers: ServerEntries;
  readonly files: FileTable;
}
