import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { EPOCHS_FILE } from '@alces/replication';
import {
  type Config,
  type DaemonContext,
  type DaemonDefinition,
  parseConfig,
  type RunningDaemon,
  realEnvironment,
  reasonOf,
  runDaemon,
} from '@alces/runtime';
import { type HaConfig, haConfigFile, journalFolder, readHaConfig } from '../config.ts';
import { actOnRunningNode } from './runningNode.ts';

/** A master with the node's programs open files for clients, whatever the node was started as. */
const OPEN_FILES_LIMIT = 16_384;
/** `mfsmaster start` stands for the lead when nobody else is heard of for so long. */
const LISTEN_MS = 1500;

/** Runs mfsmaster or mfsmetalogger: as a node of the journal when its configuration says so, else as it ever was. */
export async function runNodeProgram(
  program: 'mfsmaster' | 'mfsmetalogger',
  plain: DaemonDefinition,
  argv: readonly string[],
): Promise<number> {
  let daemon = program;
  try {
    const acted = await actOnRunningNode(program, argv);
    if ('status' in acted) return acted.status;
    daemon = acted.daemon;
  } catch (error) {
    process.stderr.write(`${program}: ${reasonOf(error)}\n`);
    return 1;
  }
  const definition: DaemonDefinition = {
    ...plain,
    // Of a node that runs it is the one that it was started as.
    name: daemon,
    canSave: plain.canSave === true || daemon !== program,
    openFilesLimit: OPEN_FILES_LIMIT,
    start(context) {
      const file = haConfigFile(context.config);
      if (file !== undefined) return startNode(daemon, context, file);
      refuseForeign(context);
      return plain.start(context);
    },
  };
  return runDaemon(definition, argv);
}

/** A folder with a journal belongs to a node: a plain master there would be a second one beside the node that leads. */
function refuseForeign({ dataPath, config }: DaemonContext): void {
  const journal = journalFolder(dataPath);
  if (existsSync(join(journal, EPOCHS_FILE)))
    throw new Error(
      `${journal} is a node's of a replicated journal, and there is no mfsha.cfg beside ${config.file} (or HA_CONFIG in it); to go on without high availability rename that folder`,
    );
}

/** mfsmaster.cfg as it is now; its DATA_PATH is the node's. */
function masterConfig(config: HaConfig): Config {
  return parseConfig(readFileSync(config.masterConfig), config.masterConfig);
}

async function startNode(
  program: 'mfsmaster' | 'mfsmetalogger',
  context: DaemonContext,
  file: string,
): Promise<RunningDaemon> {
  const { log, say, options, fail } = context;
  const config = readHaConfig(file, context.config);
  const { self, nodes, protocol, quorum } = config.replication;
  const isWitness = nodes.find((node) => node.id === self)?.witness === true;
  const settings = isWitness ? context.config : masterConfig(config);
  const { startHostedNode } = await import('../node/hostedNode.ts');
  const { node, stop } = await startHostedNode({
    environment: realEnvironment(),
    config,
    daemon: program,
    log,
    masterConfig: () => masterConfig(config),
    rereadConfig: () => readHaConfig(file, context.config),
    restore: options.autoRestore,
    fail,
  });
  const { openMetrics } = await import('@alces/master');
  const metrics = await openMetrics({ ...context, config: settings }, () => node.metrics());
  say(
    `node ${self} of the journal ${config.cluster} (${file}): protocol ${protocol}, quorum ${quorum} of ${nodes.length}`,
  );
  if (program === 'mfsmaster') void node.leadIfNobodyDoes(LISTEN_MS);
  return {
    reload: () => node.reload(),
    info: () => node.info(),
    async stop() {
      await metrics?.close();
      await stop();
    },
    save: () => node.save(),
  };
}
