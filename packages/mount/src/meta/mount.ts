import type { MasterSession } from '@alces/client';
import { InitFlag, type Operations, type Request } from '@alces/fuse';
import { MASTERINFO_INODE, ROOT_INODE } from '@alces/proto';
import { type Logger, realClock, realNet } from '@alces/runtime';
import { startProxy } from '../proxy.ts';
import { logConnection, type RunningMount, serveMount, unmounter } from '../serving.ts';
import type { MountSettings } from '../settings/settings.ts';
import { masterInfoFile } from '../special/content.ts';
import { ipNumber, masterInfoOperations } from '../special/operations.ts';
import { metaOperations } from './operations.ts';

const FLAGS = InitFlag.ASYNC_READ | InitFlag.ATOMIC_O_TRUNC | InitFlag.EXPORT_SUPPORT | InitFlag.DONT_MASK;
const MASTERINFO = Buffer.from('.masterinfo');

/** `.masterinfo` in the root, everything else from the meta operations. */
function withMasterInfo(base: Operations, info: Operations): Operations {
  const isInfo = ({ node }: Request): boolean => node === MASTERINFO_INODE;
  return {
    ...base,
    lookup: (request, name) =>
      request.node === ROOT_INODE && name.equals(MASTERINFO)
        ? info.lookup!(request, name)
        : base.lookup!(request, name),
    getattr: (request, handle) => (isInfo(request) ? info : base).getattr!(request, handle),
    setattr: (request, change) => (isInfo(request) ? info : base).setattr!(request, change),
    open: (request, flags) => (isInfo(request) ? info : base).open!(request, flags),
    read: (request, ask) => (isInfo(request) ? info : base).read!(request, ask),
    write: (request, ask) => (isInfo(request) ? info : base).write!(request, ask),
    flush: (request, handle, owner) => (isInfo(request) ? 0 : base.flush!(request, handle, owner)),
    release: (request, handle, flags, owner, unlock) =>
      (isInfo(request) ? info : base).release!(request, handle, flags, owner, unlock),
  };
}

/** Mounts trash and sustained files of a registered meta session and serves them until they are unmounted. */
export async function startMetaMount(
  session: MasterSession,
  settings: MountSettings,
  logger: Logger,
): Promise<RunningMount> {
  const clock = realClock;
  const proxy = await startProxy({ net: realNet, clock, host: settings.proxyHost }, session, () => {});
  const address = { ip: ipNumber(settings.proxyHost), port: proxy.port };
  const info = masterInfoOperations(masterInfoFile(session, () => address));
  const context = { session, clock, flatTrash: settings.options.mfsflattrash };
  const server = await serveMount(settings, withMasterInfo(metaOperations(context), info), FLAGS, logger);
  const stopLogging = logConnection(session, logger);
  const finished = server.ended.then(async (end) => {
    stopLogging();
    await proxy.close();
    await session.close();
    return end;
  });
  return { finished, unmount: unmounter(server, settings, clock, logger) };
}
