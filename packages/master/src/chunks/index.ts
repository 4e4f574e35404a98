export * from './api.ts';
export type { ChunkMaster, ChunkObserver } from './chunkMaster.ts';
export { ChunkServerService, type ChunkServerServiceOptions } from './service.ts';
export { type ChunkSettings, chunkSettings, SettingsError } from './settings.ts';
export { flatTopology, parseTopology, type Topology } from './topology.ts';
