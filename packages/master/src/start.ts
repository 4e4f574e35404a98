import { AnswerFiles, Journal, type MasterJournal, type Reporter, RequestLedger, startMetadata } from '@alces/journal';
import type { State } from '@alces/metadata';
import { chunkSettings } from './chunks/index.ts';
import { masterConfig } from './config.ts';
import { type LoadedMetadata, Master, type MasterOptions, type RunningMaster } from './master.ts';
import type { ImageSaver } from './saving.ts';
import { portOfService } from './services.ts';
import { type ConfigMessages, loadExports, loadTopology } from './sideFiles.ts';

/** Thrown when the master can't start; the operator has been told why. */
export class MasterStartError extends Error {}

/** How a master speaks while it starts, and what its configuration files say. Throws MasterStartError when they forbid to serve. */
async function prepare(options: MasterOptions) {
  const { environment, log } = options;
  const say = options.say ?? ((line: string) => log.info(line));
  const voice = { serving: false };
  const warn = (line: string) => {
    log.warn(line);
    if (!voice.serving && options.say) options.say(line);
  };
  const messages: ConfigMessages = { say, warn };
  const reporter: Reporter = { info: say, warn, error: warn };
  const config = masterConfig(options.config, portOfService, warn);
  const settings = chunkSettings(options.config, warn);
  const exports = await loadExports(environment.disk, config, messages);
  if (!exports)
    throw new MasterStartError(`init: exports manager failed !!! (nothing is exported by ${config.exportsFile})`);
  return { voice, messages, reporter, config, settings, exports };
}

/** Reads the files that a master with these options would begin with, and says what is in them. Throws MasterStartError when it could not serve. */
export async function checkFiles(options: MasterOptions): Promise<void> {
  const { messages, config } = await prepare(options);
  await loadTopology(options.environment.disk, config, messages);
}

/**
 * Serves metadata that are in memory already, with a journal of the caller's (and images, if given). Rejects when that is not possible.
 * The caller ends the master with `kill`; the state and the journal remain the caller's.
 */
export async function serveOn(
  options: MasterOptions,
  on: { started: LoadedMetadata; journal: MasterJournal; ledger: RequestLedger; images?: ImageSaver },
): Promise<RunningMaster> {
  const { voice, messages, ...parts } = await prepare(options);
  const master = new Master(options, { ...parts, ...on });
  try {
    await master.serve(messages);
  } catch (error) {
    await master.kill();
    throw error;
  }
  voice.serving = true;
  return master;
}

/** The answers that the master before gave, as far as they fit the metadata. */
async function keptAnswers(
  { environment: { disk, clock }, folder }: MasterOptions,
  report: Reporter,
  { metaversion, sessions, chunks }: State,
  ledger: RequestLedger,
): Promise<AnswerFiles> {
  const answers = await AnswerFiles.open({ disk, folder, report }, metaversion, ledger);
  const now = clock.unixSeconds();
  ledger.keepOnly({
    session: (id) => sessions.has(id),
    lockedChunk: (id) => chunks.find(id) !== 0 && chunks.lockedTo.get(chunks.find(id)) >= now,
  });
  return answers;
}

/** Loads the metadata and serves (spec 60 §4.2, §4.6). Throws MasterStartError when that is not possible. */
export async function startMaster(options: MasterOptions): Promise<RunningMaster> {
  const { environment, folder } = options;
  const { clock, disk, random } = environment;
  const { voice, messages, reporter, ...parts } = await prepare(options);
  const { config } = parts;
  const started = await startMetadata({
    clock,
    disk,
    random,
    folder,
    ...(options.home === undefined ? {} : { home: options.home }),
    restore: options.restore ?? false,
    ignoreErrors: options.ignoreErrors ?? false,
    verbosity: options.verbosity ?? 0,
    keepPrevious: config.keptImages,
    defaultQuotaGrace: config.quotaGraceSeconds,
    state: { hashSeed: random.u32() },
    report: reporter,
  });
  messages.say('metadata file has been loaded');
  const ledger = new RequestLedger();
  const answers = await keptAnswers(options, reporter, started.state, ledger);
  const journal = await Journal.open({
    clock,
    disk,
    folder,
    answers,
    nextVersion: started.state.metaversion,
    saveMode: config.changelogSaveMode,
    backLogs: config.backLogs,
    compressOld: config.compressOldChangelogs,
    report: reporter,
  });
  const master = new Master(options, { ...parts, reporter, started, journal, ledger });
  try {
    await master.serve(messages);
  } catch (error) {
    await master.stop();
    throw error;
  }
  voice.serving = true;
  return master;
}
