import type { State } from '@alces/metadata';

/** Bytes that one record of each kind takes in the tables, about; names and values come on top. */
const BYTES = {
  hashSlot: 4,
  chunk: 28,
  chunkserver: 64,
  edge: 46,
  node: 66,
  freeInode: 8,
  chunkSlot: 8,
  symlink: 32,
  quota: 128,
} as const;

interface Kind {
  readonly allocated: number;
  readonly used: number;
}

function table(rows: number, live: number, bytes: number): Kind {
  return { allocated: rows * bytes, used: live * bytes };
}

/**
 * Memory by kind of object as MEMORY_INFO wants it (spec 70 §3.12): chunk hash, chunks, chunkserver lists, edge hash, edges,
 * node hash, nodes, deleted nodes, chunk tabs, symlinks, quota.
 */
export function memoryByKind(state: State): Kind[] {
  const { nodes, edges, chunks } = state;
  const files = state.storageClasses.files.reduce((sum, count) => sum + count, 0);
  return [
    table(chunks.rowLimit, chunks.count, BYTES.hashSlot),
    table(chunks.rowLimit, chunks.count, BYTES.chunk),
    table(chunks.rowLimit, chunks.count, BYTES.chunkserver),
    table(edges.rowLimit, edges.count, BYTES.hashSlot),
    table(edges.rowLimit, edges.count, BYTES.edge),
    table(nodes.rowLimit, nodes.count, BYTES.hashSlot),
    table(nodes.rowLimit, nodes.count, BYTES.node),
    table(
      state.freeInodes.tail - state.freeInodes.head,
      state.freeInodes.tail - state.freeInodes.head,
      BYTES.freeInode,
    ),
    table(files, files, BYTES.chunkSlot),
    table(0, 0, BYTES.symlink),
    table(state.quotas.size, state.quotas.size, BYTES.quota),
  ];
}
