import type { Reporter } from '@alces/journal';
import {
  type DaemonContext,
  type DaemonDefinition,
  type Logger,
  type RunningDaemon,
  realEnvironment,
  resolveHost,
  runDaemon,
} from '@alces/runtime';
import { type MetaloggerConfig, metaloggerConfig } from './config.ts';
import { Metalogger } from './metalogger.ts';

/** As the stock metalogger (spec 60 §2.1). */
const OPEN_FILES_LIMIT = 4096;

function logReporter(log: Logger): Reporter {
  return {
    info: (text) => log.info(text),
    warn: (text) => log.warn(text),
    error: (text) => log.error(text),
  };
}

/** A master whose name means nothing is a mistake in the configuration; one that does not answer may come later (spec 52 §4.1). */
async function checkMasters({ masterHosts, masterPort }: MetaloggerConfig): Promise<void> {
  for (const host of masterHosts) {
    try {
      await resolveHost(host);
    } catch {
      throw new Error(`can't resolve master host/port (${host}:${masterPort})`);
    }
  }
}

async function start({ config, dataPath, log, rereadConfig }: DaemonContext): Promise<RunningDaemon> {
  const settings = metaloggerConfig(config);
  await checkMasters(settings);
  const metalogger = await Metalogger.start({
    environment: realEnvironment(),
    folder: dataPath,
    config: settings,
    report: logReporter(log),
  });
  return {
    reload() {
      const reread = rereadConfig();
      if (reread !== undefined) metalogger.reconfigure(metaloggerConfig(reread));
    },
    info: () => metalogger.info(),
    stop: () => metalogger.stop(),
  };
}

/** The daemon mfsmetalogger. */
export const metaloggerDaemon: DaemonDefinition = { name: 'mfsmetalogger', openFilesLimit: OPEN_FILES_LIMIT, start };

/** The program mfsmetalogger. Resolves to its exit status. */
export function main(argv: readonly string[]): Promise<number> {
  return runDaemon(metaloggerDaemon, argv);
}

if (import.meta.main) process.exitCode = await main(process.argv.slice(2));
