/** A copy of a chunk on another server. */
export interface ReplicationSource {
  chunkId: number;
  version: number;
  ip: number;
  port: number;
}

/** What the master wants to have fetched (spec 30 §1.16). */
export interface ReplicationOrder {
  chunkId: number;
  version: number;
  /** How the quarters of each block are made of those of several sources; undefined: one source, taken as it is. */
  masks: readonly [number, number, number, number] | undefined;
  sources: readonly ReplicationSource[];
}
