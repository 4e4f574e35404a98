export { main } from './main.ts';
export { type MasterOptions, MasterStartError, type RunningMaster, startMaster } from './master.ts';
