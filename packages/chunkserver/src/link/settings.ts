import type { ChunkserverConfig } from '../config.ts';

/** What the master link needs to know from the configuration. */
export type LinkSettings = Pick<
  ChunkserverConfig,
  | 'masterHost'
  | 'masterPort'
  | 'bindHost'
  | 'masterTimeoutSeconds'
  | 'reconnectionDelaySeconds'
  | 'authCode'
  | 'labelMask'
  | 'chunksPerRegisterPacket'
  | 'listenHost'
  | 'listenPort'
>;

/** Whether a change between the two must be told by registering again (spec 30 §1.20). */
export function needsReconnect(before: LinkSettings, after: LinkSettings): boolean {
  const keys = [
    'masterHost',
    'masterPort',
    'bindHost',
    'masterTimeoutSeconds',
    'authCode',
    'listenHost',
    'listenPort',
  ] as const;
  return keys.some((key) => before[key] !== after[key]);
}
