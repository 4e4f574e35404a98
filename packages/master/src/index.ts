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
export {
  type LoadedMetadata,
  type MasterOptions,
  MasterStartError,
  type RunningMaster,
  serveOn,
  startMaster,
} from './master.ts';
export type { ImageSaver } from './saving.ts';
