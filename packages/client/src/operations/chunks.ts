/** Where the data of files are (spec 20 §3). */
import {
  CLTOMA_FUSE_READ_CHUNK,
  CLTOMA_FUSE_WRITE_CHUNK,
  CLTOMA_FUSE_WRITE_CHUNK_END,
  type FieldsOf,
  MATOCL_FUSE_READ_CHUNK,
  MATOCL_FUSE_WRITE_CHUNK,
  MATOCL_FUSE_WRITE_CHUNK_END,
} from '@alces/proto';
import type { MasterLink } from '../contracts.ts';
import type { ChunkServer, LocatedChunk } from '../types.ts';

type WireLocation = Extract<FieldsOf<typeof MATOCL_FUSE_READ_CHUNK>, { layout: 'data' }>;

/** Servers of a chunk from their wire form. */
export function chunkServers(servers: WireLocation['servers']): ChunkServer[] {
  return servers.map(({ ip, port, csVersion, labelMask }) => ({ ip, port, version: csVersion, labelMask }));
}

function located({ length, chunkId, version, servers }: WireLocation): LocatedChunk {
  return { fileLength: length, chunkId, version, servers: chunkServers(servers) };
}

/** Where to read a chunk. Chunk id 0: a hole. No servers though there is an id: ask again later. */
export async function readChunk(link: MasterLink, inode: number, index: number): Promise<LocatedChunk> {
  return located(await link.request(CLTOMA_FUSE_READ_CHUNK, MATOCL_FUSE_READ_CHUNK, { inode, index, flags: 0 }));
}

/** Locks a chunk for writing, making it if need be. `flags`: `ChunkOpFlag`. Must be followed by writeChunkEnd. */
export async function writeChunk(link: MasterLink, inode: number, index: number, flags: number): Promise<LocatedChunk> {
  return located(await link.request(CLTOMA_FUSE_WRITE_CHUNK, MATOCL_FUSE_WRITE_CHUNK, { inode, index, flags }));
}

export interface WrittenChunk {
  readonly inode: number;
  readonly index: number;
  readonly chunkId: number;
  /** The file is at least so long now; 0: only unlock. */
  readonly length: number;
}

/** Ends a write: raises the file's length and unlocks the chunk. */
export async function writeChunkEnd(link: MasterLink, written: WrittenChunk): Promise<void> {
  await link.request(CLTOMA_FUSE_WRITE_CHUNK_END, MATOCL_FUSE_WRITE_CHUNK_END, { ...written, flags: 0 });
}
