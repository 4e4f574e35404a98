import { homedir } from 'node:os';
import { StartError } from '@alces/journal';
import {
  type DaemonContext,
  type DaemonDefinition,
  type RunningDaemon,
  realEnvironment,
  runDaemon,
} from '@alces/runtime';
import { MasterStartError, startMaster } from './master.ts';
import { restoreMetadata } from './restore.ts';

const OPEN_FILES_LIMIT = 16384;

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
    return {
      reload: () => master.reload(),
      info: () => master.info(),
      stop: () => master.stop(),
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
