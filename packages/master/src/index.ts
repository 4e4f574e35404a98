export {
  type AdoptingNet,
  type ChunkCluster,
  chunkSettings,
  createStandbyChunkservers,
  type StandbyChunkservers,
  type StandbyHandover,
  type StandbyOptions,
} from './chunks/index.ts';
export { main, masterDaemon } from './main.ts';
export type {
  LoadedMetadata,
  MasterOptions,
  RunningMaster,
} from './master.ts';
export type { ImageSaver } from './saving.ts';
export { MasterStartError, serveOn, startMaster } from './start.ts';
