import { createDataEngine, type MasterSession } from '@alces/client';
import {
  type ChannelEnd,
  DEFAULT_WISHES,
  type FuseServer,
  InitFlag,
  mountDevice,
  type Negotiated,
  type Operations,
  serve,
  setReadAhead,
  unmountDevice,
} from '@alces/fuse';
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
import type { MountSettings } from './settings/settings.ts';
import { isLogFile, specialFiles } from './special/content.ts';
import { withSpecialFiles } from './special/operations.ts';
import { parametersText } from './special/parameters.ts';
import { type LinkStatistics, Statistics } from './statistics.ts';
import { watchWorkingDirectories } from './workingDirectories.ts';

const SYMLINK_LIMIT = 400_448;
const VANISHING_SECONDS = 60;
const VANISHING_LIMIT = 65_536;
const READ_AHEAD_BYTES = 1024 * 1024;
/** How long users of a detached mount may finish before they are cut off. */
const LAST_USERS_MS = 1000;

/** A mount that answers. */
export interface RunningMount {
  /** The mount is gone; data that was accepted is on chunkservers, and the session is closed. */
  readonly finished: Promise<ChannelEnd>;
  /** Detaches the mount point at once. */
  unmount(): void;
}

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

function ipNumber(text: string): number {
  return text.split('.').reduce((sum, part) => sum * 256 + Number(part), 0);
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

/** The device column of /proc/mounts; a sub-folder shows if it was given without a leading slash, as the stock mount has it. */
export function mountSource({ masterHost, masterPort, subfolder, meta }: MountSettings): string {
  const folder = subfolder.startsWith('/') || meta ? '' : `/${subfolder}`;
  return `${meta ? 'mfsmeta' : 'mfs'}#${masterHost}:${masterPort}${folder}`;
}

async function serveMount(
  settings: MountSettings,
  operations: Operations,
  flags: number,
  logger: Logger,
): Promise<FuseServer> {
  const { mountpoint, allowOther, mountOptions, meta } = settings;
  const subtype = meta ? 'mfsmeta' : 'mfs';
  const fd = await mountDevice({
    mountpoint,
    source: mountSource(settings),
    subtype,
    allowOther,
    options: mountOptions,
  });
  const server = serve(fd, operations, {
    wishes: { flags },
    report: (message, error, request) => logger.error({ opcode: request?.opcode, error }, message),
  });
  await server.initialized;
  setReadAhead(mountpoint, READ_AHEAD_BYTES);
  return server;
}

/** Waits for the end of the mount; after `unmount` users of the detached mount get little time to finish. */
function watchEnd(server: FuseServer, settings: MountSettings, clock: Clock, logger: Logger) {
  let unmounting = false;
  const unmount = (): void => {
    if (unmounting) return;
    unmounting = true;
    unmountDevice(settings.mountpoint, { lazy: true })
      .catch((error) => logger.error({ error }, 'unmounting failed'))
      .finally(() => clock.timeout(LAST_USERS_MS, () => server.close()));
  };
  return { ended: server.ended, unmount };
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
  const { ended, unmount } = watchEnd(server, settings, clock, logger);
  const finished = ended.then(async (end) => {
    stopForwarding();
    stopWatching();
    await proxy.close();
    await context.engine.close();
    await session.close();
    return end;
  });
  return { finished, unmount };
}
