import { BLOCK_SIZE } from '@alces/proto';
import { closeChunkFile } from './access.ts';
import { ActiveChunks } from './activeChunks.ts';
import { BufferPool } from './buffers.ts';
import { ChunkTable } from './chunkTable.ts';
import { COPY_BLOCKS, type Store } from './context.ts';

/** Idle buffers kept: block images, and buffers for copies and tests. */
const BLOCK_BUFFERS = 256;
const COPY_BUFFERS = 4;

/** What a store is made from. */
export interface StoreParts extends Omit<Store, 'table' | 'active' | 'folders' | 'blockBuffers' | 'copyBuffers'> {
  /** Chunk files that may be open at a time. */
  maxOpenFiles: number;
}

/** An empty store without folders. */
export function makeStore({ maxOpenFiles, ...parts }: StoreParts): Store {
  const blockBuffers = new BufferPool(BLOCK_SIZE, BLOCK_BUFFERS);
  const store: Store = {
    ...parts,
    table: new ChunkTable(),
    active: new ActiveChunks(blockBuffers, maxOpenFiles, (chunk, fd, sync) => closeChunkFile(store, chunk, fd, sync)),
    folders: [],
    blockBuffers,
    copyBuffers: new BufferPool(BLOCK_SIZE * COPY_BLOCKS, COPY_BUFFERS),
  };
  return store;
}
