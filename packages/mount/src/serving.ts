import type { MasterSession } from '@alces/client';
import {
  type ChannelEnd,
  type FuseServer,
  mountDevice,
  type Operations,
  serve,
  setReadAhead,
  unmountDevice,
} from '@alces/fuse';
import type { Clock, Logger } from '@alces/runtime';
import type { MountSettings } from './settings/settings.ts';

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

/** The device column of /proc/mounts; a sub-folder shows if it was given without a leading slash, as the stock mount has it. */
export function mountSource({ masterHost, masterPort, subfolder, meta }: MountSettings): string {
  const folder = subfolder.startsWith('/') || meta ? '' : `/${subfolder}`;
  return `${meta ? 'mfsmeta' : 'mfs'}#${masterHost}:${masterPort}${folder}`;
}

/** Mounts and serves; resolves when the kernel has agreed on the terms. */
export async function serveMount(
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

/** What detaches the mount point; users of the detached mount then get little time to finish. */
export function unmounter(server: FuseServer, settings: MountSettings, clock: Clock, logger: Logger): () => void {
  let unmounting = false;
  return () => {
    if (unmounting) return;
    unmounting = true;
    unmountDevice(settings.mountpoint, { lazy: true })
      .catch((error) => logger.error({ error }, 'unmounting failed'))
      .finally(() => clock.timeout(LAST_USERS_MS, () => server.close()));
  };
}

/** Notes in the log what happens to the connection with the master. */
export function logConnection(session: MasterSession, logger: Logger): () => void {
  return session.listen({
    connected: ({ sessionId }) => logger.info({ sessionId }, 'registered to master'),
    disconnected: (reason) => logger.warn({ reason: reason.message }, 'connection to the master lost'),
    sessionReplaced: ({ sessionId }) =>
      logger.warn({ sessionId }, 'the master did not know the session: locks are gone'),
  });
}
