export {
  Config,
  type ConfigReport,
  type ConfigWarning,
  type NumberRange,
  type ParseConfigOptions,
  parseConfig,
} from './config.ts';
export { realEnvironment } from './environment.ts';
export type * from './interfaces.ts';
export { parseCFloat, parseCInteger, parseSize } from './numbers.ts';
export { realClock, realRandom } from './realClock.ts';
export { realDisk } from './realDisk.ts';
export { realNet, resolveHost } from './realNet.ts';
