export {
  type AdoptingNet,
  type ChunkCluster,
  chunkSettings,
  createStandbyChunkservers,
  type StandbyChunkservers,
  type StandbyHandover,
  type StandbyOptions,
} from './chunks/index.ts';
export { main, masterDaemon, openMetrics } from './main.ts';
export type {
  LoadedMetadata,
  MasterOptions,
  RunningMaster,
} from './master.ts';
export type { ImageSaver } from './saving.ts';
export { checkFiles, MasterStartError, serveOn, startMaster } from './start.ts';
