export { detachFromStarter, isBackgroundProcess, relayBackgroundStart } from './background.ts';
export { type DaemonOptions, parseCommandLine } from './commandLine.ts';
export {
  Config,
  type ConfigReport,
  type ConfigWarning,
  type NumberRange,
  type ParseConfigOptions,
  parseConfig,
} from './config.ts';
export { type DaemonContext, type DaemonDefinition, type RunningDaemon, runDaemon } from './daemon.ts';
export { realEnvironment } from './environment.ts';
export { isMissing, reasonOf } from './errors.ts';
export type * from './interfaces.ts';
export { LockFile } from './lockFile.ts';
export { createLogger, type Logger, type LoggerOptions } from './log.ts';
export { type Metric, type MetricsServer, serveMetrics } from './metrics.ts';
export { lockMemory, raiseOpenFilesLimit, tryLockFile } from './native.ts';
export { parseCFloat, parseCInteger, parseSize } from './numbers.ts';
export { realClock, realRandom } from './realClock.ts';
export { realDisk } from './realDisk.ts';
export { realNet, resolveHost } from './realNet.ts';
export { runInSlices } from './slices.ts';
