import { createDataEngine, type MasterSession } from '@alces/client';
import { DEFAULT_WISHES, InitFlag, type Negotiated, type Operations } from '@alces/fuse';
import type { Attr } from '@alces/proto';
import { type Clock, type Logger, realClock, realNet } from '@alces/runtime';
import { ExpiringMap } from './caches/expiringMap.ts';
import { Listings } from './caches/listings.ts';
import { LookupRecords } from './caches/lookupRecords.ts';
import { NegativeEntries } from './caches/negativeEntries.ts';
import { XattrCache } from './caches/xattrCache.ts';
import { Callers } from './callers.ts';
import type { MountContext } from './context.ts';
import { forwardInvalidations } from './invalidation.ts';
import { logged } from './log/logged.ts';
import { OperationLog } from './log/operationLog.ts';
import { Handles, OpenFiles } from './openFiles.ts';
import { mountOperations } from './operations/table.ts';
import { startProxy, type ToolsProxy } from './proxy.ts';
import { logConnection, type RunningMount, serveMount, unmounter } from './serving.ts';
import type { MountSettings } from './settings/settings.ts';
import { isLogFile, specialFiles } from './special/content.ts';
import { ipNumber, withSpecialFiles } from './special/operations.ts';
import { parametersText } from './special/parameters.ts';
import { type LinkStatistics, Statistics } from './statistics.ts';
import { watchWorkingDirectories } from './workingDirectories.ts';

const SYMLINK_LIMIT = 400_448;
const VANISHING_SECONDS = 60;
const VANISHING_LIMIT = 65_536;
function createContext(
  session: MasterSession,
  settings: MountSettings,
  clock: Clock,
  link: LinkStatistics,
): MountContext {
  const { timeouts, options } = settings;
  const symlinks = new ExpiringMap<number, Buffer>(clock, timeouts.symlink * 1000, SYMLINK_LIMIT);
  const engine = createDataEngine(session, {
    writeCacheBytes: settings.writeCacheBytes,
    readCacheBytes: settings.readCacheBytes,
    readAheadBytes: settings.readAheadBytes,
    ioRetries: options.mfsioretries,
    timeoutMs: options.mfstimeout * 1000,
    errorOnLostChunk: options.mfserroronlostchunk,
    errorOnNoSpace: options.mfserroronnospace,
    preferredLabels: settings.preferredLabels,
    ...(settings.bindHost !== undefined && { bindHost: settings.bindHost }),
  });
  return {
    session,
    engine,
    settings,
    clock,
    callers: new Callers(clock, timeouts.groups, () => session.parameters.rootUid !== 0),
    lookups: new LookupRecords(clock),
    negatives: new NegativeEntries(clock, timeouts.negativeEntry),
    symlinks,
    xattrs: new XattrCache(clock, timeouts.xattr),
    listings: new Listings(),
    vanishing: new ExpiringMap<number, Attr>(clock, VANISHING_SECONDS * 1000, VANISHING_LIMIT),
    files: new OpenFiles(),
    directories: new Handles(),
    statistics: new Statistics({
      link,
      cachedSymlinks: () => symlinks.size,
      clockDifferenceMicroseconds: () => clock.wallMs() * 1000 - session.masterTimeMicroseconds(),
    }),
    kernel: { notifier: undefined },
  };
}

/** Operations with special files and log around them. */
function completeOperations(
  context: MountContext,
  log: OperationLog,
  proxy: ToolsProxy,
  negotiated: () => Negotiated | undefined,
): Operations {
  const { session, settings, statistics } = context;
  const sources = {
    session,
    statistics,
    log,
    proxy: () => ({ ip: ipNumber(settings.proxyHost), port: proxy.port }),
    parameters: () => parametersText(settings, session.parameters, negotiated()),
  };
  const operations = withSpecialFiles(
    mountOperations(context),
    specialFiles(sources),
    () => statistics.reset(),
    () => statistics.count('lookup.internal'),
  );
  return logged(operations, log, statistics, isLogFile);
}

function initFlags({ options }: MountSettings): number {
  const local =
    (options.mfsnoposixlocks ? InitFlag.POSIX_LOCKS : 0) | (options.mfsnobsdlocks ? InitFlag.FLOCK_LOCKS : 0);
  return DEFAULT_WISHES.flags & ~local;
}

/** Mounts the file system of a registered session and serves it until it is unmounted. */
export async function startMount(
  session: MasterSession,
  settings: MountSettings,
  link: LinkStatistics,
  logger: Logger,
): Promise<RunningMount> {
  const clock = realClock;
  const context = createContext(session, settings, clock, link);
  const log = new OperationLog(
    clock,
    settings.debug && settings.foreground ? (line) => process.stderr.write(line) : undefined,
  );
  const proxy = await startProxy({ net: realNet, clock, host: settings.proxyHost }, session, () =>
    context.negatives.clear(),
  );
  let negotiated: Negotiated | undefined;
  const operations = completeOperations(context, log, proxy, () => negotiated);
  const server = await serveMount(settings, operations, initFlags(settings), logger);
  negotiated = await server.initialized;
  context.kernel.notifier = server.notifier;
  const stopForwarding = forwardInvalidations(context, link);
  const stopWatching = watchWorkingDirectories(context, (error) => logger.error({ error }, 'scan failed'));
  const stopLogging = logConnection(session, logger);
  const finished = server.ended.then(async (end) => {
    stopLogging();
    stopForwarding();
    stopWatching();
    await proxy.close();
    await context.engine.close();
    await session.close();
    return end;
  });
  return { finished, unmount: unmounter(server, settings, clock, logger) };
}
