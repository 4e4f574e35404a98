import { homedir } from 'node:os';
import { StartError } from '@alces/journal';
import {
  type DaemonContext,
  type DaemonDefinition,
  type MetricsServer,
  type RunningDaemon,
  realEnvironment,
  reasonOf,
  runDaemon,
  serveMetrics,
} from '@alces/runtime';
import { restoreMetadata } from './restore.ts';
import { MasterStartError, startMaster } from './start.ts';

const OPEN_FILES_LIMIT = 16384;

/** METRICS_PORT (0, the default: off) and METRICS_HOST, keys of ours. */
export async function openMetrics(
  { config, log, say }: Pick<DaemonContext, 'config' | 'log' | 'say'>,
  metrics: Parameters<typeof serveMetrics>[1],
): Promise<MetricsServer | undefined> {
  const port = config.number('METRICS_PORT', 0, { max: 65_535 });
  if (port === 0) return undefined;
  const host = config.string('METRICS_HOST', '127.0.0.1');
  try {
    const server = await serveMetrics({ host, port }, metrics);
    say(`metrics: listen on ${host}:${port}`);
    return server;
  } catch (error) {
    log.error(`can't serve metrics on ${host}:${port}: ${reasonOf(error)}`);
    return undefined;
  }
}

/** Starts the daemon; what it could not do is said in the words of the stock daemon. */
async function start(context: DaemonContext): Promise<RunningDaemon> {
  const { options } = context;
  try {
    const master = await startMaster({
      environment: realEnvironment(),
      folder: context.dataPath,
      config: context.config,
      log: context.log,
      say: context.say,
      rereadConfig: context.rereadConfig,
      restore: options.autoRestore,
      ignoreErrors: options.ignoreErrors,
      verbosity: options.verbosity,
      home: homedir(),
    });
    const metrics = await openMetrics(context, master.metrics);
    return {
      reload: () => master.reload(),
      info: () => master.info(),
      stop: async () => {
        await metrics?.close();
        await master.stop();
      },
      save: async () => {
        const { metaversion, path, emergency } = await master.saveImage();
        if (emergency) throw new Error(`metadata (version ${metaversion}) stored to an emergency place only: ${path}`);
        return `metadata saved (version: ${metaversion}) in ${path}`;
      },
    };
  } catch (error) {
    if (error instanceof StartError) throw new MasterStartError(`${error.message}\ninit: metadata manager failed !!!`);
    throw error;
  }
}

/** The daemon mfsmaster. */
export const masterDaemon: DaemonDefinition = {
  name: 'mfsmaster',
  openFilesLimit: OPEN_FILES_LIMIT,
  isMaster: true,
  canSave: true,
  start,
  restore: restoreMetadata,
};

/** The program mfsmaster. Resolves to its exit status. */
export function main(argv: readonly string[]): Promise<number> {
  return runDaemon(masterDaemon, argv);
}

if (import.meta.main) process.exitCode = await main(process.argv.slice(2));
