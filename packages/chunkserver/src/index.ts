export { type Chunkserver, type ChunkserverOptions, startChunkserver } from './chunkserver.ts';
export { main } from './main.ts';
export { type Stream, type StreamHandlers, type Streams, type StreamTarget, streamsOver } from './net/stream.ts';
export type { ChunkFiles, FileInfo, FolderLock, OpenMode, VolumeInfo } from './os/files.ts';
export { filesOver } from './os/filesOverDisk.ts';
