export * from './api.ts';
export type { ChunkCluster, ChunkMaster, ChunkObserver } from './chunkMaster.ts';
export { type AdoptingNet, ChunkServerService, type ChunkServerServiceOptions } from './service.ts';
export { type ChunkSettings, chunkSettings, SettingsError } from './settings.ts';
export type { StandbySettings } from './standby/messages.ts';
export {
  createStandbyChunkservers,
  type StandbyChunkservers,
  type StandbyHandover,
  type StandbyOptions,
} from './standby/service.ts';
export { flatTopology, parseTopology, type Topology } from './topology.ts';
