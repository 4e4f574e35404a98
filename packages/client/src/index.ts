export type * from './contracts.ts';
export { createDataEngine } from './data/dataEngine.ts';
export { MfsError } from './errors.ts';
export * as ops from './operations/index.ts';
export { connectMaster, parseMasterAddress } from './session/connectMaster.ts';
export type * from './types.ts';
